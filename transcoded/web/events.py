"""Server-sent events (WHATWG HTML, section 9.2): starts, updates and ends of streams, as they happen.

Each event has an id, and the last `REMEMBERED` are kept. A browser that has lost its connection sends the id of the last
event that it got (`Last-Event-ID`), and gets those that it missed. Nothing is buffered for a client that reads too slowly:
its connection is closed, and it gets the missed events when it connects again. A comment every `HEARTBEAT` seconds keeps
proxies from closing a quiet connection.
"""

from collections import deque
from collections.abc import Callable, Sequence
from secrets import token_hex

import attrs
import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.web.server import Request
from zope.interface import implementer

from transcoded.plan.endings import Ending
from transcoded.run.streams.stream import Stream
from transcoded.run.streams.stream_info import StreamInfo
from transcoded.web.answers import sent
from transcoded.web.responses import abort, make_last
from transcoded.web.route import route

REMEMBERED = 512
"""Events that are kept. Updates are not among them."""

HEARTBEAT = 15.0
"""Seconds."""


@attrs.frozen
class _Event:
    number: int
    data: bytes


class Events:
    """Sends events to listeners; an observer of the streams. `live` returns the streams that run now."""

    def __init__(self, live: Callable[[], Sequence[Stream]]) -> None:
        self._live = live
        # The numbers begin at 1 in each daemon. The epoch in an id shows which daemon has sent it.
        self._epoch = token_hex(4)
        self._number = 0
        self._recent: deque[_Event] = deque(maxlen=REMEMBERED)
        self._listeners: set[_Listener] = set()
        self._quiet = 0.0

    def stream_started(self, stream: Stream) -> None:
        """Send `stream-started`."""
        self._publish("stream-started", stream.info())

    def stream_opened(self, stream: Stream) -> None:
        """Send nothing: the next update has the new state."""

    def stream_ended(self, ending: Ending) -> None:
        """Send `stream-ended`."""
        self._publish("stream-ended", ending)

    def tick(self, elapsed: float) -> None:
        """Send `stream-updated` for each live stream, and from time to time a comment. `elapsed` is in seconds."""
        if not self._listeners:
            return
        for stream in self._live():
            self._publish("stream-updated", stream.info())
        self._quiet += elapsed
        if self._quiet >= HEARTBEAT:
            self._quiet = 0.0
            self._write(b": still here\n\n")

    @route("/api/v1/events", answers=sent("text/event-stream"))
    async def events(self, request: Request) -> bytes | None:
        """Server-sent events until the client closes the connection."""
        request.setHeader(b"Content-Type", b"text/event-stream")
        request.setHeader(b"Cache-Control", b"no-store")
        request.setHeader(b"X-Accel-Buffering", b"no")
        if request.method == b"HEAD":
            return b""
        make_last(request)
        request.write(b"retry: 2000\n\n")
        listener = _Listener(request)
        for event in self._missed(request.getHeader(b"Last-Event-ID")):
            request.write(event.data)
        self._listeners.add(listener)
        request.registerProducer(listener, True)
        try:
            await listener.closed
            await abort(request)
        finally:
            self._listeners.discard(listener)
        return None

    def stop(self) -> None:
        """Close all connections."""
        for listener in list(self._listeners):
            listener.close()

    def _missed(self, last: bytes | None) -> Sequence[_Event]:
        epoch, _, number = (last or b"").decode("ascii", "replace").partition("-")
        if not number.isdigit() or len(number) > 18:
            return []
        seen = int(number) if epoch == self._epoch else 0
        return [event for event in self._recent if event.number > seen]

    def _publish(self, name: str, value: StreamInfo | Ending) -> None:
        self._number += 1
        encoded = msgspec.json.encode(value).decode("utf-8")
        text = f"id: {self._epoch}-{self._number}\nevent: {name}\ndata: {encoded}\n\n"
        event = _Event(self._number, text.encode("utf-8"))
        # An old update is of no use: the next one replaces it.
        if name != "stream-updated":
            self._recent.append(event)
        self._write(event.data)

    def _write(self, data: bytes) -> None:
        for listener in list(self._listeners):
            listener.write(data)


@implementer(IPushProducer)
class _Listener:
    """One client. `closed` fires when its connection is to be closed."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._full = False
        self.closed: Deferred[None] = Deferred()

    def write(self, data: bytes) -> None:
        """Send data; if the client has not yet taken the data before it, close the connection instead."""
        if self._full:
            self.close()
        elif not self.closed.called:
            self._request.write(data)

    def close(self) -> None:
        """Close the connection."""
        if not self.closed.called:
            self.closed.callback(None)

    def pauseProducing(self) -> None:
        """The client does not take data as fast as it comes."""
        self._full = True

    def resumeProducing(self) -> None:
        """The client has taken everything."""
        self._full = False

    def stopProducing(self) -> None:
        """The connection is lost: do nothing, because Klein cancels the route's Deferred."""
