"""The video for fast play and scrubbing: small pictures at equal distances, each a segment of its own that needs no other.

HLS lists it as an I-frame playlist (RFC 8216bis, section 4.4.6.3), DASH as a set for trick modes (DASH-IF IOP 4.3, section 3.2.9).
Each picture is what is shown at the beginning of its segment. Where the source has keyframes often enough, it is the latest keyframe
before: all the rest of the source is not decoded then.
"""

from fractions import Fraction
from itertools import pairwise
from math import ceil

from transcoded.plan.cmaf.codecs import avc_string
from transcoded.plan.cmaf.h264_level import h264_level
from transcoded.plan.cmaf.rates import frame_rate
from transcoded.plan.cmaf.renditions import VideoRendition
from transcoded.plan.cmaf.timeline import Timeline
from transcoded.plan.media.geometry import fitted
from transcoded.plan.media.probe import VideoStream
from transcoded.plan.media.timeline.packets import PacketScan

TRICK = "i240"
"""The id of the rendition. It is lower where the source is."""

FASTEST = 32
"""How many times faster than its sound it may be shown (`maxPlayoutRate`): 16 pictures a second."""

INTERVAL = 2
"""Seconds from picture to picture."""

SHORTEST = 4
"""Seconds. In a shorter film there is nothing to be found by fast play."""

MAX_GAP = 12
"""Seconds between two keyframes up to which keyframes will do: encoders put one every ten seconds at the least, if nobody has told them otherwise."""

_ROWS = 240
_TICKS = 1000
_HIGH = 100
_BITS_PER_PIXEL = 2
"""More than a picture of good quality takes."""


def trick_rendition(
    stream: VideoStream, duration: Fraction, scan: PacketScan, max_height: int | None = None
) -> VideoRendition | None:
    """The video for fast play of a file that lasts `duration` seconds; None: it is too short for one."""
    if duration < SHORTEST:
        return None
    width, height = fitted(stream, min(_ROWS, max_height or _ROWS))
    rate = Fraction(1, INTERVAL)
    # The buffer of the encoder has room for one picture, so no segment takes more.
    average = max(50_000, _BITS_PER_PIXEL * width * height // INTERVAL)
    level = h264_level(width, height, rate, average)
    source = frame_rate(stream.fps, stream.timing_rate)
    frames = scan.start * source
    step = INTERVAL * _TICKS
    # A rest that is shorter than half of it belongs to the last one: no picture would be shown at its middle.
    count = ceil(duration / INTERVAL - Fraction(1, 2))
    return VideoRendition(
        id=TRICK,
        stream=stream,
        width=width,
        height=height,
        rate=rate,
        average=average,
        # What is around a picture: boxes and the parameter sets.
        peak=average * 9 // 8,
        codecs=avc_string(_HIGH, 0, level),
        level=level,
        timeline=Timeline(_TICKS, tuple(range(0, count * step, step)), ceil(duration * _TICKS), step),
        phase=(frames - round(frames)) / source,
        intra=True,
        keyframes_only=_are_dense(scan, duration),
    )


def _are_dense(scan: PacketScan, duration: Fraction) -> bool:
    """Whether keyframes are known, and no two of them are far from each other."""
    if not scan.keyframes or scan.restarts:
        return False
    times = (0, *scan.keyframes, int(duration * 1_000_000))
    return all(later - earlier <= MAX_GAP * 1_000_000 for earlier, later in pairwise(times))
