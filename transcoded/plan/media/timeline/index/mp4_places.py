"""Where the fragments of an MP4 file begin, as its own indexes tell: `mfra` at its end, or `sidx` in front of its fragments.

They are claims, with times on a clock that differs between muxers. So some of the fragments are read: each must begin with a keyframe, and all by
as much later as the index says. The last ones are read in any case, since an index can end before the file does.
"""

import struct
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import attrs

from transcoded.plan.media.timeline.index.boxes import Box, children, header, number, outermost
from transcoded.plan.media.timeline.index.mp4_fragments import Defaults, fragments
from transcoded.plan.media.timeline.index.samples import Samples
from transcoded.plan.media.timeline.index.source import Source

MAX_INDEX = 8 << 20
"""Bytes of an `mfra`. It has 20 for each fragment of each track."""

MAX_SIDX = 64
"""Boxes `sidx` that are read. One of them can name others."""

MAX_PLACES = 100_000

CHECKED = 6
"""Fragments that are read at the beginning, and again over the whole file, besides the last ones."""

LAST = 3


class Place(NamedTuple):
    """Where a fragment begins in the file, and a time in ticks, on a clock that is still to be compared with that of the track."""

    time: int
    offset: int


@attrs.frozen
class Outline:
    """What an index tells of a track. `times` are those of keyframes in ticks; `places` has those that are the starts of fragments.

    `checked` are the samples of the fragments that were read, and the rest begins at `rest` in the file.
    """

    times: Sequence[int]
    offsets: Sequence[int]
    checked: Sequence[Samples]
    rest: int


def outline(source: Source, track: int, timescale: int, given: Defaults, begin: int) -> Outline | None:
    """The fragments of a track, without the last `LAST`; None if no index names them, or if what it says is wrong.

    `begin` is where the `moov` ends.
    """
    places = _from_mfra(source, track) or _from_sidx(source, track, timescale, begin)
    if len(places) <= LAST + 2 * CHECKED:
        return None
    if any(later.offset <= earlier.offset or later.time <= earlier.time for earlier, later in pairwise(places)):
        return None
    places, rest = places[:-LAST], places[-LAST].offset
    checked: list[Samples] = []
    shifts = set()
    # Every other fragment can be without a keyframe, so some of them follow one another.
    spread = {step * (len(places) - 1) // (CHECKED - 1) for step in range(CHECKED)}
    for place in sorted({*spread, *range(CHECKED)}):
        found = next(iter(fragments(source, places[place].offset, {track: given})), None)
        samples = None if found is None else found.tracks.get(track)
        if samples is None or not len(samples) or list(samples.keys) != [0]:
            return None
        shifts.add(samples.shown(0) - places[place].time)
        checked.append(samples)
    if len(shifts) != 1:
        return None
    shift = shifts.pop()
    return Outline([one.time + shift for one in places], [one.offset for one in places], checked, rest)


def _from_mfra(source: Source, track: int) -> Sequence[Place]:
    """The places in the `tfra` of a track (ISO/IEC 14496-12, section 8.8.10). `mfro`, at the end of the file, says how long the `mfra` is."""
    if source.size < 16:
        return ()
    end = source.exactly(source.size - 16, 16)
    length = number(end, 12, 4)
    if end[4:8] != b"mfro" or not 24 <= length <= min(MAX_INDEX, source.size):
        return ()
    data = source.exactly(source.size - length, length)
    if data[4:8] != b"mfra":
        return ()
    for box in children(data, 8):
        if box.kind == b"tfra" and number(data, box.start + 4, 4) == track:
            return _entries(data, box)
    return ()


def _entries(data: bytes, box: Box) -> Sequence[Place]:
    widths, count = number(data, box.start + 8, 4), number(data, box.start + 12, 4)
    behind = sum((widths >> place & 3) + 1 for place in (0, 2, 4))
    form = struct.Struct(f">{'QQ' if data[box.start] == 1 else 'II'}{behind}x")
    if count > MAX_PLACES or box.start + 16 + count * form.size > box.end:
        return ()
    table = memoryview(data)[box.start + 16 : box.start + 16 + count * form.size]
    # A fragment with several keyframes is named several times.
    found = [Place(*entry) for entry in form.iter_unpack(table)]
    return [one for place, one in enumerate(found) if not place or one.offset != found[place - 1].offset]


def _from_sidx(source: Source, track: int, timescale: int, begin: int) -> Sequence[Place]:
    """The places in the `sidx` boxes of a track in front of its first fragment (section 8.16.3), and in those that these name."""
    found: list[Place] = []
    for box in outermost(source, begin):
        if box.kind in {b"moof", b"mdat"}:
            break
        if box.kind == b"sidx":
            found = _references(source, box, track, timescale)
            if found:
                break
    return found


def _references(source: Source, first: Box, track: int, timescale: int) -> list[Place]:
    found: list[Place] = []
    waiting = [first]
    for _ in range(MAX_SIDX):
        if not waiting or len(found) > MAX_PLACES:
            break
        box = waiting.pop()
        if box.end - box.start > MAX_INDEX:
            break
        data = source.exactly(box.start, box.end - box.start)
        wide = data[:1] == b"\1"
        if number(data, 4, 4) != track or number(data, 8, 4) != timescale:
            break
        time, offset = number(data, 12, 8 if wide else 4), box.end + number(data, 20 if wide else 16, 8 if wide else 4)
        at = (28 if wide else 20) + 4
        count = number(data, at - 2, 2)
        if at + 12 * count > len(data):
            break
        named: list[Box] = []
        for kind, length, access in struct.iter_unpack(">III", data[at : at + 12 * count]):
            if kind >> 31:
                # Another index: what is in it comes behind what was found here.
                nested = header(source.up_to(offset, 16), 0, offset, source.size)
                if nested.kind == b"sidx" and offset > box.start:
                    named.append(nested)
            elif access >> 31:
                found.append(Place(time, offset))
            else:
                # It does not begin with a keyframe.
                return []
            time, offset = time + length, offset + (kind & 0x7FFFFFFF)
        waiting.extend(reversed(named))
    return found
