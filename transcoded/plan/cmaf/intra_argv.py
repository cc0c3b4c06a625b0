"""What is special in the arguments of the ffmpeg that makes pictures for fast play (`trick`): `argv` has the rest.

The frames of the source get their places first, as for other renditions: the picture of a segment is the last frame whose place is
not after the beginning of the segment.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import floor

from transcoded.plan.cmaf.rates import frame_rate
from transcoded.plan.cmaf.renditions import VideoRendition
from transcoded.plan.cmaf.trick import INTERVAL


def intra_rate(rendition: VideoRendition) -> Fraction:
    """The rate at which the frames of the source have their places."""
    return frame_rate(rendition.stream.fps, rendition.stream.timing_rate)


def intra_time(rendition: VideoRendition, start: Fraction) -> Fraction:
    """The time of the frame that is shown at `start`, in seconds; somewhat later than that, since times are rounded."""
    rate = intra_rate(rendition)
    return floor(start * rate) / rate + rendition.phase + 1 / (4 * rate)


def intra_input_argv(rendition: VideoRendition) -> Sequence[str]:
    """Options of the input."""
    return ("-skip_frame:v", "nokey") if rendition.keyframes_only else ()


def intra_timing(start: Fraction) -> str:
    """The filter that leaves one frame for each segment, from `start` seconds on, which is a beginning of a segment."""
    return f"fps=fps=1/{INTERVAL}:round=up:start_time={float(start):.6f}"


def intra_codec_argv(rendition: VideoRendition, number: int) -> Sequence[str]:
    """The encoder, from segment `number` on. Each picture comes out as soon as it is in, and fits into the buffer alone."""
    return (
        *("-frames:v", str(len(rendition.timeline) - number)),
        *("-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high"),
        *("-level:v", f"{rendition.level // 10}.{rendition.level % 10}"),
        *("-tune", "stillimage,zerolatency", "-g", "1", "-bf", "0"),
        *("-crf", "24", "-maxrate:v", str(rendition.average), "-bufsize:v", str(rendition.average * INTERVAL)),
    )
