"""Arguments of the ffmpeg that writes one rendition from one segment on, as fragmented MP4 to stdout.

What it writes has the file's own times, counted from the container's start (`-copyts -itsoffset`, `frag_discont`),
wherever it was started: the `Segmenter` sorts by them. A rendition that is made anew has every frame of its timeline
whatever the source has: holes and a late start are filled, an early end is continued, with silence or the last picture.

`-start_at_zero` would not do: for MPEG-TS it counts from the start of the streams in use, so that sound and picture,
read by two processes, would have two different zeros.
"""

from collections.abc import Sequence
from fractions import Fraction

from transcoded.plan.cmaf.ladder import AudioRendition, Rendition, VideoRendition
from transcoded.plan.cmaf.timeline import AUDIO_FRAME, AUDIO_RATE, round_half_up
from transcoded.plan.media.argv import BLIND_LEAD, Options, input_argv, prologue, scale_filter, seeks_blindly
from transcoded.plan.media.probe import Media

# Reading begins this much before the segment, so that the frame on display and the resampler's past are there.
PREROLL = Fraction(1, 2)

_FRAGMENT = 500_000  # microseconds in a fragment: bounds what ffmpeg holds back, and a box
_MOVFLAGS = "empty_moov+default_base_moof+frag_discont+skip_trailer"
_PRESET = "veryfast"


def segment_argv(
    rendition: Rendition, number: int, media: Media, path: str, options: Options | None = None
) -> list[str]:
    """Arguments for a run on the file at `path` that makes segment `number` and all after it; progress on descriptor 3."""
    options = options or Options()
    start = _seek(rendition, number, blind=seeks_blindly(media))
    return [
        *prologue(),
        *options.input_args,
        # The filters drop what is too early; ffmpeg's own dropping does not know of the offset.
        *("-copyts", "-itsoffset", _decimal(-Fraction(media.start_time)), "-noaccurate_seek"),
        *input_argv(path, float(start)),
        *("-map", f"0:{rendition.stream.index}"),
        *(_video(rendition, number, options) if isinstance(rendition, VideoRendition) else _audio(rendition, number)),
        *("-map_metadata", "-1", "-map_chapters", "-1", "-max_muxing_queue_size", "2048"),
        *(("-threads", str(options.threads)) if options.threads else ()),
        *("-avoid_negative_ts", "disabled", "-use_editlist", "0"),
        # Flushed, or the end of a quiet segment would wait in a buffer for the next one.
        *("-movflags", _MOVFLAGS, "-frag_duration", str(_FRAGMENT), "-flush_packets", "1"),
        *options.output_args,
        *("-f", "mp4", "pipe:1"),
    ]


def _seek(rendition: Rendition, number: int, *, blind: bool) -> Fraction:
    """Where reading begins, in seconds after the container's start; 0 means at its beginning, without a seek."""
    timeline = rendition.timeline
    if number == 0:
        return Fraction(0)
    start = timeline.seconds(timeline.starts[number])
    if isinstance(rendition, AudioRendition):
        return max(Fraction(0), start - PREROLL)
    if rendition.copied:
        # Seeks go to the keyframe before by decode time, which is earlier than the time of display.
        return max(Fraction(0), start - 2 * PREROLL)
    preroll = max(PREROLL, 3 / rendition.rate)
    return max(Fraction(0), start - (Fraction(BLIND_LEAD) if blind else preroll))


def _video(rendition: VideoRendition, number: int, options: Options) -> Sequence[str]:
    timeline = rendition.timeline
    scale = ("-video_track_timescale", str(timeline.timescale))
    if rendition.copied:
        return ("-c:v", "copy", *scale)
    start = timeline.starts[number]
    group = timeline.starts[1] // timeline.frame if len(timeline) > 1 else timeline.end // timeline.frame
    return (
        *("-filter:v", _video_filter(rendition, timeline.seconds(start), options)),
        *("-frames:v", str((timeline.end - start) // timeline.frame)),
        *("-c:v", "libx264", "-preset", _PRESET, "-profile:v", "high"),
        *("-level:v", f"{rendition.level // 10}.{rendition.level % 10}", "-bf", "2"),
        *("-crf", "22", "-maxrate:v", str(rendition.average), "-bufsize:v", str(rendition.average)),
        # A closed group of pictures for each segment, counted in frames: `t` begins anew with each run.
        *("-g", str(group), "-sc_threshold", "0", "-force_key_frames", f"expr:not(mod(n,{group}))"),
        *scale,
    )


def _video_filter(rendition: VideoRendition, start: Fraction, options: Options) -> str:
    """From decoded pictures of any rate to one for each frame of the timeline, from `start` on, without end."""
    rate, stream = rendition.rate, rendition.stream
    fps = f"fps=fps={rate.numerator}/{rate.denominator}"
    return ",".join(
        [
            # Onto the timeline's frames first: half a frame beside them, rounding would double some and drop others.
            *([f"setpts=PTS-({_decimal(rendition.phase)})/TB"] if rendition.phase else []),
            # Continued before it is cut, so that there is a picture even where the start lies behind its end.
            fps,
            "tpad=stop=-1:stop_mode=clone",
            f"{fps}:start_time={_decimal(start)}",
            *(["bwdif=mode=send_frame:deint=interlaced"] if stream.interlaced else []),
            scale_filter(rendition.width, rendition.height, tone_map=stream.hdr and options.tone_maps),
            "setsar=1",
            "format=yuv420p",
        ]
    )


def _audio(rendition: AudioRendition, number: int) -> Sequence[str]:
    """AAC whose frames lie on multiples of 1024 samples from 0 on, whichever segment a run begins with.

    One frame before the segment is made too: a frame of AAC needs the one before it, and the `Segmenter` drops both
    that and the encoder's priming.
    """
    timeline = rendition.timeline
    first = max(0, timeline.starts[number] - AUDIO_FRAME)
    samples = timeline.end - first
    filters = (
        f"aformat=sample_rates={AUDIO_RATE}:channel_layouts=stereo",
        f"aresample=async=1:first_pts={first}",
        f"apad=whole_len={samples}",
        f"atrim=end_sample={samples}",
        # By count: sound that is a little off in the source must not move frames off the grid.
        f"asetpts=N+{first}",
    )
    return (
        *("-filter:a", ",".join(filters)),
        *("-c:a", "aac", "-b:a", str(rendition.average), "-ar", str(AUDIO_RATE), "-ac", "2"),
    )


def _decimal(seconds: Fraction) -> str:
    """Seconds to the microsecond, which is as exact as ffmpeg reads them; no exponent, no rounding of floats."""
    micro = round_half_up(seconds * 1_000_000)
    return f"{'-' if micro < 0 else ''}{abs(micro) // 1_000_000}.{abs(micro) % 1_000_000:06d}"
