"""Boxes of ISO/IEC 14496-12 in a file: their headers, and tables of equal entries as arrays."""

import sys
from array import array
from collections.abc import Iterator
from typing import NamedTuple

from transcoded.plan.media.timeline.index.source import NoIndex, Source

MAX_TOP_LEVEL = 50_000
"""Outermost boxes of a file. A fragmented one has two or three for each fragment."""

MAX_CHILDREN = 4096
"""Boxes in a box. A file has at most 500 tracks."""


class Box(NamedTuple):
    """A box: its type, and where its content begins and ends, in the file or in the data that it was found in."""

    kind: bytes
    start: int
    end: int


def header(data: bytes, at: int, offset: int, limit: int) -> Box:
    """The box whose header is in `data` at a place, which is `offset` in a file that ends at `limit` (section 4.2). Raises `NoIndex`."""
    length = int.from_bytes(data[at : at + 4], "big")
    width = 8
    if length == 1:
        length, width = int.from_bytes(data[at + 8 : at + 16], "big"), 16
    elif length == 0:
        length = limit - offset
    if len(data) < at + width or length < width or offset + length > limit:
        raise NoIndex("a box has an impossible size")
    return Box(data[at + 4 : at + 8], offset + width, offset + length)


def outermost(source: Source, offset: int = 0) -> Iterator[Box]:
    """The outermost boxes of a file, from an offset on."""
    for _ in range(MAX_TOP_LEVEL):
        if source.size - offset < 8:
            return
        box = header(source.up_to(offset, 16), 0, offset, source.size)
        yield box
        offset = box.end
    raise NoIndex("it has too many boxes")


def children(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes from one place to another."""
    end = len(data) if end is None else end
    for _ in range(MAX_CHILDREN):
        if end - start < 8:
            return
        box = header(data, start, start, end)
        yield box
        start = box.end
    raise NoIndex("it has too many boxes")


def child(data: bytes, parent: Box, *path: bytes) -> Box | None:
    """The first box in a box with these types, one in the other; None if there is none."""
    found: Box | None = parent
    for kind in path:
        if found is None:
            return None
        found = next((box for box in children(data, found.start, found.end) if box.kind == kind), None)
    return found


def number(data: bytes, at: int, width: int) -> int:
    """An unsigned number of `width` bytes. Raises `NoIndex` if the data ends before."""
    if at < 0 or at + width > len(data):
        raise NoIndex("a box ends too early")
    return int.from_bytes(data[at : at + width], "big")


def numbers(data: bytes, start: int, count: int, *, signed: bool = False) -> "array[int]":
    """`count` numbers of 32 bits. Raises `NoIndex` if the data ends before: a count is only a claim."""
    if count < 0 or start < 0 or start + 4 * count > len(data):
        raise NoIndex("a table ends too early")
    found = array("i" if signed else "I")
    found.frombytes(memoryview(data)[start : start + 4 * count])
    if sys.byteorder == "little":
        found.byteswap()
    return found


def table(data: bytes, box: Box, columns: int, *, signed: bool = False) -> "array[int]":
    """The entries of a table behind their number: `columns` numbers of 32 bits each."""
    count = number(data, box.start + 4, 4) * columns
    if box.start + 8 + 4 * count > box.end:
        raise NoIndex("a table ends too early")
    return numbers(data, box.start + 8, count, signed=signed)
