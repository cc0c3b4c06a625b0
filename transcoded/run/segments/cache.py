"""What was made for segments, in memory, under one hard quota of bytes: the least recently used goes first.

Nothing is written to a disk, so nothing can fill one, be left behind by a crash, or mix with another file's.
"""

from collections.abc import Hashable

from transcoded.plan.lru import LRU

SegmentCache = LRU[Hashable, bytes]
"""Bytes by a key that names everything that they depend on."""


def new_cache(quota: int) -> SegmentCache:
    """A cache of at most `quota` bytes."""
    return LRU(quota, len)
