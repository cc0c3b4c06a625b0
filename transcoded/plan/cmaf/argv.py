"""Arguments of the ffmpeg that writes one rendition, from a given segment on, as fragmented MP4 to stdout.

The output has the times of the source, counted from the container's start (`-copyts -itsoffset`, `frag_discont`),
wherever the run was started: the `Segmenter` sorts by these times. An encoded rendition has every frame of its
timeline, even where the source has none: gaps, a late start and an early end are filled with silence or with a repeated
frame.

`-start_at_zero` does not work: for MPEG-TS it counts from the start of the streams in use. Video and audio, which are
read by two processes, would then have two different zeros.
"""

from collections.abc import Sequence
from fractions import Fraction

from transcoded.plan.cmaf.governor import PRESETS
from transcoded.plan.cmaf.intra_argv import intra_codec_argv, intra_input_argv, intra_rate, intra_time, intra_timing
from transcoded.plan.cmaf.renditions import AudioRendition, Rendition, VideoRendition
from transcoded.plan.cmaf.timeline import AUDIO_FRAME, AUDIO_RATE, round_half_up
from transcoded.plan.media.argv import Options, input_argv, prologue
from transcoded.plan.media.burn_in import images_argv
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
from transcoded.plan.media.picture import decoding_argv
from transcoded.plan.media.probe import Media, VideoStream
from transcoded.plan.media.sound import mix_filters, timing_filter
from transcoded.plan.media.timeline.extents import begins_late, precedes_video
from transcoded.plan.media.timeline.landing import is_indexed

# Seconds by which reading begins before the segment: the frame on display at its start and the resampler's input are
# needed.
PREROLL = Fraction(1, 2)

_FRAGMENT = 100_000  # microseconds of a fragment: limits what ffmpeg keeps back, and the size of a box
_MOVFLAGS = "empty_moov+default_base_moof+frag_discont+skip_trailer"


def shown_at(rendition: Rendition, number: int, media: Media) -> float | None:
    """The time of the first frame that a run needs to have decoded, where reading begins at a keyframe; else None."""
    if number == 0 or media.restarts or not isinstance(rendition, VideoRendition):
        return None
    start = rendition.timeline.seconds(rendition.timeline.starts[number])
    if rendition.intra:
        return float(intra_time(rendition, start))
    if not is_indexed(media):
        return float(start if rendition.copied else max(Fraction(0), start - 1 / rendition.rate))
    if rendition.copied and rendition.open_gop:
        # Of frames that are shown before the keyframe at which it begins to read, ffmpeg changes the times.
        return None
    # A keyframe that is shown from the start on may have a time that is rounded up.
    return float(start + rendition.phase + 1 / (4 * rendition.rate))


def segment_argv(
    rendition: Rendition,
    number: int,
    media: Media,
    path: str,
    options: Options | None = None,
    read_from: float | None = None,
    preset: str = PRESETS[0],
    chain: Chain = SOFTWARE,
) -> list[str]:
    """Arguments for a run on the file at `path` that makes segment `number` and all later ones.

    `read_from` is where reading begins, in seconds after the container's start (`shown_at`, `timeline.landing`); None: ffmpeg finds it. `preset` is that of x264, one of `governor.PRESETS`; `chain` is one of `rendition_chains`. Progress goes to descriptor 3.
    """
    options = options or Options()
    burn = rendition.burn if isinstance(rendition, VideoRendition) else None
    start = _seek(rendition, number) if read_from is None else Fraction(read_from)
    if precedes_video(media, float(start)):
        start = Fraction(0)
    # The filters drop frames that are too early. ffmpeg's accurate seek would ignore the offset.
    # A microsecond more than the container's start: ffmpeg 5.1 takes the exact value for its own, and replaces it by the start of the streams in use.
    zero = Fraction(1, 1_000_000) - Fraction(media.start_time)
    times: Sequence[str] = ("-copyts", "-itsoffset", _decimal(zero), "-noaccurate_seek")
    late = 0.0
    if media.restarts:
        # Then 0 is the beginning of the one stream that is in use.
        late = begins_late(media, rendition.stream)
        # No seek finds a time that comes twice, and ffmpeg joins the parts only if it counts the times by itself: of each stream alone, see `timeline.packets`.
        start, times = Fraction(0), ()
    return [
        *prologue(),
        *options.input_args,
        *times,
        *(
            (
                *decoding_argv(options.capabilities),
                *intra_input_argv(rendition),
                *opening_argv(chain),
                *decoder_argv(chain, rendition.stream.codec),
            )
            if isinstance(rendition, VideoRendition) and not rendition.copied
            else ()
        ),
        *input_argv(path, float(start)),
        *images_argv(burn, 0.0),
        *(
            _video(rendition, number, options, late, preset, chain)
            if isinstance(rendition, VideoRendition)
            else _audio(rendition, number, late)
        ),
        *("-map_metadata", "-1", "-map_chapters", "-1", "-max_muxing_queue_size", "2048"),
        *(("-threads", str(options.threads)) if options.threads else ()),
        *("-avoid_negative_ts", "disabled", "-use_editlist", "0"),
        # Without flushing, the end of a small segment would stay in ffmpeg's buffer until the next one.
        *("-movflags", _movflags(rendition), "-frag_duration", str(_FRAGMENT), "-flush_packets", "1"),
        *options.output_args,
        *("-f", "mp4", "pipe:1"),
    ]


def _seek(rendition: Rendition, number: int) -> Fraction:
    """Where reading begins, in seconds after the container's start. 0: at the beginning of the file, without a seek."""
    timeline = rendition.timeline
    if number == 0:
        return Fraction(0)
    start = timeline.seconds(timeline.starts[number])
    if isinstance(rendition, AudioRendition):
        return max(Fraction(0), start - PREROLL)
    if rendition.copied:
        # A seek goes to the last keyframe before this time, by decode time, which is earlier than the presentation
        # time.
        return max(Fraction(0), start - 2 * PREROLL)
    return max(Fraction(0), start - max(PREROLL, 3 / _source_rate(rendition)))


def _source_rate(rendition: VideoRendition) -> Fraction:
    """The rate at which the frames of the source have their places."""
    return intra_rate(rendition) if rendition.intra else rendition.rate


def _video(
    rendition: VideoRendition, number: int, options: Options, late: float, preset: str, chain: Chain
) -> Sequence[str]:
    timeline = rendition.timeline
    scale = ("-video_track_timescale", str(timeline.timescale))
    if rendition.copied:
        return (*_copy(rendition.stream), *scale)
    start = timeline.starts[number]
    return (
        *chain_picture_argv(
            chain,
            rendition.stream,
            _timing(rendition, timeline.seconds(start), late),
            rendition.width,
            rendition.height,
            options.capabilities,
            burn=rendition.burn,
        ),
        # Left to itself, ffmpeg 5.1 fills the time before the first frame.
        *("-fps_mode", "vfr"),
        *_encoder(rendition, number, preset, chain),
        *scale,
    )


def _encoder(rendition: VideoRendition, number: int, preset: str, chain: Chain) -> Sequence[str]:
    timeline = rendition.timeline
    if rendition.intra:
        return intra_codec_argv(rendition, number)
    start = timeline.starts[number]
    group = timeline.starts[1] // timeline.frame if len(timeline) > 1 else timeline.end // timeline.frame
    if chain.encodes == "software":
        coded: Sequence[str] = (
            *("-c:v", "libx264", "-preset", preset, "-profile:v", "high"),
            *("-level:v", f"{rendition.level // 10}.{rendition.level % 10}", "-bf", str(2 if rendition.delay else 0)),
            *("-crf", "22", "-maxrate:v", str(rendition.average), "-bufsize:v", str(rendition.average)),
            *("-sc_threshold", "0"),
        )
    else:
        pixels = round(rendition.width * rendition.height * rendition.rate)
        coded = encoder_argv(chain, "h264", rendition.average, pixels, rendition.level)
    return (
        *("-frames:v", str((timeline.end - start) // timeline.frame)),
        *coded,
        # One closed GOP per segment, counted in frames. `t` cannot be used: it starts at 0 in each run.
        *("-g", str(group), "-force_key_frames", f"expr:not(mod(n,{group}))"),
        # Its segments are made by different encoders, and the init segment by one of them.
        *(() if rendition.engine == "software" else ("-bsf:v", "dump_extra=freq=keyframe")),
    )


def rendition_chains(rendition: Rendition, options: Options) -> Sequence[Chain]:
    """The chains that can make a rendition, the best first; the last one is software."""
    if not isinstance(rendition, VideoRendition) or rendition.copied or rendition.intra:
        return (SOFTWARE,)
    order = options.engines if rendition.engine == "software" else (rendition.engine,)
    found = chains(rendition.stream, "h264", options.capabilities, order, rendition.burn)
    return [one for one in found if one.encodes in {rendition.engine, "software"}]


def _copy(stream: VideoStream) -> Sequence[str]:
    filters = copy_filters("mp4", stream.codec)
    return (
        *("-map", f"0:{stream.index}", "-c:v", "copy"),
        *(("-bsf:v", ",".join(filters)) if filters else ()),
        # Apple's players take only this of the two names of HEVC.
        *(("-tag:v", "hvc1") if stream.codec == "hevc" else ()),
        # Else FFmpeg leaves out the box that describes Dolby Vision.
        *(("-strict", "unofficial") if stream.dolby_vision is not None else ()),
    )


def entry_argv(stream: VideoStream, path: str) -> list[str]:
    """Arguments for a run that writes the init segment of the copied video, and no more than its first packet."""
    return [
        *prologue(),
        *input_argv(path, 0.0),
        *_copy(stream),
        *("-frames:v", "1", "-map_metadata", "-1", "-map_chapters", "-1"),
        *("-movflags", _MOVFLAGS, "-f", "mp4", "pipe:1"),
    ]


def _movflags(rendition: Rendition) -> str:
    # What the header says of these is only in their packets.
    late = isinstance(rendition, AudioRendition) and rendition.copied and rendition.stream.codec in {"ac3", "eac3"}
    return f"{_MOVFLAGS}+delay_moov" if late else _MOVFLAGS


def _timing(rendition: VideoRendition, start: Fraction, late: float) -> Sequence[str]:
    """The filters that make one frame for each frame of the timeline, from `start` seconds on, without end."""
    rate = _source_rate(rendition)
    shift = rendition.phase - Fraction(late)
    fps = f"fps=fps={rate.numerator}/{rate.denominator}"
    return (
        # First, shift the frames onto those of the timeline. At a distance of half a frame, rounding would repeat
        # and drop frames.
        *((f"setpts=PTS-({_decimal(shift)})/TB",) if shift else ()),
        # The last frame is repeated before the cut, so that there is a frame even if `start` is after the end of
        # the video.
        # Without `pass`, FFmpeg 5.1 takes the last frame for none where the file has no constant rate.
        f"{fps}:eof_action=pass",
        "tpad=stop=-1:stop_mode=clone",
        intra_timing(start) if rendition.intra else f"{fps}:start_time={_decimal(start)}",
    )


def _audio(rendition: AudioRendition, number: int, late: float) -> Sequence[str]:
    """The packets as they are; or AAC with frames at multiples of 1024 samples, counted from 0, in every run.

    A run begins one frame before its first segment, because decoding a frame of AAC needs the frame before it. The
    `Segmenter` drops this frame and the encoder's priming, and puts silence where there is no sound.

    No filter counts samples: if the layout of the channels changes, ffmpeg builds the graph anew, and they would count from 0 again.
    """
    timeline = rendition.timeline
    if rendition.copied:
        # FFmpeg 5.1 takes FLAC in MP4 for an experiment.
        strict = ("-strict", "experimental") if rendition.stream.codec in {"flac", "opus"} else ()
        return ("-map", f"0:{rendition.stream.index}", "-c:a", "copy", *strict)
    first = max(0, timeline.starts[number] - AUDIO_FRAME)
    # Where reading begins in the middle of packets, the first frames have times that are wrong by a frame, and all would be counted from them.
    sure = timeline.seconds(timeline.starts[number]) - PREROLL / 2 - Fraction(late)
    filters = (
        *([f"atrim=start={_decimal(sure)}"] if number and sure > 0 else []),
        timing_filter(AUDIO_RATE, from_zero=False),
        *([f"asetpts=PTS+{late:.6f}/TB"] if late else []),
        *mix_filters(rendition.stream, rendition.channels),
        f"atrim=start_pts={first}:end_pts={timeline.end}",
    )
    return (
        *("-map", f"0:{rendition.stream.index}", "-filter:a", ",".join(filters)),
        *("-c:a", "aac", "-b:a", str(rendition.average), "-ar", str(AUDIO_RATE), "-ac", str(rendition.channels)),
    )


def _decimal(seconds: Fraction) -> str:
    """Seconds with six decimals, as precise as ffmpeg reads them: no exponent and no rounding of floats."""
    micro = round_half_up(seconds * 1_000_000)
    return f"{'-' if micro < 0 else ''}{abs(micro) // 1_000_000}.{abs(micro) % 1_000_000:06d}"
