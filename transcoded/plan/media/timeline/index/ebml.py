"""Elements of EBML (RFC 8794) in a file: their headers, and those inside others."""

from collections.abc import Iterator
from typing import NamedTuple

from transcoded.plan.media.timeline.index.source import NoIndex, Source
from transcoded.plan.media.vint import read_vint, unknown_size

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
    # An ID has four bytes at the most.
    name = read_vint(data, at, marker=True) if at < len(data) and data[at] >= 0x10 else None
    if name is None:
        raise NoIndex("an element has no id")
    size = read_vint(data, name[1])
    if size is None:
        raise NoIndex("an element has no size")
    length, place = size
    start = offset + place - at
    return Element(name[0], start, None if length == unknown_size(place - name[1]) else start + length)


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
