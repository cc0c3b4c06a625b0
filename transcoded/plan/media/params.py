"""What a client may ask of a stream or of a picture of a film: the parameters, and their values as one frozen value."""

from fractions import Fraction
from typing import Literal, cast

import attrs

from transcoded.plan.http.parameters import Parameter, Values, matching, one_of, whole
from transcoded.plan.http.patterns import decimals, fraction_from

Mode = Literal["auto", "copy", "transcode"]

MAX_HOURS = 240
MAX_SECONDS = MAX_HOURS * 3600.0
LEAST_DURATION = Fraction(1, 1000)
"""Seconds."""

# [0-9] and not \d: Arabic and other digits are digits to Python, and no number to ffmpeg.
_PLACES = 9
_SECONDS = "[0-5]?[0-9](?:\\.[0-9]{0,9})?"
_MINUTES = "[0-5]?[0-9]"
_LAST_MOMENT = f"{MAX_HOURS}:0{{1,2}}:0{{1,2}}(?:\\.0{{0,9}})?"
_TIME = (
    decimals(Fraction(0), Fraction(int(MAX_SECONDS)), _PLACES, dot_alone=True),
    "\\.[0-9]{1,9}",
    f"(?:(?:[01]?[0-9]{{1,2}}|2[0-3][0-9]):)?{_MINUTES}:{_SECONDS}",
    _LAST_MOMENT,
)
_SOME_TIME = (
    decimals(LEAST_DURATION, Fraction(int(MAX_SECONDS)), _PLACES, dot_alone=True),
    f"\\.{fraction_from(LEAST_DURATION, _PLACES)}",
    # Some hours; no hours but some minutes; neither, but some seconds.
    f"(?:0{{0,2}}[1-9]|0?[1-9][0-9]|1[0-9][0-9]|2[0-3][0-9]):{_MINUTES}:{_SECONDS}",
    f"(?:0{{1,3}}:)?(?:0?[1-9]|[1-5][0-9]):{_SECONDS}",
    "(?:0{1,3}:)?0{1,2}:(?:0?[1-9]|[1-5][0-9])(?:\\.[0-9]{0,9})?",
    f"(?:0{{1,3}}:)?0{{1,2}}:0{{1,2}}\\.{fraction_from(LEAST_DURATION, _PLACES)}",
    _LAST_MOMENT,
)
_TIME_HINT = f"give seconds (83.5) or HH:MM:SS.mmm (00:01:23.500), at most {MAX_SECONDS:.0f} seconds"
_RATE_UNITS = {"": 1, "k": 1000, "m": 1_000_000}


@attrs.frozen
class StreamParams:
    """How a stream is wanted.

    `start` and `duration` in seconds, `height` in displayed pixel rows, bit rates in bits per second, `audio` an index
    among the file's audio streams. None means: as the file has it.
    """

    start: float = 0.0
    duration: float | None = None
    height: int | None = None
    video_bitrate: int | None = None
    audio_bitrate: int | None = None
    audio: int | None = None
    mode: Mode = "auto"


def seconds(text: str) -> float:
    """Seconds of a text that a parameter of time allows: `83.5`, `1:23.5` or `00:01:23.500`."""
    value = 0.0
    for part in text.split(":"):
        value = value * 60 + float(part)
    return value


def bits_per_second(text: str) -> int:
    """Bits per second of a text that a parameter of a rate allows: `2M`, `128k`, `96000`."""
    number = text.rstrip("kKmM")
    return round(float(number) * _RATE_UNITS[text[len(number) :].lower()])


def _bit_rate(name: str, least: int, most: int, meaning: str) -> Parameter[int | None]:
    """A parameter of bits per second."""
    units = (("", 1), ("[kK]", 1000), ("[mM]", 1_000_000))
    patterns = [f"{decimals(Fraction(least, unit), Fraction(most, unit), 6)}{letter}" for letter, unit in units]
    hint = f"give bits per second from {least} to {most}, such as 2M or 128k."
    return matching(name, patterns, hint, bits_per_second, None, meaning)


START: Parameter[float] = matching("start", _TIME, f"{_TIME_HINT}.", seconds, 0.0, "Where to begin.")
DURATION: Parameter[float | None] = matching(
    "duration",
    _SOME_TIME,
    f"{_TIME_HINT}, and at least 0.001 seconds.",
    seconds,
    None,
    "How much; without it, to the end.",
)
HEIGHT = whole("height", 16, 8640, None, "Rows of the picture; never more than the file has.")
VIDEO_BITRATE = _bit_rate("video_bitrate", 10_000, 500_000_000, "Bits per second of the picture.")
AUDIO_BITRATE = _bit_rate("audio_bitrate", 6_000, 2_000_000, "Bits per second of the sound.")
AUDIO = whole("audio", 0, 999, None, "Which audio stream, counted among audio streams.")
MODE = one_of("mode", ("auto", "copy", "transcode"), "auto", "Copy what fits; copy everything; transcode everything.")

STREAM_PARAMETERS = (START, DURATION, HEIGHT, VIDEO_BITRATE, AUDIO_BITRATE, AUDIO, MODE)

TIME: Parameter[float | None] = matching("time", _TIME, f"{_TIME_HINT}.", seconds, None, "Where the picture is taken.")
WIDTH = whole("width", 16, 3840, 320, "Columns of the picture; never more than the file has.")


def stream_params(values: Values) -> StreamParams:
    """The parameters of a stream route."""
    return StreamParams(
        start=values[START],
        duration=values[DURATION],
        height=values[HEIGHT],
        video_bitrate=values[VIDEO_BITRATE],
        audio_bitrate=values[AUDIO_BITRATE],
        audio=values[AUDIO],
        mode=cast(Mode, values[MODE]),
    )
