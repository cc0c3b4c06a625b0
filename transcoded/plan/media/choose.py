"""Decides what is done with each stream of a file, and why, from its probe and the client's request.

The rule: a stream is copied if players of the format play it and the request allows this. Else it is transcoded, with
settings for live use. Nothing is scaled up, but for the width where pixels are wide.
"""

from fractions import Fraction
from typing import Literal

import attrs

from transcoded.plan.cmaf.rates import frame_rate, is_variable
from transcoded.plan.errors import BadParameter, NotMedia, TranscodedError
from transcoded.plan.media.burn_in import subtitles_to_burn_in
from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.choose_audio import EncodeAudio, audio_action, requested_audio
from transcoded.plan.media.colors import tone_mapping_obstacle
from transcoded.plan.media.copying import described, video_copy
from transcoded.plan.media.formats import FORMATS, Encoder, Format
from transcoded.plan.media.geometry import fitted
from transcoded.plan.media.packaging import Copy, Packaging
from transcoded.plan.media.params import StreamParams
from transcoded.plan.media.probe import AudioStream, Media, SubtitleStream, VideoStream
from transcoded.plan.media.timeline.extents import is_elsewhere

SLOW = 10
"""Frames per second. Below this, a frame is on display for so long that a start between two of them is noticed."""

MAX_FPS = 60
"""Frames per second of encoded video."""


@attrs.frozen
class EncodeVideo:
    """The video is transcoded. `why` is the reason, for people.

    `width` and `height` are in square pixels, both even. `fps` None keeps the frame rate of the source. `bit_rate` is in bits
    per second; None: the encoder's `quality` decides. `hold`: the frame that is on display at the start came long before it, and
    is repeated at this rate, as all others are.
    """

    why: str
    encoder: Encoder
    width: int
    height: int
    fps: int | None = None
    bit_rate: int | None = None
    hold: Fraction | None = None
    action: Literal["transcode"] = "transcode"


@attrs.frozen
class Plan:
    """The decision about one response: its streams and what is done with each, its format, and the part of the file.

    `burn` are subtitles that are drawn into the video.
    """

    output: Format
    media: Media
    params: StreamParams
    video: VideoStream | None = None
    video_action: Copy | EncodeVideo | None = None
    audio: AudioStream | None = None
    audio_action: Copy | EncodeAudio | None = None
    burn: SubtitleStream | None = None

    @property
    def late_header(self) -> bool:
        """Whether the container's header is written after the first packets.

        It then says exactly where each track begins. But the header waits for all of them, so each must be known to begin soon, unless the
        header has to wait anyway, for what a copied stream only says in its packets.
        """
        actions = (self.video_action, self.audio_action)
        needed = any(isinstance(action, Copy) and action.packaging.late_header for action in actions)
        return self.output.writes_late and (needed or self._begins_at_once)

    @property
    def _begins_at_once(self) -> bool:
        """Whether all streams are known to have packets within a second from the start; one alone waits for no other."""
        if self.video is None or self.audio is None:
            return True
        start = self.params.start
        if start or is_elsewhere(self.media, self.audio, start):
            return False
        begins = (self.video.start_time, self.audio.start_time)
        return all(begin is not None and begin - self.media.start_time < 1 for begin in begins)

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
    format, or if this machine's ffmpeg cannot decode, encode or convert from HDR what it needs.
    """
    # Behind an estimate there may be more.
    if media.duration is not None and not media.duration_estimated and params.start >= media.duration:
        raise BadParameter(
            "start",
            f"{params.start:g} s is not allowed; give less than the length of the file ({media.duration:.3f} s).",
        )
    video = media.default_video if output.video else None
    audio = requested_audio(media, params, capabilities)
    burn = _burned(media, output, params, capabilities)
    if video is None and audio is None:
        raise NotMedia(f"The file has no audio, and {output.name} contains nothing else.")
    plan = Plan(
        output=output,
        media=media,
        params=params,
        video=video,
        video_action=None if video is None else _video(media, video, output, params),
        audio=audio,
        audio_action=None if audio is None else audio_action(media, audio, output, params, capabilities),
        burn=burn,
    )
    if capabilities is not None:
        _check(plan, capabilities)
    return plan


def _check(plan: Plan, capabilities: Capabilities) -> None:
    """Raise `NotMedia` if this ffmpeg cannot do what is planned."""
    held = plan.output.holds_video | plan.output.holds_audio
    for stream, action in ((plan.video, plan.video_action), (plan.audio, plan.audio_action)):
        if stream is None or not isinstance(action, EncodeVideo | EncodeAudio):
            continue
        obstacle = capabilities.decoding_obstacle(stream.codec)
        if obstacle is not None:
            copied = f" {plan.output.name} can contain it: mode=copy copies it." if stream.codec in held else ""
            raise NotMedia(f"{obstacle}{copied}")
        obstacle = capabilities.encoding_obstacle(action.encoder.name)
        if obstacle is not None:
            raise NotMedia(f"{obstacle} {plan.output.name} needs it for this file.")
        if isinstance(stream, VideoStream) and (obstacle := tone_mapping_obstacle(stream, capabilities)) is not None:
            raise NotMedia(obstacle)


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


def _video(media: Media, stream: VideoStream, output: Format, params: StreamParams) -> Copy | EncodeVideo:
    assert output.video is not None  # noqa: S101 - called only for formats with video
    if params.mode == "transcode":
        obstacle: Packaging | str = "mode=transcode was requested"
    elif params.burn:
        obstacle = f"subtitles {params.subtitle} are drawn into it"
    else:
        obstacle = video_copy(media, stream, output, params)
    if isinstance(obstacle, Packaging):
        return Copy(f"{described(stream)} fits {output.name} as it is", obstacle)
    if params.mode == "copy":
        raise BadParameter("mode", f"the video cannot be copied: {obstacle}. Allowed here: auto, transcode.")
    width, height = fitted(stream, params.height)
    return EncodeVideo(
        why=obstacle,
        encoder=output.video,
        width=width,
        height=height,
        fps=MAX_FPS if stream.fps is not None and MAX_FPS < stream.fps <= 1000 else None,
        bit_rate=params.video_bitrate,
        hold=_hold(stream) if params.start else None,
    )


def _burned(
    media: Media, output: Format, params: StreamParams, capabilities: Capabilities | None
) -> SubtitleStream | None:
    """The subtitles that are drawn into the video. Raises `BadParameter` if what is requested cannot be done."""
    if not params.burn and params.subtitle is None:
        return None
    if not params.burn:
        raise BadParameter(
            "subtitle", "is for burn=1 only, which draws the subtitles into the video. Without it, see …/subtitles/."
        )
    if params.subtitle is None:
        raise BadParameter("burn", "burn=1 needs the parameter subtitle, which says what is drawn into the video.")
    if output.video is None:
        raise BadParameter("burn", f"{output.name} has no video that subtitles could be drawn into.")
    if params.mode == "copy":
        raise BadParameter("burn", "burn=1 needs a transcode of the video. Allowed with it: mode=auto, mode=transcode.")
    return subtitles_to_burn_in(media, params.subtitle, "subtitle", capabilities)


def _hold(stream: VideoStream) -> Fraction | None:
    """The rate at which frames are repeated if they can be far apart, so that any time between two of them has one."""
    if stream.fps is not None and stream.fps >= SLOW and not is_variable(stream.fps, stream.timing_rate):
        return None
    return max(frame_rate(stream.fps, stream.timing_rate), Fraction(25))
