"""Which renditions of a file are offered over HLS and DASH, from values alone and before any process runs.

The picture comes in its own height and in the usual ones below it, and as it is where it can be cut; every sound track
is a rendition of its own, and so is every text subtitle. Nothing is scaled up.
"""

import math
from fractions import Fraction

import attrs

from transcoded.plan.cmaf.codecs import AAC_CODEC, avc_string, h264_level
from transcoded.plan.cmaf.timeline import TARGET, Timeline, audio_timeline, copied_timeline, is_sensible, video_timeline
from transcoded.plan.errors import NotMedia
from transcoded.plan.media.formats import H264_PIX_FMTS
from transcoded.plan.media.probe import AudioStream, Media, SubtitleStream, VideoStream

HEIGHTS = (1080, 720, 480, 360)
MAX_FPS = Fraction(60)
AUDIO_BIT_RATE = 128_000

# x264 with two B-frames that refer to each other composes a frame at most two frames late.
REORDER = 2

# What variable rates are taken for, if one is this near: ffprobe's averages are a little off.
_USUAL_RATES = tuple(
    Fraction(*rate)
    for rate in ((24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (48, 1), (50, 1), (60000, 1001), (60, 1))
)

_HIGH = 100
# ffprobe's names of the H.264 profiles that browsers decode: profile_idc and constraint flags (section A.2).
_PROFILES = {"Constrained Baseline": (66, 0xC0), "Baseline": (66, 0), "Main": (77, 0x40), "High": (100, 0)}


@attrs.frozen
class Scan:
    """What a look at the packets of the picture tells beyond ffprobe's description; all of it may be missing.

    `start` is when the first frame is shown, in seconds after the container's start, `keyframes` the times of all
    keyframes counted alike, `reorder` by how many frames decoding runs ahead (ffprobe's `has_b_frames`), `peak` the
    bits per second of the densest stretch of a segment's length.
    """

    start: Fraction = Fraction(0)
    keyframes: tuple[Fraction, ...] = ()
    reorder: int = REORDER
    peak: int | None = None


@attrs.frozen
class VideoRendition:
    """The picture in one size.

    `average` and `peak` are bits per second, the peak over any one segment; `level` is H.264's level_idc; `phase` the
    part of a frame (in seconds) by which the source's frames lie beside the timeline's; `delay` as in `Segmenter`.
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


@attrs.frozen
class AudioRendition:
    """One sound track, as AAC stereo at 48 kHz; bit rates in bits per second."""

    id: str
    stream: AudioStream
    default: bool
    average: int
    peak: int
    timeline: Timeline
    codecs: str = AAC_CODEC
    delay: int = 0


@attrs.frozen
class SubtitleRendition:
    """One text track, as a single WebVTT file of `duration` seconds."""

    id: str
    stream: SubtitleStream
    duration: Fraction


Rendition = VideoRendition | AudioRendition


@attrs.frozen
class Presentation:
    """All renditions of one file: `duration` in seconds, the best picture first, the copied one last."""

    duration: Fraction
    video: tuple[VideoRendition, ...]
    audio: tuple[AudioRendition, ...]
    subtitles: tuple[SubtitleRendition, ...]

    def rendition(self, name: str) -> Rendition | SubtitleRendition | None:
        """The rendition with this id."""
        everything: list[Rendition | SubtitleRendition] = [*self.video, *self.audio, *self.subtitles]
        return next((one for one in everything if one.id == name), None)


def present(media: Media, scan: Scan | None = None, target: Fraction = TARGET) -> Presentation:
    """The renditions of a file, with segments of about `target` seconds.

    Raises `NotMedia` if the length is not known, since playlists list every segment in advance.
    """
    if not media.duration:
        raise NotMedia("The file does not say how long it is, so it can only be streamed as a whole.")
    scan = scan or Scan()
    # Microseconds are what ffprobe prints; a float's own digits would make silly fractions.
    duration = Fraction(round(media.duration * 1_000_000), 1_000_000)
    picture = media.default_video
    video = _ladder(picture, duration, scan, target) if picture else ()
    step = _step(video[0].timeline, target) if video else target
    audio_grid = audio_timeline(duration, step)
    sounds = tuple(
        AudioRendition(
            id=f"a{stream.position}",
            stream=stream,
            default=stream == media.default_audio,
            average=AUDIO_BIT_RATE,
            peak=AUDIO_BIT_RATE * 5 // 4,
            timeline=audio_grid,
        )
        for stream in media.audio
    )
    copied = _copied(media, picture, duration, scan, target) if picture else None
    return Presentation(
        duration=duration,
        video=(*video, copied) if copied else video,
        audio=sounds,
        subtitles=tuple(
            SubtitleRendition(f"s{stream.position}", stream, duration) for stream in media.subtitles if stream.text
        ),
    )


def frame_rate(fps: Fraction | None) -> Fraction:
    """The constant rate at which a picture is made: the source's, or the usual one next to it, at most 60."""
    if fps is None or fps < 1:
        return Fraction(25)
    nearest = min(_USUAL_RATES, key=lambda usual: abs(usual - fps))
    if abs(nearest - fps) / nearest < Fraction(1, 500):
        return nearest
    # Anything else is rounded to hundredths, so that a frame stays a sane number of ticks.
    return min(Fraction(round(fps * 100), 100), MAX_FPS)


def video_bit_rate(width: int, height: int, rate: Fraction) -> int:
    """Bits per second for H.264 that looks good: 5 Mbit/s at 1080p30, and less than in proportion to the pixels."""
    scale = math.pow(width * height / (1920 * 1080), 0.75) * math.sqrt(max(1.0, float(rate) / 30))
    return max(100_000, round(500 * scale) * 10_000)


def _ladder(stream: VideoStream, duration: Fraction, scan: Scan, target: Fraction) -> tuple[VideoRendition, ...]:
    rate = frame_rate(stream.fps)
    timeline = video_timeline(duration, rate, target)
    frames = scan.start * rate
    phase = (frames - round(frames)) / rate
    rungs: list[VideoRendition] = []
    for rows in (stream.height, *(height for height in HEIGHTS if height < stream.height)):
        width, height = _size(stream, rows)
        average = video_bit_rate(width, height, rate)
        level = h264_level(width, height, rate, average)
        rungs.append(
            VideoRendition(
                id=f"v{height}",
                stream=stream,
                width=width,
                height=height,
                rate=rate,
                average=average,
                # RFC 8216bis measures it over half a target's length or more: in two seconds the encoder may spend
                # its buffer, one second's worth, on top of what the rate allows.
                peak=average * 3 // 2,
                codecs=avc_string(_HIGH, 0, level),
                level=level,
                timeline=timeline,
                phase=phase,
                delay=REORDER * timeline.frame,
            )
        )
    return tuple({rung.id: rung for rung in reversed(rungs)}.values())[::-1]


def _copied(
    media: Media, stream: VideoStream, duration: Fraction, scan: Scan, target: Fraction
) -> VideoRendition | None:
    """The picture as it is, if browsers play it and its keyframes cut it into sensible segments."""
    profile = _PROFILES.get(stream.profile or "")
    plain = stream.codec == "h264" and stream.pix_fmt in H264_PIX_FMTS and not stream.rotation and stream.sar == 1
    if not plain or stream.interlaced or profile is None or stream.level is None or not scan.keyframes:
        return None
    rate = frame_rate(stream.fps)
    timeline = copied_timeline(scan.keyframes, duration, rate, target)
    if not is_sensible(timeline):
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
        # Not counted, it is guessed high: a player that has been promised too little stalls.
        peak=max(scan.peak or average * 2, average),
        codecs=avc_string(*profile, stream.level),
        level=stream.level,
        timeline=timeline,
        copied=True,
        delay=round(scan.reorder * timeline.timescale / rate),
    )


def _size(stream: VideoStream, rows: int) -> tuple[int, int]:
    """Even width and height of square pixels, as 4:2:0 needs them."""
    columns = round(stream.width * stream.sar * rows / stream.height)
    return max(2, columns - columns % 2), max(2, rows - rows % 2)


def _step(timeline: Timeline, target: Fraction) -> Fraction:
    """Seconds of a full segment of a regular timeline."""
    return timeline.seconds(timeline.starts[1]) if len(timeline) > 1 else target
