"""probe.json: what a file holds, and for each format what would be done and why."""

from collections.abc import Mapping

from transcoded.plan.errors import TranscodedError
from transcoded.plan.media.choose import Copy, EncodeAudio, EncodeVideo, Plan
from transcoded.plan.media.probe import AudioStream, Media, SubtitleStream, VideoStream

Json = None | bool | int | float | str | list["Json"] | Mapping[str, "Json"]


def describe(path: str, media: Media, plans: Mapping[str, Plan | TranscodedError]) -> Mapping[str, Json]:
    """The document. Sizes in bytes, times in seconds, rates in bits per second; None where the file does not say."""
    streams: list[Json] = [
        *[_video(stream) for stream in media.video],
        *[_audio(stream) for stream in media.audio],
        *[_subtitle(stream) for stream in media.subtitles],
    ]
    return {
        "path": path,
        "container": media.container,
        "duration": media.duration,
        "size": media.size,
        "bit_rate": media.bit_rate,
        "streams": streams,
        "formats": {name: _plan(plan) for name, plan in plans.items()},
    }


def _plan(plan: Plan | TranscodedError) -> Json:
    if isinstance(plan, TranscodedError):
        return {"action": "unavailable", "why": plan.detail}
    return {
        "action": plan.action,
        "why": plan.why,
        "content_type": plan.content_type,
        "video": _action(plan.video_action),
        "audio": _action(plan.audio_action),
    }


def _action(action: Copy | EncodeVideo | EncodeAudio | None) -> Json:
    match action:
        case None:
            return None
        case Copy():
            return {"action": "copy", "why": action.why}
        case EncodeVideo():
            size: Mapping[str, Json] = {"width": action.width, "height": action.height}
            return {"action": "transcode", "why": action.why, "codec": action.encoder.codec, **size}
        case EncodeAudio():
            sound: Mapping[str, Json] = {"channels": action.channels, "sample_rate": action.sample_rate}
            return {"action": "transcode", "why": action.why, "codec": action.encoder.codec, **sound}


def _video(stream: VideoStream) -> Json:
    return {
        "index": stream.index,
        "kind": "video",
        "codec": stream.codec,
        "profile": stream.profile,
        "level": stream.level,
        "pix_fmt": stream.pix_fmt,
        "width": stream.width,
        "height": stream.height,
        "fps": None if stream.fps is None else round(float(stream.fps), 3),
        "rotation": stream.rotation,
        "bit_rate": stream.bit_rate,
        "hdr": stream.hdr,
        "interlaced": stream.interlaced,
        "default": stream.default,
        "language": stream.language,
        "title": stream.title,
    }


def _audio(stream: AudioStream) -> Json:
    return {
        "index": stream.index,
        "kind": "audio",
        "position": stream.position,
        "codec": stream.codec,
        "profile": stream.profile,
        "channels": stream.channels,
        "sample_rate": stream.sample_rate,
        "bit_rate": stream.bit_rate,
        "default": stream.default,
        "language": stream.language,
        "title": stream.title,
    }


def _subtitle(stream: SubtitleStream) -> Json:
    return {
        "index": stream.index,
        "kind": "subtitle",
        "position": stream.position,
        "codec": stream.codec,
        "text": stream.text,
        "default": stream.default,
        "forced": stream.forced,
        "language": stream.language,
        "title": stream.title,
    }
