"""How the sound of an encoded stream is mixed and kept in time: filters for any layout, any number of channels, any rate.

Three rules, since sound may change in the middle of a file (a broadcast goes from stereo to 5.1), and ffmpeg then builds the
whole graph anew:

* What a graph delivers never depends on the file: layout and rate are named in the graph.
* A mix names the channels that it takes. Those that are not there are silent, so one graph fits every layout with names.
* Nothing counts from the beginning of the graph. `first_pts` does, and is used only where it is needed (`timing_filter`).

`pan` takes layouts that ffmpeg has no name for, in all versions from 5.1 on; `-ac` and `aformat` do not.
"""

from collections.abc import Mapping, Sequence

from transcoded.plan.media.channel_layouts import KEPT_LAYOUTS, LOSSLESS_LAYOUTS, kind_of
from transcoded.plan.media.params import Downmix
from transcoded.plan.media.probe import AudioStream

RESYNC = 0.04
"""Seconds. Longer gaps in sound are filled with silence, and longer overlaps are cut. Viewers notice sound that is 45 ms early (ITU-R
BT.1359). A shorter limit cuts up sound whose time stamps are only imprecise, as those of recordings by browsers are: a limit of 20 ms did
if they were wrong by up to 15 ms."""

_HALF_POWER = 0.7071
_Gains = Mapping[str, float]

# What goes to the left, by ITU-R BS.775, table 2, and by the same rule from channels that it does not name. LFE is left out, as there.
_TO_LEFT: _Gains = {
    **dict.fromkeys(("FL", "DL", "FLC"), 1.0),
    **dict.fromkeys(("FC", "BL", "SL", "SDL", "WL", "TFL", "BFL"), _HALF_POWER),
    **dict.fromkeys(("BC", "TSL", "TBL", "TC", "TFC", "TBC", "BFC"), 0.5),
}
_MIDDLE = frozenset({"FC", "BC", "TC", "TFC", "TBC", "BFC"})


def _on_the_right(left: _Gains) -> _Gains:
    return {name if name in _MIDDLE else _mirrored(name): gain for name, gain in left.items()}


def _mirrored(name: str) -> str:
    """The name of the channel on the right: SL → SR, FLC → FRC."""
    at = name.rindex("L")
    return f"{name[:at]}R{name[at + 1 :]}"


_TO_RIGHT = _on_the_right(_TO_LEFT)
_TO_ONE: _Gains = {name: gain / 2 for name, gain in (*_TO_LEFT.items(), *_TO_RIGHT.items())} | {"FC": 1.0}
_TO_FRONT: _Gains = {
    "FL": 1.0,
    "DL": 1.0,
    "FLC": 1.0,
    "WL": _HALF_POWER,
    "TFL": _HALF_POWER,
    "BFL": _HALF_POWER,
    "TC": 0.5,
}
_TO_BACK: _Gains = {
    **dict.fromkeys(("BL", "SL", "SDL"), 1.0),
    **dict.fromkeys(("BC", "TBL", "TSL"), _HALF_POWER),
    "TBC": 0.5,
}
# A source with channels at the sides and behind: both go behind.
_TO_BACK_FROM_7_1: _Gains = {**_TO_BACK, "BL": _HALF_POWER, "SL": _HALF_POWER}

_FLOAT = "aformat=sample_fmts=fltp"
_ROOM = 0.95
"""The loudest sample of a mix: lossy codecs add a little to it."""

# From 24 dB below full scale on, a quarter of what is louder; all is raised by 12 dB.
_COMPRESSOR = "acompressor=threshold=0.063:ratio=4:attack=20:release=400:knee=6:makeup=4"


def output_channels(stream: AudioStream, most: int, wanted: int | None, *, lossless: bool) -> int:
    """How many channels the encoded sound has: 1, 2 or 6, or those of the source where all are kept.

    `most` are those that the encoder can have. `wanted` are those that were requested, which is a maximum; None: two, or with `lossless`
    those of the source.
    """
    most = min(most, wanted or (most if lossless else 2))
    kind = kind_of(stream)
    if stream.channels <= 2 or most < 6 or kind == "ambisonic" or (kind == "numbered" and stream.channels > 8):
        return min(stream.channels, most, 2)
    kept = lossless and stream.channels <= most and (kind == "numbered" or stream.channel_layout in KEPT_LAYOUTS)
    return stream.channels if kept else 6


def mix_filters(
    stream: AudioStream, channels: int, downmix: Downmix = "standard", *, lossless: bool = False
) -> Sequence[str]:
    """Filters that mix a source of any layout to `channels` channels, a number that `output_channels` gives for it.

    With `lossless`, sound that is not mixed is not changed.
    """
    kind, source = kind_of(stream), stream.channels
    # Channels without names get those of a layout with as many.
    named = kind == "named" or (kind == "numbered" and source <= len(LOSSLESS_LAYOUTS))
    label = [_by_number(source)] if kind == "numbered" and named else []
    plain = downmix == "standard" or (downmix == "dialogue" and source <= 2)
    if lossless and plain and channels == source and kind != "ambisonic":
        return (
            (f"aformat=channel_layouts={stream.channel_layout}",)
            if stream.channel_layout in KEPT_LAYOUTS
            else (_by_number(source),)
        )
    if kind == "ambisonic":
        mix = _from_sound_field(channels)
    elif named:
        mix = _from_names(channels, sides_and_back=source >= 7, dialogue=downmix != "standard" and source > 2)
    else:
        mix = _from_numbers(source, channels)
    limit = 1 if plain and source <= 2 else _ROOM
    return (*label, _FLOAT, mix, *([_COMPRESSOR] if downmix == "night" else []), _limiter(limit))


def timing_filter(sample_rate: int, *, from_zero: bool) -> str:
    """The filter that delivers `sample_rate` Hz, and keeps sound where its time stamps say.

    `from_zero`: silence precedes sound that begins late. That is for formats without time stamps. Should the layout of such a sound change
    in the middle, the silence comes again there.
    """
    return f"aresample={sample_rate}:async=1:min_hard_comp={RESYNC}{':first_pts=0' if from_zero else ''}"


def _limiter(limit: float) -> str:
    """Channels add up to more than full scale where they are alike. Only then it acts, within a millisecond; it adds no delay."""
    return f"alimiter=limit={limit}:attack=1:release=50:level=0:latency=1"


def _by_number(count: int) -> str:
    channels = "|".join(f"c{number}=c{number}" for number in range(count))
    return f"pan={LOSSLESS_LAYOUTS[count - 1]}|{channels}"


def _from_sound_field(channels: int) -> str:
    """Ambisonics: the first two components are the pressure, and left minus right. Their sums are two cardioids, to the left and to the right."""
    return "pan=stereo|FL=0.5*c0+0.5*c1|FR=0.5*c0-0.5*c1" if channels == 2 else "pan=mono|FC=c0"


def _from_numbers(source: int, channels: int) -> str:
    """Many channels of which nothing is known: those with even numbers to the left, those with odd ones to the right."""
    if channels == 1:
        return f"pan=mono|FC={_sum({f'c{number}': source**-0.5 for number in range(source)})}"
    sides = [range(first, source, 2) for first in (0, 1)]
    left, right = (_sum({f"c{number}": len(side) ** -0.5 for number in side}) for side in sides)
    return f"pan=stereo|FL={left}|FR={right}"


def _from_names(channels: int, *, sides_and_back: bool, dialogue: bool) -> str:
    if channels == 1:
        return f"pan=mono|FC={_sum(_TO_ONE)}"
    if channels == 2:
        layout, mix = "stereo", {"FL": _TO_LEFT, "FR": _TO_RIGHT}
    else:
        back = _TO_BACK_FROM_7_1 if sides_and_back else _TO_BACK
        layout = "5.1"
        mix = {
            "FL": _TO_FRONT,
            "FR": _on_the_right(_TO_FRONT),
            "FC": {"FC": 1.0, "TFC": _HALF_POWER, "BFC": _HALF_POWER},
            "LFE": {"LFE": 1.0},
            "BL": back,
            "BR": _on_the_right(back),
        }
    if dialogue:
        mix = {output: _raised(gains) for output, gains in mix.items()}
    return f"pan={layout}|{'|'.join(f'{output}={_sum(gains)}' for output, gains in mix.items())}"


def _raised(gains: _Gains) -> _Gains:
    """The centre up by 3 dB, everything else down by 3 dB: the whole stays about as loud."""
    return {name: gain / _HALF_POWER if name == "FC" else gain * _HALF_POWER for name, gain in gains.items()}


def _sum(gains: _Gains) -> str:
    return "+".join(name if gain == 1 else f"{gain:.4g}*{name}" for name, gain in gains.items())
