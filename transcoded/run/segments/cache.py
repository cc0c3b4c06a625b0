"""The segment cache: what was made for segments, in memory, with one hard limit of bytes. The least recently used goes first.

With `cache_disk_max` there is a second tier on disk (`disk`): it is given all complete segments, too.
"""

from collections.abc import Hashable
from typing import Protocol

from twisted.logger import Logger

from transcoded.plan.cmaf.segmenter import InitSegment, Segment
from transcoded.plan.http.names import written
from transcoded.plan.lru import ENTRY, LRU
from transcoded.run.segments.encoder import Source
from transcoded.run.segments.requests import INIT

MAX_INIT = 65_536
"""Bytes. An init segment has about 1,000. A larger one, with parameter sets of a hostile file, counts in the shared cache."""

_log = Logger()


class SecondTier(Protocol):
    """Where segments go besides memory."""

    def put(self, source: Source, number: int, data: bytes) -> None:
        """Keep a segment, or the init segment (`INIT`), if there is room and time for it."""


class SegmentCache(LRU[Hashable, bytes]):
    """Bytes by a key that identifies everything they depend on; at most `quota`, what its entries cost included.

    `second` is the tier on disk; None: there is none. `hits` and `misses` count the requests for segments.
    """

    def __init__(self, quota: int) -> None:
        super().__init__(quota, lambda data: ENTRY + len(data))
        self.quota = quota
        self.second: SecondTier | None = None
        self.hits = 0
        self.misses = 0


class RenditionCache:
    """The segments of one rendition in the cache, and its init segment.

    The init segment is kept here and not in the shared cache, unless it is larger than `MAX_INIT`: an encoder writes it once,
    and every new player needs it first.
    """

    def __init__(self, cache: SegmentCache, source: Source) -> None:
        self._cache = cache
        self._source = source
        self._init: bytes | None = None

    def get(self, number: int) -> bytes | None:
        """A segment, or the init segment (`INIT`); None if it was not made, or is not in the cache any more."""
        if number == INIT and self._init is not None:
            return self._init
        return self._cache.get((*self._source.key, number))

    def put(self, piece: InitSegment | Segment) -> int:
        """Keep what an encoder has made. Returns the number under which `get` has it."""
        if self._cache.second is not None:
            number = piece.number if isinstance(piece, Segment) else INIT
            self._cache.second.put(self._source, number, piece.data)
        if isinstance(piece, Segment):
            self._cache.put((*self._source.key, piece.number), piece.data)
            return piece.number
        if len(piece.data) <= MAX_INIT:
            self._init = piece.data
        else:
            self._cache.put((*self._source.key, INIT), piece.data)
        announced = self._source.rendition.codecs
        if piece.codec != announced:
            _log.warn(
                "{path}: the codec of the segments is {made}, but the playlist says {announced}",
                path=written(self._source.file.path),
                made=piece.codec,
                announced=announced,
            )
        return INIT
