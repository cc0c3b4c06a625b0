"""The sinks of a relay: three ways to send a block of the transcoder's output to the client.

`plan.policy.relay_strategy` chooses between them. Their invariants:

* A sink reads the pipe in `pump`, one block at a time, and reports with `FlowControl.pause` and `resume` whether it has room
  for more. It never keeps more than one block, or what `send` gave it.
* After `close` it uses neither the client nor the reactor. `pump` still empties the pipe.

Two of them write to the socket themselves, through a duplicate of its descriptor: the original stays in the reactor, which
reads it and so notices the loss of the connection as usual. They rely on this:

* Twisted's transport has nothing left to send when they begin, and nothing is written to it until they are closed.
* The duplicate is closed before the transport. Otherwise neither a FIN nor a reset would be sent.
"""

import os
import socket
from typing import Protocol

from twisted.internet.interfaces import IConsumer, IPushProducer, IWriteDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from transcoded.run.reactor import IReactor
from transcoded.run.relay.pipes import BIG, bytes_waiting, close_later

# One buffer for all sinks: it is filled and emptied within one call.
_SHARED = bytearray(BIG)
_VIEW = memoryview(_SHARED)


class FlowControl(Protocol):
    """What a sink calls in its relay. `pause` and `resume` may be repeated."""

    def pause(self) -> None:
        """The sink has no room: do not call `pump`."""

    def resume(self) -> None:
        """The sink has room again: call `pump`."""

    def client_lost(self) -> None:
        """The client is gone."""


class Sink(Protocol):
    """The destination of the bytes of a relay."""

    def pump(self, fd: int) -> int:
        """Read one block from a pipe and send it. Returns its size in bytes, 0 at the end.

        Raises BlockingIOError if the pipe is empty now.
        """

    def send(self, data: bytes) -> None:
        """Send what was read from the pipe already. Called once at the most, before `pump`."""

    def close(self) -> None:
        """Nothing more will be sent. May be repeated."""


@implementer(IPushProducer)
class ConsumerSink:
    """Copies to any Twisted consumer, as its push producer."""

    def __init__(self, flow: FlowControl, consumer: IConsumer) -> None:
        self._flow = flow
        self._consumer: IConsumer | None = consumer
        consumer.registerProducer(self, True)

    def pump(self, fd: int) -> int:
        """Read one block and write it to the consumer. See `Sink.pump`."""
        data = os.read(fd, BIG)
        if data:
            self.send(data)
        return len(data)

    def send(self, data: bytes) -> None:
        """Write to the consumer. See `Sink.send`."""
        if self._consumer is not None:
            self._consumer.write(data)

    def close(self) -> None:
        """Unregister from the consumer, which can then be finished."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.unregisterProducer()

    def pauseProducing(self) -> None:
        """Called by the consumer when it is full, also repeatedly."""
        self._flow.pause()

    def resumeProducing(self) -> None:
        """Called by the consumer when it has room again."""
        self._flow.resume()

    def stopProducing(self) -> None:
        """Called when the consumer is gone. It must not be used any more."""
        self._consumer = None
        self._flow.client_lost()


@implementer(IPushProducer, IWriteDescriptor)
class SocketSink:
    """The common part of the two sinks that write to the socket. `consumer` is the request, which reports a lost client."""

    def __init__(self, reactor: IReactor, flow: FlowControl, consumer: IConsumer, original: socket.socket) -> None:
        self._reactor = reactor
        self._flow = flow
        self._consumer: IConsumer | None = consumer
        self._socket: socket.socket | None = original.dup()
        self._socket.setblocking(False)
        self._unsent: memoryview | None = None
        consumer.registerProducer(self, True)

    def pump(self, fd: int) -> int:
        """See `Sink.pump`. Each subclass has its own way."""
        raise NotImplementedError

    def send(self, data: bytes) -> None:
        """See `Sink.send`."""
        self._send([data])

    def close(self) -> None:
        """Close the duplicate, and unregister from the request."""
        self._close_socket()
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.unregisterProducer()

    def fileno(self) -> int:
        """The descriptor of the duplicate, for the reactor; -1 if it is closed."""
        return self._socket.fileno() if self._socket is not None else -1

    def logPrefix(self) -> str:
        """The name under which the reactor logs."""
        return "relay"

    def connectionLost(self, reason: Failure) -> None:
        """The reactor cannot write any more. The transport notices that itself and informs the request."""
        self._close_socket()

    def pauseProducing(self) -> None:
        """Nothing to do: Twisted's transport sends nothing here, so its buffer does not matter."""

    def resumeProducing(self) -> None:
        """Nothing to do: `doWrite` reports when the socket has room."""

    def stopProducing(self) -> None:
        """Called when the client is gone."""
        self._consumer = None
        self._close_socket()
        self._flow.client_lost()

    def doWrite(self) -> None:
        """Called by the reactor when the socket has room: send what is left, and ask for more when that is done."""
        if self._unsent is not None and self._socket is not None:
            try:
                sent = self._socket.send(self._unsent)
            except BlockingIOError:
                return
            except OSError:
                sent = len(self._unsent)
            self._unsent = self._unsent[sent:] if sent < len(self._unsent) else None
        if self._unsent is None:
            self._reactor.removeWriter(self)
            self._flow.resume()

    def _send(self, parts: list[bytes | memoryview]) -> None:
        """Send as much as the socket takes now, and keep the rest until it has room."""
        if self._socket is None:
            return
        try:
            sent = self._socket.sendmsg(parts)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # the connection is broken, which the transport is about to report
        if sent < sum(map(len, parts)):
            # A copy of the rest only, since it stays in memory for as long as the client stalls.
            self._unsent = memoryview(b"".join(parts)[sent:])
            self._wait_for_room()

    def _wait_for_room(self) -> None:
        self._flow.pause()
        self._reactor.addWriter(self)

    def _close_socket(self) -> None:
        self._unsent = None
        if self._socket is not None:
            self._reactor.removeWriter(self)
            close_later(self._reactor, self._socket.detach())
            self._socket = None


class SendmsgSink(SocketSink):
    """Reads into the shared buffer and sends from it. Keeps what the socket does not take at once, less than one block."""

    def __init__(
        self, reactor: IReactor, flow: FlowControl, consumer: IConsumer, original: socket.socket, *, chunked: bool
    ) -> None:
        super().__init__(reactor, flow, consumer, original)
        self._chunked = chunked

    def pump(self, fd: int) -> int:
        """Read one block and send it. See `Sink.pump`."""
        size = os.readv(fd, [_VIEW])
        if size:
            self._send(self._framed(_VIEW[:size]))
        return size

    def send(self, data: bytes) -> None:
        """Send as one chunk. See `Sink.send`."""
        self._send(self._framed(data))

    def _framed(self, data: bytes | memoryview) -> list[bytes | memoryview]:
        # RFC 9112, section 7.1: the size in hexadecimal digits and the data, each followed by a line end.
        return [b"%x\r\n" % len(data), data, b"\r\n"] if self._chunked else [data]


class SpliceSink(SocketSink):
    """Moves the bytes with splice(2): they are not copied into this process."""

    def pump(self, fd: int) -> int:
        """Splice one block. See `Sink.pump`."""
        if self._socket is None:
            return os.readv(fd, [_VIEW])
        try:
            return os.splice(fd, self._socket.fileno(), BIG, flags=os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK)
        except BlockingIOError:
            # The pipe is empty or the socket is full. If there are bytes in the pipe, it is the socket.
            if bytes_waiting(fd):
                self._wait_for_room()
            raise
        except OSError:
            return os.readv(fd, [_VIEW])  # the connection is broken, which the transport is about to report
