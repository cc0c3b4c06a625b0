"""Sends part of a file as the body of a response: read in threads, block by block, with back-pressure.

A disk may be slow or not answer (network mounts), so nothing is read in the reactor's thread. At most one block is in memory.
If the file has become shorter since it was opened, the body ends early with `Shrunk`; the owner of the response must then
break the connection.
"""

import os

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IConsumer, IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from transcoded.run.files.opener import OpenFile
from transcoded.run.files.threads import DiskThreads

BLOCK = 256 * 1024
"""Bytes in one read."""


class Shrunk(Exception):
    """The file has become shorter than the length that was announced."""


@implementer(IPushProducer)
class FileBody:
    """Sends `length` bytes of an open file, from offset `first` on. Then closes it: it takes the file over."""

    def __init__(self, threads: DiskThreads, file: OpenFile, first: int, length: int) -> None:
        self._threads = threads
        self._file = file
        self._offset = first
        self._remaining = length
        self._consumer: IConsumer | None = None
        self._paused = False
        self._reading = False
        self._done: Deferred[None] = Deferred(lambda _: self._finish(Failure(CancelledError())))

    def send_to(self, consumer: IConsumer) -> "Deferred[None]":
        """Start. Fires when all was written to the consumer; fails with `Shrunk`, OSError, or as `Threads.run` does.

        Cancelling stops it. The file is closed in any case.
        """
        self._consumer = consumer
        consumer.registerProducer(self, True)
        self._next()
        return self._done

    def pauseProducing(self) -> None:
        """Called by the consumer when it is full."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Called by the consumer when it has room again."""
        self._paused = False
        self._next()

    def stopProducing(self) -> None:
        """Called when the consumer is gone: read no more. The caller of `send_to` then cancels its Deferred."""
        self._paused = True

    def stop(self, problem: Exception) -> None:
        """End the body early. The Deferred of `send_to` fails with `problem`."""
        self._finish(Failure(problem))

    def _next(self) -> None:
        if self._paused or self._reading or self._consumer is None:
            return
        if not self._remaining:
            self._finish(None)
            return
        self._reading = True
        self._threads.run(os.pread, self._file.fd, min(BLOCK, self._remaining), self._offset).addBoth(self._read)

    def _read(self, result: "bytes | Failure") -> None:
        self._reading = False
        if self._consumer is None:
            self._file.close()  # stopped while the thread was reading
        elif isinstance(result, Failure):
            self._finish(result)
        elif not result:
            self._finish(Failure(Shrunk(f"{self._remaining} bytes are missing at {self._offset}")))
        else:
            self._offset += len(result)
            self._remaining -= len(result)
            self._consumer.write(result)
            self._next()

    def _finish(self, problem: Failure | None) -> None:
        if self._consumer is None:
            return
        consumer, self._consumer = self._consumer, None
        if not self._reading:
            self._file.close()
        if problem is None:
            consumer.unregisterProducer()
            self._done.callback(None)
        else:
            self._done.errback(problem)
