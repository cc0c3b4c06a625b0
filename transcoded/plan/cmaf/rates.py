"""Frame rates and bit rates of encoded video renditions."""

import math
from fractions import Fraction

MAX_FPS = Fraction(60)

# An average rate that is very close to one of these is taken for it: ffprobe's averages are not exact.
_USUAL_RATES = tuple(
    Fraction(*rate)
    for rate in ((24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (48, 1), (50, 1), (60000, 1001), (60, 1))
)


def is_variable(fps: Fraction | None, timing_rate: Fraction | None) -> bool:
    """Whether the distances between frames differ: the average rate is not the rate at which each frame has a place of its own.

    Twice the average is that of fields, two of which make a frame.
    """
    if fps is None or timing_rate is None:
        return False
    return not any(abs(timing_rate / times - fps) <= fps / 50 for times in (1, 2))


def frame_rate(fps: Fraction | None, timing_rate: Fraction | None = None) -> Fraction:
    """The constant frame rate of an encode: the source's, or a usual rate very close to it.

    If its rate varies, it is the highest one, so that no frame is left out. At most 60; 25 if the rate of the source is not known.
    """
    if is_variable(fps, timing_rate) and fps is not None and timing_rate is not None:
        # A clock without a frame rate has one tick for each possible time.
        fps = timing_rate if timing_rate <= MAX_FPS else Fraction(30) if fps <= 30 else MAX_FPS
    if fps is None or fps < 1:
        return Fraction(25)
    nearest = min(_USUAL_RATES, key=lambda usual: abs(usual - fps))
    if abs(nearest - fps) / nearest < Fraction(1, 500):
        return nearest
    # Other rates are rounded to hundredths. Else the timescale, in which a frame is a whole number of ticks, could be
    # huge.
    return min(Fraction(round(fps * 100), 100), MAX_FPS)


def video_bit_rate(width: int, height: int, rate: Fraction) -> int:
    """A bit rate for H.264 of good quality, in bits per second.

    5 Mbit/s at 1080p30; it grows more slowly than the number of pixels.
    """
    scale = math.pow(width * height / (1920 * 1080), 0.75) * math.sqrt(max(1.0, float(rate) / 30))
    return max(100_000, round(500 * scale) * 10_000)
