"""Moves the output of a transcoder from its pipe to its sink, with back-pressure.

* Before there is a sink, the pipe is only checked for its first byte, and not read. If the first byte of media counts, the pipe
  is read up to that byte, and the relay keeps what it has read for the sink: `MAX_HEADER` bytes and one read at the most.
* The pipe is read only while the sink has room, the client is connected, and no delay is running. While it is not read, the
  transcoder is blocked in write(2). At most one block of `BIG` bytes is in memory, whatever the client does.
* A lost client is not the end of the output: the listener is not called for it.
* `output_ended` is called once, when the end of the pipe was read and every byte was passed on. It is never called after `close`.
* With a `ReadCoalescer`, a slow stream is delayed after each block, so that one read takes several writes of the transcoder.
"""

import os
from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IConsumer
from twisted.logger import Logger
from twisted.python.failure import Failure

from transcoded.plan.media.first_media import MAX_HEADER, FirstMedia
from transcoded.run.reactor import IReactor
from transcoded.run.relay.coalescing import RateEstimator, ReadCoalescer
from transcoded.run.relay.pipes import PipeReader, bytes_waiting, hung_up, pipe_capacity
from transcoded.run.relay.sinks import ConsumerSink, FlowControl, Sink

HEADER_READ = 64 * 1024
"""Bytes in one read of the pipe before there is media."""


class OutputListener(Protocol):
    """Is informed of the beginning and the end of the output."""

    def first_byte(self) -> None:
        """The first byte has come; if that of media counts, the first byte of media."""

    def output_ended(self) -> None:
        """All output was passed on to the sink."""


class Relay:
    """Moves the output of one transcoder. `bytes_sent` counts the bytes that were given to the sink.

    `failed` is called once if reading or the sink raises; the exception is logged. `first_media` finds the byte that counts as
    the first; None: any byte does.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: IReactor,
        fd: int,
        listener: OutputListener,
        failed: Callable[[], None],
        first_media: FirstMedia | None = None,
    ) -> None:
        self._reactor = reactor
        self._listener = listener
        self._first_media = first_media
        self._kept = bytearray()
        self._has_begun = False
        self._ended_early = False
        self._reader = PipeReader(reactor, fd, self._readable, self._pipe_ended, failed)
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

    def poll(self, *, complete: bool = False) -> None:
        """Check the pipe now. For a process that has exited, perhaps before the reactor has read its pipe.

        `complete`: it has exited with success, so media of any stream counts now, even if there is none of the first.
        """
        if self._sink is None:
            self._reader.drain(MAX_HEADER)
            if complete and not self._has_begun and self._first_media is not None and self._first_media.has_other:
                self._begin()
        elif self._has_room:
            self._reader.start()

    def attach(self, consumer: IConsumer) -> None:
        """Copy the output to `consumer` from now on."""
        self.open(lambda flow: ConsumerSink(flow, consumer))

    def open(self, make_sink: "Callable[[FlowControl], Sink]", coalescer: ReadCoalescer | None = None) -> None:
        """Give the output to the sink from now on. With a coalescer, the reads of a slow stream are delayed."""
        self._coalescer = coalescer
        self._sink = make_sink(self)
        self._resume_reading()

    def detach(self) -> None:
        """Close the sink. The response of the client can then be finished. May be repeated."""
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.close()

    def close(self) -> None:
        """Close the read end of the pipe. What is in it is lost, and what was kept of it. May be repeated."""
        self._kept.clear()
        self._ended_early = False
        self._reader.close()

    def delay_over(self) -> None:
        """Called when a delay is over.

        The pipe is read here, before it is added to the reactor again, since in most cases the next delay follows at once.
        """
        self._delayed = False
        if self._sink is not None and self._has_room:
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
        if self._sink is not None:
            moved = self._sink.pump(fd)
            if self._count(moved) and self._coalescer is not None:
                self._delay(self._coalescer)
            return moved
        if self._has_begun:
            raise BlockingIOError  # the rest is for the sink
        return self._check_first_byte(fd) if self._first_media is None else self._read_header(fd, self._first_media)

    def _count(self, moved: int) -> bool:
        """Count bytes that were given to the sink. Returns whether the next read may be delayed."""
        self.bytes_sent += moved
        return moved > 0 and self._coalescer is not None and self._rate.may_be_delayed(moved, self._reactor.seconds())

    def _check_first_byte(self, fd: int) -> int:
        """Report the first byte, and leave it in the pipe. Has the interface of `readable` of `PipeReader`."""
        ended = hung_up(fd)  # asked first: what is written between the two questions is then still seen
        waiting = bytes_waiting(fd)
        if waiting:
            self._begin()
        elif not ended:
            raise BlockingIOError
        return waiting

    def _read_header(self, fd: int, first_media: FirstMedia) -> int:
        """Read and keep one block, and report the first byte if that of media is in it. Has the same interface."""
        data = os.read(fd, HEADER_READ)
        self._kept += data
        if first_media.feed(data):
            self._begin()
        return len(data)

    def _begin(self) -> None:
        self._has_begun = True
        self._reader.pause()
        self._listener.first_byte()

    def _delay(self, coalescer: ReadCoalescer) -> None:
        if not self.backpressured and not self._delayed:
            self._delayed = True
            self._reader.pause()
            coalescer.delay(self)

    def _resume_reading(self) -> None:
        """Read the pipe again, unless the client is gone, the sink has no room, or a delay is running.

        What was kept of it comes first.
        """
        if self._kept and self._sink is not None and self._has_room:
            kept, self._kept = bytes(self._kept), bytearray()
            self._sink.send(kept)
            self._count(len(kept))
        if self._has_room and self._ended_early:
            self._ended_early = False
            self._listener.output_ended()
        elif self._has_room and not self._delayed:
            self._reader.start()

    def _pipe_ended(self) -> None:
        """The end of the pipe was read. What was kept of it has still to be passed on."""
        self._ended_early = bool(self._kept)
        if not self._kept:
            self._listener.output_ended()

    @property
    def _has_room(self) -> bool:
        return not self._client_lost and not self.backpressured
