"""The way of the bytes from a transcoder's pipe to its consumer, with back-pressure.

* Before a consumer is attached, one block is held and the pipe is left alone: the first byte is news, not yet traffic.
* While the consumer is full, the pipe is not read; the transcoder then sleeps in write(2). At most one block of `BIG`
  bytes is on its way at any time, whatever the client does.
* `stopProducing` means that the consumer is gone, which is not an end of the output: nothing is told to the listener.
* `output_ended` is told once, when the pipe is at its end and every byte was handed on; never after `close`.
"""

from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IConsumer, IPushProducer
from zope.interface import implementer

from transcoded.run.ireactor import IReactor
from transcoded.run.pipes import BIG, PipeReader


class Listener(Protocol):
    """Who wants to know how the output fares."""

    def first_byte(self) -> None:
        """There is output."""

    def output_ended(self) -> None:
        """All of it was handed on."""


@implementer(IPushProducer)
class Relay:
    """Moves one transcoder's output. `bytes_sent` counts what was handed to the consumer."""

    def __init__(self, reactor: IReactor, fd: int, listener: Listener, broke: Callable[[], None]) -> None:
        self._reactor = reactor
        self._listener = listener
        self._reader = PipeReader(reactor, fd, self._received, listener.output_ended, broke, BIG)
        self._consumer: IConsumer | None = None
        self._held: bytes | None = None
        self.bytes_sent = 0
        self.paused_since: float | None = None
        self.moved_at = reactor.seconds()

    @property
    def backpressured(self) -> bool:
        """Whether the consumer is what holds everything up."""
        return self.paused_since is not None

    def start(self) -> None:
        """Wait for the first byte."""
        self._reader.start()

    def poll(self) -> None:
        """Look for a first byte now: a process may have exited before the reactor came to its pipe."""
        if self._held is None and self._consumer is None:
            self._reader.doRead()

    def attach(self, consumer: IConsumer) -> None:
        """Give everything to `consumer` from now on, the held block first."""
        self._consumer = consumer
        consumer.registerProducer(self, True)
        held, self._held = self._held, None
        if held is not None:
            self._hand_on(held)
        if not self.backpressured:
            self._reader.start()

    def detach(self) -> None:
        """Part from the consumer, which can be finished now. May be repeated."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.unregisterProducer()

    def close(self) -> None:
        """Close the read end of the pipe and forget what is in it. May be repeated."""
        self._reader.close()
        self._held = None

    def pauseProducing(self) -> None:
        """The consumer is full."""
        if self.paused_since is None:
            self.paused_since = self._reactor.seconds()
            self._reader.pause()

    def resumeProducing(self) -> None:
        """The consumer takes more."""
        self.paused_since = None
        if self._consumer is not None:
            self._reader.start()

    def stopProducing(self) -> None:
        """The consumer is gone. Whoever owns the request learns it too and says what follows."""
        self._consumer = None
        self._reader.pause()

    def _received(self, data: bytes) -> None:
        if self._consumer is None:
            self._held = data
            self._reader.pause()
            self._listener.first_byte()
        else:
            self._hand_on(data)

    def _hand_on(self, data: bytes) -> None:
        assert self._consumer is not None  # noqa: S101 - both callers have looked
        self.bytes_sent += len(data)
        self.moved_at = self._reactor.seconds()
        self._consumer.write(data)
