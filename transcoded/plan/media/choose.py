"""Decides what is done with each stream of a file, and why, from its probe and the client's request.

The rule: a stream is copied if players of the format play it and the request allows this. Else it is transcoded, with
settings for live use. Nothing is scaled up, and encoded video has even dimensions.
"""

from fractions import Fraction
from typing import Literal

import attrs

from transcoded.plan.cmaf.rates import frame_rate, is_variable
from transcoded.plan.errors import BadParameter, NotMedia, TranscodedError
from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.copying import audio_obstacle, described, video_obstacle
from transcoded.plan.media.formats import FORMATS, Encoder, Format
from transcoded.plan.media.params import StreamParams
from transcoded.plan.media.probe import AudioStream, Media, VideoStream

SLOW = 10
"""Frames per second. Below this, a frame is on display for so long that a start between two of them is noticed."""

MAX_FPS = 60
"""Frames per second of encoded video."""


@attrs.frozen
class Copy:
    """The packets of the stream are copied. `why` is the reason, for people."""

    why: str
    action: Literal["copy"] = "copy"


@attrs.frozen
class EncodeVideo:
    """The video is transcoded. `why` is the reason, for people.

    `width` and `height` are in pixels, both even. `fps` None keeps the frame rate of the source. `bit_rate` is in bits
    per second; None: the encoder's `quality` decides. `hold`: the frame that is on display at the start came long before it, and
    is repeated at this rate, as all others are.
    """

    why: str
    encoder: Encoder
    width: int
    height: int
    fps: int | None = None
    bit_rate: int | None = None
    deinterlace: bool = False
    tone_map: bool = False
    hold: Fraction | None = None
    action: Literal["transcode"] = "transcode"


@attrs.frozen
class EncodeAudio:
    """The audio is transcoded. `why` is the reason, for people.

    `sample_rate` is in Hz, `sample_fmt` is a name of ffmpeg; None keeps that of the source. `bit_rate` is in bits per
    second; None: the encoder has none.
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
    """The decision about one response: its streams and what is done with each, its format, and the part of the file."""

    output: Format
    media: Media
    params: StreamParams
    video: VideoStream | None = None
    video_action: Copy | EncodeVideo | None = None
    audio: AudioStream | None = None
    audio_action: Copy | EncodeAudio | None = None

    @property
    def action(self) -> Literal["copy", "transcode"]:
        """`copy` if all streams are copied."""
        actions = {action.action for action in (self.video_action, self.audio_action) if action}
        return "copy" if actions == {"copy"} else "transcode"

    @property
    def why(self) -> str:
        """The reasons in one sentence, for people."""
        parts = [("video", self.video_action), ("audio", self.audio_action)]
        return "; ".join(f"{kind}: {action.action}, {action.why}" for kind, action in parts if action)

    @property
    def content_type(self) -> str:
        """The media type of the output."""
        return self.output.content_type if self.video else self.output.audio_content_type


def choose(media: Media, output: Format, params: StreamParams, capabilities: Capabilities | None = None) -> Plan:
    """Decide what is done for one request.

    `capabilities` are those of this machine's ffmpeg; None: not known, so nothing is refused for them.

    Raises `BadParameter` if a parameter does not fit the file. Raises `NotMedia` if the file has no stream for this
    format, or if a needed encoder is missing.
    """
    # Behind an estimate there may be more.
    if media.duration is not None and not media.duration_estimated and params.start >= media.duration:
        raise BadParameter(
            "start",
            f"{params.start:g} s is not allowed; give less than the length of the file ({media.duration:.3f} s).",
        )
    video = media.default_video if output.video else None
    audio = _requested_audio(media, params)
    if video is None and audio is None:
        raise NotMedia(f"The file has no audio, and {output.name} contains nothing else.")
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
        if (
            capabilities is not None
            and not isinstance(action, Copy | None)
            and action.encoder.name not in capabilities.encoders
        ):
            raise NotMedia(
                f"The ffmpeg of this server has no {action.encoder.name}, which {output.name} needs for this file."
            )
    return plan


def plan_all_formats(
    media: Media, capabilities: Capabilities | None = None, params: StreamParams | None = None
) -> dict[str, Plan | TranscodedError]:
    """For each format the plan, or the error that says why there is none."""
    plans: dict[str, Plan | TranscodedError] = {}
    for name, output in FORMATS.items():
        try:
            plans[name] = choose(media, output, params or StreamParams(), capabilities)
        except TranscodedError as error:
            plans[name] = error
    return plans


def _requested_audio(media: Media, params: StreamParams) -> AudioStream | None:
    if params.audio is None:
        return media.default_audio
    for stream in media.audio:
        if stream.position == params.audio:
            return stream
    positions = [str(stream.position) for stream in media.audio]
    has = f"allowed for this file: {', '.join(positions)}." if positions else "this file has no audio."
    raise BadParameter("audio", f"{params.audio} is not allowed; {has}")


def _video(media: Media, stream: VideoStream, output: Format, params: StreamParams) -> Copy | EncodeVideo:
    assert output.video is not None  # noqa: S101 - called only for formats with video
    obstacle = "mode=transcode was requested" if params.mode == "transcode" else None
    obstacle = obstacle or video_obstacle(media, stream, output, params)
    if obstacle is None:
        return Copy(f"{described(stream)} fits {output.name} as it is")
    if params.mode == "copy":
        raise BadParameter("mode", f"the video cannot be copied: {obstacle}. Allowed here: auto, transcode.")
    width, height = scaled(stream, params.height)
    return EncodeVideo(
        why=obstacle,
        encoder=output.video,
        width=width,
        height=height,
        fps=MAX_FPS if stream.fps is not None and MAX_FPS < stream.fps <= 1000 else None,
        bit_rate=params.video_bitrate,
        deinterlace=stream.interlaced,
        tone_map=stream.hdr is not None,
        hold=_hold(stream) if params.start else None,
    )


def _hold(stream: VideoStream) -> Fraction | None:
    """The rate at which frames are repeated if they can be far apart, so that any time between two of them has one."""
    if stream.fps is not None and stream.fps >= SLOW and not is_variable(stream.fps, stream.timing_rate):
        return None
    return max(frame_rate(stream.fps, stream.timing_rate), Fraction(25))


def scaled(stream: VideoStream, height: int | None) -> tuple[int, int]:
    """Width and height of the encoded video, in pixels: both even, in the aspect ratio of the source, not larger."""
    rows = stream.height if height is None else min(height, stream.height)
    columns = round(Fraction(stream.width * rows, stream.height))
    return max(2, columns - columns % 2), max(2, rows - rows % 2)


def _audio(stream: AudioStream, output: Format, params: StreamParams) -> Copy | EncodeAudio:
    encoder = output.audio
    obstacle = "mode=transcode was requested" if params.mode == "transcode" else None
    obstacle = obstacle or audio_obstacle(stream, output, params)
    if obstacle is None:
        return Copy(f"{stream.codec} fits {output.name} as it is")
    if params.mode == "copy":
        raise BadParameter("mode", f"the audio cannot be copied: {obstacle}. Allowed here: auto, transcode.")
    rates = encoder.sample_rates
    nearest = next((rate for rate in rates if rate <= stream.sample_rate), rates[-1]) if rates else None
    return EncodeAudio(
        why=obstacle,
        encoder=encoder,
        channels=min(stream.channels, encoder.max_channels),
        sample_rate=nearest if nearest != stream.sample_rate else None,
        # Lossy codecs decode to floating point. With 24 bits, FLAC would only store more of their noise.
        sample_fmt="s16" if encoder.codec == "flac" and (stream.bits_per_sample or 16) <= 16 else None,
        bit_rate=(params.audio_bitrate or encoder.bit_rate) if encoder.bit_rate else None,
    )
