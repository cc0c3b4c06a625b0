"""What a media file contains: its streams as typed values. `ffprobe` decodes them.

Each number is either plausible or None: it has been checked once, when it was decoded.
"""

from fractions import Fraction
from typing import Literal

import attrs

from transcoded.plan.media.tags import Tags

STREAM = 1024
"""Bytes that a stream takes in memory, without its title and language."""

EXTERNAL = -1
"""The index of a stream that is not in the file itself."""

HdrKind = Literal["hdr10", "hlg", "dolby-vision"]


@attrs.frozen
class Crop:
    """What the container says is cut off each decoded frame, in pixels, before it is turned (Matroska's PixelCrop)."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0


@attrs.frozen
class DolbyVision:
    """The Dolby Vision configuration of a stream.

    `compatibility` is `dv_bl_signal_compatibility_id`, what the base layer is by itself: 0 nothing that others can show, 1 HDR10,
    2 SDR, 4 HLG, 6 HDR10 of a Blu-ray disc.
    """

    profile: int
    level: int
    compatibility: int


@attrs.frozen
class VideoStream:
    """A video stream. `width` and `height` are pixels as displayed: cropping and rotation are applied. They can be odd.

    `index` is the stream's number in the file. `tag` is the code of the codec in the container, such as `hvc1`. `fps` is the
    average frame rate, `timing_rate` the lowest rate at which all frames have a place of their own (ffprobe's `r_frame_rate`). `rotation` is
    0, 90, 180 or 270: clockwise degrees that the decoded frames are turned by for display, after they are mirrored from left to right if `mirrored`.
    `coded_width` and `coded_height` are pixels as decoded, before `crop` (0: as displayed). `bit_rate` is in bits per second. `sar` is the
    sample aspect ratio as displayed, 1 for square pixels. `start_time` is when the first frame is shown, in seconds on the
    container's clock; `duration` is in seconds from there. `reorder` is the number of frames by which decoding runs ahead of display. `transfer`,
    `primaries`, `matrix` and `color_range` are names of ffmpeg. `peak` is the brightest luminance of the mastering display or of the content, in cd/m².
    `edited`: the file's edit list hides packets before the first frame, which decoding needs.
    `program` is the programme of a transport stream that it belongs to. None means: not known.
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
    field_order: str | None = None
    sar: Fraction = Fraction(1)
    transfer: str | None = None
    start_time: float | None = None
    reorder: int | None = None
    default: bool = False
    language: str | None = None
    title: str | None = None
    tag: str | None = None
    timing_rate: Fraction | None = None
    mirrored: bool = False
    coded_width: int = 0
    coded_height: int = 0
    crop: Crop = Crop()
    primaries: str | None = None
    matrix: str | None = None
    color_range: str | None = None
    dolby_vision: DolbyVision | None = None
    peak: float | None = None
    duration: float | None = None
    edited: bool = False
    program: int | None = None

    @property
    def interlaced(self) -> bool:
        """Whether its frames consist of two fields each, which were taken at different times."""
        return self.field_order in {"tt", "bb", "tb", "bt"}

    @property
    def hdr(self) -> HdrKind | None:
        """The kind of high dynamic range; None for SDR. Dolby Vision over SDR, which others show as it is, is SDR here."""
        if self.dolby_vision is not None and self.dolby_vision.compatibility != 2:
            return "dolby-vision"
        return {"smpte2084": "hdr10", "arib-std-b67": "hlg"}.get(self.transfer or "")  # type: ignore[return-value]  # two of them

    @property
    def hdr_detail(self) -> str | None:
        """More about `hdr` for people: the profile of Dolby Vision, or the peak luminance."""
        if self.dolby_vision is not None:
            base = {1: "HDR10", 2: "SDR", 4: "HLG", 6: "HDR10"}.get(self.dolby_vision.compatibility)
            number = (
                f"{self.dolby_vision.profile}.{self.dolby_vision.compatibility}"
                if base
                else f"{self.dolby_vision.profile}"
            )
            return f"Dolby Vision profile {number}, {f'base layer {base}' if base else 'no compatible base layer'}"
        if self.hdr is None:
            return None
        kind = "PQ" if self.hdr == "hdr10" else "HLG"
        return kind if self.peak is None else f"{kind}, peak {self.peak:g} cd/m²"


@attrs.frozen
class AudioStream:
    """An audio stream.

    `index` is the stream's number in the file, `position` its number among the file's audio streams. `sample_rate` is
    in Hz, `bit_rate` in bits per second. `channel_layout` is ffmpeg's name. `start_time` is that of its first sample, in seconds on the
    container's clock; `duration` is in seconds from there. `described`: the file's header says how to decode it; AAC in a
    transport stream says so in each packet instead. `tag` and `program` are as those of video. `descriptive`: it describes the video for people who cannot see it.
    `commentary`: people talk about the film. `seen`: one of the first packets of the file belongs to it. `edited`: the file's edit list hides more of its
    beginning than a decoder's run-up. `frame` are the samples of each packet, `first_packet` is its time in seconds on the container's clock, which is before
    `start_time` if a decoder has to run up. None means: not known.
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
    tag: str | None = None
    channel_layout: str | None = None
    start_time: float | None = None
    duration: float | None = None
    program: int | None = None
    descriptive: bool = False
    commentary: bool = False
    seen: bool = True
    edited: bool = False
    frame: int | None = None
    first_packet: float | None = None


@attrs.frozen
class SubtitleStream:
    """A subtitle stream. `text`: it can be converted to WebVTT. `position` is its number among the subtitle streams.

    `hearing_impaired`: it also says what is heard. `width` and `height` are those of the canvas of images, 0 if not known.
    The `index` of a file beside the media file is `EXTERNAL`.
    """

    index: int
    position: int
    codec: str
    text: bool
    default: bool = False
    forced: bool = False
    language: str | None = None
    title: str | None = None
    hearing_impaired: bool = False
    width: int = 0
    height: int = 0
    program: int | None = None

    @property
    def external(self) -> bool:
        """Whether it is a file beside the media file."""
        return self.index == EXTERNAL


@attrs.frozen
class Chapter:
    """A chapter. `start` and `end` are in seconds after the beginning of the file as it is played."""

    start: float
    end: float
    title: str | None = None


@attrs.frozen
class Attachment:
    """An attached file, such as a font. `index` is its number among the streams, `position` among the attachments."""

    index: int
    position: int
    filename: str | None = None
    mimetype: str | None = None
    codec: str | None = None
    size: int | None = None


@attrs.frozen
class EmbeddedCover:
    """An attached image as it is in the file. `index` is the stream's number in the file, `size` is in bytes."""

    index: int
    codec: str
    size: int


@attrs.frozen
class Media:
    """A probed file.

    `container` is the name of ffmpeg's demuxer, or several with commas. `duration` and `start_time` are in seconds,
    `size` is in bytes. `claimed` is a length in the file's header that is not possible for its size. `video` does not include attached images: the first of those is the `cover`, whose
    width and height are 0 if ffprobe could not read them, and as it is in the file the `embedded_cover`. `tags` are those that streams of the file get (`tags`).

    `duration_estimated`: nobody has counted the packets, and the header does not say it or cannot be believed. `cut`: the file ends before its header says. `restarts`: its
    clock begins anew somewhere, or jumps. `unseen` is the number of streams of which ffprobe knows nothing but their codec, because it has read no packet of them.
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
    chapters: tuple[Chapter, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    duration_estimated: bool = False
    cut: bool = False
    restarts: bool = False
    unseen: int = 0
    embedded_cover: EmbeddedCover | None = None
    tags: Tags = ()

    @property
    def weight(self) -> int:
        """About how many bytes of memory it takes, rather too many than too few."""
        streams: list[VideoStream | AudioStream | SubtitleStream] = [*self.video, *self.audio, *self.subtitles]
        texts = sum(4 * len(one.title or "") + len(one.language or "") for one in streams)
        texts += sum(4 * len(one.title or "") for one in self.chapters)
        texts += sum(4 * len(one.filename or "") + len(one.mimetype or "") for one in self.attachments)
        texts += sum(len(name) + 4 * len(text) for name, text in self.tags)
        return STREAM * (1 + len(streams) + len(self.chapters) + len(self.attachments)) + texts

    @property
    def default_video(self) -> VideoStream | None:
        """The video stream that is played: the one with the default flag, else the first."""
        return next((stream for stream in self.video if stream.default), self.video[0] if self.video else None)

    @property
    def own_audio(self) -> tuple[AudioStream, ...]:
        """The audio streams that belong to the video that is played: those of its programme, if the file has several."""
        video = self.default_video
        if video is None or video.program is None:
            return self.audio
        return tuple(stream for stream in self.audio if stream.program in {None, video.program})

    @property
    def default_audio(self) -> AudioStream | None:
        """The audio stream that is played if no other is requested: of `own_audio` the one with the default flag, else the first.

        One that describes the video, or is a commentary, is chosen only if there is no other.
        """
        plain = [stream for stream in self.own_audio if not (stream.descriptive or stream.commentary)] or self.own_audio
        return next((stream for stream in plain if stream.default), next(iter(plain), None))
