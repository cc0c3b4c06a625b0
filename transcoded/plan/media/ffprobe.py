"""From ffprobe's JSON (`argv.probe_argv`) to a `Media`: the file as a whole."""

from collections import Counter
from collections.abc import Mapping, Sequence

import attrs
import msgspec

from transcoded.plan.errors import NotMedia
from transcoded.plan.media.ffprobe_output import (
    MAX_DURATION,
    Frames,
    Packet,
    Probe,
    Program,
    RawChapter,
    RawStream,
    lower_tags,
    positive,
    seconds,
    shortened,
)
from transcoded.plan.media.ffprobe_streams import (
    attachment_of,
    audio_of,
    is_attached,
    is_known,
    peak_of,
    subtitle_of,
    video_of,
)
from transcoded.plan.media.probe import Chapter, EmbeddedCover, Media, VideoStream
from transcoded.plan.media.tags import Tags, carried_tags
from transcoded.plan.media.timeline.length import is_estimate, is_plausible

MAX_STREAMS = 500
"""Streams of one file. Real files have a few dozen; a broadcast of a whole transponder has about 100."""

_CLOCK_FROM_ZERO = frozenset({"matroska", "webm", "flv"})
"""Demuxers that take the duration from a header in which most muxers count from 0, wherever the first packet is."""

_LATE = 0.1
"""Seconds. Muxers do not agree on the duration of a file whose first packet is later than this: for FFmpeg's Matroska it is when the
file ends, for mkvmerge and for FFmpeg's FLV it is a length."""

RUN_UP = 4
"""Packets that a decoder of audio needs before the first that is heard. They are hidden in every file."""

MAX_CHAPTERS = 2000
"""Chapters of one file that are kept. An audio book has a few hundred."""

MIN_SCORE = 5
"""ffprobe's `probe_score`, of 100. Below this, ffprobe has only seen a few bytes that could be the start of a format.
"""

_decoder = msgspec.json.Decoder(Probe, strict=False)
_frames_decoder = msgspec.json.Decoder(Frames, strict=False)


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
    times = _packet_times(probe.packets)
    decoded = [
        (raw, stream)
        for raw in probe.streams
        if (stream := video_of(raw, programs, edited=raw.index in hidden)) is not None
    ]
    video = tuple(stream for raw, stream in decoded if not is_attached(raw))
    audio_raw = [raw for raw in probe.streams if raw.codec_type == "audio"]
    audio = tuple(
        found
        for position, raw in enumerate(audio_raw)
        if (
            found := audio_of(
                raw, position, programs, seen, edited=hidden[raw.index] > RUN_UP, times=times.get(raw.index, ())
            )
        )
        is not None
    )
    subtitle_raw = [raw for raw in probe.streams if raw.codec_type == "subtitle"]
    attachment_raw = [raw for raw in probe.streams if raw.codec_type == "attachment"]
    start_time = seconds(probe.format.start_time, signed=True) or 0.0
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
        subtitles=tuple(subtitle_of(raw, position, programs) for position, raw in enumerate(subtitle_raw)),
        start_time=start_time,
        bit_rate=positive(probe.format.bit_rate),
        cover=next((stream for raw, stream in decoded if is_attached(raw)), None),
        embedded_cover=_embedded_cover(probe),
        tags=_carried(probe),
        claimed=None if durations[:1] == plausible[:1] else durations[0],
        chapters=_chapters(probe.chapters, start_time),
        attachments=tuple(attachment_of(raw, position) for position, raw in enumerate(attachment_raw)),
        unseen=sum(_is_unseen(raw) for raw in probe.streams),
    )


def _packet_times(packets: Sequence[Packet]) -> Mapping[int, Sequence[float]]:
    """When the first packets of each stream are shown, as far as they say so, in seconds on the container's clock."""
    found: dict[int, list[float]] = {}
    for packet in packets:
        time = seconds(packet.pts_time, signed=True)
        if time is not None:
            found.setdefault(packet.stream_index, []).append(time)
    return found


def _durations(probe: Probe, start_time: float) -> list[float]:
    """The lengths that the file tells, in seconds: its own, and those of its streams."""
    names = probe.format.format_name.split(",")
    # In these, what is called a duration is the time of the end on the container's clock.
    counts_from_zero = start_time > 0 and not _CLOCK_FROM_ZERO.isdisjoint(names)
    zero = start_time if counts_from_zero else 0.0
    ends = [seconds(text, signed=True) for text in (probe.format.duration, *(raw.duration for raw in probe.streams))]
    lengths = [end - zero if end > zero else end for end in ends if end is not None and end > 0]
    if "mov" in names and start_time > 0:
        # The header's counts from 0, and some versions of ffprobe have subtracted the start from it. The streams tell when they begin, and how long they are.
        lengths = [*_latest_end(probe.streams, start_time), *lengths]
    return [length for length in lengths if length <= MAX_DURATION]


def _latest_end(streams: Sequence[RawStream], start_time: float) -> list[float]:
    """When the last stream ends, in seconds after the container's start; nothing if none tells."""
    told = [
        (start - start_time, length)
        for raw in streams
        if raw.codec_type in {"audio", "video"} and not is_attached(raw)
        if (start := seconds(raw.start_time, signed=True)) is not None and (length := seconds(raw.duration)) is not None
    ]
    return [max(start + length for start, length in told)] if told else []


def _is_doubtful(probe: Probe, start_time: float) -> bool:
    """Whether the length is only an estimate of ffprobe's, or means another thing in different files."""
    names = probe.format.format_name.split(",")
    if is_estimate(probe.format.format_name):
        return True
    timed = [raw for raw in probe.streams if raw.codec_type in {"audio", "video"} and not is_attached(raw)]
    # Only the header of an MP4 that is not fragmented has the number of frames.
    fragmented = "mov" in names and any(raw.nb_frames in {"", "0", "N/A"} for raw in timed)
    return fragmented or (start_time > _LATE and not _CLOCK_FROM_ZERO.isdisjoint(names))


def _embedded_cover(probe: Probe) -> EmbeddedCover | None:
    """The first attached image, if it is among the first packets, which have its size."""
    attached = next((raw for raw in probe.streams if raw.codec_type == "video" and is_attached(raw)), None)
    if attached is None:
        return None
    sizes = (positive(packet.size) for packet in probe.packets if packet.stream_index == attached.index)
    size = next(sizes, None)
    return None if size is None else EmbeddedCover(attached.index, attached.codec_name, size)


def _carried(probe: Probe) -> Tags:
    # Ogg has the tags of the whole file in its streams.
    streams = (
        [raw.tags for raw in probe.streams if raw.codec_type == "audio"] if probe.format.format_name == "ogg" else []
    )
    return carried_tags(probe.format.tags, *streams[:1])


def _is_unseen(raw: RawStream) -> bool:
    """Whether the container names a codec, and no packet has told more of the stream yet."""
    if not is_known(raw.codec_name) or is_attached(raw):
        return False
    return (raw.codec_type == "audio" and raw.channels < 1) or (raw.codec_type == "video" and raw.width < 1)


def _programs(found: list[Program]) -> Mapping[int, int]:
    """The programme of each stream, by its index; empty if the file has only one."""
    if len([one for one in found if one.streams]) < 2:
        return {}
    # A stream that belongs to several has the first of them.
    return {stream.index: one.program_id for one in reversed(found) for stream in one.streams}


def without_peak(media: Media) -> VideoStream | None:
    """The video that is played, if it is HDR and the container does not say how bright it is."""
    video = media.default_video
    return None if video is None or video.hdr is None or video.peak is not None else video


def with_peak(media: Media, output: bytes) -> Media:
    """With the brightest luminance that the first frames of the video `without_peak` state, as ffprobe writes them (`peak_argv`)."""
    video = without_peak(media)
    try:
        found = _frames_decoder.decode(output.decode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError):
        return media
    peaks = (peak_of(frame.side_data_list) for frame in found.frames)
    peak = next((peak for peak in peaks if peak is not None), None)
    return attrs.evolve(
        media, video=tuple(attrs.evolve(one, peak=peak) if one is video else one for one in media.video)
    )


def _chapters(found: list[RawChapter], zero: float) -> tuple[Chapter, ...]:
    """The chapters in order; their times count from the start of the container. What has no length is left out."""
    chapters = []
    for raw in found[:MAX_CHAPTERS]:
        start, end = seconds(raw.start_time, signed=True), seconds(raw.end_time, signed=True)
        if start is not None and end is not None and end > max(start, zero):
            chapters.append(Chapter(max(0.0, start - zero), end - zero, shortened(lower_tags(raw.tags).get("title"))))
    return tuple(sorted(chapters, key=lambda one: one.start))
