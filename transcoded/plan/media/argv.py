"""From a plan to ffmpeg's and ffprobe's argument lists. Every list stands here, in the order in which ffmpeg reads it.

Inputs are always `file:` URLs, so that no file name is taken for a protocol or an option, and may be opened only with
the protocols and demuxers of `media`: a playlist dressed as a film can name no other file (docs/security.md).
"""

from collections.abc import Sequence

import attrs

from transcoded.plan.media.choose import Copy, EncodeAudio, EncodeVideo, Plan
from transcoded.plan.media.probe import FORMAT_WHITELIST, PROTOCOL_WHITELIST, Media, VideoStream

KEYFRAME_SECONDS = 2
PROGRESS_FD = 3

BLIND_LEAD = 11.0
"""Seconds by which reading begins early where ffmpeg seeks without an index: it may land behind the keyframe that it needs, and
shows nothing until the next one. The longest usual distance is 250 frames, x264's own, at 24 frames a second."""

_BLIND = frozenset({"mpegts", "mpeg", "mpegvideo", "h264", "hevc"})
WHITELISTS = ("-protocol_whitelist", PROTOCOL_WHITELIST, "-format_whitelist", FORMAT_WHITELIST)
# Bounds how much of a file is read before it is understood: bytes and microseconds.
_BOUNDS = ("-probesize", "20M", "-analyzeduration", "15M")


@attrs.frozen
class Options:
    """What the operator adds to every ffmpeg: threads of each encoder, and arguments before the input and the output.

    `tone_maps` says whether this ffmpeg's scaler converts transfer functions (8.0 and later).
    """

    threads: int | None = None
    input_args: tuple[str, ...] = ()
    output_args: tuple[str, ...] = ()
    tone_maps: bool = False


def seeks_blindly(media: Media) -> bool:
    """Whether ffmpeg guesses where a time is in the file, and can land behind the keyframe that it needs."""
    return bool(_BLIND & set(media.container.split(",")))


def probe_argv(path: str) -> list[str]:
    """Arguments of an ffprobe that describes a file as JSON on stdout."""
    return [
        *("-hide_banner", "-loglevel", "error"),
        *("-print_format", "json=compact=1", "-show_format", "-show_streams"),
        *WHITELISTS,
        *_BOUNDS,
        *("-i", f"file:{path}"),
    ]


def stream_argv(plan: Plan, path: str, options: Options | None = None) -> list[str]:
    """Arguments of an ffmpeg that writes the planned stream to stdout and its progress to descriptor 3."""
    options = options or Options()
    start = plan.params.start
    # An exact start in a file without an index: begin before it and throw away what comes out until then.
    lead = min(start, BLIND_LEAD) if plan.action == "transcode" and seeks_blindly(plan.media) else 0.0
    return [
        *prologue(),
        *options.input_args,
        *input_argv(path, start=start - lead),
        *(("-ss", _seconds(lead)) if lead else ()),
        *(("-t", _seconds(plan.params.duration)) if plan.params.duration is not None else ()),
        *_video_argv(plan, options),
        *_audio_argv(plan),
        *("-sn", "-dn", "-map_chapters", "-1", "-max_muxing_queue_size", "2048"),
        *(("-threads", str(options.threads)) if options.threads else ()),
        *plan.profile.options,
        *options.output_args,
        *("-f", plan.profile.muxer, "pipe:1"),
    ]


def prologue() -> Sequence[str]:
    """What comes first in every ffmpeg: quiet, no keyboard, progress twice a second on its own descriptor."""
    return (
        *("-hide_banner", "-nostdin", "-loglevel", "error"),
        *("-nostats", "-stats_period", "0.5", "-progress", f"pipe:{PROGRESS_FD}"),
    )


def input_argv(path: str, start: float = 0.0) -> Sequence[str]:
    """One input file, opened at `start` seconds after its beginning."""
    return (
        *WHITELISTS,
        *_BOUNDS,
        *("-fflags", "+genpts"),
        *(("-ss", _seconds(start)) if start else ()),
        *("-i", f"file:{path}"),
    )


def _video_argv(plan: Plan, options: Options) -> Sequence[str]:
    if plan.video is None or plan.video_action is None:
        return ("-vn",)
    chosen = ("-map", f"0:{plan.video.index}")
    if isinstance(plan.video_action, Copy):
        tagged = plan.profile.hvc1 and plan.video.codec == "hevc"
        return (*chosen, "-c:v", "copy", *(("-tag:v", "hvc1") if tagged else ()))
    action = plan.video_action
    encoder = action.encoder
    return (
        *chosen,
        *("-c:v", encoder.name, *encoder.options, *_rate("v", action.bit_rate, encoder.quality)),
        *("-filter:v", video_filter(action, plan.video, options)),
        # Left to itself, ffmpeg 5.1 fills MP4 up to a constant rate: it doubles frames after a seek and where the rate varies.
        *("-fps_mode", "vfr"),
        *("-force_key_frames", f"expr:gte(t,n_forced*{KEYFRAME_SECONDS})"),
    )


def video_filter(action: EncodeVideo, stream: VideoStream, options: Options) -> str:
    """The filter graph from decoded, upright pictures to what the encoder takes.

    The size is always stated: a stream that changes its size on the way would else break the encoder.
    """
    return ",".join(
        [
            *(["bwdif=mode=send_frame"] if action.deinterlace else []),
            *([f"fps={action.fps}"] if action.fps else []),
            scale_filter(action.width, action.height, tone_map=action.tone_map and options.tone_maps),
            f"setsar={stream.sar.numerator}/{stream.sar.denominator}",
            "format=yuv420p",
        ]
    )


def scale_filter(width: int, height: int, *, tone_map: bool) -> str:
    """Ffmpeg's scaler to this size and to limited range; with `tone_map` to the BT.709 of displays that know no HDR."""
    bt709 = ":out_color_matrix=bt709:out_primaries=bt709:out_transfer=bt709" if tone_map else ""
    return f"scale=w={width}:h={height}:out_range=tv{bt709}"


def _audio_argv(plan: Plan) -> Sequence[str]:
    if plan.audio is None or plan.audio_action is None:
        return ("-an",)
    chosen = ("-map", f"0:{plan.audio.index}")
    if isinstance(plan.audio_action, Copy):
        # Beside a copied picture the sound starts with its keyframe; else it starts where it was asked to.
        exact = () if isinstance(plan.video_action, Copy) else ("-copypriorss:a", "0")
        # Opus, FLAC and others in MP4 are marked experimental in older builds.
        return (*chosen, "-c:a", "copy", *exact, "-strict", "-2")
    return (*chosen, *encode_audio_argv(plan.audio_action))


def encode_audio_argv(action: EncodeAudio) -> Sequence[str]:
    """Options of an audio encoder. Holes are filled and a late start is padded, so that sound stays with the picture."""
    encoder = action.encoder
    return (
        *("-c:a", encoder.name, *encoder.options, *_rate("a", action.bit_rate, encoder.quality)),
        *("-ac", str(action.channels)),
        *(("-ar", str(action.sample_rate)) if action.sample_rate else ()),
        *(("-sample_fmt", action.sample_fmt) if action.sample_fmt else ()),
        *("-filter:a", "aresample=async=1:first_pts=0"),
    )


def _rate(kind: str, bit_rate: int | None, quality: Sequence[str]) -> Sequence[str]:
    if bit_rate is None:
        return quality
    if kind == "a":
        return ("-b:a", str(bit_rate))
    return ("-b:v", str(bit_rate), "-maxrate:v", str(bit_rate), "-bufsize:v", str(2 * bit_rate))


def _seconds(value: float) -> str:
    return f"{value:.6f}"
