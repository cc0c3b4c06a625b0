"""What ffprobe writes as JSON (`argv.probe_argv`), and its texts as values.

ffprobe writes most numbers as strings and leaves out what it does not know, and files contain wrong values. So each field is optional
here, and is checked where it is used: it becomes a plausible value or None.
"""

import re
from collections.abc import Mapping
from fractions import Fraction
from math import isfinite

import msgspec

MAX_DURATION = 10 * 24 * 3600.0
"""Seconds. A longer duration is taken for a damaged file."""

MAX_TIME = 4e9
"""Seconds. The clock of a container may begin anywhere: some cameras write the seconds since 1970, or since 1904."""

MAX_TEXT = 1000
"""Characters of a title or a language that are kept: texts of the file, which can have any length."""


class SideData(msgspec.Struct):
    """What belongs to a stream or a frame and is no picture or sound."""

    side_data_type: str = ""
    rotation: float | int | None = None
    displaymatrix: str = ""
    crop_top: int = 0
    crop_bottom: int = 0
    crop_left: int = 0
    crop_right: int = 0
    dv_profile: int | None = None
    dv_level: int = 0
    dv_bl_signal_compatibility_id: int = 0
    max_content: int | None = None
    max_luminance: str = ""


class RawStream(msgspec.Struct):
    """A stream."""

    index: int = 0
    codec_type: str = ""
    codec_name: str = ""
    codec_tag_string: str = ""
    profile: str | int | None = None
    level: int | None = None
    pix_fmt: str | None = None
    width: int = 0
    height: int = 0
    avg_frame_rate: str = "0/0"
    r_frame_rate: str = "0/0"
    sample_aspect_ratio: str = "1:1"
    field_order: str = ""
    color_transfer: str | None = None
    color_primaries: str | None = None
    color_space: str | None = None
    color_range: str | None = None
    start_time: str = ""
    has_b_frames: int | None = None
    channels: int = 0
    channel_layout: str | None = None
    extradata_size: int = 0
    sample_rate: str = "0"
    bits_per_raw_sample: str = "0"
    bits_per_sample: int = 0
    bit_rate: str = "0"
    duration: str = ""
    nb_frames: str = "0"
    tags: dict[str, str] = {}
    disposition: dict[str, int] = {}
    side_data_list: list[SideData] = []


class Format(msgspec.Struct):
    """The file as a whole."""

    format_name: str = ""
    duration: str = ""
    start_time: str = ""
    bit_rate: str = "0"
    probe_score: int = 100
    tags: dict[str, str] = {}


class Packet(msgspec.Struct):
    """One of the first packets."""

    stream_index: int = -1
    pts_time: str = ""
    flags: str = ""
    size: str = ""


class StreamOfProgram(msgspec.Struct):
    """That a stream belongs to a programme."""

    index: int = -1


class Program(msgspec.Struct):
    """A programme of a broadcast."""

    program_id: int = 0
    streams: list[StreamOfProgram] = []


class RawChapter(msgspec.Struct):
    """A chapter."""

    start_time: str = ""
    end_time: str = ""
    tags: dict[str, str] = {}


class Probe(msgspec.Struct):
    """All of it."""

    streams: list[RawStream] = []
    packets: list[Packet] = []
    programs: list[Program] = []
    chapters: list[RawChapter] = []
    format: Format = msgspec.field(default_factory=Format)


class Frame(msgspec.Struct):
    """A decoded frame."""

    side_data_list: list[SideData] = []


class Frames(msgspec.Struct):
    """What the ffprobe of `argv.peak_argv` writes."""

    frames: list[Frame] = []


_CLOCK_TIME = re.compile(r"([0-9]{1,4}):([0-9]{1,2}):([0-9]{1,2}(?:\.[0-9]{1,9})?)")
_RATIO = re.compile(r"([0-9]{1,20})/([0-9]{1,20})")


def lower_tags(tags: Mapping[str, str]) -> Mapping[str, str]:
    """Tags by their names in lower case: containers differ in that."""
    return {name.lower(): value for name, value in tags.items()}


def seconds(text: str, *, signed: bool = False) -> float | None:
    """A length, at most `MAX_DURATION`; with `signed` a time on a clock, which can be negative."""
    try:
        value = float(text)
    except ValueError:
        return None
    if not isfinite(value) or abs(value) > (MAX_TIME if signed else MAX_DURATION) or (value <= 0 and not signed):
        return None
    return value


def clock_time(text: str) -> float | None:
    """Seconds from `HH:MM:SS.nnnnnnnnn`, as the tag DURATION of Matroska has it."""
    match = _CLOCK_TIME.fullmatch(text)
    return None if match is None else seconds(str(int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])))


def positive(text: str) -> int | None:
    """A whole number above 0; None for everything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 and int(text) else None


def fraction(text: str) -> Fraction | None:
    """A ratio such as `25/1`, above 0; None for everything else."""
    # Not every text that `Fraction` takes: it computes the power of ten in `1e999999999`.
    match = _RATIO.fullmatch(text)
    return Fraction(int(match[1]), int(match[2])) if match and int(match[1]) and int(match[2]) else None


def shortened(text: str | None) -> str | None:
    """At most `MAX_TEXT` characters of it."""
    return None if text is None else text[:MAX_TEXT]
