"""From what a file holds and what a client wants to what is done with each stream, and why.

The rule: a stream is copied when the format plays it and nothing that was asked forbids it; else it is transcoded with
settings for live use. Nothing is ever scaled up, and every picture gets even dimensions.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Literal

import attrs

from transcoded.plan.errors import BadParameter, NotMedia, TranscodedError
from transcoded.plan.media.formats import FORMATS, H264_PIX_FMTS, Encoder, Format
from transcoded.plan.media.params import StreamParams
from transcoded.plan.media.probe import AudioStream, Media, VideoStream

MAX_FPS = 60

# Demuxers that give every packet a presentation time. From others (AVI, raw streams) B-frames come without one, and
# a copied stream would be refused by the muxer or play in the wrong order.
_TIMED = frozenset({"mov", "mp4", "matroska", "webm", "mpegts", "flv", "ogg", "ivf"})

_PIX_FMTS: Mapping[str, frozenset[str]] = {
    "h264": H264_PIX_FMTS,
    "vp8": frozenset({"yuv420p"}),
    "vp9": frozenset({"yuv420p"}),
    "av1": frozenset({"yuv420p", "yuv420p10le"}),
    "hevc": frozenset({"yuv420p", "yuvj420p", "yuv420p10le"}),
    "mpeg2video": frozenset({"yuv420p"}),
    "mpeg4": frozenset({"yuv420p"}),
}


@attrs.frozen
class Copy:
    """The stream's packets are taken as they are."""

    why: str
    action: Literal["copy"] = "copy"


@attrs.frozen
class EncodeVideo:
    """The picture is made anew: `width` and `height` even, `fps` None to keep the source's, bit rate in bits per second."""

    why: str
    encoder: Encoder
    width: int
    height: int
    fps: int | None = None
    bit_rate: int | None = None
    deinterlace: bool = False
    tone_map: bool = False
    action: Literal["transcode"] = "transcode"


@attrs.frozen
class EncodeAudio:
    """The sound is made anew.

    `sample_rate` in Hz and `sample_fmt` (an ffmpeg name) are None to keep the source's, the bit rate in bits per second.
    """

    why: str
    encoder: Encoder
    channels: int
    sample_rate: int | None = None
    sample_fmt: str | None = None
    bit_rate: int | None = None
    action: Literal["transcode"] = "transcode"


@attrs.frozen
class Plan:
    """All that is decided about one stream: which tracks, what is done with each, which part of the file."""

    output: Format
    media: Media
    params: StreamParams
    video: VideoStream | None = None
    video_action: Copy | EncodeVideo | None = None
    audio: AudioStream | None = None
    audio_action: Copy | EncodeAudio | None = None

    @property
    def action(self) -> Literal["copy", "transcode"]:
        """`copy` where no track is made anew."""
        actions = {action.action for action in (self.video_action, self.audio_action) if action}
        return "copy" if actions == {"copy"} else "transcode"

    @property
    def why(self) -> str:
        """One sentence of reasons for people."""
        parts = [("video", self.video_action), ("audio", self.audio_action)]
        return "; ".join(f"{kind}: {action.action}, {action.why}" for kind, action in parts if action)

    @property
    def content_type(self) -> str:
        """The media type of what comes out."""
        return self.output.content_type if self.video else self.output.audio_content_type


def choose(media: Media, output: Format, params: StreamParams, encoders: frozenset[str] | None = None) -> Plan:
    """Decide.

    `encoders` are the names of ffmpeg's encoders that exist on this machine, or None where that is not known.

    Raises `BadParameter` where a parameter does not fit the file, `NotMedia` where the file holds nothing for this format.
    """
    if media.duration is not None and params.start >= media.duration:
        raise BadParameter("start", f"{params.start:g} s is not before the end of the file ({media.duration:.3f} s).")
    video = media.default_video if output.video else None
    audio = _sound(media, params)
    if video is None and audio is None:
        raise NotMedia(f"The file has no sound, and {output.name} holds nothing else.")
    plan = Plan(
        output=output,
        media=media,
        params=params,
        video=video,
        video_action=None if video is None else _video(media, video, output, params),
        audio=audio,
        audio_action=None if audio is None else _audio(audio, output, params),
    )
    for action in (plan.video_action, plan.audio_action):
        if encoders is not None and not isinstance(action, Copy | None) and action.encoder.name not in encoders:
            raise NotMedia(f"This server's ffmpeg has no {action.encoder.name}, which {output.name} needs here.")
    return plan


def outlook(
    media: Media, encoders: frozenset[str] | None = None, params: StreamParams | None = None
) -> dict[str, Plan | TranscodedError]:
    """For every format what would be done, or the error that says why it cannot be."""
    plans: dict[str, Plan | TranscodedError] = {}
    for name, output in FORMATS.items():
        try:
            plans[name] = choose(media, output, params or StreamParams(), encoders)
        except TranscodedError as error:
            plans[name] = error
    return plans


def _sound(media: Media, params: StreamParams) -> AudioStream | None:
    if params.audio is None:
        return media.default_audio
    for stream in media.audio:
        if stream.position == params.audio:
            return stream
    positions = [str(stream.position) for stream in media.audio]
    has = f"allowed for this file: {', '.join(positions)}." if positions else "this file has no sound."
    raise BadParameter("audio", f"{params.audio} is not allowed; {has}")


def _video(media: Media, stream: VideoStream, output: Format, params: StreamParams) -> Copy | EncodeVideo:
    assert output.video is not None  # noqa: S101 - the caller asks only for formats with a picture
    obstacle = "the whole stream is to be made anew (mode=transcode)" if params.mode == "transcode" else None
    obstacle = obstacle or _video_obstacle(media, stream, output, params)
    if obstacle is None:
        return Copy(f"{_describe(stream)} fits {output.name} as it is")
    if params.mode == "copy":
        raise BadParameter("mode", f"the picture cannot be copied: {obstacle}.")
    width, height = scaled(stream, params.height)
    return EncodeVideo(
        why=obstacle,
        encoder=output.video,
        width=width,
        height=height,
        fps=MAX_FPS if stream.fps is not None and MAX_FPS < stream.fps <= 1000 else None,
        bit_rate=params.video_bitrate,
        deinterlace=stream.interlaced,
        tone_map=stream.hdr,
    )


def _video_obstacle(media: Media, stream: VideoStream, output: Format, params: StreamParams) -> str | None:
    """Why the picture cannot be copied, or None."""
    explicit = params.mode == "copy"
    if stream.codec not in (output.holds_video if explicit else output.plays_video):
        return f"{output.name} {'cannot hold' if explicit else 'is not expected to play'} {stream.codec}"
    if params.height is not None and params.height < stream.height:
        return f"{params.height} rows are asked for and the source has {stream.height}"
    if params.video_bitrate is not None and (stream.bit_rate is None or stream.bit_rate > params.video_bitrate):
        return "the source's bit rate is not known to be below the asked one"
    if not _TIMED & set(media.container.split(",")):
        return f"packets in {media.container} carry no presentation times"
    if explicit:
        return None
    if params.start:
        return "a start inside the file is exact only in a new picture (mode=copy starts at the keyframe before it)"
    allowed = _PIX_FMTS.get(stream.codec)
    if allowed is not None and stream.pix_fmt is not None and stream.pix_fmt not in allowed:
        return f"{_describe(stream)} is more than most players decode"
    if stream.rotation and not output.rotates:
        return f"the picture is stored rotated by {stream.rotation}° and {output.name} cannot say so to every player"
    return None


def scaled(stream: VideoStream, height: int | None) -> tuple[int, int]:
    """Width and height of the output picture: never larger than the source, both even, in its aspect ratio."""
    rows = stream.height if height is None else min(height, stream.height)
    columns = round(Fraction(stream.width * rows, stream.height))
    return max(2, columns - columns % 2), max(2, rows - rows % 2)


def _describe(stream: VideoStream) -> str:
    return " ".join(part for part in (stream.codec, stream.profile, stream.pix_fmt) if part)


def _audio(stream: AudioStream, output: Format, params: StreamParams) -> Copy | EncodeAudio:
    encoder = output.audio
    obstacle = "the whole stream is to be made anew (mode=transcode)" if params.mode == "transcode" else None
    obstacle = obstacle or _audio_obstacle(stream, output, params)
    if obstacle is None:
        return Copy(f"{stream.codec} fits {output.name} as it is")
    if params.mode == "copy":
        raise BadParameter("mode", f"the sound cannot be copied: {obstacle}.")
    rates = encoder.sample_rates
    nearest = next((rate for rate in rates if rate <= stream.sample_rate), rates[-1]) if rates else None
    return EncodeAudio(
        why=obstacle,
        encoder=encoder,
        channels=min(stream.channels, encoder.max_channels),
        sample_rate=nearest if nearest != stream.sample_rate else None,
        # Lossy codecs decode to floating point; 24 bits of their noise would only make the FLAC larger.
        sample_fmt="s16" if encoder.codec == "flac" and (stream.bits_per_sample or 16) <= 16 else None,
        bit_rate=(params.audio_bitrate or encoder.bit_rate) if encoder.bit_rate else None,
    )


def _audio_obstacle(stream: AudioStream, output: Format, params: StreamParams) -> str | None:
    """Why the sound cannot be copied, or None."""
    explicit = params.mode == "copy"
    if stream.codec not in (output.holds_audio if explicit else output.plays_audio):
        return f"{output.name} {'cannot hold' if explicit else 'is not expected to play'} {stream.codec}"
    wanted = params.audio_bitrate
    if wanted is not None and output.audio.bit_rate and (stream.bit_rate is None or stream.bit_rate > wanted):
        return "the source's bit rate is not known to be below the asked one"
    return None
