"""Server-sent events (WHATWG HTML, section 9.2): starts, updates and ends of streams, as they happen.

Each event has an id, and the last `REMEMBERED` are kept: a browser that lost its connection says which it saw last
(`Last-Event-ID`) and gets what it missed. A reader that does not keep up is cut off, and nothing is buffered for it: it
comes back and is told the same way. A comment every `HEARTBEAT` seconds keeps middlemen from closing a quiet connection.
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
HEARTBEAT = 15.0


@attrs.frozen
class _Event:
    number: int
    data: bytes


class Events:
    """Tells listeners; an observer of the streams. `live` gives the streams that run now."""

    def __init__(self, live: Callable[[], Sequence[Stream]]) -> None:
        self._live = live
        # Numbers begin anew with each daemon, so an id says of which daemon it is.
        self._epoch = token_hex(4)
        self._number = 0
        self._recent: deque[_Event] = deque(maxlen=REMEMBERED)
        self._listeners: set[_Listener] = set()
        self._quiet = 0.0

    def stream_started(self, stream: Stream) -> None:
        """As an observer."""
        self._publish("stream-started", stream.info())

    def stream_opened(self, stream: Stream) -> None:
        """As an observer: the next update tells it."""

    def stream_ended(self, ending: Ending) -> None:
        """As an observer."""
        self._publish("stream-ended", ending)

    def tick(self, elapsed: float) -> None:
        """Tell how the streams stand, and keep quiet connections open."""
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
        """The stream of events; it ends with the connection."""
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
            await listener.gone
            await abort(request)
        finally:
            self._listeners.discard(listener)
        return None

    def stop(self) -> None:
        """Send everybody away."""
        for listener in list(self._listeners):
            listener.dismiss()

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
        # Updates are worth nothing later.
        if name != "stream-updated":
            self._recent.append(event)
        self._write(event.data)

    def _write(self, data: bytes) -> None:
        for listener in list(self._listeners):
            listener.write(data)


@implementer(IPushProducer)
class _Listener:
    """One reader. `gone` fires when it is to be cut off."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._full = False
        self.gone: Deferred[None] = Deferred()

    def write(self, data: bytes) -> None:
        """Tell it, or cut it off if it has not taken what it was told before."""
        if self._full:
            self.dismiss()
        elif not self.gone.called:
            self._request.write(data)

    def dismiss(self) -> None:
        """Cut it off."""
        if not self.gone.called:
            self.gone.callback(None)

    def pauseProducing(self) -> None:
        """It does not keep up."""
        self._full = True

    def resumeProducing(self) -> None:
        """It has caught up."""
        self._full = False

    def stopProducing(self) -> None:
        """Its connection is lost; Klein cancels the route."""
