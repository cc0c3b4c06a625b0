"""All that is tried with an ffmpeg, and what its capabilities are after that."""

from collections.abc import Mapping, Sequence

from transcoded.plan.media.attempts import Run
from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.codec_trials import Claims, Sample, decoder_attempts, encoder_attempts
from transcoded.plan.media.engine_trials import concluded_engines, engine_attempts, hardware_encoders
from transcoded.plan.media.filter_trials import (
    TONE_MAPPERS,
    burn_in_attempts,
    concluded_tone_mapping,
    filter_attempts,
    option_attempts,
    tone_mapping_attempts,
)

TRIALS = 4
"""The number of this set of trials. Count it up when an attempt changes, so that what was remembered of the last set is forgotten."""

Devices = Mapping[str, Sequence[str]]
"""The paths of the devices of this machine, by the name of the engine."""


def attempts(claims: Claims, samples: Sequence[Sample]) -> Sequence[Run]:
    """What is tried where files are transcoded: in the sandbox, if there is one. What is needed most comes first."""
    return [
        *decoder_attempts(claims, samples),
        *encoder_attempts(claims),
        *filter_attempts(claims),
        *option_attempts(),
        *burn_in_attempts(claims, samples),
        *tone_mapping_attempts(claims),
    ]


def hardware_attempts(claims: Claims, samples: Sequence[Sample], devices: Devices) -> Sequence[Run]:
    """What is tried with the devices."""
    return engine_attempts(claims, samples, devices)


def conclude(
    version: str,
    proven: frozenset[str],
    problems: Mapping[str, str],
    devices: Devices,
    free: frozenset[str] = frozenset(),
) -> Capabilities:
    """The capabilities, from the subjects that were proven and what went wrong with the others. `free` are the engines that do not work in the sandbox."""
    tone_mapping = concluded_tone_mapping(proven)
    mappers = [needed for way, needed in TONE_MAPPERS.items() if f"tone_mapping/{way}" in proven]
    return Capabilities(
        version=version,
        decoders=_names(proven, "decoders"),
        encoders=_names(proven, "encoders") | hardware_encoders(proven),
        filters=_names(proven, "filters").union(*mappers),
        engines=concluded_engines(proven, problems, devices, free),
        tone_mapping=tone_mapping,
        # `ass` reads a file with its times as they are; `subtitles` reads every format.
        burns_in_text=bool({"filters/ass", "filters/subtitles"} & proven),
        burns_in_bitmap="burns_in/bitmap" in proven,
        input_options=_names(proven, "input_options"),
    )


def _names(proven: frozenset[str], kind: str) -> frozenset[str]:
    return frozenset(name for group, _, name in (subject.partition("/") for subject in proven) if group == kind)
