"""A track of an MP4 or QuickTime file (ISO/IEC 14496-12, section 8): its samples, and when they are shown.

Times are counted as ffmpeg's demuxer counts them. What it does in other ways for odd files (several edits, an edit that begins with hidden
samples, tables that contradict each other) is not imitated: such a file has no index.
"""

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, chain, islice, repeat
from operator import sub

import attrs

from transcoded.plan.media.timeline.index.boxes import Box, child, children, number, numbers, table
from transcoded.plan.media.timeline.index.samples import Samples
from transcoded.plan.media.timeline.index.source import NoIndex

MAX_SAMPLES = 2_000_000
"""Samples of a track: nine hours at 60 frames per second."""

_MAX_OFFSET = 1 << 28
"""Ticks. ffmpeg takes composition times of a larger offset for damaged."""

_MAX_TICKS = 1 << 62

_VISUAL = 78
"""Bytes of a sample entry of video before the boxes in it."""

_VIDEO_FIELDS = 8 + 24
"""Bytes from the begin of a sample entry to the width of its pictures (section 12.1.3)."""


@attrs.frozen
class Edit:
    """An edit list of at most one edit behind a gap. `gap` and `length` (None: without end) are in ticks of the track."""

    gap: int = 0
    media_time: int = 0
    length: int | None = None
    given: bool = False


@attrs.frozen
class Track:
    """A track. `kind` is its handler, such as `vide`; `width` and `height` are those of its first sample entry. `sample_table` is its `stbl`.

    `configuration` is that of its decoder, of the boxes in the sample entry; empty if there is none.
    """

    number: int
    kind: bytes
    timescale: int
    edit: Edit | None
    width: int
    height: int
    sample_table: Box
    configuration: bytes = b""


def tracks(data: bytes) -> Sequence[Track | None]:
    """The tracks in the content of a `moov`, in the order in which ffmpeg numbers them; None for one that cannot be read."""
    header = child(data, Box(b"moov", 0, len(data)), b"mvhd")
    if header is None:
        raise NoIndex("it has no movie header")
    timescale = number(data, header.start + (20 if data[header.start : header.start + 1] == b"\1" else 12), 4)
    found: list[Track | None] = []
    for box in children(data):
        if box.kind == b"trak":
            try:
                found.append(_track(data, box, timescale))
            except NoIndex:
                found.append(None)
    return found


def _track(data: bytes, trak: Box, movie_timescale: int) -> Track:
    boxes = [
        child(data, trak, *path)
        for path in ((b"tkhd",), (b"mdia", b"mdhd"), (b"mdia", b"hdlr"), (b"mdia", b"minf", b"stbl"))
    ]
    if None in boxes or not movie_timescale:
        raise NoIndex("a track is not complete")
    track, media, handler, sample_table = (box for box in boxes if box is not None)
    timescale = number(data, media.start + (20 if data[media.start : media.start + 1] == b"\1" else 12), 4)
    if not timescale:
        raise NoIndex("a track has no clock")
    described = child(data, sample_table, b"stsd")
    entry = None if described is None else next(children(data, described.start + 8, described.end), None)
    # `start` of an entry is behind its size and type.
    at = None if entry is None else entry.start - 8 + _VIDEO_FIELDS
    return Track(
        number=number(data, track.start + (20 if data[track.start : track.start + 1] == b"\1" else 12), 4),
        kind=data[handler.start + 8 : handler.start + 12],
        timescale=timescale,
        edit=_edit(data, child(data, trak, b"edts", b"elst"), timescale, movie_timescale),
        width=0 if at is None else number(data, at, 2),
        height=0 if at is None else number(data, at + 2, 2),
        sample_table=sample_table,
        configuration=b"" if entry is None else _configuration(data, entry),
    )


def _configuration(data: bytes, entry: Box) -> bytes:
    try:
        inside = children(data, entry.start + _VISUAL, entry.end)
        found = next((box for box in inside if box.kind in {b"avcC", b"hvcC"}), None)
    except NoIndex:
        return b""
    return b"" if found is None else data[found.start : min(found.end, found.start + 32)]


def _edit(data: bytes, box: Box | None, timescale: int, movie_timescale: int) -> Edit | None:
    """The edit list (section 8.6.6); None if it is more than one edit behind a gap."""
    if box is None:
        return Edit()
    wide = data[box.start : box.start + 1] == b"\1"
    count, width = number(data, box.start + 4, 4), 20 if wide else 12
    if not count:
        return Edit()
    if count > 2 or box.start + 8 + width * count > box.end:
        return None
    gap = 0
    for at in range(box.start + 8, box.start + 8 + width * count, width):
        half = 8 if wide else 4
        length = number(data, at, half)
        time = int.from_bytes(data[at + half : at + 2 * half], "big", signed=True)
        ticks = (2 * length * timescale + movie_timescale) // (2 * movie_timescale)
        if time == -1 and at == box.start + 8:
            gap = ticks
        elif time >= 0 and (at == box.start + 8 or gap or count == 1):
            return Edit(gap, time, ticks or None, given=True) if at + width >= box.start + 8 + width * count else None
        else:
            return None
    return None


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


def presented(found: Samples, edit: Edit) -> tuple[Samples, int]:
    """The samples that the edit list shows, and what is to be added to their times.

    ffmpeg begins at the keyframe at or before the edit and lets the first frame that is shown be at the end of the gap. Raises `NoIndex` if
    samples before the first that is shown are to be decoded and hidden.
    """
    if not len(found):
        raise NoIndex("it has no samples")
    if not edit.given:
        return found, edit.gap
    shift = max(0, -min(found.distinct))
    begin = 0
    for key in found.keys:
        if found.decoded[key] - shift > edit.media_time:
            break
        if found.shown(key) <= edit.media_time:
            begin = key
    until = _MAX_TICKS if edit.length is None else edit.media_time + edit.length
    count = len(found)
    # Only the last frames can be behind the end of the edit.
    while count > begin and found.shown(count - 1) >= until:
        count -= 1
    visible = found.part(begin, count)
    if not len(visible) or visible.earliest < edit.media_time:
        raise NoIndex("its edit list hides frames")
    # Frames count from where the first of them is decoded, and the earliest that is shown is not later than the end of the gap.
    return visible, edit.gap - max(visible.decoded[0], visible.earliest)
