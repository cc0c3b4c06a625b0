"""Movie fragments (ISO/IEC 14496-12, section 8.8): the samples of each track in the fragments that are read.

Which fragments are read is decided elsewhere: all of them, or a few that an index names.
"""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, chain, islice, repeat

import attrs

from transcoded.plan.media.timeline.index.boxes import Box, child, children, header, number, numbers
from transcoded.plan.media.timeline.index.mp4_tables import MAX_SAMPLES
from transcoded.plan.media.timeline.index.samples import Samples
from transcoded.plan.media.timeline.index.source import NoIndex, Source

MAX_FRAGMENT = 4 << 20
"""Bytes of a `moof`. One with a sample of 16 bytes for each frame of an hour at 60 frames per second has 3.5 million."""

_WINDOW = 2048
"""Bytes that are read at a place where a `moof` may be, so that most are read at once."""

_NON_SYNC = 0x01010000
"""The flags that make a sample one that is not a keyframe, for ffmpeg: it is not a sync sample, or it depends on others."""

_DURATION, _SIZE, _FLAGS, _OFFSET = 0x100, 0x200, 0x400, 0x800


@attrs.frozen
class Defaults:
    """What holds for the samples of a track for which a fragment says nothing else."""

    duration: int = 0
    size: int = 0
    flags: int = 0


@attrs.frozen
class Fragment:
    """A fragment, and where its `moof` begins in the file. `tracks` are its samples by the numbers of the tracks."""

    offset: int
    tracks: Mapping[int, Samples]


@attrs.define
class Collected:
    """Samples of a track that are put together from fragments."""

    decoded: "array[int]" = attrs.field(factory=lambda: array("q"))
    offsets: "array[int]" = attrs.field(factory=lambda: array("q"))
    sizes: "array[int]" = attrs.field(factory=lambda: array("I"))
    keys: list[int] = attrs.field(factory=list)
    last: int = 0

    def append(self, found: Samples) -> None:
        """Add what comes behind in decoding order."""
        if len(self.decoded) + len(found) > MAX_SAMPLES:
            raise NoIndex("it has too many samples")
        if len(self.decoded) and len(found) and found.decoded[0] < self.decoded[-1]:
            raise NoIndex("a fragment begins before the one in front of it ends")
        self.keys.extend(len(self.decoded) + key for key in found.keys)
        self.decoded.extend(found.decoded)
        self.offsets.extend(repeat(0, len(found)) if found.offsets is None else iter(found.offsets))
        self.sizes.extend(iter(found.sizes))
        self.last = found.last

    @property
    def samples(self) -> Samples:
        """All of them."""
        return Samples(self.decoded, self.offsets if any(self.offsets) else None, self.sizes, self.keys, self.last)


def defaults(data: bytes) -> Mapping[int, Defaults]:
    """The defaults by the numbers of the tracks, from the content of a `moov` (`trex`); empty if the file has no fragments."""
    extends = next((box for box in children(data) if box.kind == b"mvex"), None)
    if extends is None:
        return {}
    return {
        number(data, box.start + 4, 4): Defaults(*(number(data, box.start + at, 4) for at in (12, 16, 20)))
        for box in children(data, extends.start, extends.end)
        if box.kind == b"trex"
    }


def fragments(source: Source, offset: int, wanted: Mapping[int, Defaults]) -> Iterator[Fragment]:
    """The fragments from an offset on, in the order of the file, with the tracks that are wanted. Raises `NoIndex`."""
    window = _WINDOW
    while source.size - offset >= 8:
        data = source.up_to(offset, window)
        box = header(data, 0, offset, source.size)
        if box.kind == b"moof":
            length = box.end - offset
            if length > MAX_FRAGMENT:
                raise NoIndex("a fragment has too long a header")
            if length > len(data):
                data = source.exactly(offset, length)
            window = min(max(_WINDOW, length + 64), 1 << 16)
            yield Fragment(offset, _tracks(data[:length], box.start - offset, wanted))
            # The data mostly follows at once, and then its header has been read, too.
            if len(data) >= length + 16:
                offset = (
                    header(data, length, box.end, source.size).end
                    if data[length + 4 : length + 8] == b"mdat"
                    else box.end
                )
                continue
        offset = box.end


def _tracks(data: bytes, start: int, wanted: Mapping[int, Defaults]) -> Mapping[int, Samples]:
    found: dict[int, Samples] = {}
    for box in children(data, start):
        if box.kind == b"traf":
            head = child(data, box, b"tfhd")
            track = 0 if head is None else number(data, head.start + 4, 4)
            if head is not None and track in wanted:
                if track in found:
                    raise NoIndex("a fragment has a track twice")
                found[track] = _samples(data, box, _overridden(data, head, wanted[track]))
    return found


def _overridden(data: bytes, head: Box, given: Defaults) -> Defaults:
    """The defaults of a fragment (section 8.8.7)."""
    flags = number(data, head.start, 4)
    at = head.start + 8 + 8 * bool(flags & 0x1) + 4 * bool(flags & 0x2)
    values = [given.duration, given.size, given.flags]
    for place, flag in enumerate((0x8, 0x10, 0x20)):
        if flags & flag:
            values[place] = number(data, at, 4)
            at += 4
    return Defaults(*values)


def _samples(data: bytes, traf: Box, given: Defaults) -> Samples:
    time = child(data, traf, b"tfdt")
    if time is None:
        raise NoIndex("a fragment does not say when it begins")
    base = number(data, time.start + 4, 8 if data[time.start : time.start + 1] == b"\1" else 4)
    if base >= 1 << 62:
        raise NoIndex("a fragment begins at an impossible time")
    collected = Collected()
    for box in children(data, traf.start, traf.end):
        if box.kind == b"trun":
            run = _run(data, box, given, base)
            collected.append(run)
            base = run.decoded[-1] + run.last if len(run) else base
    return collected.samples


def _run(data: bytes, box: Box, given: Defaults, base: int) -> Samples:
    """The samples of a `trun` (section 8.8.8)."""
    flags, count = number(data, box.start, 4), number(data, box.start + 4, 4)
    at = box.start + 8 + 4 * bool(flags & 0x1)
    first = None
    if flags & 0x4:
        first = number(data, at, 4)
        at += 4
    columns = [flag for flag in (_DURATION, _SIZE, _FLAGS, _OFFSET) if flags & flag]
    # Each sample is stated, or its size is known: the file ends somewhere.
    if count > MAX_SAMPLES or at + 4 * count * len(columns) > box.end or (not columns and count > 1 << 16):
        raise NoIndex("a table ends too early")
    values = numbers(data, at, count * len(columns))

    def column(flag: int) -> "array[int] | None":
        return values[columns.index(flag) :: len(columns)] if flag in columns else None

    lengths, sizes, kinds, offsets = (column(flag) for flag in (_DURATION, _SIZE, _FLAGS, _OFFSET))
    if max(lengths or (given.duration,)) >= 1 << 31:
        raise NoIndex("a frame has an impossible length")
    if lengths is None:
        decoded: Sequence[int] = (
            range(base, base + count * given.duration, given.duration) if given.duration else array("q", [base]) * count
        )
        last = given.duration
    else:
        decoded = array("q", islice(accumulate(chain((base,), lengths)), count))
        last = lengths[-1] if count else 0
    if offsets is not None and max(offsets, default=0) > 1 << 28:
        # ffmpeg moves the whole track by the least of negative offsets.
        raise NoIndex("a frame is shown before it is decoded, or at an impossible time")
    if kinds is None:
        plain = not given.flags & _NON_SYNC
        keys: Sequence[int] = range(count) if plain else ()
    else:
        keys = [place for place, kind in enumerate(kinds) if not kind & _NON_SYNC]
    if first is not None and count:
        keys = [*([] if first & _NON_SYNC else [0]), *(key for key in keys if key)]
    return Samples(decoded, offsets, array("I", [given.size]) * count if sizes is None else sizes, keys, last)
