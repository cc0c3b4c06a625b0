"""The way of the bytes from a transcoder's pipe to its client, with back-pressure.

* Before a sink is there, the pipe is only looked at: the first byte is news, and not yet traffic. Nothing is held here.
* The pipe is read only while the sink has room, the client is there, and no delay is under way. While it is not
  read, the transcoder sleeps in write(2). At most one block of `BIG` bytes is on its way, whatever the client does.
* That the client is gone is not an end of the output: nothing is told to the listener.
* `output_ended` is told once, when the pipe is at its end and every byte was handed on; never after `close`.
* A slow stream is delayed after each block (`ReadCoalescer`), so that one look takes a few writes of the transcoder together.
"""

from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IConsumer
from twisted.logger import Logger
from twisted.python.failure import Failure

from transcoded.run.reactor import IReactor
from transcoded.run.relay.coalescing import RateEstimator, ReadCoalescer
from transcoded.run.relay.pipes import PipeReader, bytes_waiting, hung_up, pipe_capacity
from transcoded.run.relay.sinks import ConsumerSink, FlowControl, Sink


class OutputListener(Protocol):
    """Who wants to know how the output fares."""

    def first_byte(self) -> None:
        """There is output."""

    def output_ended(self) -> None:
        """All of it was handed on."""


class Relay:
    """Moves one transcoder's output. `bytes_sent` counts what its sink was given. `failed` is called after a fault in it."""

    _log = Logger()

    def __init__(self, reactor: IReactor, fd: int, listener: OutputListener, failed: Callable[[], None]) -> None:
        self._reactor = reactor
        self._listener = listener
        self._reader = PipeReader(reactor, fd, self._readable, listener.output_ended, failed)
        self._sink: Sink | None = None
        self._coalescer: ReadCoalescer | None = None
        self._client_lost = False
        self._delayed = False
        self._rate = RateEstimator(reactor.seconds(), pipe_capacity(fd))
        self.bytes_sent = 0
        self.backpressured = False
        """Whether the client is what holds everything up."""

    def start(self) -> None:
        """Wait for the first byte."""
        self._reader.start()

    def poll(self) -> None:
        """Look now: the process has exited, maybe before the reactor came to its pipe."""
        if self._sink is None:
            self._reader.doRead()
        elif not self.backpressured and not self._client_lost:
            self._reader.start()

    def attach(self, consumer: IConsumer) -> None:
        """Copy everything to `consumer` from now on."""
        self.open(lambda flow: ConsumerSink(flow, consumer))

    def open(self, make_sink: "Callable[[FlowControl], Sink]", coalescer: ReadCoalescer | None = None) -> None:
        """Give everything to the sink from now on; with a coalescer, a slow stream is delayed between its blocks."""
        self._coalescer = coalescer
        self._sink = make_sink(self)
        if not self.backpressured and not self._client_lost:
            self._reader.start()

    def detach(self) -> None:
        """Part from the client, whose response can be finished now. May be repeated."""
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.close()

    def close(self) -> None:
        """Close the read end of the pipe and forget what is in it. May be repeated."""
        self._reader.close()

    def delay_over(self) -> None:
        """A delay is over. The pipe is read before the reactor is asked to watch it: mostly the next delay follows."""
        self._delayed = False
        if self._sink is not None and not self.backpressured and not self._client_lost:
            try:
                self._reader.doRead()
            except Exception:  # noqa: BLE001 - as the reactor does it: the fault of one stream is its own
                self._log.failure("a relay failed")
                self._reader.connectionLost(Failure())
            self._resume_reading()

    # As the flow control of its sink.

    def pause(self) -> None:
        """The client takes no more. May be repeated."""
        if not self.backpressured:
            self.backpressured = True
            self._reader.pause()

    def resume(self) -> None:
        """The client takes more."""
        self.backpressured = False
        self._resume_reading()

    def client_lost(self) -> None:
        """The client is gone. Whoever owns the request learns it too and says what follows."""
        self._client_lost = True
        self._reader.pause()

    def _readable(self, fd: int) -> int:
        if self._sink is None:
            return self._check_first_byte(fd)
        moved = self._sink.pump(fd)
        self.bytes_sent += moved
        if self._coalescer is not None and moved and self._rate.may_be_delayed(moved, self._reactor.seconds()):
            self._delay(self._coalescer)
        return moved

    def _check_first_byte(self, fd: int) -> int:
        """Tell the first byte, and leave it in the pipe."""
        ended = hung_up(fd)
        waiting = bytes_waiting(fd)
        if waiting:
            self._reader.pause()
            self._listener.first_byte()
        elif not ended:
            raise BlockingIOError
        return waiting

    def _delay(self, coalescer: ReadCoalescer) -> None:
        if not self.backpressured and not self._delayed:
            self._delayed = True
            self._reader.pause()
            coalescer.delay(self)

    def _resume_reading(self) -> None:
        """Read whenever there is something, unless somebody must be waited for."""
        if not self._client_lost and not self._delayed and not self.backpressured:
            self._reader.start()
