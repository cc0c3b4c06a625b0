"""When the segments of a rendition begin and end: known before any process runs, exact, the same for every run.

Times are whole ticks of a timescale (ticks per second), 0 is the start of the container. The boundaries of a rendition
that is made lie on whole frames, those of a copied one on the source's own keyframes.
"""

from bisect import bisect_right
from collections.abc import Iterable
from fractions import Fraction
from math import ceil, floor

import attrs

TARGET = Fraction(4)  # seconds; Apple's authoring specification asks for 6, seeking asks for less
LONGEST = Fraction(12)  # seconds; a copied segment beyond this starts too slowly and fills a player's buffer

# AAC: 1024 samples make a frame (ISO/IEC 14496-3, section 4.5.1.1). Everything is resampled to 48 kHz.
AUDIO_RATE = 48_000
AUDIO_FRAME = 1024

_COPY_TIMESCALE = 90_000


@attrs.frozen
class Timeline:
    """Segment `n` is shown from `starts[n]` until the next one's start, the last until `end`; all in ticks.

    `frame` is the length of one frame where all have the same, else 0.
    """

    timescale: int
    starts: tuple[int, ...]
    end: int
    frame: int = 0

    def __len__(self) -> int:
        return len(self.starts)

    def span(self, number: int) -> tuple[int, int]:
        """Start and end of a segment, in ticks. Raises `IndexError` for a number that there is not."""
        if number < 0:
            raise IndexError(number)
        return self.starts[number], self.starts[number + 1] if number + 1 < len(self.starts) else self.end

    def duration(self, number: int) -> int:
        """Length of a segment, in ticks."""
        start, end = self.span(number)
        return end - start

    def seconds(self, ticks: int) -> Fraction:
        """Ticks as seconds, exactly."""
        return Fraction(ticks, self.timescale)

    def locate(self, ticks: int) -> int:
        """The number of the segment that a tick lies in: -1 before the first, the count of segments behind the last."""
        return len(self.starts) if ticks >= self.end else bisect_right(self.starts, ticks) - 1

    @property
    def longest(self) -> int:
        """Length of the longest segment, in ticks."""
        return max(map(self.duration, range(len(self))))

    @property
    def total(self) -> Fraction:
        """Length of the whole, in seconds."""
        return self.seconds(self.end)


def timescale_for(rate: Fraction) -> int:
    """Ticks per second in which a frame of this rate is a whole number of ticks, and fine enough for players."""
    return rate.numerator * -(-10_000 // rate.numerator)


def video_timeline(duration: Fraction, rate: Fraction, target: Fraction = TARGET) -> Timeline:
    """Segments of equally many whole frames, as near to `target` seconds as frames allow.

    At 30000/1001 frames per second that is 120 frames, 4.004 s: every boundary is a frame's own time, which multiples
    of 4 s are not.
    """
    return _regular(duration, 1 / rate, timescale_for(rate), video_step(rate, target))


def video_step(rate: Fraction, target: Fraction = TARGET) -> Fraction:
    """Seconds of one full segment of video at this rate."""
    return max(1, round_half_up(target * rate)) / rate


def audio_timeline(duration: Fraction, step: Fraction = TARGET) -> Timeline:
    """Segments of whole AAC frames whose boundaries are the frames nearest to multiples of `step` seconds.

    With the video's step the two never differ by more than half an AAC frame (10.7 ms).
    """
    return _regular(duration, Fraction(AUDIO_FRAME, AUDIO_RATE), AUDIO_RATE, step)


def copied_timeline(
    keyframes: Iterable[Fraction], duration: Fraction, rate: Fraction | None = None, target: Fraction = TARGET
) -> Timeline:
    """Segments cut at the source's keyframes (seconds from the container's start), each at least `target` long.

    What is before the first keyframe belongs to the first segment, a short rest to the last. Whether the result is
    any good is for `is_sensible` to say.
    """
    timescale = timescale_for(rate) if rate else _COPY_TIMESCALE
    end = max(1, round_half_up(duration * timescale))
    step, rest = target * timescale, target * timescale / 4
    starts = [0]
    for tick in sorted(round_half_up(time * timescale) for time in keyframes):
        if tick - starts[-1] >= step and end - tick >= rest:
            starts.append(tick)
    return Timeline(timescale, tuple(starts), end)


def is_sensible(timeline: Timeline, longest: Fraction = LONGEST) -> bool:
    """Whether a copied rendition may be offered: no segment is longer than `longest` seconds."""
    return timeline.seconds(timeline.longest) <= longest


def _regular(duration: Fraction, frame: Fraction, timescale: int, step: Fraction) -> Timeline:
    frames = max(1, round_half_up(duration / frame))
    # A rest of less than a quarter goes with the segment before it: a segment of a frame or two gains nobody anything,
    # and the end of a file is where probes are least exact.
    count = max(1, ceil(frames * frame / step - Fraction(1, 4)))
    ticks = int(frame * timescale)
    starts = tuple(round_half_up(number * step / frame) * ticks for number in range(count))
    return Timeline(timescale, starts, frames * ticks, ticks)


def round_half_up(value: Fraction) -> int:
    """To the nearest whole number, halves up: unlike `round`, the same way at every boundary."""
    return floor(value + Fraction(1, 2))
