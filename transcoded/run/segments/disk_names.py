"""The names of segments on disk: digests of everything that makes their bytes.

That is the file and what is in it, the rendition with all its parameters, what is drawn into it, the settings, ffmpeg's version
and our own. What is in memory needs only the first of these, because the others do not change while the daemon runs.
"""

import hashlib

from transcoded.plan.lru import LRU
from transcoded.run.files.threads import DiskThreads
from transcoded.run.segments.disk_files import NAME
from transcoded.run.segments.encoder import Source

_LAYOUT = 1
"""To be counted up if segments change though none of the versions does."""

_REMEMBERED = 1000
"""Renditions of which the digest is remembered."""


def rendition_digest(made_with: object, source: Source) -> bytes:
    """A digest of what all segments of a rendition have in common. Takes long for a long film: the times of all segments are in it.

    The `repr` of the values counts. Device and inode of the file do not: they may be others after a restart of the machine.
    """
    version = source.file.version
    drawn = None if source.burn is None else source.burn.key
    parts = (
        _LAYOUT,
        made_with,
        source.file.real_path,
        version.size,
        version.mtime_ns,
        source.media,
        source.rendition,
        drawn,
    )
    return hashlib.blake2b(repr(parts).encode("utf-8", "surrogateescape"), digest_size=NAME).digest()


def segment_name(rendition: bytes, number: int) -> bytes:
    """The name of one segment, by the digest of its rendition and its number."""
    return hashlib.blake2b(number.to_bytes(8, "big", signed=True), digest_size=NAME, key=rendition).digest()


class SegmentNames:
    """The names of segments. Their digests are made in threads, and remembered."""

    def __init__(self, threads: DiskThreads, made_with: object) -> None:
        self._threads = threads
        self._made_with = made_with
        self._digests: LRU[tuple[object, ...], bytes] = LRU(_REMEMBERED)

    def known(self, source: Source, number: int) -> bytes | None:
        """The name of a segment, if the digest of its rendition is remembered."""
        digest = self._digests.get(source.key)
        return None if digest is None else segment_name(digest, number)

    async def of(self, source: Source, number: int) -> bytes:
        """The name of a segment. Fails as `Threads.run` does."""
        known = self.known(source, number)
        if known is not None:
            return known
        digest = await self._threads.run(rendition_digest, self._made_with, source)
        self._digests.put(source.key, digest)
        return segment_name(digest, number)
