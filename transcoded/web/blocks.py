"""Sends what is in memory block by block, as fast as the client reads.

A connection copies what is written to it. If a whole segment were written at once, each client that reads nothing would cost
a segment: a hundred of them gigabytes. So the bytes are shared by all, and a client costs a block.
"""

from collections.abc import Callable

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IConsumer, IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

BLOCK = 64 * 1024
"""Bytes that are written at a time."""


def send_blocks(consumer: IConsumer, body: bytes, size: int, convert: Callable[[bytes], bytes]) -> "Deferred[None]":
    """Send a body, each block of `size` bytes converted. Fires when all was written. Cancelling stops it."""
    return _Body(body, size, convert).send_to(consumer)


@implementer(IPushProducer)
@attrs.define(eq=False)
class _Body:
    """Sends bytes block by block, as the consumer takes them."""

    _bytes: bytes
    _size: int
    _convert: Callable[[bytes], bytes]
    _offset: int = 0
    _consumer: IConsumer | None = None
    _paused: bool = False
    _done: "Deferred[None]" = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._done = Deferred(lambda _: self._finish(Failure(CancelledError())))

    def send_to(self, consumer: IConsumer) -> "Deferred[None]":
        """Start. Fires when all was written to the consumer. Cancelling stops it."""
        self._consumer = consumer
        consumer.registerProducer(self, True)
        self.resumeProducing()
        return self._done

    def pauseProducing(self) -> None:
        """Called by the consumer when it is full."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Called by the consumer when it has room again."""
        self._paused = False
        while self._consumer is not None and not self._paused:
            block = self._bytes[self._offset : self._offset + self._size]
            if not block:
                self._consumer.unregisterProducer()
                self._finish(None)
                return
            self._offset += len(block)
            self._consumer.write(self._convert(block))

    def stopProducing(self) -> None:
        """Called when the consumer is gone. The caller of `send_to` then cancels its Deferred."""
        self._paused = True

    def _finish(self, result: Failure | None) -> None:
        self._consumer = None
        self._done.callback(result)
