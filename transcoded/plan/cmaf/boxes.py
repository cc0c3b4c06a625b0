"""Boxes of ISO/IEC 14496-12, section 4.2: read from a stream of bytes, and written.

A box has a size (32 bits, or the value 1 and then 64 bits), a type of four characters, and a payload, which can consist
of boxes. The reader takes the bytes in chunks of any size and buffers at most one box. Its result does not depend on
the chunks.
"""

import struct
from collections.abc import Iterator

import attrs

# Bytes. ffmpeg writes a fragment every half second (transcoded.plan.cmaf.argv), and a copied GOP of 8K video is
# smaller.
MAX_BOX = 128 * 1024 * 1024

_HEADER = struct.Struct(">I4s")
_LARGE = struct.Struct(">Q")


class BoxError(ValueError):
    """The bytes are not valid boxes, or an expected box is missing."""


@attrs.frozen
class Box:
    """One box: its type, four characters, and the bytes after its header."""

    type: bytes
    payload: bytes


class BoxReader:
    """Reads top-level boxes from bytes that arrive in chunks of any size.

    `limit` is the maximum size of one box in bytes, and so also of the buffer.
    """

    def __init__(self, limit: int = MAX_BOX) -> None:
        self._limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Box]:
        """Take more bytes, and return the boxes that are complete now, in order.

        Raises `BoxError` for a box above the limit.
        """
        self._buffer += data
        found: list[Box] = []
        offset = 0
        while (header := _header(self._buffer, offset, len(self._buffer))) is not None:
            kind, start, size = header
            if size > self._limit:
                raise BoxError(f"a {_name(kind)} box of {size} bytes; at most {self._limit} are allowed")
            if offset + size > len(self._buffer):
                break
            # A slice of the bytearray would copy a payload of megabytes twice; a view copies it once.
            with memoryview(self._buffer) as view:
                found.append(Box(kind, bytes(view[start : offset + size])))
            offset += size
        if offset:
            del self._buffer[:offset]
        return found

    def finish(self) -> None:
        """The stream has ended. Raises `BoxError` if the last box is not complete."""
        if self._buffer:
            raise BoxError(f"the stream ended inside a box, after {len(self._buffer)} bytes of it")


def children(payload: bytes, offset: int = 0) -> Iterator[Box]:
    """The boxes in a payload, from byte `offset` on.

    Raises `BoxError` if one is larger than the rest of the payload.
    """
    while offset < len(payload):
        header = _header(payload, offset, len(payload))
        if header is None or offset + header[2] > len(payload):
            raise BoxError(f"a box at byte {offset} is larger than the rest of its parent")
        kind, start, size = header
        yield Box(kind, payload[start : offset + size])
        offset += size


def child(payload: bytes, *path: bytes) -> bytes:
    """The payload of a nested box. `path` are the types on the way to it; the first box of a type is taken.

    Raises `BoxError` if one of them is missing.
    """
    for kind in path:
        found = next((inner.payload for inner in children(payload) if inner.type == kind), None)
        if found is None:
            raise BoxError(f"the {_name(kind)} box is missing")
        payload = found
    return payload


def box(kind: bytes, *parts: bytes) -> bytes:
    """The bytes of a box with `parts` as its payload."""
    size = 8 + sum(map(len, parts))
    if size < 1 << 32:
        return b"".join((_HEADER.pack(size, kind), *parts))
    return b"".join((_HEADER.pack(1, kind), _LARGE.pack(size + 8), *parts))


def full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    """The bytes of a full box: a version and 24 bits of flags come before its payload (section 4.2.2)."""
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def version_and_flags(payload: bytes) -> tuple[int, int]:
    """Version and flags of a full box, from its payload."""
    (word,) = unpack(">I", payload, 0)
    return word >> 24, word & 0xFFFFFF


def unpack(layout: str, payload: bytes, offset: int) -> tuple[int, ...]:
    """`struct.unpack_from` for integers. Raises `BoxError` if the payload is too short."""
    try:
        return struct.unpack_from(layout, payload, offset)
    except struct.error as error:
        raise BoxError(f"a box of {len(payload)} bytes is too short: {error}") from error


def _header(data: bytes | bytearray, offset: int, end: int) -> tuple[bytes, int, int] | None:
    """Type, offset of the payload, and size of the whole box; None if the header is not complete."""
    if end - offset < 8:
        return None
    size, kind = _HEADER.unpack_from(data, offset)
    start = offset + 8
    if size == 1:
        if end - start < 8:
            return None
        (size,) = _LARGE.unpack_from(data, start)
        start += 8
    # Size 0 means "until the end of the file". ffmpeg does not write that into a pipe.
    if size < start - offset:
        raise BoxError(f"a {_name(kind)} box says that it has {size} bytes")
    return kind, start, size


def _name(kind: bytes) -> str:
    return kind.decode("latin-1").encode("unicode_escape").decode("ascii")
