"""Whether a stream can be copied into an output format, and if not, why.

With `mode=copy` the container must be able to contain the codec; the client knows what its player plays. With other
modes it must also be likely that players of the format play the stream. `packaging` says how what is copied is wrapped.
"""

from collections.abc import Mapping

from transcoded.plan.media.colors import is_rgb, reshaped
from transcoded.plan.media.formats import H264_PIX_FMTS, Format
from transcoded.plan.media.geometry import pixel_aspect
from transcoded.plan.media.packaging import Packaging, audio_packaging, video_packaging
from transcoded.plan.media.params import StreamParams
from transcoded.plan.media.probe import AudioStream, Crop, Media, VideoStream
from transcoded.plan.media.timeline.extents import begins_late, is_elsewhere

# Demuxers that give each packet a presentation time. Others (AVI, raw streams) do not for B-frames: the muxer would
# refuse a copied stream, or it would play in the wrong order.
_TIMED = frozenset({"mov", "mp4", "matroska", "webm", "mpegts", "flv", "ogg", "ivf"})

LATE = 0.1
"""Seconds after which a late beginning of the audio is noticed."""

_WITHOUT_HEADER = frozenset({"mpeg", "mpegts"})
_LOOKS = 3.0
"""Seconds at the beginning of a file in which ffmpeg surely meets every stream that has packets: 20 MB at 50 Mbit/s."""

# Pixel formats that most players decode.
_PIX_FMTS: Mapping[str, frozenset[str]] = {
    "h264": H264_PIX_FMTS,
    "vp8": frozenset({"yuv420p"}),
    "vp9": frozenset({"yuv420p"}),
    "av1": frozenset({"yuv420p", "yuv420p10le"}),
    "hevc": frozenset({"yuv420p", "yuvj420p", "yuv420p10le"}),
    "mpeg2video": frozenset({"yuv420p"}),
    "mpeg4": frozenset({"yuv420p"}),
}


def video_obstacle(media: Media, stream: VideoStream, output: Format, params: StreamParams) -> str | None:
    """The reason why the video cannot be copied, as a phrase for messages; None: it can."""
    explicit = params.mode == "copy"
    if stream.codec not in (output.holds_video if explicit else output.plays_video):
        return f"{output.name} {'cannot contain' if explicit else 'is not expected to play'} {stream.codec}"
    if params.height is not None and params.height < stream.height:
        return f"height={params.height} was requested and the source has {stream.height} rows"
    if params.video_bitrate is not None and (stream.bit_rate is None or stream.bit_rate > params.video_bitrate):
        return "the bit rate of the source is not known, or above the requested one"
    if not _TIMED & set(media.container.split(",")):
        return f"packets in {media.container} have no presentation times"
    if _is_met_late(media, stream):
        return "it begins so late that ffmpeg does not know it yet when it writes the header"
    if stream.edited:
        return "the file's edit list hides frames before its beginning, which a copy would show"
    if explicit:
        return None
    if params.start and params.start_at == "exact":
        return "an exact start inside the file needs a transcode (start_at=keyframe begins at the keyframe before it)"
    allowed = _PIX_FMTS.get(stream.codec)
    if allowed is not None and stream.pix_fmt is not None and stream.pix_fmt not in allowed:
        return f"most players do not decode {described(stream)}"
    if stream.rotation and not output.rotates:
        return f"the video is rotated by {stream.rotation}°, and not all players of {output.name} apply a rotation"
    if stream.interlaced and not output.deinterlaces:
        return f"the video is interlaced, and most players of {output.name} show it with combs"
    return unplayable_picture(stream)


def unplayable_picture(stream: VideoStream) -> str | None:
    """The reason why players show a copy of the video wrongly, in whichever container, as a phrase for messages."""
    if stream.mirrored:
        return "the video is mirrored by its container, which most players do not do"
    if stream.crop != Crop():
        return "the video is cropped by its container, which most players do not do"
    if stream.sar != pixel_aspect(stream):
        return f"pixels of the shape {stream.sar.numerator}:{stream.sar.denominator} are taken for an error"
    if stream.matrix == "gbr" and not is_rgb(stream):
        return "the video says that its luma and chroma are red, green and blue"
    if reshaped(stream):
        return "most players show Dolby Vision without a base layer in wrong colours"
    return None


def audio_obstacle(stream: AudioStream, output: Format, params: StreamParams) -> str | None:
    """The reason why the audio cannot be copied, as a phrase for messages; None: it can. `packaging` may find another one."""
    explicit = params.mode == "copy"
    if stream.codec not in (output.holds_audio if explicit else output.plays_audio):
        return f"{output.name} {'cannot contain' if explicit else 'is not expected to play'} {stream.codec}"
    if params.channels is not None and params.channels < stream.channels:
        return f"channels={params.channels} was requested and the source has {stream.channels}"
    if params.downmix == "night" or (params.downmix != "standard" and stream.channels > 2):
        return f"downmix={params.downmix} was requested"
    wanted = params.audio_bitrate
    if wanted is not None and output.audio.bit_rate and (stream.bit_rate is None or stream.bit_rate > wanted):
        return "the bit rate of the source is not known, or above the requested one"
    return None


def video_copy(media: Media, stream: VideoStream, output: Format, params: StreamParams) -> Packaging | str:
    """How the video is copied; or the reason why it cannot be, as a phrase for messages."""
    return video_obstacle(media, stream, output, params) or video_packaging(stream, output)


def audio_copy(media: Media, stream: AudioStream, output: Format, params: StreamParams) -> Packaging | str:
    """How the audio is copied; or the reason why it cannot be, as a phrase for messages."""
    obstacle = audio_obstacle(stream, output, params)
    if obstacle is not None:
        return obstacle
    if stream.edited:
        return "the file's edit list hides audio before its beginning, which a copy would play"
    if _is_met_late(media, stream):
        return "it begins so late that ffmpeg does not know it yet when it writes the header"
    cut, explicit = bool(params.start) or params.duration is not None, params.mode == "copy"
    packaging = audio_packaging(media, stream, output, cut=cut, explicit=explicit)
    if isinstance(packaging, str) or explicit:
        return packaging
    delay = (stream.start_time or media.start_time) - media.start_time - params.start
    if delay > LATE and not output.timed:
        return f"the audio begins {delay:.1f} s late, and {output.name} has no time stamps that say so"
    if not packaging.late_header:
        return packaging
    far = output.video is not None and is_elsewhere(media, stream, params.start)
    return f"the header of {output.name} would wait for audio that comes late" if far else packaging


def _is_met_late(media: Media, stream: VideoStream | AudioStream) -> bool:
    """Whether only packets say how it is decoded, and the first of them is further in the file than ffmpeg looks before it begins."""
    return not _WITHOUT_HEADER.isdisjoint(media.container.split(",")) and begins_late(media, stream) > _LOOKS


def described(stream: VideoStream) -> str:
    """Codec, profile and pixel format of a video stream, as far as they are known, in one text for people."""
    return " ".join(part for part in (stream.codec, stream.profile, stream.pix_fmt) if part)
