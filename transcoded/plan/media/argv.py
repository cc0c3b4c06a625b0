"""The argument lists of ffmpeg and ffprobe for probes and streams, in the order in which the programs read them.

An input is always a `file:` URL, so that no file name is taken for a protocol or an option. It is opened only with the
protocols and demuxers of `whitelist`, so that a playlist disguised as media cannot name other files (docs/security.md), and
decoded only by the decoders of `codec_whitelist`, up to `MAX_PIXELS`.
"""

from collections.abc import Sequence

import attrs

from transcoded.plan.media.audio_argv import audio_arguments, cover_index, tags_arguments
from transcoded.plan.media.burn_in import images_argv
from transcoded.plan.media.capabilities import Capabilities, EngineName
from transcoded.plan.media.choose import EncodeVideo, Plan
from transcoded.plan.media.codec_whitelist import CODEC_WHITELIST, OPENED_BY_FFPROBE
from transcoded.plan.media.copy_filters import copy_filters
from transcoded.plan.media.hardware import (
    SOFTWARE,
    Chain,
    chain_picture_argv,
    chains,
    decoder_argv,
    encoder_argv,
    opening_argv,
)
from transcoded.plan.media.packaging import Copy
from transcoded.plan.media.picture import decoding_argv
from transcoded.plan.media.probe import AudioStream, Media, VideoStream
from transcoded.plan.media.tags import TAGS
from transcoded.plan.media.timeline.extents import begins_late, has_moving_zero, is_elsewhere, precedes_video
from transcoded.plan.media.whitelist import FORMAT_WHITELIST, PROTOCOL_WHITELIST

KEYFRAME_SECONDS = 2
"""Seconds between the keyframes of an encode: a player can start and seek at each of them."""

PROGRESS_FD = 3
"""The file descriptor that ffmpeg writes its progress reports to."""

NOTICED = 0.1
"""Seconds by which sound and picture can differ before anybody notices."""

INPUT_FD = 4
"""The file descriptor at which ffmpeg and ffprobe have their input, open for reading."""

INPUT_PATH = f"/proc/self/fd/{INPUT_FD}"
"""The path of the input. It is not a path on the disk, because what such a path leads to can change (proc(5))."""

MAX_PIXELS = 8192 * 8640
"""Pixels of a frame; a larger one is not decoded. It is twice 8K in the shape of cinemas, which is stereoscopic 8K. A frame of
16,000 by 16,000 pixels, which a file of a few bytes can ask for, would cost 1.1 GB."""

MAX_BLOCK = 512 << 20
"""Bytes that ffmpeg's own code allocates at once: enough for an index of ten days of video, or for a frame of `MAX_PIXELS`."""

DECODING_LIMITS = (
    *("-codec_whitelist", CODEC_WHITELIST),
    *("-max_pixels", str(MAX_PIXELS), "-max_alloc", str(MAX_BLOCK)),
)
WHITELISTS = (
    *("-protocol_whitelist", PROTOCOL_WHITELIST, "-format_whitelist", FORMAT_WHITELIST),
    *DECODING_LIMITS,
)
FFPROBE_WHITELISTS = (*WHITELISTS, "-codec_whitelist:v", OPENED_BY_FFPROBE)
"""For ffprobe. An option with the kind of a stream is one of the decoders that ffprobe opens, and does not decode with. What is
decoded to find out more about a stream is decoded by the container, whose own list is that without a kind."""

# How much of a file is read at most to detect its streams: bytes and microseconds.
_PROBE_LIMITS = ("-probesize", "20M", "-analyzeduration", "15M")
_THOROUGH_LIMITS = ("-probesize", "250M", "-analyzeduration", "300M")


MAX_ERROR_RATE = "0.99999"
"""The part of the packets of a stream that may be impossible to decode before ffmpeg exits with 69 at its end, though all else is
written. Its default is two thirds, so that a download of which a third is there would not end well. Nothing at all is a failure."""


@attrs.frozen
class Options:
    """The operator's options for each ffmpeg, and what this ffmpeg can do.

    `threads` are the threads of each encoder (None: ffmpeg decides). `input_args` come before the input, `output_args`
    before the output. `capabilities` are those of this ffmpeg. `engines` are the kinds of hardware that may be used, the best first.
    """

    threads: int | None = None
    input_args: tuple[str, ...] = ()
    output_args: tuple[str, ...] = ()
    capabilities: Capabilities = attrs.field(factory=Capabilities.everything, repr=False)
    engines: tuple[EngineName, ...] = ()


# What is asked for is listed: a file can have any number of tags of any length.
_ENTRIES = {
    "format": "format_name,start_time,duration,bit_rate,probe_score",
    "program": "program_id",
    "program_stream": "index",
    "stream": (
        "index,codec_type,codec_name,codec_tag_string,profile,level,width,height,sample_aspect_ratio,pix_fmt,field_order,color_range,"
        "color_space,color_transfer,color_primaries,has_b_frames,avg_frame_rate,r_frame_rate,start_time,duration,nb_frames,bit_rate,"
        "extradata_size,sample_rate,channels,channel_layout,bits_per_sample,bits_per_raw_sample"
    ),
    "stream_disposition": "default,forced,attached_pic,timed_thumbnails,hearing_impaired,visual_impaired,descriptions,comment",
    "stream_side_data": (
        "side_data_type,displaymatrix,rotation,crop_top,crop_bottom,crop_left,crop_right,dv_profile,dv_level,"
        "dv_bl_signal_compatibility_id,max_content,max_luminance"
    ),
    "packet": "stream_index,pts_time,flags,size",
    "chapter": "start_time,end_time",
}
_TEXTS = {
    "format_tags": ",".join(TAGS),
    "stream_tags": ",".join(("language", "BPS", "DURATION", "filename", "mimetype", *TAGS)),
    "chapter_tags": "title",
}

_FIRST_PACKETS = 120
"""Packets at the beginning of a file that are looked at: whether the edit list hides the first of them, and which tracks have some."""


def probe_argv(path: str, *, texts: bool = True, thorough: bool = False) -> list[str]:
    """Arguments of the ffprobe that describes the file at `path` as JSON on stdout; without `texts` without titles and languages.

    With `thorough` it reads on until it has seen packets of streams that begin minutes late.
    """
    entries = {**_ENTRIES, **(_TEXTS if texts else {})}
    return [
        *("-hide_banner", "-loglevel", "error"),
        *("-print_format", "json=compact=1", "-read_intervals", f"%+#{_FIRST_PACKETS}"),
        *("-show_entries", ":".join(f"{section}={names}" for section, names in entries.items())),
        *FFPROBE_WHITELISTS,
        *(_THOROUGH_LIMITS if thorough else _PROBE_LIMITS),
        *("-i", f"file:{path}"),
    ]


def peak_argv(path: str, index: int) -> list[str]:
    """Arguments of the ffprobe that decodes the first keyframes of the video stream with this index, and writes what they say of their light."""
    return [
        *("-hide_banner", "-loglevel", "error", "-print_format", "json=compact=1"),
        *("-select_streams", str(index), "-skip_frame", "nokey", "-read_intervals", f"%+#{_FIRST_PACKETS}"),
        *("-show_entries", "frame_side_data=max_content,max_luminance"),
        *WHITELISTS,
        *_PROBE_LIMITS,
        *("-i", f"file:{path}"),
    ]


def stream_argv(
    plan: Plan, path: str, options: Options | None = None, read_from: float | None = None, chain: Chain = SOFTWARE
) -> list[str]:
    """Arguments of the ffmpeg that writes the planned stream to stdout, and its progress to descriptor 3.

    `read_from` is where reading begins, in seconds after the container's start; None: ffmpeg finds the place of the start by itself. `chain` is one of `stream_chains`.
    """
    options = options or Options()
    start = plan.params.start
    place = reading_place(plan, read_from)
    # What is read before the start is decoded and left out. A copy begins at the keyframe, if there is one.
    exact = plan.action == "transcode" or plan.media.restarts or precedes_video(plan.media, start)
    lead = start - place if exact else 0.0
    if at_keyframe(plan):
        # What is read before the keyframe is left out. The keyframe itself must not be, and ffmpeg compares its decode time.
        lead = max(0.0, start - place - _REORDERED)
    holds = isinstance(plan.video_action, EncodeVideo) and plan.video_action.hold is not None
    length = _length(plan) if holds else plan.params.duration
    seeks_exactly = not holds and not at_keyframe(plan)
    apart = plan.audio is not None and plan.video is not None and is_elsewhere(plan.media, plan.audio, start)
    return [
        *prologue(),
        *options.input_args,
        *(decoding_argv(options.capabilities) if isinstance(plan.video_action, EncodeVideo) else ()),
        *opening_argv(chain),
        *(decoder_argv(chain, plan.video.codec) if plan.video is not None else ()),
        *(_input(plan, plan.video or plan.audio, path, place, exact=seeks_exactly, alone=apart)),
        *(_input(plan, plan.audio, path, place, exact=seeks_exactly, alone=apart) if apart else ()),
        *images_argv(plan.burn, place),
        *(("-ss", _seconds(lead)) if lead else ()),
        *(("-t", _seconds(length)) if length is not None else ()),
        *_video_argv(plan, options, lead, 2 if apart else 1, chain),
        *audio_arguments(plan, file=1 if apart else 0, trim=holds),
        *("-sn", "-dn", "-map_chapters", "-1", "-max_muxing_queue_size", "2048"),
        *(("-threads", str(options.threads)) if options.threads else ()),
        *tags_arguments(plan),
        *_header_argv(plan),
        *plan.output.options,
        # The size of ID3 tags is written when they are complete.
        *(("-flush_packets", "0") if cover_index(plan, options.capabilities) is not None else ()),
        *options.output_args,
        *("-f", plan.output.muxer, "pipe:1"),
    ]


def stream_chains(plan: Plan, options: Options) -> Sequence[Chain]:
    """The chains that can make a stream, the best first; the last one is software."""
    action = plan.video_action
    if plan.video is None or not isinstance(action, EncodeVideo) or action.encoder.codec != "h264":
        return (SOFTWARE,)
    return chains(plan.video, "h264", options.capabilities, options.engines, plan.burn)


def reading_place(plan: Plan, read_from: float | None = None) -> float:
    """Where reading begins, in seconds after the beginning of the film: time 0 of the frames. `read_from` is as in `stream_argv`."""
    start = plan.params.start
    # No seek finds a time that comes twice.
    if plan.media.restarts or precedes_video(plan.media, start):
        return 0.0
    return start if read_from is None else min(read_from, start)


_REORDERED = 0.25
"""Seconds by which a keyframe is decoded before it is shown, at the most: six frames at 24 a second."""


def at_keyframe(plan: Plan) -> bool:
    """Whether the stream begins with a copy at a keyframe, which is its start."""
    return bool(plan.params.start) and plan.params.start_at == "keyframe" and isinstance(plan.video_action, Copy)


def _input(
    plan: Plan, stream: VideoStream | AudioStream | None, path: str, place: float, *, exact: bool, alone: bool
) -> Sequence[str]:
    """Arguments for an input of which a stream is used, read from `place` on. `alone`: the other stream has an input of its own."""
    media = plan.media
    clock: Sequence[str] = () if exact else ("-noaccurate_seek",)
    if alone and stream is not None and has_moving_zero(media):
        if not media.restarts:
            # ffmpeg's exact seek does not know of an offset. What is read before the start is left out at the output. For the microsecond see `cmaf.argv`.
            clock = ("-copyts", "-itsoffset", _seconds(0.000_001 - media.start_time - place), "-noaccurate_seek")
        elif begins_late(media, stream) > NOTICED:
            clock = (*clock, "-itsoffset", _seconds(begins_late(media, stream)))
    return (*clock, *input_argv(path, start=place))


def _length(plan: Plan) -> float | None:
    """The length of a stream whose last frame is repeated without end."""
    if plan.media.duration is None or plan.media.duration_estimated:
        return plan.params.duration
    rest = plan.media.duration - plan.params.start
    return rest if plan.params.duration is None else min(rest, plan.params.duration)


def _header_argv(plan: Plan) -> Sequence[str]:
    if not plan.late_header:
        return plan.output.header_first
    # What a copy begins with before the requested start is shown, and not hidden by an edit list, which not all players follow.
    early = bool(plan.params.start) and isinstance(plan.video_action, Copy)
    shown = ("-avoid_negative_ts", "make_non_negative") if early else ()
    return (*plan.output.header_late, *shown)


def prologue() -> Sequence[str]:
    """The first arguments of each ffmpeg: log only errors, ignore stdin, report progress twice a second."""
    return (
        *("-hide_banner", "-nostdin", "-loglevel", "error"),
        *("-nostats", "-stats_period", "0.5", "-progress", f"pipe:{PROGRESS_FD}"),
        *("-max_error_rate", MAX_ERROR_RATE),
    )


def input_argv(path: str, start: float = 0.0) -> Sequence[str]:
    """Arguments for one input file, read from `start` seconds after its beginning."""
    return (
        *WHITELISTS,
        *_PROBE_LIMITS,
        *("-fflags", "+genpts"),
        *(("-ss", _seconds(start)) if start else ()),
        *("-i", f"file:{path}"),
    )


def _video_argv(plan: Plan, options: Options, lead: float, images_file: int, chain: Chain) -> Sequence[str]:
    """Options of the video. Reading began `lead` seconds before the start. Images of subtitles are in the input with this number."""
    if plan.video is None or plan.video_action is None:
        cover = cover_index(plan, options.capabilities)
        if cover is not None:
            return ("-map", f"0:{cover}", "-c:v", "copy", "-disposition:v:0", "attached_pic")
        return ("-vn",)
    if isinstance(plan.video_action, Copy):
        packaging = plan.video_action.packaging
        filters = (*packaging.filters, *copy_filters(plan.output.muxer, plan.video.codec))
        return (
            *("-map", f"0:{plan.video.index}", "-c:v", "copy"),
            *(("-bsf:v", ",".join(filters)) if filters else ()),
            *(("-tag:v", packaging.tag) if packaging.tag else ()),
        )
    action = plan.video_action
    encoder = action.encoder
    pixels = round(action.width * action.height * (plan.video.fps or 30))
    coded = (
        ("-c:v", encoder.name, *encoder.options, *_rate(action.bit_rate, encoder.quality))
        if chain.encodes == "software"
        else encoder_argv(chain, encoder.codec, action.bit_rate, pixels)
    )
    return (
        *chain_picture_argv(
            chain,
            plan.video,
            _timing(plan.media, action, lead),
            action.width,
            action.height,
            options.capabilities,
            burn=plan.burn,
            images_file=images_file,
        ),
        *coded,
        # Left to itself, ffmpeg 5.1 fills MP4 up to a constant rate: it doubles frames after a seek and where the rate varies.
        *("-fps_mode", "vfr"),
        # By default times are rounded to the frame rate: at one frame a second by up to half a second.
        *("-enc_time_base:v", "1:90000"),
        *("-force_key_frames", f"expr:gte(t,n_forced*{KEYFRAME_SECONDS})"),
    )


def _timing(media: Media, action: EncodeVideo, lead: float) -> Sequence[str]:
    """The filters that decide which frames there are, and when."""
    # The last frame is repeated, so that there is one even if the start is behind it. `-t` ends the stream.
    tail = "" if media.duration is None or media.duration_estimated else "tpad=stop=-1:stop_mode=clone,"
    hold = f"{tail}fps=fps={action.hold}:start_time={lead:.6f}"
    return (
        *([hold] if action.hold else []),
        *([f"fps={action.fps}"] if action.fps else []),
    )


def _rate(bit_rate: int | None, quality: Sequence[str]) -> Sequence[str]:
    if bit_rate is None:
        return quality
    return ("-b:v", str(bit_rate), "-maxrate:v", str(bit_rate), "-bufsize:v", str(2 * bit_rate))


def _seconds(value: float) -> str:
    return f"{value:.6f}"
