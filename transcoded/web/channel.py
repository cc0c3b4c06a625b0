"""A connection that speaks HTTP: what is refused before there is a request, and how long a client may take.

Twisted's channel reads a body to its end, whatever its size, and gives a client any time as long as a byte comes now and then. This
one refuses while the request comes in, and has a deadline for each part of it:

* the first byte, from the connection's start, so that a TLS handshake counts: `HEAD_SECONDS`
* the head, from its first byte: `HEAD_SECONDS`
* the body: `BODY_SECONDS`
* the time between two requests: `IDLE_SECONDS`
* an answer has no deadline until it is written as a whole; then the client has `UNREAD_SECONDS` to read what is buffered.

A request that has come as a whole is begun when it is its turn (`request_turns`), and not before the client has read what was
buffered for it; else one that reads nothing would have any number of answers waiting. Meanwhile nothing more is read.

A refused client gets a problem document, and the connection is closed. It speaks HTTP/1.0 and 1.1 only. These private names of
Twisted are used, because there are no public ones: `HTTPChannel._command`, `_path`, `_networkProducer`, `_waitingForTransport`,
`_respondToBadRequestAndDisconnect`, and `LineReceiver._buffer`. `tests/web/test_channel.py` checks that they exist.
"""

import re
from http import HTTPStatus
from secrets import token_hex
from typing import Any

from twisted.internet.interfaces import IAddress, IDelayedCall
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.server import Request

from transcoded.plan.errors import BadRequest, BodyTooLarge, HeadTooLarge, TranscodedError
from transcoded.web.answers import problem_document
from transcoded.web.bodies import MAX_BODY
from transcoded.web.connections import Connections
from transcoded.web.request import lowest_transport
from transcoded.web.request_turns import RequestTurns

HEAD_SECONDS = 10.0
BODY_SECONDS = 30.0
IDLE_SECONDS = 60.0
UNREAD_SECONDS = 7200.0
"""As long as a viewer may pause by default (`stall_timeout`)."""
CLOSE_SECONDS = 5.0
"""How long a client may take to close its end."""
LINGER_SECONDS = 2.0
LINGER_BYTES = 32 << 20
"""How long, and how much, is read and dropped after a refusal. If unread input were left, the kernel would send a reset, and the
client would never see the answer (RFC 9112, section 9.6)."""

MAX_HEAD = 16_384
"""Bytes of the request line and all headers."""
MAX_HEADERS = 100

# Twisted takes any token for a method, and any text for a path.
_REQUEST_LINE = re.compile(rb"[A-Z]{1,20}(?:-[A-Z]{1,20})? (?:/|(?i:https?)://)")
_HEALTH = frozenset({b"/healthz", b"/readyz"})
_log = Logger()


class Channel(HTTPChannel):
    """A connection; see the head of this module."""

    maxHeaders = MAX_HEADERS
    # `Any`: TCP, UNIX, TLS and wrapped transports have no common interface with all that is used.
    transport: Any
    _networkProducer: Any
    _path: bytes
    _buffer: bytes
    connections: Connections | None = None
    turns: RequestTurns | None = None
    _deadline: IDelayedCall | None = None
    _leaving = False
    _in_head = False
    # Whether nothing of a request has come yet.
    _idle = True
    _unread = False
    # Whether a whole request waits until the client has read what is buffered.
    _held = False
    _head_size = 0
    _body_size = 0
    _dropped = 0
    _peer: IAddress | None = None

    # The connection.

    def connectionMade(self) -> None:
        """Begin, unless there are too many."""
        super().connectionMade()
        if self._enter():
            self._within(HEAD_SECONDS, self._too_slow)

    def evict(self) -> None:
        """Close the connection at once."""
        self._leaving = True
        self._cancel()
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End."""
        self._leaving = True
        self._cancel()
        if self.connections is not None:
            self.connections.leave(self)
        super().connectionLost(reason)

    def _enter(self) -> bool:
        self._peer = self.transport.getPeer()
        if self.connections is None or self.connections.enter(self, getattr(self._peer, "host", None)):
            return True
        self.evict()
        return False

    def _within(self, seconds: float, late: Any) -> None:
        self._cancel()
        self._deadline = self.callLater(seconds, late)

    def _cancel(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = None

    def _too_slow(self) -> None:
        if self.connections is not None and not self._idle:
            self.connections.too_slow()
        self._close()

    def _close(self) -> None:
        """Close in order, and after some seconds at all costs."""
        self._leaving = True
        self._within(CLOSE_SECONDS, self.evict)
        self.loseConnection()

    # What comes in.

    def dataReceived(self, data: bytes) -> None:
        """Parse what has come; drop it if the connection ends."""
        if self._leaving:
            self._drop(data)
            return
        # Behind a proxy the PROXY protocol has told by now whose connection it is.
        if self._peer != self.transport.getPeer():
            if self.connections is not None:
                self.connections.leave(self)
            if not self._enter():
                return
        if self._idle:
            self._idle = False
            self._within(HEAD_SECONDS, self._too_slow)
        super().dataReceived(data)

    def lineReceived(self, line: bytes) -> None:
        """Check a line of the head before Twisted does."""
        if self._leaving:
            return
        self._head_size += len(line) + 2
        if self._head_size > MAX_HEAD:
            self.refuse(HeadTooLarge(f"The head of the request is longer than {MAX_HEAD} bytes."))
        elif not self._in_head and line and not _REQUEST_LINE.match(line):
            self.refuse(BadRequest("The request line is not a method in capital letters and a path or URL."))
        elif self._in_head and line[:1] in {b" ", b"\t"}:
            self.refuse(BadRequest("A header continues on a second line (obs-fold in RFC 9112, section 5.2)."))
        else:
            self._in_head = self._in_head or bool(line)
            super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:
        """A line without an end."""
        self.refuse(HeadTooLarge(f"The head of the request is longer than {MAX_HEAD} bytes."))

    def headerReceived(self, line: bytes) -> bool:
        """Take a header. A length of very many digits is too large; Python would not even parse it."""
        if self._leaving:
            return False
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length" and value.strip().isdigit() and len(value.strip()) > 15:
            self.refuse(BodyTooLarge(MAX_BODY))
            return False
        if self._receivedHeaderCount == MAX_HEADERS:
            self.refuse(HeadTooLarge(f"The request has more than {MAX_HEADERS} headers."))
            return False
        return bool(super().headerReceived(line))

    def allHeadersReceived(self) -> None:
        """Check the head as a whole, before a client that asks first (`Expect`) is invited to send its body."""
        headers = self.requests[-1].requestHeaders
        if self._leaving:
            return
        if headers.hasHeader(b"Transfer-Encoding") and (self.length is not None or self._version == b"HTTP/1.0"):
            self.refuse(
                BadRequest("The length of the body is not clear: Transfer-Encoding cannot be combined like this.")
            )
        elif self.length is not None and self.length > MAX_BODY:
            self.refuse(BodyTooLarge(MAX_BODY))
        else:
            self._in_head, self._head_size, self._body_size = False, 0, 0
            self._within(BODY_SECONDS, self._too_slow)
            super().allHeadersReceived()

    def rawDataReceived(self, data: bytes) -> None:
        """Take a part of the body, or what comes behind a request that is being answered."""
        if self._leaving:
            return
        try:
            super().rawDataReceived(data)
        except BodyTooLarge as error:
            self.refuse(error)
            return
        if self._transferDecoder is not None and not self._leaving:
            # Chunks may come with any amount of framing.
            self._body_size += len(data)
            if self._body_size > 2 * MAX_BODY:
                self.refuse(BodyTooLarge(MAX_BODY))

    def allContentReceived(self) -> None:
        """The request is here as a whole: begin it, now or later."""
        if self._leaving:
            return
        self._cancel()
        if self.connections is not None:
            self.connections.works(self)
        if self._waitingForTransport:
            self._held = True
            self._within(UNREAD_SECONDS, self.evict)
        elif self._has_turn():
            super().allContentReceived()
            return
        # The parser stops here, and nothing more is read.
        self.paused = True
        self._networkProducer.pauseProducing()

    def _has_turn(self) -> bool:
        """Whether the request may begin now. If not, `_begin` is called later."""
        if self.turns is None:
            return True
        host = getattr(self._peer, "host", None)
        client = None if self.connections is None else self.connections.client(host)
        lane = client or self
        return self.turns.ask((lane, "health") if self._path in _HEALTH else lane, self._begin)

    def _begin(self) -> None:
        """Begin the request that has waited, and go on with what the client has sent behind it."""
        if self._leaving:
            return
        self.paused = False
        self._networkProducer.resumeProducing()
        super().allContentReceived()
        if self._buffer and not self._leaving:
            super().dataReceived(b"")

    # What goes out.

    def requestDone(self, request: Request) -> None:
        """The answer is written."""
        if self.persistent and not self._waitingForTransport:
            self._wait()
        else:
            self._unread = True
            self._within(UNREAD_SECONDS, self.evict)
        super().requestDone(request)

    def resumeProducing(self) -> None:
        """What was buffered is sent."""
        super().resumeProducing()
        if self._held:
            self._held = self._unread = False
            self._cancel()
            if self._has_turn():
                self._begin()
            else:
                self._networkProducer.pauseProducing()
        elif self._unread and self.persistent and not self._leaving:
            self._wait()

    def _wait(self) -> None:
        """Wait for the next request."""
        self._idle, self._unread = True, False
        self._within(IDLE_SECONDS, self._too_slow)
        if self.connections is not None:
            self.connections.waits(self)

    # What is refused.

    def refuse(self, error: TranscodedError) -> None:
        """Answer with a problem document instead of going on, and close the connection."""
        if self._leaving:
            return
        self._leaving = True
        # Else Twisted would go on as if the head had ended.
        self.length = None
        _log.info(
            "{status}: {detail} (from {client})",
            status=error.status,
            detail=error.detail,
            client=getattr(self._peer, "host", "-"),
        )
        request_id = token_hex(8)
        body = problem_document(error, request_id)
        phrase = HTTPStatus(error.status).phrase
        headers = {
            "Content-Type": "application/problem+json",
            "Content-Length": len(body),
            "Cache-Control": "no-store",
            "Connection": "close",
            "Cross-Origin-Resource-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "X-Request-Id": request_id,
            "Server": "transcoded",
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(f"HTTP/1.1 {error.status} {phrase}\r\n{head}\r\n".encode("ascii") + body)
        self._linger()

    def _respondToBadRequestAndDisconnect(self) -> None:
        self.refuse(BadRequest("The request is not valid HTTP/1.1."))

    def _linger(self) -> None:
        """Close our half of the connection, and read what the client still sends until it closes its own."""
        plain = lowest_transport(self)
        if self.isSecure() or not hasattr(plain, "loseWriteConnection"):
            self._within(CLOSE_SECONDS, self.evict)
            self.loseConnection()
            return
        self._within(LINGER_SECONDS, self.evict)
        self._networkProducer.unregisterProducer()
        plain.loseWriteConnection()

    def _drop(self, data: bytes) -> None:
        self._dropped += len(data)
        if self._dropped > LINGER_BYTES:
            self.evict()
