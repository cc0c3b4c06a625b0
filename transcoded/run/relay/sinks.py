"""The client's side of a relay: where a block of the transcoder's output goes, in three ways.

`plan.policy.relay_strategy` chooses between them. Their invariants:

* A sink takes bytes out of the pipe with `pump`, one block at a time, and says through `FlowControl.pause` and `resume`
  whether there is room for more. It never keeps more than one block.
* After `close` it touches neither the client nor the reactor. `pump` still empties the pipe.

Those that write to the socket themselves do so through a duplicate of its descriptor, because the reactor already knows the
original, which goes on reading: so the loss of the connection is noticed as ever. What they need to be true:

* Twisted's transport has nothing left to send when they begin, and nothing is written to it until they are closed.
* The duplicate is closed before the transport is: else neither a FIN nor a reset would be sent.
"""

import os
import socket
from typing import Protocol

from twisted.internet.interfaces import IConsumer, IPushProducer, IWriteDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from transcoded.run.reactor import IReactor
from transcoded.run.relay.pipes import BIG, bytes_waiting, close_later

# One for all: filled and emptied within one call.
_SHARED = bytearray(BIG)
_VIEW = memoryview(_SHARED)


class FlowControl(Protocol):
    """What a sink needs of its relay. Both `pause` and `resume` may be repeated."""

    def pause(self) -> None:
        """There is no room: do not pump."""

    def resume(self) -> None:
        """There is room again: pump."""

    def client_lost(self) -> None:
        """The client is gone."""


class Sink(Protocol):
    """Where the bytes go."""

    def pump(self, fd: int) -> int:
        """Move one block out of a pipe; its size, 0 at the end. Raises BlockingIOError if there is nothing now."""

    def close(self) -> None:
        """Nothing more will come. May be repeated."""


@implementer(IPushProducer)
class ConsumerSink:
    """Copies to any Twisted consumer, as its push producer."""

    def __init__(self, flow: FlowControl, consumer: IConsumer) -> None:
        self._flow = flow
        self._consumer: IConsumer | None = consumer
        consumer.registerProducer(self, True)

    def pump(self, fd: int) -> int:
        """Read and write."""
        data = os.read(fd, BIG)
        if data and self._consumer is not None:
            self._consumer.write(data)
        return len(data)

    def close(self) -> None:
        """Part from the consumer."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.unregisterProducer()

    def pauseProducing(self) -> None:
        """The consumer is full. It may say so again and again."""
        self._flow.pause()

    def resumeProducing(self) -> None:
        """The consumer takes more."""
        self._flow.resume()

    def stopProducing(self) -> None:
        """The consumer is gone, and must not be touched any more."""
        self._consumer = None
        self._flow.client_lost()


@implementer(IPushProducer, IWriteDescriptor)
class SocketSink:
    """What the two that write to the socket have in common. `consumer` is the request: it tells when the client is gone."""

    def __init__(self, reactor: IReactor, flow: FlowControl, consumer: IConsumer, original: socket.socket) -> None:
        self._reactor = reactor
        self._flow = flow
        self._consumer: IConsumer | None = consumer
        self._socket: socket.socket | None = original.dup()
        self._socket.setblocking(False)
        consumer.registerProducer(self, True)

    def pump(self, fd: int) -> int:
        """See `Sink`."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the duplicate, and part from the request."""
        self._close_socket()
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.unregisterProducer()

    def fileno(self) -> int:
        """The duplicate, for the reactor."""
        return self._socket.fileno() if self._socket is not None else -1

    def logPrefix(self) -> str:
        """The name under which the reactor logs."""
        return "relay"

    def connectionLost(self, reason: Failure) -> None:
        """The reactor cannot write any more; the transport learns it by itself and tells the request."""
        self._close_socket()

    def pauseProducing(self) -> None:
        """Twisted's transport has nothing to send, so this is not its business."""

    def resumeProducing(self) -> None:
        """Nor is this: the socket itself says when there is room."""

    def stopProducing(self) -> None:
        """The client is gone."""
        self._consumer = None
        self._close_socket()
        self._flow.client_lost()

    def doWrite(self) -> None:
        """There is room."""
        self._reactor.removeWriter(self)
        self._flow.resume()

    def _wait_for_room(self) -> None:
        self._flow.pause()
        self._reactor.addWriter(self)

    def _close_socket(self) -> None:
        if self._socket is not None:
            self._reactor.removeWriter(self)
            close_later(self._reactor, self._socket.detach())
            self._socket = None


class SendmsgSink(SocketSink):
    """Reads into the shared buffer and sends from it. What the socket does not take at once is kept, less than one block."""

    def __init__(
        self, reactor: IReactor, flow: FlowControl, consumer: IConsumer, original: socket.socket, *, chunked: bool
    ) -> None:
        super().__init__(reactor, flow, consumer, original)
        self._chunked = chunked
        self._left: memoryview | None = None

    def pump(self, fd: int) -> int:
        """Read one block and send it."""
        size = os.readv(fd, [_VIEW])
        if size == 0 or self._socket is None:
            return size
        # RFC 9112, section 7.1: the size in hexadecimal digits, the data, and line ends around it.
        parts: list[bytes | memoryview] = [b"%x\r\n" % size, _VIEW[:size], b"\r\n"] if self._chunked else [_VIEW[:size]]
        try:
            sent = self._socket.sendmsg(parts)
        except BlockingIOError:
            sent = 0
        except OSError:
            return size  # the connection is broken; the transport is about to tell
        if sent < sum(map(len, parts)):
            # A copy of the rest alone: a client that stalls holds this much for as long as it likes.
            self._left = memoryview(b"".join(parts)[sent:])
            self._wait_for_room()
        return size

    def doWrite(self) -> None:
        """Send what is left, and ask for more when nothing is."""
        if self._left is not None and self._socket is not None:
            try:
                sent = self._socket.send(self._left)
            except BlockingIOError:
                return
            except OSError:
                sent = len(self._left)
            self._left = self._left[sent:] if sent < len(self._left) else None
        if self._left is None:
            super().doWrite()

    def _close_socket(self) -> None:
        self._left = None
        super()._close_socket()


class SpliceSink(SocketSink):
    """Has the kernel move the bytes."""

    def pump(self, fd: int) -> int:
        """Splice one block."""
        if self._socket is None:
            return os.readv(fd, [_VIEW])
        try:
            return os.splice(fd, self._socket.fileno(), BIG, flags=os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK)
        except BlockingIOError:
            # Either side may be the reason. A pipe with something in it is not.
            if bytes_waiting(fd):
                self._wait_for_room()
            raise
        except OSError:
            return os.readv(fd, [_VIEW])  # the connection is broken; the transport is about to tell
