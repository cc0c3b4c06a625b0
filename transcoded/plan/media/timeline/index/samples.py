"""From the samples of a track to a `PacketScan`: all that an index tells of its frames, computed in bulk.

An index has a line for each frame, and a film has hundreds of thousands. So nothing here goes through all frames in Python: that
is done by functions of C, and the loops are over keyframes, seconds and blocks.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import accumulate, islice, pairwise
from operator import add, lt, sub

import attrs

from transcoded.plan.media.probe import Media
from transcoded.plan.media.timeline.index.source import NoIndex
from transcoded.plan.media.timeline.packets import MAX_DELAY, MAX_LENGTH, PacketScan, scan_from_probe

LOOK = 40
"""Frames behind a keyframe, in decoding order, among which those are that are shown before it. H.264 and HEVC hold back 16 at the most
(ITU-T H.264, annex A), and fields count twice."""

FEW = 20_000
"""Keyframes. Of more, those that are not kept are not looked at."""

EXACT = 1_000_000
"""Frames. Of more than these, whose lengths differ, the delay is not measured: it takes microseconds for each."""

LATE = 2_000_000
"""Microseconds by which the last keyframe can be behind the end that the file tells."""

_SURE_PERCENT = 90
"""Of the average bit rate of sound: it may vary, and less of it may be where the video has most."""

_BLOCK = 1 << 15
_MICROS = 1_000_000


@attrs.frozen
class Clock:
    """A clock of `numerator / denominator` seconds for a tick. `offset` is added to its ticks; `zero` is the start of the container, in microseconds."""

    numerator: int
    denominator: int
    zero: int
    offset: int = 0

    def micros(self, ticks: int) -> int:
        """Microseconds after the start of the container."""
        return (2 * (ticks + self.offset) * self.numerator * _MICROS + self.denominator) // (
            2 * self.denominator
        ) - self.zero

    def all_micros(self, ticks: Iterable[int]) -> list[int]:
        """As `micros`, for many."""
        factor, divisor = 2 * self.numerator * _MICROS, 2 * self.denominator
        rest = self.offset * factor + self.denominator - self.zero * divisor
        return [(one * factor + rest) // divisor for one in ticks]

    def ticks(self, micros: int) -> int:
        """The first tick that is so many microseconds after the start of the container."""
        doubled = (2 * (micros + self.zero) - 1) * self.denominator
        return -(-doubled // (2 * _MICROS * self.numerator)) - self.offset


@attrs.frozen(eq=False)
class Samples:
    """The frames of a track, in decoding order: when each is decoded, in ticks, how much later it is shown, and its bytes. `keys` are the numbers of the sync samples.

    `decoded` never goes back. Without `offsets` frames are shown when they are decoded. `last` is the length of the last one.
    """

    decoded: Sequence[int]
    offsets: Sequence[int] | None
    sizes: Sequence[int]
    keys: Sequence[int]
    last: int

    def __len__(self) -> int:
        """The number of frames."""
        return len(self.decoded)

    def shown(self, place: int) -> int:
        """When a frame is shown, in ticks."""
        return self.decoded[place] + (0 if self.offsets is None else self.offsets[place])

    @cached_property
    def distinct(self) -> frozenset[int]:
        """The offsets that there are: only a few, if frames have the same length."""
        return frozenset((0,) if self.offsets is None else self.offsets)

    @cached_property
    def earliest(self) -> int:
        """When the first frame is shown. What is decoded long after the first cannot be it."""
        until = bisect_right(self.decoded, self.shown(0) - min(self.distinct))
        return min(map(self.shown, range(max(1, until))))

    @cached_property
    def end(self) -> int:
        """When the last frame ends, in the same way."""
        since = bisect_left(self.decoded, self.shown(len(self) - 1) - max(self.distinct))
        return max(map(self.shown, range(min(since, len(self) - 1), len(self)))) + self.last

    def part(self, begin: int, end: int) -> "Samples":
        """The frames from one number to another, without the one at the end."""
        if begin == 0 and end == len(self):
            return self
        keys = [key - begin for key in self.keys if begin <= key < end]
        offsets = None if self.offsets is None else self.offsets[begin:end]
        last = self.last if end >= len(self) else self.decoded[end] - self.decoded[end - 1]
        return Samples(self.decoded[begin:end], offsets, self.sizes[begin:end], keys, last)

    def scan(self, media: Media, clock: Clock) -> PacketScan:
        """What these frames tell. Raises `NoIndex` if they tell nothing, or what cannot be."""
        if not len(self) or not self.keys:
            raise NoIndex("it has no keyframe")
        # If all are keyframes, all have the same offset, or they do not ascend.
        times = (
            self.decoded if self.offsets is None and len(self.keys) == len(self) else list(map(self.shown, self.keys))
        )
        probed = scan_from_probe(media)
        end = clock.micros(self.end)
        keyframes, kept = one_a_second(times, clock, media)
        before = array("q", accumulate(self.sizes, initial=0))
        return PacketScan(
            start=probed.start,
            keyframes=keyframes,
            offsets=array("q", [*(before[self.keys[place]] for place in kept), before[-1]]),
            reorder=probed.reorder,
            end=end / _MICROS if 0 < end <= MAX_LENGTH * _MICROS else None,
            delay=self.delay(clock),
            leading=self.leading,
        )

    def delay(self, clock: Clock) -> int | None:
        """By how much frames are decoded before they are shown: `PacketScan.delay`."""
        if self.offsets is None or len(self.distinct) == 1:
            return 0
        # If frames are equally long and none is missing, the n-th is shown n frames after the first. Then no frame is needed
        # earlier than the one with the lowest offset. The last group may be cut off.
        first, last = self.earliest - self.decoded[0], self.keys[-1]
        if isinstance(self.decoded, range) and sum(self.offsets[:last]) == last * first:
            ticks = max(first - min(self.distinct), self._longest_delay(self.offsets, last))
        elif len(self) > EXACT:
            return None
        else:
            ticks = self._longest_delay(self.offsets, 0)
        micros = -(-ticks * clock.numerator * _MICROS // clock.denominator)
        return None if micros > MAX_DELAY else micros

    def _longest_delay(self, offsets: Sequence[int], since: int) -> int:
        longest = 0
        # What is left of the frames in both orders: what is decoded in the next block can be shown before the last of this one.
        ordered: list[int] = []
        waiting: list[int] = []
        for begin in range(since, len(self), _BLOCK):
            block = list(map(add, self.decoded[begin : begin + _BLOCK], offsets[begin : begin + _BLOCK]))
            waiting += block
            ordered = sorted(ordered + block)
            sure = len(ordered) - (LOOK if begin + _BLOCK < len(self) else 0)
            longest = max(longest, max(map(sub, islice(ordered, sure), waiting), default=0))
            del waiting[:sure], ordered[:sure]
        return longest

    @property
    def leading(self) -> bool:
        """Whether frames are decoded after a keyframe and shown before it."""
        if self.offsets is None or len(self.keys) == len(self):
            return False
        lowest = min(self.distinct)
        for key, following in zip(self.keys, [*self.keys[1:], len(self)], strict=True):
            shown = self.shown(key)
            for place in range(key + 1, min(key + 1 + LOOK, following)):
                if self.decoded[place] + lowest >= shown:
                    break
                if self.shown(place) < shown:
                    return True
        return False


def one_a_second(times: Sequence[int], clock: Clock, media: Media) -> tuple[Sequence[int], Sequence[int]]:
    """The times of keyframes in microseconds, of those within one second the first, and their places in `times`, which are in ticks.

    Raises `NoIndex` if there are none, if they do not ascend, or if they are outside the file.
    """
    if not times:
        raise NoIndex("it has no keyframe")
    if not isinstance(times, range) and not all(map(lt, times, islice(times, 1, None))):
        raise NoIndex("the times of its keyframes do not ascend")
    first, last = clock.micros(times[0]), clock.micros(times[-1])
    told = MAX_LENGTH if media.duration is None or media.duration_estimated else media.duration
    if first < -_MICROS or last > min(told, MAX_LENGTH) * _MICROS + LATE:
        raise NoIndex("its times are outside the file")
    found, places, at = array("q"), array("q"), 0
    if len(times) <= FEW:
        latest = None
        for place, time in enumerate(clock.all_micros(times)):
            if time // _MICROS != latest:
                found.append(time)
                places.append(place)
                latest = time // _MICROS
        return found, places
    while at < len(times):
        time = clock.micros(times[at])
        found.append(time)
        places.append(at)
        at = bisect_left(times, clock.ticks((time // _MICROS + 1) * _MICROS), at + 1)
    return found, places


def bytes_of_video(places: Sequence[int], times: Sequence[int], end: tuple[int, int], media: Media) -> Sequence[int]:
    """About how many bytes of video are before each keyframe, and in all: `PacketScan.offsets`, from where they are in the file.

    `places` are in bytes and `times` in microseconds; `end` has both for the end. The usual share of sound whose bit rate is known is taken off.
    Raises `NoIndex` if the places do not ascend.
    """
    places, times = [*places, end[1]], [*times, max(end[0], times[-1])]
    if any(later < earlier for earlier, later in pairwise(places)):
        raise NoIndex("its places do not ascend")
    sound = sum(one.bit_rate or 0 for one in media.audio) * _SURE_PERCENT
    video = (
        place - places[0] - sound * (time - times[0]) // (8 * 100 * _MICROS)
        for place, time in zip(places, times, strict=True)
    )
    return array("q", accumulate(video, max))
