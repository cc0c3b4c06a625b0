"""What a client may ask of a stream, parsed and checked: query parameters in, one frozen value or `BadParameter` out."""

import re
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Literal, TypeVar

import attrs

from transcoded.plan.errors import BadParameter

T = TypeVar("T")
Mode = Literal["auto", "copy", "transcode"]

MAX_SECONDS = 864_000.0

# [0-9] and not \d: Arabic and other digits are digits to Python, and no number to ffmpeg.
_SECONDS = re.compile(r"[0-9]{1,7}(?:\.[0-9]{0,9})?|\.[0-9]{1,9}")
_CLOCK = re.compile(r"(?:([0-9]{1,3}):)?([0-5]?[0-9]):([0-5]?[0-9](?:\.[0-9]{0,9})?)")
_WHOLE = re.compile(r"[0-9]{1,9}")
_BIT_RATE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)([kKmM]?)")


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


def stream_params(query: Mapping[str, Sequence[str]]) -> StreamParams:
    """Parse the query of a stream route.

    Raises `BadParameter` for an unknown or repeated parameter and for a value that is not allowed.
    """
    values = single(query, [field.name for field in attrs.fields(StreamParams)])
    read = Reader(values)
    return StreamParams(
        start=read.value("start", time, 0.0),
        duration=read.value("duration", positive_time, None),
        height=read.value("height", whole(16, 8640), None),
        video_bitrate=read.value("video_bitrate", bit_rate(10_000, 500_000_000), None),
        audio_bitrate=read.value("audio_bitrate", bit_rate(6_000, 2_000_000), None),
        audio=read.value("audio", whole(0, 999), None),
        mode=read.value("mode", _mode, "auto"),
    )


def single(query: Mapping[str, Sequence[str]], allowed: Sequence[str]) -> dict[str, str]:
    """The query as a plain dict; raises `BadParameter` for a name that is not allowed and for one that comes twice."""
    for name, values in query.items():
        if name not in allowed:
            what = f"allowed here: {', '.join(allowed)}." if allowed else "no parameters are allowed here."
            raise BadParameter(shown(name), f"unknown parameter; {what}")
        if len(values) != 1:
            raise BadParameter(name, f"given {len(values)} times; allowed once.")
    return {name: values[0] for name, values in query.items()}


def shown(value: str) -> str:
    """A client's text as it may stand in a message: short, and without characters that cannot be seen."""
    return "".join(c if c.isprintable() else "�" for c in value[:60]) + ("…" if len(value) > 60 else "")


@attrs.frozen
class Reader:
    """Reads one value after the other and names the parameter in every complaint."""

    values: Mapping[str, str]

    def value(self, name: str, parse: Callable[[str], T], default: T) -> T:
        """The parsed value, or the default where the parameter is absent; raises `BadParameter`."""
        if name not in self.values:
            return default
        try:
            return parse(self.values[name])
        except ValueError as error:
            raise BadParameter(name, f"{shown(self.values[name])!r} is not allowed; {error}") from None


def time(text: str) -> float:
    """Seconds (`83.5`) or a clock time (`1:23.5`, `00:01:23.500`), from 0 to ten days; raises ValueError."""
    if _SECONDS.fullmatch(text):
        seconds = float(text)
    elif match := _CLOCK.fullmatch(text):
        seconds = int(match[1] or 0) * 3600 + int(match[2]) * 60 + float(match[3])
    else:
        raise ValueError("give seconds (83.5) or HH:MM:SS.mmm (00:01:23.500), not negative.")
    if not isfinite(seconds) or seconds > MAX_SECONDS:
        raise ValueError(f"the most is {MAX_SECONDS:.0f} seconds.")
    return seconds


def positive_time(text: str) -> float:
    """Like `time`, but more than nothing."""
    seconds = time(text)
    if seconds < 0.001:
        raise ValueError("give at least 0.001 seconds.")
    return seconds


def whole(least: int, most: int) -> Callable[[str], int]:
    """A parser of decimal whole numbers from `least` to `most`."""

    def parse(text: str) -> int:
        if not _WHOLE.fullmatch(text) or not least <= int(text) <= most:
            raise ValueError(f"give a whole number from {least} to {most}.")
        return int(text)

    return parse


def bit_rate(least: int, most: int) -> Callable[[str], int]:
    """A parser of bit rates (`2M`, `128k`, `96000`) from `least` to `most` bits per second."""

    def parse(text: str) -> int:
        match = _BIT_RATE.fullmatch(text)
        value = round(float(match[1]) * {"": 1, "k": 1000, "m": 1_000_000}[match[2].lower()]) if match else 0
        if not least <= value <= most:
            raise ValueError(f"give bits per second from {least} to {most}, such as 2M or 128k.")
        return value

    return parse


def _mode(text: str) -> Mode:
    match text:
        case "auto" | "copy" | "transcode":
            return text
        case _:
            raise ValueError("give auto, copy or transcode.")
