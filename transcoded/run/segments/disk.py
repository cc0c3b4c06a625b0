"""The disk tier of the segment cache: segments that outlast memory and restarts, under one hard limit of bytes.

* Memory comes first. What is made is put there, and written here by and by (`disk_writer`); what is read here is put there.
* The disk holds nobody up. It is used in threads only, and `Threads` gives one disk a part of them. Who wants a segment waits
  `PATIENCE` seconds for it, and then has it made. After `SLOW` such waits in a row, the disk is not asked for `REST` seconds.
* An error of the disk is logged once in a while (`disk_errors`). Nothing else fails.
* What is there is known by an index in memory (`disk_index`). It is read at the start, which may take a while: until then the disk
  is asked for everything, and nothing is written.
"""

from collections import deque
from functools import partial

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from transcoded.plan.errors import TranscodedError
from transcoded.run.files.threads import DiskThreads
from transcoded.run.reactor import IReactor, OneShot, within
from transcoded.run.segments.cache import SegmentCache
from transcoded.run.segments.disk_errors import REST, DiskErrors
from transcoded.run.segments.disk_files import DiskFiles
from transcoded.run.segments.disk_index import DiskIndex
from transcoded.run.segments.disk_names import SegmentNames
from transcoded.run.segments.disk_writer import DiskWriter
from transcoded.run.segments.encoder import Source
from transcoded.run.shared_results import SharedResults

PATIENCE = 0.25
"""Seconds. A disk that turns answers within 20 ms; to make a segment takes about as long as this."""

SLOW = 3

SCANNED_WITHIN = 60.0
"""Seconds that `has` waits for the index at the most."""

_EARLY = 10_000
"""Segments that were read before the index was complete, and count as used in it."""

_log = Logger()


class DiskTier:
    """The segments on disk. `quota` is in bytes. `made_with` is everything besides the file that the bytes depend on.

    `memory` gets what is read. Nothing is done before `start`. `hits` and `misses` count what was looked for, `damaged` what was
    not as it had been written.
    """

    def __init__(
        self,
        reactor: IReactor,
        threads: DiskThreads,
        files: DiskFiles,
        quota: int,
        made_with: object,
        memory: SegmentCache,
    ) -> None:
        self.hits = 0
        self.misses = 0
        self.damaged = 0
        self._reactor = reactor
        self._threads = threads
        self._files = files
        self._memory = memory
        self._index = DiskIndex(quota)
        self._errors = DiskErrors(reactor, files.path)
        self._names = SegmentNames(threads, made_with)
        self._writer = DiskWriter(reactor, threads, files, self._names, self._index, self._errors)
        self._early: deque[bytes] = deque(maxlen=_EARLY)
        self._scanned: OneShot[None] = OneShot(reactor)
        self._reading: SharedResults[tuple[object, ...], bytes | None] = SharedResults(reactor, 0, lambda _: 1)
        self._slow = 0
        self._unread_until = 0.0
        self._resting: IDelayedCall | None = None
        self._stopped = False

    def __len__(self) -> int:
        """The number of segments."""
        return len(self._index)

    @property
    def weight(self) -> int:
        """The bytes of the disk that are taken."""
        return self._index.weight

    @property
    def quota(self) -> int:
        """The bytes of the disk that may be taken."""
        return self._index.quota

    @property
    def errors(self) -> int:
        """How often the disk has failed."""
        return self._errors.count

    @property
    def dropped(self) -> int:
        """How many segments were not written."""
        return self._writer.dropped

    def start(self) -> None:
        """Find out what is there."""
        Deferred.fromCoroutine(self._scan()).addErrback(self._failed)

    def stop(self) -> None:
        """Write nothing more. What is being written may be completed."""
        self._stopped = True
        if self._resting is not None and self._resting.active():
            self._resting.cancel()
        self._writer.stop()

    async def get(self, source: Source, number: int) -> bytes | None:
        """A segment, or the init segment (`INIT`). None if it is not there, or the disk is too slow."""
        data = None
        if not self._is_absent(self._names.known(source, number)) and self._reactor.seconds() >= self._unread_until:
            reading = self._reading.get((source.key, number), partial(self._read, source, number))
            try:
                data = await within(self._reactor, PATIENCE, reading, TimeoutError)
            except TimeoutError:
                self._was_slow()
        if data is None:
            self.misses += 1
        else:
            self.hits += 1
        return data

    async def has(self, source: Source, number: int) -> bool:
        """Whether a segment is there. Waits until the index is complete, but not for ever."""
        try:
            await within(self._reactor, SCANNED_WITHIN, self._scanned.wait(), TimeoutError)
            return await self._names.of(source, number) in self._index
        except (TimeoutError, TranscodedError):
            return False

    def put(self, source: Source, number: int, data: bytes) -> None:
        """Keep a segment, in a while, unless too many wait to be written."""
        self._writer.put(source, number, data)

    async def store(self, source: Source, number: int, data: bytes) -> bool:
        """Keep a segment, however many wait. Returns whether it is there now."""
        return await self._writer.store(source, number, data)

    def _is_absent(self, name: bytes | None) -> bool:
        return name is not None and self._scanned.is_decided and name not in self._index

    async def _read(self, source: Source, number: int) -> bytes | None:
        try:
            name = await self._names.of(source, number)
            if self._is_absent(name):
                return None
            reading = await self._threads.run(self._files.read, name)
        except (OSError, TranscodedError) as error:
            self._errors.note(error, "read")
            return None
        self._slow = 0
        if reading.damaged:
            self.damaged += 1
        if reading.data is None:
            self._index.forget(name)
            return None
        self._index.used(name)
        if not self._scanned.is_decided:
            self._early.append(name)
        self._memory.put((*source.key, number), reading.data)
        return reading.data

    def _was_slow(self) -> None:
        self._slow += 1
        if self._slow >= SLOW:
            self._unread_until = self._reactor.seconds() + REST
            self._errors.tell("slow", f"is too slow: it is not asked for {REST:g} s")

    async def _scan(self) -> None:
        while not self._stopped:
            try:
                scan = self._files.scan()
                while await self._threads.run(scan.step):
                    pass
                found = await self._threads.run(scan.entries)
            except (OSError, TranscodedError) as error:
                if not self._stopped:
                    self._errors.note(error, "read")
                    await self._rest()
                continue
            self._index.add(found)
            for name in self._early:
                self._index.used(name)
            self._scanned.succeed(None)
            self._writer.start()
            return

    def _rest(self) -> "Deferred[None]":
        waiting: Deferred[None] = Deferred()
        self._resting = self._reactor.callLater(REST, waiting.callback, None)
        return waiting

    def _failed(self, failure: Failure) -> None:
        _log.failure("the segments on disk could not be listed", failure)
