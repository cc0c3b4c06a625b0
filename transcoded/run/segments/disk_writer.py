"""Writes segments to the disk, one after the other, in a thread; and removes those that have to go for them.

* Segments that come while `MAX_QUEUED` bytes wait are not written: to make them again costs less than to hold them.
* One change is made at a time, and the next one waits for its end, however long that takes: so the quota is not exceeded by a thread
  that was given up. After an error nothing is written for a while (`disk_errors`).
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from threading import Lock

import attrs
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from transcoded.plan.errors import TimedOut, TranscodedError
from transcoded.run.files.threads import DiskThreads
from transcoded.run.reactor import IReactor, OneShot, within
from transcoded.run.segments.disk_errors import DiskErrors
from transcoded.run.segments.disk_files import MAX_SEGMENT, DiskFiles, Outcome, cost
from transcoded.run.segments.disk_index import DiskIndex, part
from transcoded.run.segments.disk_names import SegmentNames
from transcoded.run.segments.encoder import Source

MAX_QUEUED = 64 << 20
"""Bytes."""

STORED_WITHIN = 60.0
"""Seconds that `DiskWriter.store` waits at the most."""

_AT_ONCE = 500
"""Files that are removed in one call."""

_log = Logger()


@attrs.frozen(eq=False)
class _Write:
    source: Source
    number: int
    data: bytes
    written: OneShot[bool]


class DiskWriter:
    """The queue of what is to be written, and the one thread that writes. Nothing is written before `start`.

    `dropped` counts what was not written.
    """

    def __init__(
        self,
        reactor: IReactor,
        threads: DiskThreads,
        files: DiskFiles,
        names: SegmentNames,
        index: DiskIndex,
        errors: DiskErrors,
    ) -> None:
        self.dropped = 0
        self._reactor = reactor
        self._threads = threads
        self._files = files
        self._names = names
        self._index = index
        self._errors = errors
        self._queue: deque[_Write] = deque()
        self._queued = 0
        self._writing = True
        self._stopped = False

    def start(self) -> None:
        """The index is complete: remove what is too much, and write what waits."""
        Deferred.fromCoroutine(self._begin()).addErrback(self._failed)

    def stop(self) -> None:
        """Write nothing more. What is being written may be completed."""
        self._stopped = True
        self._drop_all()

    def put(self, source: Source, number: int, data: bytes) -> None:
        """Write a segment, in a while, unless too many wait."""
        if self._queued + len(data) > MAX_QUEUED or not self._may_write:
            self.dropped += 1
        else:
            self._enqueue(_Write(source, number, data, OneShot(self._reactor)))

    async def store(self, source: Source, number: int, data: bytes) -> bool:
        """Write a segment, however many wait. Returns whether it is there now."""
        if not self._may_write:
            return False
        one = _Write(source, number, data, OneShot(self._reactor))
        self._enqueue(one)
        try:
            return await within(self._reactor, STORED_WITHIN, one.written.wait(), TimeoutError)
        except TimeoutError:
            return False

    @property
    def _may_write(self) -> bool:
        return not self._stopped and not self._errors.is_resting

    def _enqueue(self, one: _Write) -> None:
        self._queue.append(one)
        self._queued += len(one.data)
        self._pump()

    def _pump(self) -> None:
        if self._queue and not self._writing:
            self._writing = True
            Deferred.fromCoroutine(self._write_all()).addErrback(self._failed)

    async def _begin(self) -> None:
        # The quota may be another one than that of the last daemon.
        surplus = self._index.surplus()
        names = list(surplus)
        for begin in range(0, len(names), _AT_ONCE):
            some = names[begin : begin + _AT_ONCE]
            outcome = await self._change(part(surplus, some), partial(self._files.change, some))
            if outcome.error is not None:
                # The others are still there, too.
                self._index.add(part(surplus, names[begin + _AT_ONCE :]))
                break
        await self._write_all()

    async def _write_all(self) -> None:
        while self._queue:
            one = self._queue.popleft()
            self._queued -= len(one.data)
            is_written = self._may_write and await self._write(one)
            self.dropped += not is_written
            one.written.succeed(is_written)
        self._writing = False

    async def _write(self, one: _Write) -> bool:
        try:
            name = await self._names.of(one.source, one.number)
        except (OSError, TranscodedError) as error:
            self._errors.note(error, "written")
            return False
        if name in self._index:
            return True
        taken = cost(len(one.data))
        if taken > self._index.quota or len(one.data) > MAX_SEGMENT:
            return False
        surplus = self._index.surplus(taken)
        outcome = await self._change(surplus, partial(self._files.change, list(surplus), name, one.data))
        if outcome.error is not None:
            return False
        self._index.add({name: taken})
        return True

    async def _change(self, removed: dict[bytes, int], change: Callable[[], Outcome]) -> Outcome:
        """Change something in a thread. What could not be removed is in the index again."""
        done: OneShot[Outcome] = OneShot(self._reactor)
        call = _Call(change)
        try:
            outcome = await self._threads.acquire(done.succeed, call.run)
        except TranscodedError as error:
            self._errors.note(error, "written")
            # It may still be at work, though it is late.
            is_running = isinstance(error, TimedOut) and not call.abandon()
            outcome = await done.wait() if is_running else Outcome(list(removed), OSError(str(error)))
        else:
            if outcome.error is not None:
                self._errors.note(outcome.error, "written")
        self._index.add(part(removed, outcome.kept))
        return outcome

    def _drop_all(self) -> None:
        self.dropped += len(self._queue)
        for one in self._queue:
            one.written.succeed(False)
        self._queue.clear()
        self._queued = 0

    def _failed(self, failure: Failure) -> None:
        """A fault of ours: nothing is written any more, and nothing else fails."""
        _log.failure("segments are not written to the disk any more", failure)
        self.stop()


class _Call:
    """A call in a thread that can be abandoned as long as it has not begun."""

    def __init__(self, change: Callable[[], Outcome]) -> None:
        self._change = change
        self._mutex = Lock()
        self._begun = False
        self._abandoned = False

    def run(self) -> Outcome:
        """Make the call, in a thread."""
        with self._mutex:
            self._begun = not self._abandoned
        return self._change() if self._begun else Outcome()

    def abandon(self) -> bool:
        """Do not make the call. Returns False if it is too late for that."""
        with self._mutex:
            self._abandoned = not self._begun
        return self._abandoned
