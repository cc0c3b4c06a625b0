"""The document probe.json: what a file contains, and for each format what would be done and why."""

from collections.abc import Mapping

import msgspec

from transcoded.plan.errors import TranscodedError
from transcoded.plan.media.choose import EncodeVideo, Plan
from transcoded.plan.media.choose_audio import EncodeAudio
from transcoded.plan.media.packaging import Copy
from transcoded.plan.media.probe import Attachment, AudioStream, Chapter, HdrKind, Media, SubtitleStream, VideoStream


class VideoInfo(msgspec.Struct, tag_field="kind", tag="video", kw_only=True):
    """A video stream. `width` and `height` are as displayed, `fps` is the average, `rotation` is in degrees clockwise.

    `mirrored`: it is mirrored from left to right before that. `sar` is the sample aspect ratio, `field_order` ffprobe's.
    """

    index: int
    codec: str
    profile: str | None
    level: int | None
    pix_fmt: str | None
    width: int
    height: int
    fps: float | None
    rotation: int
    bit_rate: int | None
    mirrored: bool
    sar: str
    hdr: HdrKind | None
    hdr_detail: str | None
    interlaced: bool
    field_order: str | None
    default: bool
    language: str | None
    title: str | None


class AudioInfo(msgspec.Struct, tag_field="kind", tag="audio", kw_only=True):
    """An audio stream. `position` counts audio streams from 0, `sample_rate` is in Hz."""

    index: int
    position: int
    codec: str
    profile: str | None
    channels: int
    channel_layout: str | None
    sample_rate: int
    bit_rate: int | None
    descriptive: bool
    commentary: bool
    default: bool
    language: str | None
    title: str | None


class SubtitleInfo(msgspec.Struct, tag_field="kind", tag="subtitle", kw_only=True):
    """A subtitle stream. `position` counts subtitle streams from 0; `text`: it can be converted to WebVTT.

    `external`: it is a file beside the media file, and has no `index`.
    """

    index: int | None
    position: int
    codec: str
    text: bool
    default: bool
    forced: bool
    hearing_impaired: bool
    external: bool
    language: str | None
    title: str | None


class ChapterInfo(msgspec.Struct):
    """A chapter. `start` and `end` are in seconds."""

    start: float
    end: float
    title: str | None


class AttachmentInfo(msgspec.Struct):
    """An attached file, such as a font. `position` counts attachments from 0, `size` is in bytes."""

    index: int
    position: int
    filename: str | None
    mimetype: str | None
    size: int | None


class CopiedMedia(msgspec.Struct, tag_field="action", tag="copy"):
    """An audio or video stream that is copied."""

    why: str


class TranscodedVideo(msgspec.Struct, tag_field="action", tag="transcode"):
    """Video that is transcoded. Width and height are in pixels."""

    why: str
    codec: str
    width: int
    height: int


class TranscodedAudio(msgspec.Struct, tag_field="action", tag="transcode"):
    """Audio that is transcoded. `sample_rate` is in Hz; None: that of the source."""

    why: str
    codec: str
    channels: int
    sample_rate: int | None


class _Stream(msgspec.Struct, tag_field="action"):
    why: str
    content_type: str
    video: CopiedMedia | TranscodedVideo | None
    audio: CopiedMedia | TranscodedAudio | None


class CopiedStream(_Stream, tag="copy"):
    """A format for which all streams are copied."""


class TranscodedStream(_Stream, tag="transcode"):
    """A format for which at least one stream is transcoded."""


class UnavailableStream(msgspec.Struct, tag_field="action", tag="unavailable"):
    """A format that cannot be made from this file."""

    why: str


class Description(msgspec.Struct):
    """What a file contains. Sizes are in bytes, times in seconds, rates in bits per second; null means: not known.

    `cut`: the file ends before its header says, as a download that broke off does. `has_cover`: it has a picture, such as that of an
    album, which is not video.
    """

    path: str
    container: str
    duration: float | None
    duration_estimated: bool
    cut: bool
    has_cover: bool
    size: int
    bit_rate: int | None
    streams: list[VideoInfo | AudioInfo | SubtitleInfo]
    chapters: list[ChapterInfo]
    attachments: list[AttachmentInfo]
    formats: dict[str, CopiedStream | TranscodedStream | UnavailableStream]


def describe(path: str, media: Media, plans: Mapping[str, Plan | TranscodedError]) -> Description:
    """The document. `plans` has for each name of a format the plan, or the error that says why there is none."""
    return Description(
        path=path,
        container=media.container,
        duration=media.duration,
        duration_estimated=media.duration_estimated,
        cut=media.cut,
        has_cover=media.cover is not None,
        size=media.size,
        bit_rate=media.bit_rate,
        streams=[
            *[_video(stream) for stream in media.video],
            *[_audio(stream) for stream in media.audio],
            *[_subtitle(stream) for stream in media.subtitles],
        ],
        chapters=[_chapter(chapter) for chapter in media.chapters],
        attachments=[_attachment(attachment) for attachment in media.attachments],
        formats={name: _plan(plan) for name, plan in plans.items()},
    )


def _plan(plan: Plan | TranscodedError) -> CopiedStream | TranscodedStream | UnavailableStream:
    if isinstance(plan, TranscodedError):
        return UnavailableStream(plan.detail)
    kind = CopiedStream if plan.action == "copy" else TranscodedStream
    return kind(plan.why, plan.content_type, _video_action(plan.video_action), _audio_action(plan))


def _video_action(action: Copy | EncodeVideo | None) -> CopiedMedia | TranscodedVideo | None:
    match action:
        case None:
            return None
        case Copy():
            return CopiedMedia(action.why)
        case EncodeVideo():
            return TranscodedVideo(action.why, action.encoder.codec, action.width, action.height)


def _audio_action(plan: Plan) -> CopiedMedia | TranscodedAudio | None:
    match plan.audio_action:
        case None:
            return None
        case Copy() as copied:
            return CopiedMedia(copied.why)
        case EncodeAudio() as encoded:
            kept = plan.audio is not None and plan.audio.sample_rate == encoded.sample_rate
            return TranscodedAudio(
                encoded.why, encoded.encoder.codec, encoded.channels, None if kept else encoded.sample_rate
            )


def _video(stream: VideoStream) -> VideoInfo:
    return VideoInfo(
        index=stream.index,
        codec=stream.codec,
        profile=stream.profile,
        level=stream.level,
        pix_fmt=stream.pix_fmt,
        width=stream.width,
        height=stream.height,
        fps=None if stream.fps is None else round(float(stream.fps), 3),
        rotation=stream.rotation,
        bit_rate=stream.bit_rate,
        mirrored=stream.mirrored,
        sar=f"{stream.sar.numerator}:{stream.sar.denominator}",
        hdr=stream.hdr,
        hdr_detail=stream.hdr_detail,
        interlaced=stream.interlaced,
        field_order=stream.field_order,
        default=stream.default,
        language=stream.language,
        title=stream.title,
    )


def _audio(stream: AudioStream) -> AudioInfo:
    return AudioInfo(
        index=stream.index,
        position=stream.position,
        codec=stream.codec,
        profile=stream.profile,
        channels=stream.channels,
        channel_layout=stream.channel_layout,
        sample_rate=stream.sample_rate,
        bit_rate=stream.bit_rate,
        descriptive=stream.descriptive,
        commentary=stream.commentary,
        default=stream.default,
        language=stream.language,
        title=stream.title,
    )


def _subtitle(stream: SubtitleStream) -> SubtitleInfo:
    return SubtitleInfo(
        index=None if stream.external else stream.index,
        position=stream.position,
        codec=stream.codec,
        text=stream.text,
        default=stream.default,
        forced=stream.forced,
        hearing_impaired=stream.hearing_impaired,
        external=stream.external,
        language=stream.language,
        title=stream.title,
    )


def _chapter(chapter: Chapter) -> ChapterInfo:
    return ChapterInfo(round(chapter.start, 6), round(chapter.end, 6), chapter.title)


def _attachment(attachment: Attachment) -> AttachmentInfo:
    return AttachmentInfo(
        index=attachment.index,
        position=attachment.position,
        filename=attachment.filename,
        mimetype=attachment.mimetype,
        size=attachment.size,
    )
