"""Moves the output of a transcoder from its pipe to its sink, with back-pressure.

* Before there is a sink, the pipe is only checked for its first byte, and not read. The relay itself keeps no bytes.
* The pipe is read only while the sink has room, the client is connected, and no delay is running. While it is not read, the
  transcoder is blocked in write(2). At most one block of `BIG` bytes is in memory, whatever the client does.
* A lost client is not the end of the output: the listener is not called for it.
* `output_ended` is called once, when the end of the pipe was read and every byte was passed on. It is never called after `close`.
* With a `ReadCoalescer`, a slow stream is delayed after each block, so that one read takes several writes of the transcoder.
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
    """Is informed of the beginning and the end of the output."""

    def first_byte(self) -> None:
        """The first byte is in the pipe."""

    def output_ended(self) -> None:
        """All output was passed on to the sink."""


class Relay:
    """Moves the output of one transcoder. `bytes_sent` counts the bytes that were given to the sink.

    `failed` is called once if reading or the sink raises; the exception is logged.
    """

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
        """Whether the sink has no room, so that the pipe is not read."""

    def start(self) -> None:
        """Start to wait for the first byte."""
        self._reader.start()

    def poll(self) -> None:
        """Check the pipe now. For a process that has exited, perhaps before the reactor has read its pipe."""
        if self._sink is None:
            self._reader.doRead()
        elif not self.backpressured and not self._client_lost:
            self._reader.start()

    def attach(self, consumer: IConsumer) -> None:
        """Copy the output to `consumer` from now on."""
        self.open(lambda flow: ConsumerSink(flow, consumer))

    def open(self, make_sink: "Callable[[FlowControl], Sink]", coalescer: ReadCoalescer | None = None) -> None:
        """Give the output to the sink from now on. With a coalescer, the reads of a slow stream are delayed."""
        self._coalescer = coalescer
        self._sink = make_sink(self)
        if not self.backpressured and not self._client_lost:
            self._reader.start()

    def detach(self) -> None:
        """Close the sink. The response of the client can then be finished. May be repeated."""
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.close()

    def close(self) -> None:
        """Close the read end of the pipe. What is in it is lost. May be repeated."""
        self._reader.close()

    def delay_over(self) -> None:
        """Called when a delay is over.

        The pipe is read here, before it is added to the reactor again, since in most cases the next delay follows at once.
        """
        self._delayed = False
        if self._sink is not None and not self.backpressured and not self._client_lost:
            try:
                self._reader.doRead()
            except Exception:  # noqa: BLE001 - as in the reactor: an error of one stream must not harm others
                self._log.failure("a relay failed")
                self._reader.connectionLost(Failure())
            self._resume_reading()

    # Called by its sink (`FlowControl`).

    def pause(self) -> None:
        """The sink has no room. May be repeated."""
        if not self.backpressured:
            self.backpressured = True
            self._reader.pause()

    def resume(self) -> None:
        """The sink has room again."""
        self.backpressured = False
        self._resume_reading()

    def client_lost(self) -> None:
        """The client is gone. The owner of the request is informed by Twisted, and decides what to do."""
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
        """Report the first byte, and leave it in the pipe. Has the interface of `readable` of `PipeReader`."""
        ended = hung_up(fd)  # asked first: what is written between the two questions is then still seen
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
        """Read the pipe again, unless the client is gone, the sink has no room, or a delay is running."""
        if not self._client_lost and not self._delayed and not self.backpressured:
            self._reader.start()
