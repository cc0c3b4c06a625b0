"""The renditions of a file that HLS and DASH offer, computed from values before a process runs.

The video is offered in its own height and in the usual heights below it, and copied if its keyframes allow this. Each
audio stream and each text subtitle is a rendition of its own. Nothing is scaled up.
"""

from fractions import Fraction
from math import ceil

import attrs

from transcoded.plan.cmaf.codecs import AAC_CODEC, avc_string
from transcoded.plan.cmaf.h264_level import h264_level
from transcoded.plan.cmaf.rates import frame_rate, video_bit_rate
from transcoded.plan.cmaf.timeline import (
    BOUNDARY,
    TARGET,
    Timeline,
    audio_timeline,
    copied_timeline,
    short_enough,
    video_timeline,
)
from transcoded.plan.errors import NotMedia
from transcoded.plan.media.burn_in import subtitles_to_burn_in
from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.choose_audio import decodes
from transcoded.plan.media.colors import tone_mapping_obstacle
from transcoded.plan.media.copying import unplayable_picture
from transcoded.plan.media.formats import H264_PIX_FMTS
from transcoded.plan.media.geometry import fitted
from transcoded.plan.media.probe import STREAM, AudioStream, Media, SubtitleStream, VideoStream
from transcoded.plan.media.timeline.packets import REORDER, PacketScan

HEIGHTS = (1080, 720, 480, 360)
AUDIO_BIT_RATE = 128_000

MAX_SEGMENTS = 800_000
"""Segments of all renditions together. 24 hours in six sizes with eight audio tracks have 604,800."""

CHUNK = Fraction(1, 4)
"""Seconds of a chunk of encoded video, about. Shorter ones would come earlier, and take more bytes for their tables."""

_HIGH = 100
# The H.264 profiles that browsers decode, by ffprobe's names: profile_idc and constraint flags (ITU-T H.264, section
# A.2).
_PROFILES = {"Constrained Baseline": (66, 0xC0), "Baseline": (66, 0), "Main": (77, 0x40), "High": (100, 0)}


@attrs.frozen
class VideoRendition:
    """The video in one size.

    `rate` is in frames per second. `average` and `peak` are in bits per second; the peak is over any one segment.
    `level` is the level_idc of H.264. `phase` is the distance, in seconds, of the source's frames from the frames of
    the timeline: less than a frame. `delay` is that of the `Segmenter`, in ticks. `burn` are subtitles that are drawn into it.
    """

    id: str
    stream: VideoStream
    width: int
    height: int
    rate: Fraction
    average: int
    peak: int
    codecs: str
    level: int
    timeline: Timeline
    copied: bool = False
    phase: Fraction = Fraction(0)
    delay: int = 0
    burn: SubtitleStream | None = None

    @property
    def chunk(self) -> int:
        """The frames of a chunk, in which segments are given out while they are made. 0: as a whole. What is copied comes as fast as it is read."""
        return 0 if self.copied else max(1, round(self.rate * CHUNK))


@attrs.frozen
class AudioRendition:
    """One audio stream, as AAC stereo at 48 kHz.

    Bit rates are in bits per second, `delay` is that of the `Segmenter`.
    """

    id: str
    stream: AudioStream
    default: bool
    average: int
    peak: int
    timeline: Timeline
    codecs: str = AAC_CODEC
    delay: int = 0
    chunk: int = 0
    copied: bool = False


@attrs.frozen
class SubtitleRendition:
    """One text subtitle stream, as one WebVTT file for the whole `duration`, in seconds."""

    id: str
    stream: SubtitleStream
    duration: Fraction


Rendition = VideoRendition | AudioRendition


@attrs.frozen
class Presentation:
    """All renditions of one file. `duration` is in seconds. In `video` the largest comes first, the copied one last."""

    duration: Fraction
    video: tuple[VideoRendition, ...]
    audio: tuple[AudioRendition, ...]
    subtitles: tuple[SubtitleRendition, ...]

    @property
    def weight(self) -> int:
        """About how many bytes of memory it takes, rather too many than too few. Renditions share their timelines."""
        media: list[Rendition] = [*self.video, *self.audio]
        starts = {id(one.timeline): len(one.timeline) for one in media}
        return STREAM * (1 + len(media) + len(self.subtitles)) + BOUNDARY * sum(starts.values())

    def rendition(self, name: str) -> Rendition | SubtitleRendition | None:
        """The rendition with this id, or None."""
        everything: list[Rendition | SubtitleRendition] = [*self.video, *self.audio, *self.subtitles]
        return next((one for one in everything if one.id == name), None)


def present(
    media: Media,
    scan: PacketScan | None = None,
    target: Fraction = TARGET,
    capabilities: Capabilities | None = None,
    burn: int | None = None,
) -> Presentation:
    """The renditions of a file, with segments of about `target` seconds.

    `capabilities` are those of this machine's ffmpeg; None: not known, so nothing is left out for them. `burn` is the position of
    subtitles that are drawn into the video. Then there is no copied one, and no other subtitles are offered: a player would show
    them over those.

    Raises `BadParameter` if these subtitles are not there or cannot be drawn. Raises `NotMedia` if the length of the file is not known, because a playlist lists all segments in advance, if there would be
    more than `MAX_SEGMENTS`, and if the video can neither be encoded nor copied, or none of the audio of a file without video.
    """
    if not media.duration:
        raise NotMedia(
            "The length of the file is not known, so HLS and DASH are not possible. Streams such as stream.mp4 are."
            if media.claimed is None
            else f"The header of the file claims a length of {media.claimed:,.0f} s, which cannot be in {media.size:,} bytes. "
            "So HLS and DASH are not possible. Streams such as stream.mp4 are."
        )
    scan = scan or PacketScan()
    # ffprobe prints microseconds. The exact value of the float would give fractions with huge denominators.
    duration = Fraction(round(media.duration * 1_000_000), 1_000_000)
    stream = media.default_video
    _check_size(media, duration, target)
    obstacle = _obstacle(stream, "libx264", capabilities) if stream else None
    drawn = None if burn is None else subtitles_to_burn_in(media, burn, "burn", capabilities)
    copied = _copied(media, stream, duration, scan, target) if stream and drawn is None else None
    if obstacle and copied is None:
        raise NotMedia(obstacle)
    video = _ladder(stream, duration, scan, target, drawn) if stream and not obstacle else ()
    step = _step(video[0].timeline, target) if video else target
    audio_grid = audio_timeline(duration, step)
    heard = [one for one in media.own_audio if _obstacle(one, "aac", capabilities) is None]
    if stream is None and media.own_audio and not heard:
        raise NotMedia(_obstacle(media.own_audio[0], "aac", capabilities))
    first = media.default_audio if media.default_audio in heard else heard[0] if heard else None
    audio = tuple(
        AudioRendition(
            id=f"a{one.position}",
            stream=one,
            default=one == first,
            average=AUDIO_BIT_RATE,
            peak=AUDIO_BIT_RATE * 5 // 4,
            timeline=audio_grid,
        )
        for one in heard
    )
    return Presentation(
        duration=duration,
        video=(*video, copied) if copied else video,
        audio=audio,
        subtitles=tuple(
            SubtitleRendition(f"s{one.position}", one, duration)
            for one in media.subtitles
            if one.text and drawn is None
        ),
    )


def _obstacle(stream: VideoStream | AudioStream, encoder: str, capabilities: Capabilities | None) -> str | None:
    """The reason why a stream cannot be encoded here, as a sentence for people; None: it can."""
    if capabilities is None:
        return None
    if isinstance(stream, AudioStream):
        obstacle = None if decodes(stream, capabilities) else f"The ffmpeg of this server cannot decode {stream.codec}."
    else:
        obstacle = capabilities.decoding_obstacle(stream.codec) or tone_mapping_obstacle(stream, capabilities)
    return obstacle or capabilities.encoding_obstacle(encoder)


def _check_size(media: Media, duration: Fraction, target: Fraction) -> None:
    """Raise `NotMedia` if there would be too many segments. The copied video counts, whether or not it is offered."""
    stream = media.default_video
    renditions = (len(_rows(stream)) + 1 if stream else 0) + len(media.audio)
    segments = ceil(duration / target)
    if segments * renditions > MAX_SEGMENTS:
        raise NotMedia(
            f"HLS and DASH would list {segments:,} segments ({float(duration):,.0f} s) in {renditions:,} renditions, and at most "
            f"{MAX_SEGMENTS:,} are possible in all. Streams such as stream.mp4 are."
        )


def _rows(stream: VideoStream) -> tuple[int, ...]:
    """The heights that are offered of a video, before they are made even."""
    return stream.height, *(height for height in HEIGHTS if height < stream.height)


def _ladder(
    stream: VideoStream, duration: Fraction, scan: PacketScan, target: Fraction, burn: SubtitleStream | None
) -> tuple[VideoRendition, ...]:
    rate = frame_rate(stream.fps, stream.timing_rate)
    timeline = video_timeline(duration, rate, target)
    frames = scan.start * rate
    phase = (frames - round(frames)) / rate
    rungs: list[VideoRendition] = []
    for rows in _rows(stream):
        width, height = fitted(stream, rows)
        average = video_bit_rate(width, height, rate)
        level = h264_level(width, height, rate, average)
        rungs.append(
            VideoRendition(
                id=f"v{height}" if burn is None else f"v{height}-b{burn.position}",
                stream=stream,
                width=width,
                height=height,
                rate=rate,
                average=average,
                # RFC 8216bis measures the peak over half a target duration or more. In these two seconds the encoder
                # can use its buffer, one second of the rate, in addition to the rate.
                peak=average * 3 // 2,
                codecs=avc_string(_HIGH, 0, level),
                level=level,
                timeline=timeline,
                phase=phase,
                delay=REORDER * timeline.frame,
                burn=burn,
            )
        )
    return tuple({rung.id: rung for rung in reversed(rungs)}.values())[::-1]


def _copied(
    media: Media, stream: VideoStream, duration: Fraction, scan: PacketScan, target: Fraction
) -> VideoRendition | None:
    """The copied video, if browsers play it and its keyframes are close enough together; else None."""
    profile = _PROFILES.get(stream.profile or "")
    plain = (
        stream.codec == "h264"
        and stream.pix_fmt in H264_PIX_FMTS
        and not stream.rotation
        and stream.sar == 1
        and unplayable_picture(stream) is None
    )
    if not plain or stream.interlaced or profile is None or stream.level is None or not scan.keyframes:
        return None
    rate = frame_rate(stream.fps, stream.timing_rate)
    timeline = copied_timeline(scan.keyframes, duration, rate, target)
    if not short_enough(timeline):
        return None
    whole = round(media.size * 8 / duration)
    average = min(stream.bit_rate or whole, whole)
    return VideoRendition(
        id="copy",
        stream=stream,
        width=stream.width,
        height=stream.height,
        rate=rate,
        average=average,
        # If it was not measured, the estimate is high: a player stalls if the real peak is above the announced one.
        peak=max(scan.peak or average * 2, average),
        codecs=avc_string(*profile, stream.level),
        level=stream.level,
        timeline=timeline,
        copied=True,
        delay=scan.delay_in(timeline.timescale, rate),
    )


def _step(timeline: Timeline, target: Fraction) -> Fraction:
    """The length of a full segment of a timeline with equal segments, in seconds."""
    return timeline.seconds(timeline.starts[1]) if len(timeline) > 1 else target
