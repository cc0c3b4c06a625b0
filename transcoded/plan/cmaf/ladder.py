"""The renditions of a file that HLS and DASH offer, computed from values before a process runs.

The video is offered as it is, if that is possible, and encoded in its own height and in the usual heights below it. Nothing is scaled up, and no
encode takes as many bits as the source: where everybody can play the source, one that would is left out, and where not, its bit rate is capped. Each
audio stream and each text subtitle is a rendition of its own.
"""

from collections.abc import Mapping
from fractions import Fraction
from math import ceil

import attrs

from transcoded.plan.cmaf.audio import audio_renditions, copyable_audio
from transcoded.plan.cmaf.codecs import avc_string
from transcoded.plan.cmaf.copied_video import copied_video, video_average
from transcoded.plan.cmaf.h264_level import h264_level
from transcoded.plan.cmaf.rates import frame_rate, video_bit_rate
from transcoded.plan.cmaf.renditions import Presentation, SubtitleRendition, VideoRendition
from transcoded.plan.cmaf.timeline import TARGET, audio_timeline, video_step, video_timeline
from transcoded.plan.cmaf.trick import trick_rendition
from transcoded.plan.errors import BadParameter, NotMedia
from transcoded.plan.media.burn_in import subtitles_to_burn_in
from transcoded.plan.media.capabilities import Capabilities, EngineName
from transcoded.plan.media.choose_audio import decodes
from transcoded.plan.media.colors import tone_mapping_obstacle
from transcoded.plan.media.geometry import fitted
from transcoded.plan.media.probe import AudioStream, Media, SubtitleStream, VideoStream
from transcoded.plan.media.timeline.packets import REORDER, PacketScan

HEIGHTS = (1080, 720, 480, 360)

MAX_SEGMENTS = 800_000
"""Segments of all videos and of all streams of audio together. 24 hours in six sizes with eight streams of audio have 604,800."""

_HIGH = 100

_EFFICIENCY: Mapping[str, Fraction] = {
    "h264": Fraction(3, 2),
    "hevc": Fraction(2),
    "vp9": Fraction(2),
    "av1": Fraction(5, 2),
}
"""How many bits a live encode in H.264 needs for the same picture as one bit of the source; of other codecs 1."""

_LOWEST = 8
"""An encode has at least this part of the usual bit rate: a source with less says little of itself, such as a recording of a screen."""


@attrs.frozen
class Limits:
    """What a client allows: at most so many rows, and so many bits per second of a variant with its audio. None: any."""

    height: int | None = None
    bit_rate: int | None = None


def present(
    media: Media,
    scan: PacketScan | None = None,
    target: Fraction = TARGET,
    capabilities: Capabilities | None = None,
    burn: int | None = None,
    codecs: str | None = None,
    limits: Limits = Limits(),
    engine: EngineName = "software",
) -> Presentation:
    """The renditions of a file, with segments of about `target` seconds.

    `capabilities` are those of this machine's ffmpeg; None: not known, so nothing is left out for them. `burn` is the position of
    subtitles that are drawn into the video. Then there is no copied one, and no other subtitles are offered: a player would show
    them over those. `codecs` is the codec string of the video as it is (`copied_video`). `engine` encodes.

    Raises `BadParameter` if these subtitles are not there or cannot be drawn, or if nothing is within the limits. Raises `NotMedia` if the length of the file is not known, because a playlist lists all segments in advance, if there would be
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
    copied = copied_video(media, stream, scan, codecs, target) if stream and drawn is None else None
    if obstacle and copied is None:
        raise NotMedia(obstacle)
    ladder = (
        _ladder(media, stream, duration, scan, target, drawn, copied, limits, engine) if stream and not obstacle else ()
    )
    # The same whether or not there are encodes: a request for audio does not wait for the keyframes, by which that is decided.
    step = video_step(frame_rate(stream.fps, stream.timing_rate), target) if stream else target
    own = media.own_audio
    heard = [one for one in own if _obstacle(one, "aac", capabilities) is None]
    copied_only = [one for one in own if one not in heard and copyable_audio(media, one)]
    if stream is None and own and not heard and not copied_only:
        raise NotMedia(_obstacle(own[0], "aac", capabilities))
    audio, groups = audio_renditions(media, heard, copied_only, audio_timeline(duration, step), step)
    videos = [*([copied] if copied else []), *ladder]
    trick = None if stream is None or obstacle or drawn else trick_rendition(stream, duration, scan, limits.height)
    return Presentation(
        duration=duration,
        video=_within(videos, min((one.peak for one in groups), default=0), limits),
        audio=audio,
        subtitles=tuple(
            SubtitleRendition(f"s{one.position}", one, duration)
            for one in media.subtitles
            if one.text and drawn is None
        ),
        groups=groups,
        bit_rate=limits.bit_rate,
        trick=trick,
    )


def _within(video: list[VideoRendition], audio_peak: int, limits: Limits) -> tuple[VideoRendition, ...]:
    """The videos that are within the limits, each with its audio."""
    fitting = [one for one in video if limits.height is None or one.height <= limits.height]
    if limits.bit_rate is None or not fitting:
        return tuple(fitting)
    found = tuple(one for one in fitting if one.peak + audio_peak <= limits.bit_rate)
    if not found:
        least = min(one.peak for one in fitting) + audio_peak
        raise BadParameter("max_bitrate", f"{limits.bit_rate} is not enough for this file; give at least {least}.")
    return found


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


def _rows(stream: VideoStream, limits: Limits = Limits()) -> tuple[int, ...]:
    """The heights that are encoded of a video, before they are made even: its own, and the usual ones below it."""
    top = stream.height if limits.height is None else min(stream.height, limits.height)
    usual = (stream.height, *(height for height in HEIGHTS if height < stream.height))
    # A limit below the lowest of the usual heights is a height of its own.
    return tuple(height for height in usual if height <= top) or (top,)


def _ladder(
    media: Media,
    stream: VideoStream,
    duration: Fraction,
    scan: PacketScan,
    target: Fraction,
    burn: SubtitleStream | None,
    copied: VideoRendition | None,
    limits: Limits,
    engine: EngineName,
) -> tuple[VideoRendition, ...]:
    rate = frame_rate(stream.fps, stream.timing_rate)
    timeline = video_timeline(duration, rate, target)
    frames = scan.start * rate
    phase = (frames - round(frames)) / rate
    source = video_average(media, stream) if copied is None else copied.average
    # Everybody plays H.264 as it is.
    universal = copied is not None and stream.codec == "h264"
    rungs: dict[str, VideoRendition] = {}
    for rows in _rows(stream, limits):
        width, height = fitted(stream, rows)
        usual = video_bit_rate(width, height, rate)
        average = max(min(usual, round(source * _EFFICIENCY.get(stream.codec, 1))), usual // _LOWEST)
        if (universal and average >= source) or any(average >= larger.average for larger in rungs.values()):
            continue
        level = h264_level(width, height, rate, average)
        drawn = "" if burn is None else f"-b{burn.position}"
        name = f"v{height}{drawn}" if engine == "software" else f"v{height}{drawn}-{engine}"
        rungs[name] = VideoRendition(
            id=name,
            stream=stream,
            width=width,
            height=height,
            rate=rate,
            average=average,
            # The encoder can use its buffer, one second of the rate, in addition to the two seconds of a segment.
            peak=average * 3 // 2,
            codecs=avc_string(_HIGH, 0, level),
            level=level,
            timeline=timeline,
            phase=phase,
            # Those of hardware reorder nothing, and so do those that go on for them.
            delay=REORDER * timeline.frame if engine == "software" else 0,
            burn=burn,
            engine=engine,
        )
    return tuple(rungs.values())
