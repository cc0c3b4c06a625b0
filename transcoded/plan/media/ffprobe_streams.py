"""From ffprobe's description of a stream to what is known of it: a `VideoStream`, an `AudioStream`, and so on."""

import re
from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Literal

import attrs

from transcoded.plan.media.codec_whitelist import PICTURES_THAT_ARE_NOT_DECODED
from transcoded.plan.media.ffprobe_output import (
    MAX_TEXT,
    RawStream,
    SideData,
    clock_time,
    fraction,
    lower_tags,
    positive,
    seconds,
    shortened,
)
from transcoded.plan.media.orientation import UPRIGHT, Orientation, orientation_of
from transcoded.plan.media.probe import Attachment, AudioStream, Crop, DolbyVision, SubtitleStream, VideoStream

MAX_CHANNELS = 64
"""Channels of audio that ffmpeg can mix (SWR_CH_MAX of its resampler). A stream with more is left out, like one that cannot be decoded."""

TEXT_SUBTITLES = frozenset({"ass", "mov_text", "srt", "ssa", "subrip", "text", "webvtt"})
"""Codecs of subtitles that ffmpeg can convert to WebVTT."""


_COMMENTARY = re.compile(r"(?<!no )(?<!without )\bcommentary\b", re.IGNORECASE)
_DESCRIPTIVE = re.compile(
    r"\b(audio description|descriptive|described video|audiodescription|hörfilm)\b", re.IGNORECASE
)


def video_of(raw: RawStream, programs: Mapping[int, int], *, edited: bool) -> VideoStream | None:
    """The video stream; None if it is none, or none that can be decoded. `programs` are by the index of a stream. `edited`: the first packets are hidden."""
    if raw.codec_type != "video" or not is_known(raw.codec_name):
        return None
    if raw.width < 1 or raw.height < 1:
        # An ffprobe without zlib knows no more of a cover that is PNG.
        return VideoStream(raw.index, raw.codec_name, 0, 0) if is_attached(raw) else None
    orientation = _orientation(raw)
    crop = _crop(raw)
    width, height = raw.width - crop.left - crop.right, raw.height - crop.top - crop.bottom
    sar = fraction(raw.sample_aspect_ratio.replace(":", "/")) or Fraction(1)
    return VideoStream(
        index=raw.index,
        codec=raw.codec_name,
        width=height if orientation.sideways else width,
        height=width if orientation.sideways else height,
        profile=None if raw.profile is None else str(raw.profile),
        level=raw.level if raw.level and raw.level > 0 else None,
        pix_fmt=raw.pix_fmt,
        fps=fraction(raw.avg_frame_rate) or fraction(raw.r_frame_rate),
        bit_rate=positive(raw.bit_rate) or positive(raw.tags.get("BPS", "0")),
        rotation=orientation.rotation,
        mirrored=orientation.mirrored,
        field_order=raw.field_order if raw.field_order not in {"", "unknown"} else None,
        sar=1 / sar if orientation.sideways else sar,
        transfer=_color(raw.color_transfer),
        primaries=_color(raw.color_primaries),
        matrix=_color(raw.color_space),
        color_range=_color(raw.color_range),
        dolby_vision=_dolby_vision(raw),
        peak=peak_of(raw.side_data_list),
        start_time=seconds(raw.start_time, signed=True),
        duration=seconds(raw.duration),
        reorder=raw.has_b_frames,
        default=bool(raw.disposition.get("default")),
        tag=raw.codec_tag_string if raw.codec_tag_string.isascii() and raw.codec_tag_string.isalnum() else None,
        timing_rate=fraction(raw.r_frame_rate),
        coded_width=raw.width,
        coded_height=raw.height,
        crop=crop,
        edited=edited,
        program=programs.get(raw.index),
        **_labels(raw),
    )


def _orientation(raw: RawStream) -> Orientation:
    """How the frames are shown: from the display matrix, or from the angle alone if the matrix is not there."""
    for side in raw.side_data_list:
        if side.displaymatrix:
            return orientation_of(side.displaymatrix)
    rotations = (side.rotation for side in raw.side_data_list if side.rotation is not None)
    turned = next((rotation for rotation in rotations if abs(rotation) <= 360), None)
    # ffprobe's degrees are counter-clockwise.
    return UPRIGHT if turned is None else Orientation(round(-turned / 90) * 90 % 360)


def _crop(raw: RawStream) -> Crop:
    """What the container cuts off. A crop that leaves nothing is none."""
    for side in raw.side_data_list:
        crop = Crop(side.crop_top, side.crop_bottom, side.crop_left, side.crop_right)
        if crop == Crop():
            continue
        sides = attrs.astuple(crop)
        if min(sides) >= 0 and crop.left + crop.right < raw.width and crop.top + crop.bottom < raw.height:
            return crop
    return Crop()


def _dolby_vision(raw: RawStream) -> DolbyVision | None:
    found = next((side for side in raw.side_data_list if side.dv_profile is not None), None)
    if found is None or found.dv_profile is None:
        return None
    return DolbyVision(found.dv_profile, found.dv_level, found.dv_bl_signal_compatibility_id)


def peak_of(sides: Sequence[SideData]) -> float | None:
    """The brightest luminance in cd/m²: of the content (MaxCLL), else of the display that it was made on."""
    content = next((side.max_content for side in sides if side.max_content), None)
    if content is not None:
        return float(content) if 0 < content <= 10_000 else None
    mastering = next((fraction(side.max_luminance) for side in sides if side.max_luminance), None)
    return float(mastering) if mastering is not None and 1 <= mastering <= 10_000 else None


def _color(text: str | None) -> str | None:
    return None if text in {"", "unknown", "reserved"} else text


_FRAMES: Mapping[str, Sequence[int]] = {
    "aac": (1024, 2048),
    "ac3": (1536,),
    "eac3": (256, 512, 768, 1536),
    "flac": (192, 256, 512, 576, 1024, 1152, 2048, 2304, 4096, 4608, 8192, 16_384),
    "opus": (120, 240, 480, 960, 1920, 2880),
}
"""Samples of the frames that encoders write."""
_FEW_PACKETS = 5
_ROUNDED = 0.0021
"""Seconds by which two distances differ at the most if each time is rounded to a millisecond."""


def audio_of(
    raw: RawStream,
    position: int,
    programs: Mapping[int, int],
    seen: Collection[int],
    *,
    edited: bool,
    times: Sequence[float] = (),
) -> AudioStream | None:
    """The audio stream at a position among its kind; None if it cannot be decoded. `seen` are the streams of the first packets, `times` those of its own; for the rest see `video_of`."""
    sample_rate = positive(raw.sample_rate)
    if not is_known(raw.codec_name) or not 1 <= raw.channels <= MAX_CHANNELS or sample_rate is None:
        return None
    return AudioStream(
        index=raw.index,
        position=position,
        codec=raw.codec_name,
        channels=raw.channels,
        sample_rate=sample_rate,
        profile=None if raw.profile is None else str(raw.profile),
        bit_rate=positive(raw.bit_rate) or positive(raw.tags.get("BPS", "0")),
        bits_per_sample=positive(raw.bits_per_raw_sample) or raw.bits_per_sample or None,
        described=raw.codec_name != "aac" or raw.extradata_size > 0,
        default=bool(raw.disposition.get("default")),
        tag=raw.codec_tag_string if raw.codec_tag_string.isascii() and raw.codec_tag_string.isalnum() else None,
        channel_layout=None if raw.channel_layout in {"", "unknown"} else raw.channel_layout,
        start_time=seconds(raw.start_time, signed=True),
        duration=_audio_length(raw, times[0] if times else None),
        program=programs.get(raw.index),
        # A file whose packets were not asked for tells nothing of them.
        seen=not seen or raw.index in seen,
        edited=edited,
        frame=frame_of(raw.codec_name, sample_rate, times),
        first_packet=times[0] if times else None,
        descriptive=_says(raw, ("visual_impaired", "descriptions"), _DESCRIPTIVE),
        commentary=_says(raw, ("comment",), _COMMENTARY),
        **_labels(raw),
    )


def _audio_length(raw: RawStream, first: float | None) -> float | None:
    """How long the audio is from its `start_time` on, in seconds; None: not known. `first` is the time of its first packet.

    Only the tables of an MP4 tell just that; they have the number of packets, too. Any other length counts from the first packet, which may be only the run-up of a decoder.
    The tag DURATION of Matroska is, as FFmpeg writes it, the time of the end, on a clock from which that run-up (CodecDelay) is not subtracted. As mkvmerge writes
    it, it is a length. Where the two differ, the earlier end is taken: nothing must be announced that does not come.
    """
    start = seconds(raw.start_time, signed=True) or 0.0
    first = start if first is None else first
    length = seconds(raw.duration)
    if length is not None and positive(raw.nb_frames):
        return length
    if length is not None:
        length -= max(0.0, start - first)
    else:
        end = clock_time(raw.tags.get("DURATION", ""))
        # An older ffprobe does not tell the run-up, but it is what comes before 0.
        length = None if end is None else end - max(0.0, start - first, -first) - start
    return length if length is not None and length > 0 else None


def frame_of(codec: str, sample_rate: int, times: Sequence[float]) -> int | None:
    """The samples of a frame, from the times of the first packets; None if they do not say, or are not equally far apart.

    Some containers round times to milliseconds, so it is taken from the whole of them, and must be a length that the codec has.
    """
    if len(times) < _FEW_PACKETS:
        return None
    steps = [later - earlier for earlier, later in pairwise(times)]
    mean = (times[-1] - times[0]) / len(steps)
    if mean <= 0 or max(abs(step - mean) for step in steps) > _ROUNDED:
        return None
    samples = mean * sample_rate
    nearest = min(_FRAMES.get(codec, ()), key=lambda one: abs(one - samples), default=None)
    return nearest if nearest is not None and abs(nearest - samples) <= nearest / 50 else None


def subtitle_of(raw: RawStream, position: int, programs: Mapping[int, int]) -> SubtitleStream:
    """The subtitles at a position among their kind."""
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


def _says(raw: RawStream, flags: Sequence[str], words: re.Pattern[str]) -> bool:
    """Whether one of these flags is set, or the title has such words: many files have no flags."""
    return any(raw.disposition.get(flag) for flag in flags) or bool(
        words.search(lower_tags(raw.tags).get("title", "")[:MAX_TEXT])
    )


def attachment_of(raw: RawStream, position: int) -> Attachment:
    """The attached file at a position among its kind."""
    tags = lower_tags(raw.tags)
    return Attachment(
        index=raw.index,
        position=position,
        filename=shortened(tags.get("filename")),
        mimetype=shortened(tags.get("mimetype")),
        codec=raw.codec_name or None,
        size=raw.extradata_size or None,
    )


def _labels(raw: RawStream) -> dict[Literal["language", "title"], str | None]:
    tags = lower_tags(raw.tags)
    language = tags.get("language")
    return {"language": None if language == "und" else shortened(language), "title": shortened(tags.get("title"))}


def is_attached(raw: RawStream) -> bool:
    """Whether this is a still image, such as a cover, and not video."""
    return bool(raw.disposition.get("attached_pic") or raw.disposition.get("timed_thumbnails"))


def is_known(codec: str) -> bool:
    """Whether ffprobe names a codec that may be decoded."""
    return codec not in {"", "none", "unknown"} and codec not in PICTURES_THAT_ARE_NOT_DECODED
