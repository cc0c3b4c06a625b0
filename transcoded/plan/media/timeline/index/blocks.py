"""Blocks of a Matroska file behind a cue (RFC 9559, section 10): their times, read without the frames in them."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import attrs

from transcoded.plan.media.timeline.index.ebml import HEADER, Element, header, read_header
from transcoded.plan.media.timeline.index.pictures import FIRST_BYTES, Look
from transcoded.plan.media.timeline.index.source import NoIndex, Source
from transcoded.plan.media.vint import read_vint

MAX_BLOCKS = 600
"""Blocks that are looked at behind a cue, those of all tracks."""

LOOK, SETTLED = 28, 12
"""Frames that are looked at behind a cue, and those of them whose place in the order of display does not depend on later ones."""

_CLUSTER, _TIMESTAMP, _SIMPLE_BLOCK, _GROUP, _BLOCK, _REFERENCE = 0x1F43B675, 0xE7, 0xA3, 0xA0, 0xA1, 0xFB
_WINDOW = 48


class Block(NamedTuple):
    """A block: its track, its time in ticks, whether it is a keyframe, and where its frame begins in the file."""

    track: int
    time: int
    key: bool
    frame: int


@attrs.frozen
class Group:
    """The first frames of a group of pictures. `leading`: some are shown before its keyframe.

    `delay`, in ticks, is that of `PacketScan`, and `gap` the longest time for which one of them is shown.
    """

    leading: bool
    delay: int
    gap: int


def group_at(source: Source, cluster: int, relative: int | None, track: int, time: int, look: Look) -> Group:
    """The group that begins at a cue. Raises `NoIndex` if there is no keyframe of this track and this time."""
    times: list[int] = []
    for block in _blocks(source, cluster, relative):
        if block.track != track:
            continue
        if not times and block.time != time:
            continue
        if not times and (not block.key or look.denies(source.up_to(block.frame, FIRST_BYTES))):
            raise NoIndex("a cue leads to no keyframe")
        if times and block.key:
            break
        times.append(block.time)
        if len(times) > LOOK:
            break
    if not times:
        raise NoIndex("a cue leads nowhere")
    settled = SETTLED if len(times) > LOOK else len(times)
    delays = [shown - decoded for shown, decoded in zip(sorted(times)[:settled], times, strict=False)]
    gaps = [later - earlier for earlier, later in pairwise(sorted(times)[:settled])]
    return Group(min(times) < times[0], max(0, *delays), max(gaps, default=0))


def first_of(source: Source, cluster_start: int, track: int) -> int | None:
    """The time of the first keyframe of a track near the first cluster, whose content begins at an offset; None if there is none."""
    found = (block for block in _blocks(source, None, cluster_start) if block.track == track and block.key)
    return next((block.time for block in found), None)


def _blocks(source: Source, cluster: int | None, at: int | None) -> Iterator[Block]:
    """The blocks from a place in a cluster on, also those of the clusters behind it.

    `cluster` is where it begins in the file, and `at` the place in its content; without a cluster `at` is where its content begins in the file.
    """
    if cluster is None:
        outer = Element(_CLUSTER, at or 0, None)
        skipped = 0
    else:
        outer, skipped = read_header(source, cluster), at or 0
        if outer.id != _CLUSTER:
            raise NoIndex("a cue leads to no cluster")
    base: int | None = None
    offset, end = outer.start, outer.end
    left = MAX_BLOCKS
    while left and offset < source.size:
        left -= 1
        if end is not None and offset >= end:
            end = None
        data = source.up_to(offset, HEADER + _WINDOW)
        element = header(data, 0, offset)
        if element.id == _CLUSTER:
            offset, end, base = element.start, element.end, None
            continue
        if element.end is None or (end is None and element.id > 0xFFFFFF):
            # Behind the last cluster.
            return
        content = element.start - offset
        if element.id == _TIMESTAMP:
            base = int.from_bytes(data[content : element.end - offset][:8], "big")
        elif element.id == _SIMPLE_BLOCK and base is not None:
            yield _block(data[content:], base, None, element.start)
        elif element.id == _GROUP and base is not None:
            yield _grouped(source, element, base)
        if base is not None and skipped:
            # The block of the cue: what is before it was decoded before it.
            offset, skipped = outer.start + skipped, 0
            continue
        offset = element.end


def _block(data: bytes, base: int, key: bool | None, offset: int) -> Block:
    """A block from its first bytes: a track number, a time after that of the cluster, flags. `key` None: the flags say it."""
    found = read_vint(data, 0)
    if found is None or found[1] > 4:
        raise NoIndex("a block has no track")
    track, width = found
    if len(data) < width + 3:
        raise NoIndex("a block ends too early")
    time = base + int.from_bytes(data[width : width + 2], "big", signed=True)
    return Block(track, time, bool(data[width + 2] & 0x80) if key is None else key, offset + width + 3)


def _grouped(source: Source, group: Element, base: int) -> Block:
    """The block in a group. It is a keyframe if the group names no other block that it refers to."""
    offset, found, key, begin = group.start, b"", True, 0
    for _ in range(8):
        if group.end is None or offset >= group.end:
            break
        data = source.up_to(offset, HEADER + _WINDOW)
        element = header(data, 0, offset)
        if element.end is None:
            raise NoIndex("a block has no size")
        if element.id == _BLOCK:
            found, begin = data[element.start - offset :], element.start
        elif element.id == _REFERENCE:
            key = False
        offset = element.end
    return _block(found, base, key, begin)
