"""The file that an index is read from: reads that are bounded one by one and in all.

What a file claims is checked against its size before anything is read or allocated. All that is wrong with an index raises
`NoIndex`, so the reader of a format needs no checks where a slice would be too short.
"""

from transcoded.plan.media.timeline.survey import Read

MAX_BYTES = 64 << 20
"""Bytes that are read of one file in all."""

MAX_READS = 60_000
"""Reads of one file. A fragmented MP4 needs one for each fragment."""


class NoIndex(Exception):
    """The file has no index, or one that cannot be used; the text says why."""


class Source:
    """A file of `size` bytes. `read` is that of a survey."""

    def __init__(self, read: Read, size: int, max_bytes: int = MAX_BYTES) -> None:
        self.size = size
        self._read = read
        self._bytes_left = max_bytes
        self._reads_left = MAX_READS

    def exactly(self, offset: int, length: int) -> bytes:
        """So many bytes from an offset on. Raises `NoIndex` if they are not there, or are too many."""
        data = self.up_to(offset, length)
        if len(data) < length:
            raise NoIndex("it goes on behind the end of the file")
        return data

    def up_to(self, offset: int, length: int) -> bytes:
        """As `exactly`, but fewer at the end of the file."""
        if offset < 0 or length < 0:
            raise NoIndex("a negative offset")
        length = min(length, max(0, self.size - offset))
        self._bytes_left -= length
        self._reads_left -= 1
        if self._bytes_left < 0 or self._reads_left < 0:
            raise NoIndex("it is too long")
        return self._read(offset, length) if length else b""
