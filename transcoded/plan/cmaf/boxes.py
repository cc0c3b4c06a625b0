"""Boxes of ISO/IEC 14496-12, section 4.2: cut out of a stream of bytes, looked into, and put together.

A box is a size (32 bits, or 64 behind a 1), four characters of type, and a payload that may be boxes again. The reader
takes the bytes in any pieces and holds at most one box; what it gives out does not depend on the pieces.
"""

import struct
from collections.abc import Iterator

import attrs

# ffmpeg cuts a fragment every half second (transcoded.plan.cmaf.argv), a copied 8K GOP stays below this.
MAX_BOX = 128 * 1024 * 1024

_HEADER = struct.Struct(">I4s")
_LARGE = struct.Struct(">Q")


class BoxError(ValueError):
    """The bytes are not the boxes they should be."""


@attrs.frozen
class Box:
    """One box: its type of four characters, and the bytes behind its header."""

    type: bytes
    payload: bytes


class BoxReader:
    """Top-level boxes out of bytes that come in any pieces.

    `limit` bounds the size of one box in bytes, and with it what the reader holds.
    """

    def __init__(self, limit: int = MAX_BOX) -> None:
        self._limit = limit
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        """Bytes held of a box that is not complete yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Box]:
        """Take some bytes; the boxes that they complete, in order. Raises `BoxError` for a box beyond the limit."""
        self._buffer += data
        found: list[Box] = []
        offset = 0
        while (header := _header(self._buffer, offset, len(self._buffer))) is not None:
            kind, start, size = header
            if size > self._limit:
                raise BoxError(f"a {_name(kind)} box of {size} bytes; at most {self._limit} are allowed")
            if offset + size > len(self._buffer):
                break
            # Through a view, so that a payload of megabytes is copied once and not twice.
            with memoryview(self._buffer) as view:
                found.append(Box(kind, bytes(view[start : offset + size])))
            offset += size
        if offset:
            del self._buffer[:offset]
        return found

    def finish(self) -> None:
        """The stream has ended: raises `BoxError` if it did so inside of a box."""
        if self._buffer:
            raise BoxError(f"the stream ended inside of a box, after {len(self._buffer)} bytes of it")


def children(payload: bytes, offset: int = 0) -> Iterator[Box]:
    """The boxes that a payload consists of, from `offset` on. Raises `BoxError` where one does not fit."""
    while offset < len(payload):
        header = _header(payload, offset, len(payload))
        if header is None or offset + header[2] > len(payload):
            raise BoxError(f"a box at byte {offset} reaches beyond the box around it")
        kind, start, size = header
        yield Box(kind, payload[start : offset + size])
        offset += size


def child(payload: bytes, *path: bytes) -> bytes:
    """The payload at the end of a path of types, the first of each. Raises `BoxError` if it is not there."""
    for kind in path:
        found = next((inner.payload for inner in children(payload) if inner.type == kind), None)
        if found is None:
            raise BoxError(f"the {_name(kind)} box is missing")
        payload = found
    return payload


def box(kind: bytes, *parts: bytes) -> bytes:
    """Bytes of a box with `parts` as its payload."""
    size = 8 + sum(map(len, parts))
    if size < 1 << 32:
        return b"".join((_HEADER.pack(size, kind), *parts))
    return b"".join((_HEADER.pack(1, kind), _LARGE.pack(size + 8), *parts))


def full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    """Bytes of a full box: a version and 24 bits of flags in front of its payload (section 4.2.2)."""
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def version_and_flags(payload: bytes) -> tuple[int, int]:
    """Version and flags of a full box's payload."""
    (word,) = unpack(">I", payload, 0)
    return word >> 24, word & 0xFFFFFF


def unpack(layout: str, payload: bytes, offset: int) -> tuple[int, ...]:
    """`struct.unpack_from` of whole numbers; raises `BoxError` if the payload is too short."""
    try:
        return struct.unpack_from(layout, payload, offset)
    except struct.error as error:
        raise BoxError(f"a box of {len(payload)} bytes is too short: {error}") from error


def _header(data: bytes | bytearray, offset: int, end: int) -> tuple[bytes, int, int] | None:
    """Type, start of the payload, and size with the header; None if the header is not complete."""
    if end - offset < 8:
        return None
    size, kind = _HEADER.unpack_from(data, offset)
    start = offset + 8
    if size == 1:
        if end - start < 8:
            return None
        (size,) = _LARGE.unpack_from(data, start)
        start += 8
    # Size 0 means "to the end of the file"; nothing that is written piece by piece has that.
    if size < start - offset:
        raise BoxError(f"a {_name(kind)} box says that it has {size} bytes")
    return kind, start, size


def _name(kind: bytes) -> str:
    return kind.decode("latin-1").encode("unicode_escape").decode("ascii")
