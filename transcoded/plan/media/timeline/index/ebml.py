"""Elements of EBML (RFC 8794) in a file: their headers, and those inside others."""

from collections.abc import Iterator
from typing import NamedTuple

from transcoded.plan.media.timeline.index.source import NoIndex, Source

MAX_CHILDREN = 1 << 18
"""Elements in an element. An index has one for each of its places."""

HEADER = 12
"""Bytes of the longest header: an id of four, a size of eight."""


class Element(NamedTuple):
    """An element: its id, and where its content begins and ends. `end` None: its size is not known, so it ends where its parent does or the next one begins."""

    id: int
    start: int
    end: int | None


def header(data: bytes, at: int, offset: int) -> Element:
    """The element whose header is in `data` at a place, which is `offset` in the file. Raises `NoIndex`."""
    if at >= len(data) or data[at] < 0x10:
        raise NoIndex("an element has no id")
    id_width = 9 - data[at].bit_length()
    place = at + id_width
    first = data[place] if place < len(data) else 0
    if not first:
        raise NoIndex("an element has no size")
    width = 9 - first.bit_length()
    if place + width > len(data):
        raise NoIndex("an element ends too early")
    ones = (1 << 7 * width) - 1
    length = int.from_bytes(data[place : place + width], "big") & ones
    start = offset + id_width + width
    return Element(int.from_bytes(data[at:place], "big"), start, None if length == ones else start + length)


def read_header(source: Source, offset: int) -> Element:
    """The element at an offset in the file."""
    return header(source.up_to(offset, HEADER), 0, offset)


def children(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Element]:
    """The elements from one place of the data to another. Raises `NoIndex` if one is longer, or of unknown size."""
    end = len(data) if end is None else end
    for _ in range(MAX_CHILDREN):
        if start >= end:
            return
        element = header(data, start, start)
        if element.end is None or element.end > end:
            raise NoIndex("an element is longer than the one that it is in")
        yield element
        start = element.end
    raise NoIndex("it has too many elements")


def number(data: bytes, element: Element) -> int:
    """Its content as an unsigned number."""
    if element.end is None or element.end - element.start > 8:
        raise NoIndex("a number is too long")
    return int.from_bytes(data[element.start : element.end], "big")
