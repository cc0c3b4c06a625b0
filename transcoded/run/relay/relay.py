"""The way of the bytes from a transcoder's pipe to its client, with back-pressure.

* Before an outlet is there, the pipe is only looked at: the first byte is news, and not yet traffic. Nothing is held here.
* While the outlet has no room, the pipe is not read; the transcoder then sleeps in write(2). At most one block of `BIG`
  bytes is on its way at any time, whatever the client does.
* That the client is gone is not an end of the output: nothing is told to the listener.
* `output_ended` is told once, when the pipe is at its end and every byte was handed on; never after `close`.
* A stream that comes slowly is left alone for a moment after each block (`ReadCoalescer`), so that one look takes a few writes of
  the transcoder together. A pipe that fills fast is never left alone.
"""

from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IConsumer
from twisted.logger import Logger
from twisted.python.failure import Failure

from transcoded.run.reactor import IReactor
from transcoded.run.relay.coalescing import RateEstimator, ReadCoalescer
from transcoded.run.relay.pipes import PipeReader, capacity, filling, hung_up
from transcoded.run.relay.sinks import ConsumerSink, FlowControl, Sink


class Listener(Protocol):
    """Who wants to know how the output fares."""

    def first_byte(self) -> None:
        """There is output."""

    def output_ended(self) -> None:
        """All of it was handed on."""


class Relay:
    """Moves one transcoder's output. `bytes_sent` counts what its outlet was given."""

    _log = Logger()

    def __init__(self, reactor: IReactor, fd: int, listener: Listener, broke: Callable[[], None]) -> None:
        self._reactor = reactor
        self._listener = listener
        self._reader = PipeReader(reactor, fd, self._readable, listener.output_ended, broke)
        self._sink: Sink | None = None
        self._coalescer: ReadCoalescer | None = None
        self._lost = False
        self._napping = False
        self._pace = RateEstimator(reactor.seconds(), capacity(fd))
        self.bytes_sent = 0
        self.paused_since: float | None = None

    @property
    def backpressured(self) -> bool:
        """Whether the client is what holds everything up."""
        return self.paused_since is not None

    def start(self) -> None:
        """Wait for the first byte."""
        self._reader.start()

    def poll(self) -> None:
        """Look now: the process has exited, maybe before the reactor came to its pipe."""
        if self._sink is None:
            self._reader.doRead()
        elif not self.backpressured and not self._lost:
            self._reader.start()

    def attach(self, consumer: IConsumer) -> None:
        """Copy everything to `consumer` from now on."""
        self.open(lambda flow: ConsumerSink(flow, consumer))

    def open(self, make_sink: "Callable[[FlowControl], Sink]", coalescer: ReadCoalescer | None = None) -> None:
        """Give everything to the outlet from now on; with `naps`, a slow stream is left alone between its blocks."""
        self._coalescer = coalescer
        self._sink = make_sink(self)
        if not self.backpressured and not self._lost:
            self._reader.start()

    def detach(self) -> None:
        """Part from the client, whose response can be finished now. May be repeated."""
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.close()

    def close(self) -> None:
        """Close the read end of the pipe and forget what is in it. May be repeated."""
        self._reader.close()

    def wake(self) -> None:
        """A nap is over. The pipe is looked at before the reactor is asked to watch it: mostly the next nap follows."""
        self._napping = False
        if self._sink is not None and not self.backpressured and not self._lost:
            try:
                self._reader.doRead()
            except Exception:  # noqa: BLE001 - as the reactor does it: the fault of one stream is its own
                self._log.failure("a relay failed")
                self._reader.connectionLost(Failure())
            self._go_on()

    # As the valve of its outlet.

    def pause(self) -> None:
        """The client takes no more."""
        if self.paused_since is None:
            self.paused_since = self._reactor.seconds()
            self._reader.pause()

    def resume(self) -> None:
        """The client takes more."""
        self.paused_since = None
        self._go_on()

    def lose(self) -> None:
        """The client is gone. Whoever owns the request learns it too and says what follows."""
        self._lost = True
        self._reader.pause()

    def _readable(self, fd: int) -> int:
        if self._sink is None:
            ended = hung_up(fd)
            waiting = filling(fd)
            if waiting:
                self._reader.pause()
                self._listener.first_byte()
            elif not ended:
                raise BlockingIOError
            return waiting
        moved = self._sink.pump(fd)
        self.bytes_sent += moved
        if self._coalescer is not None and moved and self._pace.worth_a_nap(moved, self._reactor.seconds()):
            self._rest(self._coalescer)
        return moved

    def _rest(self, coalescer: ReadCoalescer) -> None:
        if not self.backpressured and not self._napping:
            self._napping = True
            self._reader.pause()
            coalescer.rest(self)

    def _go_on(self) -> None:
        """Read whenever there is something, unless somebody must be waited for."""
        if not self._lost and not self._napping and not self.backpressured:
            self._reader.start()
