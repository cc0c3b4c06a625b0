"""Finished segments and pictures, in memory, under one hard quota of bytes: the least recently used go first.

Nothing is written to a disk, so nothing can fill one, be left behind by a crash, or mix with another file's.
"""

from collections import OrderedDict
from collections.abc import Hashable


class SegmentCache:
    """Bytes by key. A value that is larger than the whole quota is not kept at all."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._values: OrderedDict[Hashable, bytes] = OrderedDict()
        self.bytes_used = 0

    def __len__(self) -> int:
        """How many values are kept."""
        return len(self._values)

    def __contains__(self, key: Hashable) -> bool:
        """Whether a value is there; looking does not count as use."""
        return key in self._values

    def get(self, key: Hashable) -> bytes | None:
        """The value, now the most recently used one, or None."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: Hashable, value: bytes) -> None:
        """Keep a value; others may go for it."""
        self.bytes_used -= len(self._values.pop(key, b""))
        if len(value) > self._most_bytes:
            return
        self._values[key] = value
        self.bytes_used += len(value)
        while self.bytes_used > self._most_bytes:
            _, gone = self._values.popitem(last=False)
            self.bytes_used -= len(gone)

    def clear(self) -> None:
        """Forget everything."""
        self._values.clear()
        self.bytes_used = 0
