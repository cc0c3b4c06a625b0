"""The tables of samples of a track (ISO/IEC 14496-12, sections 8.6 and 8.7): how many there are, when, how long, and where.

Tables that contradict each other are not used, and what they claim is checked against their length before anything is allocated.
"""

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, chain, islice, repeat
from operator import sub

from transcoded.plan.media.timeline.index.boxes import Box, children, number, numbers, table
from transcoded.plan.media.timeline.index.samples import Samples
from transcoded.plan.media.timeline.index.source import NoIndex

MAX_SAMPLES = 2_000_000
"""Samples of a track: nine hours at 60 frames per second."""

_MAX_OFFSET = 1 << 28
"""Ticks. ffmpeg takes composition times of a larger offset for damaged."""

_MAX_TICKS = 1 << 62


def samples(data: bytes, stbl: Box) -> Samples:
    """The samples of a track, on the clock of the media. Raises `NoIndex` if the tables contradict each other."""
    boxes = {box.kind: box for box in children(data, stbl.start, stbl.end)}
    # Groups of samples can name further keyframes.
    if b"stts" not in boxes or b"stps" in boxes or (b"sbgp" in boxes and _has_group(data, stbl, b"rap ")):
        raise NoIndex("it names its keyframes in another way")
    sizes = _sizes(data, boxes)
    count = len(sizes)
    times = table(data, boxes[b"stts"], 2)
    counts, lengths = times[::2], times[1::2]
    if sum(counts) != count:
        raise NoIndex("the tables have different lengths")
    if max(lengths, default=0) >= 1 << 31:
        raise NoIndex("a frame has an impossible length")
    decoded = _decoded(counts, lengths, count)
    keys = _keys(data, boxes.get(b"stss"), count)
    found = Samples(decoded, _offsets(data, boxes.get(b"ctts"), count), sizes, keys, lengths[-1] if count else 0)
    if max(map(abs, found.distinct), default=0) > _MAX_OFFSET:
        raise NoIndex("a frame is shown at an impossible time")
    return found


def _has_group(data: bytes, stbl: Box, kind: bytes) -> bool:
    return any(
        box.kind == b"sbgp" and data[box.start + 4 : box.start + 8] == kind
        for box in children(data, stbl.start, stbl.end)
    )


def _sizes(data: bytes, boxes: dict[bytes, Box]) -> Sequence[int]:
    if b"stsz" in boxes:
        box = boxes[b"stsz"]
        equal, count = number(data, box.start + 4, 4), number(data, box.start + 8, 4)
        if count > MAX_SAMPLES:
            raise NoIndex("it has too many samples")
        if equal:
            return array("I", [equal]) * count
        if box.start + 12 + 4 * count > box.end:
            raise NoIndex("a table ends too early")
        return numbers(data, box.start + 12, count)
    if b"stz2" in boxes:
        box = boxes[b"stz2"]
        bits, count = number(data, box.start + 7, 1), number(data, box.start + 8, 4)
        if bits not in {4, 8, 16} or count > MAX_SAMPLES or box.start + 12 + count * bits // 8 > box.end:
            raise NoIndex("a table ends too early")
        packed = data[box.start + 12 : box.start + 12 + -(-count * bits // 8)]
        if bits == 8:
            return array("B", packed)
        if bits == 16:
            return array("I", (packed[at] << 8 | packed[at + 1] for at in range(0, 2 * count, 2)))
        return array("B", islice((half for both in packed for half in (both >> 4, both & 15)), count))
    raise NoIndex("it has no sizes")


def _decoded(counts: Sequence[int], lengths: Sequence[int], count: int) -> Sequence[int]:
    if len(set(lengths)) == 1 and lengths[0]:
        return range(0, count * lengths[0], lengths[0])
    if sum(map(int.__mul__, counts, lengths)) > _MAX_TICKS:
        raise NoIndex("it is too long")
    plain = counts == array("I", [1]) * len(counts)
    steps = iter(lengths) if plain else chain.from_iterable(map(repeat, lengths, counts))
    return array("q", islice(accumulate(chain((0,), steps)), count))


def _offsets(data: bytes, box: Box | None, count: int) -> Sequence[int] | None:
    """How much later samples are shown than decoded (section 8.6.1.3). They are signed in both versions of the box, as ffmpeg reads them."""
    if box is None:
        return None
    offsets = table(data, box, 2, signed=True)
    counts, values = offsets[::2], offsets[1::2]
    if not len(values):
        return None
    if counts != array("i", [1]) * count:
        if min(counts) < 0 or sum(counts) < count:
            raise NoIndex("the tables have different lengths")
        values = array("i", islice(chain.from_iterable(map(repeat, values, counts)), count))
    return values


def _keys(data: bytes, box: Box | None, count: int) -> Sequence[int]:
    """The numbers of the sync samples, from 0 on. Without a table all are."""
    if box is None:
        return range(count)
    found = table(data, box, 1)
    if not len(found) or found[0] < 1 or found[-1] > count or len(found) > count:
        raise NoIndex("the table of keyframes is wrong")
    keys = [number - 1 for number in found]
    if any(later <= earlier for earlier, later in zip(keys, islice(keys, 1, None), strict=False)):
        raise NoIndex("keyframes do not ascend")
    return keys


def positions(data: bytes, stbl: Box, found: Samples, places: Sequence[int]) -> Sequence[int]:
    """Where samples with these numbers begin in the file (sections 8.7.4 and 8.7.5)."""
    boxes = {box.kind: box for box in children(data, stbl.start, stbl.end)}
    if b"stsc" not in boxes or not boxes.keys() & {b"stco", b"co64"}:
        raise NoIndex("it does not say where its samples are")
    runs = table(data, boxes[b"stsc"], 3)
    wide = b"co64" in boxes
    chunks = boxes[b"co64" if wide else b"stco"]
    count = number(data, chunks.start + 4, 4)
    firsts, each = runs[::3], runs[1::3]
    if not len(firsts) or firsts[0] != 1 or not all(map(int.__lt__, firsts, firsts[1:])) or firsts[-1] > count:
        raise NoIndex("the table of chunks is wrong")
    # The number of the first sample of each run of chunks.
    begins = array("q", accumulate(chain((0,), map(int.__mul__, map(sub, firsts[1:], firsts), each))))
    offsets = []
    for place in places:
        run = bisect_right(begins, place) - 1
        chunk, rest = divmod(place - begins[run], max(each[run], 1))
        chunk += firsts[run] - 1
        width = 8 if wide else 4
        if chunk >= count or chunks.start + 8 + width * (chunk + 1) > chunks.end or not each[run]:
            raise NoIndex("the table of chunks is wrong")
        begin = number(data, chunks.start + 8 + width * chunk, width)
        offsets.append(begin + sum(found.sizes[place - rest : place]))
    return offsets
