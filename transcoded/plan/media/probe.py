"""What a media file contains: its streams as typed values. `ffprobe` decodes them.

Each number is either plausible or None: it has been checked once, when it was decoded.
"""

from fractions import Fraction

import attrs

STREAM = 1024
"""Bytes that a stream takes in memory, without its title and language."""


@attrs.frozen
class VideoStream:
    """A video stream. `width` and `height` are pixels as displayed: the rotation is applied. They can be odd.

    `index` is the stream's number in the file. `fps` is the average frame rate. `rotation` is 0, 90, 180 or 270:
    clockwise degrees that the decoded frames are turned by for display. `bit_rate` is in bits per second. `sar` is the
    sample aspect ratio, 1 for square pixels. `start_time` is when the first frame is shown, in seconds on the
    container's clock. `reorder` is the number of frames by which decoding runs ahead of display. None means: not known.
    """

    index: int
    codec: str
    width: int
    height: int
    profile: str | None = None
    level: int | None = None
    pix_fmt: str | None = None
    fps: Fraction | None = None
    bit_rate: int | None = None
    rotation: int = 0
    interlaced: bool = False
    sar: Fraction = Fraction(1)
    transfer: str | None = None
    start_time: float | None = None
    reorder: int | None = None
    default: bool = False
    language: str | None = None
    title: str | None = None

    @property
    def hdr(self) -> bool:
        """Whether the transfer function is one of HDR: PQ or HLG."""
        return self.transfer in {"smpte2084", "arib-std-b67"}


@attrs.frozen
class AudioStream:
    """An audio stream.

    `index` is the stream's number in the file, `position` its number among the file's audio streams. `sample_rate` is
    in Hz, `bit_rate` in bits per second. None means: not known. `described`: the file's header says how to decode it; AAC in a
    transport stream says so in each packet instead.
    """

    index: int
    position: int
    codec: str
    channels: int
    sample_rate: int
    profile: str | None = None
    bit_rate: int | None = None
    bits_per_sample: int | None = None
    described: bool = True
    default: bool = False
    language: str | None = None
    title: str | None = None


@attrs.frozen
class SubtitleStream:
    """A subtitle stream. `text`: it can be converted to WebVTT. `position` is its number among the subtitle streams."""

    index: int
    position: int
    codec: str
    text: bool
    default: bool = False
    forced: bool = False
    language: str | None = None
    title: str | None = None


@attrs.frozen
class Media:
    """A probed file.

    `container` is the name of ffmpeg's demuxer, or several with commas. `duration` and `start_time` are in seconds,
    `size` is in bytes. `claimed` is a length in the file's header that is not possible for its size. `video` does not include attached images: the first of those is the `cover`.
    """

    container: str
    duration: float | None
    size: int
    video: tuple[VideoStream, ...] = ()
    audio: tuple[AudioStream, ...] = ()
    subtitles: tuple[SubtitleStream, ...] = ()
    start_time: float = 0.0
    bit_rate: int | None = None
    cover: VideoStream | None = None
    claimed: float | None = None

    @property
    def weight(self) -> int:
        """About how many bytes of memory it takes, rather too many than too few."""
        streams: list[VideoStream | AudioStream | SubtitleStream] = [*self.video, *self.audio, *self.subtitles]
        return STREAM * (1 + len(streams)) + sum(4 * len(one.title or "") + len(one.language or "") for one in streams)

    @property
    def default_video(self) -> VideoStream | None:
        """The video stream that is played: the one with the default flag, else the first."""
        return next((stream for stream in self.video if stream.default), self.video[0] if self.video else None)

    @property
    def default_audio(self) -> AudioStream | None:
        """The audio stream that is played if no other is requested: the one with the default flag, else the first."""
        return next((stream for stream in self.audio if stream.default), self.audio[0] if self.audio else None)
