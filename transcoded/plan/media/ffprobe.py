"""From ffprobe's JSON (`argv.probe_argv`) to a `Media`.

ffprobe writes most numbers as strings and leaves out what it does not know, and files contain wrong values. So each
field is optional here, and is checked once: it becomes a plausible value or None.
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from math import isfinite
from typing import Literal

import attrs
import msgspec

from transcoded.plan.errors import NotMedia
from transcoded.plan.media.codec_whitelist import PICTURES_THAT_ARE_NOT_DECODED
from transcoded.plan.media.orientation import UPRIGHT, Orientation, orientation_of
from transcoded.plan.media.probe import (
    Attachment,
    AudioStream,
    Chapter,
    Crop,
    DolbyVision,
    EmbeddedCover,
    Media,
    SubtitleStream,
    VideoStream,
)
from transcoded.plan.media.tags import Tags, carried_tags
from transcoded.plan.media.timeline.length import is_estimate, is_plausible

MAX_DURATION = 10 * 24 * 3600.0
"""Seconds. A longer duration is taken for a damaged file."""

MAX_STREAMS = 500
"""Streams of one file. Real files have a few dozen; a broadcast of a whole transponder has about 100."""

_CLOCK_FROM_ZERO = frozenset({"mov", "matroska", "webm", "flv"})
"""Demuxers that take the duration from a header in which it counts from 0, wherever the first packet is."""

_LATE = 1.0
"""Seconds. Muxers do not agree on the duration of a file whose first packet is later than this."""

RUN_UP = 4
"""Packets that a decoder of audio needs before the first that is heard. They are hidden in every file."""

MAX_CHAPTERS = 2000
"""Chapters of one file that are kept. An audio book has a few hundred."""

MAX_CHANNELS = 64
"""Channels of audio that ffmpeg can mix (SWR_CH_MAX of its resampler). A stream with more is left out, like one that cannot be decoded."""

MAX_TIME = 4e9
"""Seconds. The clock of a container may begin anywhere: some cameras write the seconds since 1970, or since 1904."""

MAX_TEXT = 1000
"""Characters of a title or a language that are kept: texts of the file, which can have any length."""

MIN_SCORE = 5
"""ffprobe's `probe_score`, of 100. Below this, ffprobe has only seen a few bytes that could be the start of a format.
"""

TEXT_SUBTITLES = frozenset({"ass", "mov_text", "srt", "ssa", "subrip", "text", "webvtt"})
"""Codecs of subtitles that ffmpeg can convert to WebVTT."""


class _SideData(msgspec.Struct):
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


class _Stream(msgspec.Struct):
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
    side_data_list: list[_SideData] = []


class _Format(msgspec.Struct):
    format_name: str = ""
    duration: str = ""
    start_time: str = ""
    bit_rate: str = "0"
    probe_score: int = 100
    tags: dict[str, str] = {}


class _Packet(msgspec.Struct):
    stream_index: int = -1
    flags: str = ""
    size: str = ""


class _StreamOfProgram(msgspec.Struct):
    index: int = -1


class _Program(msgspec.Struct):
    program_id: int = 0
    streams: list[_StreamOfProgram] = []


class _Chapter(msgspec.Struct):
    start_time: str = ""
    end_time: str = ""
    tags: dict[str, str] = {}


class _Probe(msgspec.Struct):
    streams: list[_Stream] = []
    packets: list[_Packet] = []
    programs: list[_Program] = []
    chapters: list[_Chapter] = []
    format: _Format = msgspec.field(default_factory=_Format)


class _Frame(msgspec.Struct):
    side_data_list: list[_SideData] = []


class _Frames(msgspec.Struct):
    frames: list[_Frame] = []


_CLOCK_TIME = re.compile(r"([0-9]{1,4}):([0-9]{1,2}):([0-9]{1,2}(?:\.[0-9]{1,9})?)")
_COMMENTARY = re.compile(r"(?<!no )(?<!without )\bcommentary\b", re.IGNORECASE)
_DESCRIPTIVE = re.compile(
    r"\b(audio description|descriptive|described video|audiodescription|hörfilm)\b", re.IGNORECASE
)
_RATIO = re.compile(r"([0-9]{1,20})/([0-9]{1,20})")
_decoder = msgspec.json.Decoder(_Probe, strict=False)
_frames_decoder = msgspec.json.Decoder(_Frames, strict=False)


def decode(output: bytes, size: int) -> Media:
    """Decode ffprobe's JSON about a file of `size` bytes.

    Raises `NotMedia` if the output is not JSON, names no container, has no video and no audio that can be decoded, or has more
    than `MAX_STREAMS` streams.
    """
    try:
        # Tags can contain any bytes. A title with broken characters must not make the file unplayable.
        probe = _decoder.decode(output.decode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError):
        raise NotMedia("The file cannot be read as media: ffprobe's description of it is not valid.") from None
    if probe.format.probe_score < MIN_SCORE:
        raise NotMedia("The file does not look like media: ffprobe could only guess its format.")
    if len(probe.streams) > MAX_STREAMS:
        raise NotMedia(f"The file has {len(probe.streams):,} streams, and at most {MAX_STREAMS} are possible.")
    programs = _programs(probe.programs)
    hidden = Counter(packet.stream_index for packet in probe.packets if "D" in packet.flags)
    seen = {packet.stream_index for packet in probe.packets}
    decoded = [
        (raw, stream)
        for raw in probe.streams
        if (stream := _video(raw, programs, edited=raw.index in hidden)) is not None
    ]
    video = tuple(stream for raw, stream in decoded if not _is_attached(raw))
    audio_raw = [raw for raw in probe.streams if raw.codec_type == "audio"]
    audio = tuple(
        found
        for position, raw in enumerate(audio_raw)
        if (found := _audio(raw, position, programs, seen, edited=hidden[raw.index] > RUN_UP)) is not None
    )
    subtitle_raw = [raw for raw in probe.streams if raw.codec_type == "subtitle"]
    attachment_raw = [raw for raw in probe.streams if raw.codec_type == "attachment"]
    start_time = _seconds(probe.format.start_time, signed=True) or 0.0
    if not probe.format.format_name or not (video or audio):
        raise NotMedia("The file has no video and no audio that can be decoded.")
    durations = _durations(probe, start_time)
    plausible = [one for one in durations if is_plausible(one, size)]
    return Media(
        container=probe.format.format_name,
        duration=next(iter(plausible), None),
        duration_estimated=bool(plausible) and _is_doubtful(probe, start_time),
        size=size,
        video=video,
        audio=audio,
        subtitles=tuple(_subtitle(raw, position, programs) for position, raw in enumerate(subtitle_raw)),
        start_time=start_time,
        bit_rate=_positive(probe.format.bit_rate),
        cover=next((stream for raw, stream in decoded if _is_attached(raw)), None),
        embedded_cover=_embedded_cover(probe),
        tags=_carried(probe),
        claimed=None if durations[:1] == plausible[:1] else durations[0],
        chapters=_chapters(probe.chapters, start_time),
        attachments=tuple(_attachment(raw, position) for position, raw in enumerate(attachment_raw)),
        unseen=sum(_is_unseen(raw) for raw in probe.streams),
    )


def _durations(probe: _Probe, start_time: float) -> list[float]:
    """The lengths that the file tells, in seconds: its own, and those of its streams."""
    # In these, what is called a duration is the time of the end on the container's clock.
    counts_from_zero = start_time > 0 and not _CLOCK_FROM_ZERO.isdisjoint(probe.format.format_name.split(","))
    zero = start_time if counts_from_zero else 0.0
    ends = [_seconds(text, signed=True) for text in (probe.format.duration, *(raw.duration for raw in probe.streams))]
    lengths = [end - zero if end > zero else end for end in ends if end is not None and end > 0]
    return [length for length in lengths if length <= MAX_DURATION]


def _is_doubtful(probe: _Probe, start_time: float) -> bool:
    """Whether the length is only an estimate of ffprobe's, or means another thing in different files."""
    names = probe.format.format_name.split(",")
    if is_estimate(probe.format.format_name):
        return True
    timed = [raw for raw in probe.streams if raw.codec_type in {"audio", "video"} and not _is_attached(raw)]
    # Only the header of an MP4 that is not fragmented has the number of frames.
    fragmented = "mov" in names and any(raw.nb_frames in {"", "0", "N/A"} for raw in timed)
    return fragmented or (start_time > _LATE and not _CLOCK_FROM_ZERO.isdisjoint(names))


def _embedded_cover(probe: _Probe) -> EmbeddedCover | None:
    """The first attached image, if it is among the first packets, which have its size."""
    attached = next((raw for raw in probe.streams if raw.codec_type == "video" and _is_attached(raw)), None)
    if attached is None:
        return None
    sizes = (_positive(packet.size) for packet in probe.packets if packet.stream_index == attached.index)
    size = next(sizes, None)
    return None if size is None else EmbeddedCover(attached.index, attached.codec_name, size)


def _carried(probe: _Probe) -> Tags:
    # Ogg has the tags of the whole file in its streams.
    streams = (
        [raw.tags for raw in probe.streams if raw.codec_type == "audio"] if probe.format.format_name == "ogg" else []
    )
    return carried_tags(probe.format.tags, *streams[:1])


def _is_attached(raw: _Stream) -> bool:
    """Whether this is a still image, such as a cover, and not video."""
    return bool(raw.disposition.get("attached_pic") or raw.disposition.get("timed_thumbnails"))


def _is_unseen(raw: _Stream) -> bool:
    """Whether the container names a codec, and no packet has told more of the stream yet."""
    if not _known(raw.codec_name) or _is_attached(raw):
        return False
    return (raw.codec_type == "audio" and raw.channels < 1) or (raw.codec_type == "video" and raw.width < 1)


def _programs(found: list[_Program]) -> Mapping[int, int]:
    """The programme of each stream, by its index; empty if the file has only one."""
    if len([one for one in found if one.streams]) < 2:
        return {}
    # A stream that belongs to several has the first of them.
    return {stream.index: one.program_id for one in reversed(found) for stream in one.streams}


def _video(raw: _Stream, programs: Mapping[int, int], *, edited: bool) -> VideoStream | None:
    if raw.codec_type != "video" or not _known(raw.codec_name):
        return None
    if raw.width < 1 or raw.height < 1:
        # An ffprobe without zlib knows no more of a cover that is PNG.
        return VideoStream(raw.index, raw.codec_name, 0, 0) if _is_attached(raw) else None
    orientation = _orientation(raw)
    crop = _crop(raw)
    width, height = raw.width - crop.left - crop.right, raw.height - crop.top - crop.bottom
    sar = _fraction(raw.sample_aspect_ratio.replace(":", "/")) or Fraction(1)
    return VideoStream(
        index=raw.index,
        codec=raw.codec_name,
        width=height if orientation.sideways else width,
        height=width if orientation.sideways else height,
        profile=None if raw.profile is None else str(raw.profile),
        level=raw.level if raw.level and raw.level > 0 else None,
        pix_fmt=raw.pix_fmt,
        fps=_fraction(raw.avg_frame_rate) or _fraction(raw.r_frame_rate),
        bit_rate=_positive(raw.bit_rate) or _positive(raw.tags.get("BPS", "0")),
        rotation=orientation.rotation,
        mirrored=orientation.mirrored,
        field_order=raw.field_order if raw.field_order not in {"", "unknown"} else None,
        sar=1 / sar if orientation.sideways else sar,
        transfer=_color(raw.color_transfer),
        primaries=_color(raw.color_primaries),
        matrix=_color(raw.color_space),
        color_range=_color(raw.color_range),
        dolby_vision=_dolby_vision(raw),
        peak=_peak(raw.side_data_list),
        start_time=_seconds(raw.start_time, signed=True),
        duration=_seconds(raw.duration),
        reorder=raw.has_b_frames,
        default=bool(raw.disposition.get("default")),
        tag=raw.codec_tag_string if raw.codec_tag_string.isascii() and raw.codec_tag_string.isalnum() else None,
        timing_rate=_fraction(raw.r_frame_rate),
        coded_width=raw.width,
        coded_height=raw.height,
        crop=crop,
        edited=edited,
        program=programs.get(raw.index),
        **_labels(raw),
    )


def _orientation(raw: _Stream) -> Orientation:
    """How the frames are shown: from the display matrix, or from the angle alone if the matrix is not there."""
    for side in raw.side_data_list:
        if side.displaymatrix:
            return orientation_of(side.displaymatrix)
    rotations = (side.rotation for side in raw.side_data_list if side.rotation is not None)
    turned = next((rotation for rotation in rotations if abs(rotation) <= 360), None)
    # ffprobe's degrees are counter-clockwise.
    return UPRIGHT if turned is None else Orientation(round(-turned / 90) * 90 % 360)


def _crop(raw: _Stream) -> Crop:
    """What the container cuts off. A crop that leaves nothing is none."""
    for side in raw.side_data_list:
        crop = Crop(side.crop_top, side.crop_bottom, side.crop_left, side.crop_right)
        if crop == Crop():
            continue
        sides = attrs.astuple(crop)
        if min(sides) >= 0 and crop.left + crop.right < raw.width and crop.top + crop.bottom < raw.height:
            return crop
    return Crop()


def decode_peak(output: bytes) -> float | None:
    """The brightest luminance in cd/m² that the first frames of a video state (`peak_argv`); None: they do not."""
    try:
        found = _frames_decoder.decode(output.decode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError):
        return None
    return next((peak for frame in found.frames if (peak := _peak(frame.side_data_list)) is not None), None)


def _dolby_vision(raw: _Stream) -> DolbyVision | None:
    found = next((side for side in raw.side_data_list if side.dv_profile is not None), None)
    if found is None or found.dv_profile is None:
        return None
    return DolbyVision(found.dv_profile, found.dv_level, found.dv_bl_signal_compatibility_id)


def _peak(sides: Sequence[_SideData]) -> float | None:
    """The brightest luminance in cd/m²: of the content (MaxCLL), else of the display that it was made on."""
    content = next((side.max_content for side in sides if side.max_content), None)
    if content is not None:
        return float(content) if 0 < content <= 10_000 else None
    mastering = next((_fraction(side.max_luminance) for side in sides if side.max_luminance), None)
    return float(mastering) if mastering is not None and 1 <= mastering <= 10_000 else None


def _color(text: str | None) -> str | None:
    return None if text in {"", "unknown", "reserved"} else text


def _audio(
    raw: _Stream, position: int, programs: Mapping[int, int], seen: Collection[int], *, edited: bool
) -> AudioStream | None:
    sample_rate = _positive(raw.sample_rate)
    if not _known(raw.codec_name) or not 1 <= raw.channels <= MAX_CHANNELS or sample_rate is None:
        return None
    return AudioStream(
        index=raw.index,
        position=position,
        codec=raw.codec_name,
        channels=raw.channels,
        sample_rate=sample_rate,
        profile=None if raw.profile is None else str(raw.profile),
        bit_rate=_positive(raw.bit_rate) or _positive(raw.tags.get("BPS", "0")),
        bits_per_sample=_positive(raw.bits_per_raw_sample) or raw.bits_per_sample or None,
        described=raw.codec_name != "aac" or raw.extradata_size > 0,
        default=bool(raw.disposition.get("default")),
        tag=raw.codec_tag_string if raw.codec_tag_string.isascii() and raw.codec_tag_string.isalnum() else None,
        channel_layout=None if raw.channel_layout in {"", "unknown"} else raw.channel_layout,
        start_time=_seconds(raw.start_time, signed=True),
        duration=_seconds(raw.duration) or _clock_time(raw.tags.get("DURATION", "")),
        program=programs.get(raw.index),
        # A file whose packets were not asked for tells nothing of them.
        seen=not seen or raw.index in seen,
        edited=edited,
        descriptive=_says(raw, ("visual_impaired", "descriptions"), _DESCRIPTIVE),
        commentary=_says(raw, ("comment",), _COMMENTARY),
        **_labels(raw),
    )


def _subtitle(raw: _Stream, position: int, programs: Mapping[int, int]) -> SubtitleStream:
    return SubtitleStream(
        index=raw.index,
        position=position,
        codec=raw.codec_name or "unknown",
        text=raw.codec_name in TEXT_SUBTITLES,
        default=bool(raw.disposition.get("default")),
        forced=bool(raw.disposition.get("forced")),
        hearing_impaired=bool(raw.disposition.get("hearing_impaired")),
        width=max(0, raw.width),
        height=max(0, raw.height),
        program=programs.get(raw.index),
        **_labels(raw),
    )


def _says(raw: _Stream, flags: Sequence[str], words: re.Pattern[str]) -> bool:
    """Whether one of these flags is set, or the title has such words: many files have no flags."""
    return any(raw.disposition.get(flag) for flag in flags) or bool(
        words.search(_tags(raw.tags).get("title", "")[:MAX_TEXT])
    )


def _attachment(raw: _Stream, position: int) -> Attachment:
    tags = _tags(raw.tags)
    return Attachment(
        index=raw.index,
        position=position,
        filename=_cut(tags.get("filename")),
        mimetype=_cut(tags.get("mimetype")),
        codec=raw.codec_name or None,
        size=raw.extradata_size or None,
    )


def _chapters(found: list[_Chapter], zero: float) -> tuple[Chapter, ...]:
    """The chapters in order; their times count from the start of the container. What has no length is left out."""
    chapters = []
    for raw in found[:MAX_CHAPTERS]:
        start, end = _seconds(raw.start_time, signed=True), _seconds(raw.end_time, signed=True)
        if start is not None and end is not None and end > max(start, zero):
            chapters.append(Chapter(max(0.0, start - zero), end - zero, _cut(_tags(raw.tags).get("title"))))
    return tuple(sorted(chapters, key=lambda one: one.start))


def _labels(raw: _Stream) -> dict[Literal["language", "title"], str | None]:
    tags = _tags(raw.tags)
    language = tags.get("language")
    return {"language": None if language == "und" else _cut(language), "title": _cut(tags.get("title"))}


def _tags(tags: Mapping[str, str]) -> Mapping[str, str]:
    return {name.lower(): value for name, value in tags.items()}


def _cut(text: str | None) -> str | None:
    return None if text is None else text[:MAX_TEXT]


def _known(codec: str) -> bool:
    return codec not in {"", "none", "unknown"} and codec not in PICTURES_THAT_ARE_NOT_DECODED


def _seconds(text: str, *, signed: bool = False) -> float | None:
    """A length, at most `MAX_DURATION`; with `signed` a time on a clock, which can be negative."""
    try:
        value = float(text)
    except ValueError:
        return None
    if not isfinite(value) or abs(value) > (MAX_TIME if signed else MAX_DURATION) or (value <= 0 and not signed):
        return None
    return value


def _clock_time(text: str) -> float | None:
    """Seconds from `HH:MM:SS.nnnnnnnnn`, as the tag DURATION of Matroska has it."""
    match = _CLOCK_TIME.fullmatch(text)
    return None if match is None else _seconds(str(int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])))


def _positive(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 and int(text) else None


def _fraction(text: str) -> Fraction | None:
    # Not every text that `Fraction` takes: it computes the power of ten in `1e999999999`.
    match = _RATIO.fullmatch(text)
    return Fraction(int(match[1]), int(match[2])) if match and int(match[1]) and int(match[2]) else None
