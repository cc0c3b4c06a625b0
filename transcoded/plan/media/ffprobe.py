"""From ffprobe's JSON (`-show_format -show_streams`) to a `Media`.

ffprobe writes most numbers as strings and leaves out what it does not know, and files contain wrong values. So each
field is optional here, and is checked once: it becomes a plausible value or None.
"""

import re
from collections.abc import Mapping
from fractions import Fraction
from math import isfinite
from typing import Literal

import msgspec

from transcoded.plan.errors import NotMedia
from transcoded.plan.media.codec_whitelist import PICTURES_THAT_ARE_NOT_DECODED
from transcoded.plan.media.probe import AudioStream, Media, SubtitleStream, VideoStream

MAX_DURATION = 10 * 24 * 3600.0
"""Seconds. A longer duration is taken for a damaged file."""

MIN_BYTES_PER_SECOND = 0.1
"""A file of fewer bytes per second of its length has a wrong length in its header, which is then taken for not known.

No real file is close to it. A second of the following has at least so many bytes: speech at 8 kbit/s 1,000; silence in Opus,
even if its encoder leaves packets out (DTX), 20; silence in FLAC, in frames of the largest size at 8 kHz, 1.7; a slideshow
of one H.264 frame a minute, all of which repeat the first, 0.5.
"""

MAX_STREAMS = 500
"""Streams of one file. Real files have a few dozen; a broadcast of a whole transponder has about 100."""

MAX_TEXT = 1000
"""Characters of a title or a language that are kept: texts of the file, which can have any length."""

MIN_SCORE = 5
"""ffprobe's `probe_score`, of 100. Below this, ffprobe has only seen a few bytes that could be the start of a format.
"""

TEXT_SUBTITLES = frozenset({"ass", "mov_text", "srt", "ssa", "subrip", "text", "webvtt"})
"""Codecs of subtitles that ffmpeg can convert to WebVTT."""


class _SideData(msgspec.Struct):
    rotation: float | int | None = None


class _Stream(msgspec.Struct):
    index: int = 0
    codec_type: str = ""
    codec_name: str = ""
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
    start_time: str = ""
    has_b_frames: int | None = None
    channels: int = 0
    extradata_size: int = 0
    sample_rate: str = "0"
    bits_per_raw_sample: str = "0"
    bits_per_sample: int = 0
    bit_rate: str = "0"
    duration: str = ""
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


class _Probe(msgspec.Struct):
    streams: list[_Stream] = []
    format: _Format = msgspec.field(default_factory=_Format)


_RATIO = re.compile(r"([0-9]{1,20})/([0-9]{1,20})")
_decoder = msgspec.json.Decoder(_Probe, strict=False)


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
    decoded = [(raw, stream) for raw in probe.streams if (stream := _video(raw)) is not None]
    video = tuple(stream for raw, stream in decoded if not _is_attached(raw))
    audio_raw = [raw for raw in probe.streams if raw.codec_type == "audio"]
    audio = tuple(found for position, raw in enumerate(audio_raw) if (found := _audio(raw, position)) is not None)
    subtitle_raw = [raw for raw in probe.streams if raw.codec_type == "subtitle"]
    if not probe.format.format_name or not (video or audio):
        raise NotMedia("The file has no video and no audio that can be decoded.")
    lengths = [_seconds(probe.format.duration), *(_seconds(raw.duration) for raw in probe.streams)]
    durations = [one for one in lengths if one]
    plausible = [one for one in durations if size >= one * MIN_BYTES_PER_SECOND]
    return Media(
        container=probe.format.format_name,
        duration=next(iter(plausible), None),
        size=size,
        video=video,
        audio=audio,
        subtitles=tuple(_subtitle(raw, position) for position, raw in enumerate(subtitle_raw)),
        start_time=_seconds(probe.format.start_time, negative=True) or 0.0,
        bit_rate=_positive(probe.format.bit_rate),
        cover=next((stream for raw, stream in decoded if _is_attached(raw)), None),
        claimed=None if durations[:1] == plausible[:1] else durations[0],
    )


def _is_attached(raw: _Stream) -> bool:
    """Whether this is a still image, such as a cover, and not video."""
    return bool(raw.disposition.get("attached_pic") or raw.disposition.get("timed_thumbnails"))


def _video(raw: _Stream) -> VideoStream | None:
    if raw.codec_type != "video" or not _known(raw.codec_name) or raw.width < 1 or raw.height < 1:
        return None
    rotations = (side.rotation for side in raw.side_data_list if side.rotation is not None)
    turned = next((rotation for rotation in rotations if abs(rotation) <= 360), 0)
    # ffprobe's degrees are counter-clockwise.
    rotation = round(-turned / 90) * 90 % 360
    sideways = rotation in {90, 270}
    sar = _fraction(raw.sample_aspect_ratio.replace(":", "/")) or Fraction(1)
    return VideoStream(
        index=raw.index,
        codec=raw.codec_name,
        width=raw.height if sideways else raw.width,
        height=raw.width if sideways else raw.height,
        profile=None if raw.profile is None else str(raw.profile),
        level=raw.level if raw.level and raw.level > 0 else None,
        pix_fmt=raw.pix_fmt,
        fps=_fraction(raw.avg_frame_rate) or _fraction(raw.r_frame_rate),
        bit_rate=_positive(raw.bit_rate) or _positive(raw.tags.get("BPS", "0")),
        rotation=rotation,
        interlaced=raw.field_order in {"tt", "bb", "tb", "bt"},
        sar=1 / sar if sideways else sar,
        transfer=raw.color_transfer,
        start_time=_seconds(raw.start_time, negative=True),
        reorder=raw.has_b_frames,
        default=bool(raw.disposition.get("default")),
        **_labels(raw),
    )


def _audio(raw: _Stream, position: int) -> AudioStream | None:
    sample_rate = _positive(raw.sample_rate)
    if not _known(raw.codec_name) or raw.channels < 1 or sample_rate is None:
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
        **_labels(raw),
    )


def _subtitle(raw: _Stream, position: int) -> SubtitleStream:
    return SubtitleStream(
        index=raw.index,
        position=position,
        codec=raw.codec_name or "unknown",
        text=raw.codec_name in TEXT_SUBTITLES,
        default=bool(raw.disposition.get("default")),
        forced=bool(raw.disposition.get("forced")),
        **_labels(raw),
    )


def _labels(raw: _Stream) -> dict[Literal["language", "title"], str | None]:
    tags: Mapping[str, str] = {name.lower(): value for name, value in raw.tags.items()}
    language = tags.get("language")
    return {"language": None if language == "und" else _cut(language), "title": _cut(tags.get("title"))}


def _cut(text: str | None) -> str | None:
    return None if text is None else text[:MAX_TEXT]


def _known(codec: str) -> bool:
    return codec not in {"", "none", "unknown"} and codec not in PICTURES_THAT_ARE_NOT_DECODED


def _seconds(text: str, *, negative: bool = False) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    if not isfinite(value) or abs(value) > MAX_DURATION or (value <= 0 and not negative):
        return None
    return value


def _positive(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 and int(text) else None


def _fraction(text: str) -> Fraction | None:
    # Not every text that `Fraction` takes: it computes the power of ten in `1e999999999`.
    match = _RATIO.fullmatch(text)
    return Fraction(int(match[1]), int(match[2])) if match and int(match[1]) and int(match[2]) else None
