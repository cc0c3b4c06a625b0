"""When the segments of a rendition begin and end: exact, known before a process runs, and the same for every run.

Times are whole ticks of a timescale (ticks per second); 0 is the start of the container. An encoded rendition is cut
between frames, a copied one at the keyframes of the source.
"""

from bisect import bisect_right
from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor

import attrs

TARGET = Fraction(2)
"""Seconds of a segment. Apple's authoring specification asks for 6; with shorter ones the first comes sooner, also behind a seek."""

MAX_COPIED = Fraction(12)
"""Seconds. A longer segment of copied video starts too slowly and fills the player's buffer."""

# A frame of AAC has 1024 samples (ISO/IEC 14496-3, section 4.5.1.1). All audio is resampled to 48 kHz.
AUDIO_RATE = 48_000
AUDIO_FRAME = 1024

_COPY_TIMESCALE = 90_000

BOUNDARY = 40
"""Bytes that the start of a segment takes in memory: a reference and an int."""


@attrs.frozen
class Timeline:
    """Segment `n` lasts from `starts[n]` until the start of the next one, the last segment until `end`; all in ticks.

    `frame` is the length of one frame in ticks if all frames have the same length, else 0.
    """

    timescale: int
    starts: tuple[int, ...]
    end: int
    frame: int = 0

    def __len__(self) -> int:
        """The number of segments."""
        return len(self.starts)

    def span(self, number: int) -> tuple[int, int]:
        """Start and end of a segment, in ticks. Raises `IndexError` if there is no segment with this number."""
        if number < 0:
            raise IndexError(number)
        return self.starts[number], self.starts[number + 1] if number + 1 < len(self.starts) else self.end

    def duration(self, number: int) -> int:
        """The length of a segment, in ticks."""
        start, end = self.span(number)
        return end - start

    def seconds(self, ticks: int) -> Fraction:
        """Ticks as seconds, exactly."""
        return Fraction(ticks, self.timescale)

    def locate(self, ticks: int) -> int:
        """The number of the segment that contains a tick; -1 before the first segment, `len(self)` after the last."""
        return len(self.starts) if ticks >= self.end else bisect_right(self.starts, ticks) - 1

    @property
    def longest(self) -> int:
        """The length of the longest segment, in ticks."""
        return max(end - start for start, end in pairwise((*self.starts, self.end)))

    @property
    def total(self) -> Fraction:
        """The length of all segments together, in seconds."""
        return self.seconds(self.end)


def timescale_for(rate: Fraction) -> int:
    """A timescale in which one frame is a whole number of ticks. It is at least 10,000, precise enough for players."""
    return rate.numerator * -(-10_000 // rate.numerator)


def video_timeline(duration: Fraction, rate: Fraction, target: Fraction = TARGET) -> Timeline:
    """Segments with equal numbers of whole frames, as close to `target` seconds as possible. `duration` is in seconds.

    At 30000/1001 frames per second this is 120 frames, 4.004 s: each boundary is the time of a frame, and multiples of
    4 s would not be.
    """
    return _regular(duration, 1 / rate, timescale_for(rate), video_step(rate, target))


def video_step(rate: Fraction, target: Fraction = TARGET) -> Fraction:
    """The length of one full segment of video at this rate, in seconds."""
    return max(1, round_half_up(target * rate)) / rate


def audio_timeline(duration: Fraction, step: Fraction = TARGET) -> Timeline:
    """Segments of whole AAC frames. Each boundary is the frame boundary closest to a multiple of `step` seconds.

    With the video's `video_step`, boundaries of audio and video differ by at most half an AAC frame (10.7 ms).
    """
    return _regular(duration, Fraction(AUDIO_FRAME, AUDIO_RATE), AUDIO_RATE, step)


def copied_timeline(
    keyframes: Iterable[int], duration: Fraction, rate: Fraction | None = None, target: Fraction = TARGET
) -> Timeline:
    """Segments of at least `target` seconds, cut at keyframes of the source (microseconds after the container's start).

    The time before the first keyframe belongs to the first segment, which is not cut there: it would have no frame. A short rest
    belongs to the last. `short_enough` says whether the result can be offered.
    """
    timescale = timescale_for(rate) if rate else _COPY_TIMESCALE
    end = max(1, round_half_up(duration * timescale))
    step, rest = target * timescale, target * timescale / 4
    starts = [0]
    ticks = sorted(keyframe_tick(time, timescale) for time in keyframes)
    first = ticks[0] if ticks else 0
    for tick in ticks:
        if tick > first and tick - starts[-1] >= step and end - tick >= rest:
            starts.append(tick)
    return Timeline(timescale, tuple(starts), end)


def keyframe_tick(micros: int, timescale: int) -> int:
    """The tick of a keyframe, whose time is in microseconds."""
    return (2 * micros * timescale + 1_000_000) // 2_000_000


def copied_audio_timeline(first: int, end: int, frame: int, sample_rate: int, step: Fraction = TARGET) -> Timeline:
    """Segments of whole frames of copied audio, each about `step` seconds long.

    `first` is when the first frame begins and `end` when the last one ends, in samples after the container's start; `frame` is in samples. Boundaries lie between
    frames. If the first frame begins before 0, the decoder needs it, and it belongs to segment 0.
    """
    count = max(1, ceil(Fraction(end, sample_rate) / step - Fraction(1, 4)))
    starts = [0]
    for number in range(1, count):
        start = first + round_half_up((number * step * sample_rate - first) / frame) * frame
        if start - starts[-1] >= frame and start < end:
            starts.append(start)
    # The last frame is whole.
    whole = first + -(-(end - first) // frame) * frame
    return Timeline(sample_rate, tuple(starts), max(whole, starts[-1] + frame), frame)


def short_enough(timeline: Timeline, longest: Fraction = MAX_COPIED) -> bool:
    """Whether a copied rendition can be offered: no segment is longer than `longest` seconds."""
    return timeline.seconds(timeline.longest) <= longest


def _regular(duration: Fraction, frame: Fraction, timescale: int, step: Fraction) -> Timeline:
    frames = max(1, round_half_up(duration / frame))
    # A rest of less than a quarter of a segment is added to the last one. A segment of one or two frames is useless,
    # and the probed length of a file is not exact.
    count = max(1, ceil(frames * frame / step - Fraction(1, 4)))
    ticks = int(frame * timescale)
    # In whole numbers, because a film can have tens of thousands of segments and fractions are slow.
    over, under = (step / frame).as_integer_ratio()
    starts = tuple((2 * number * over + under) // (2 * under) * ticks for number in range(count))
    return Timeline(timescale, starts, frames * ticks, ticks)


def round_half_up(value: Fraction) -> int:
    """The nearest integer, halves rounded up. `round` would round some halves up and others down."""
    return floor(value + Fraction(1, 2))
