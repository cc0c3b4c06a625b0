"""Server-sent events (WHATWG HTML, section 9.2): starts, updates and ends of streams, who watches, and what becomes of prepares, as they happen.

Each event has an id, and the last `REMEMBERED` are kept, in at most `MAX_REMEMBERED_BYTES`. A browser that has lost its
connection sends the id of the last event that it got (`Last-Event-ID`), and gets those that it missed: one after the other, as
fast as it reads. Nothing is buffered for a client that reads too slowly: its connection is closed, and it gets the missed
events when it connects again. A comment every `HEARTBEAT` seconds keeps proxies from closing a quiet connection.

A listener costs what its connection buffers (64 KiB and one event), and references to the events that it has missed.
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
from transcoded.plan.errors import Unavailable
from transcoded.plan.latest import Latest
from transcoded.run.segments.prepare_info import PrepareInfo
from transcoded.run.streams.fallbacks import Fallback
from transcoded.run.streams.stream import Stream
from transcoded.run.streams.viewing import ViewerEnding, ViewerInfo
from transcoded.web.answers import Body, sent
from transcoded.web.request import client_of
from transcoded.web.responses import abort, make_last
from transcoded.web.route import route

REMEMBERED = 512
"""Events that are kept. Updates, and those of viewers, are not among them."""

MAX_REMEMBERED_BYTES = 2 << 20
"""Bytes of the events that are kept. An Ending has up to 8 KiB of what its process has said, and more as JSON."""

MAX_LISTENERS = 256
"""Connections in all; more are refused."""

MAX_LISTENERS_PER_CLIENT = 64
"""Connections of one address."""

PATIENCE = 30.0
"""Seconds after which the connection of a client is closed that has missed events to read, and reads none."""

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
        self._recent: Latest[_Event] = Latest(REMEMBERED, MAX_REMEMBERED_BYTES, lambda event: len(event.data))
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

    def fell_back(self, fallback: Fallback) -> None:
        """Send `engine-failed`."""
        self._publish("engine-failed", fallback)

    def prepare_updated(self, info: PrepareInfo, new: bool) -> None:
        """Send `prepare-updated`. It is kept for those that miss it if the state is a new one."""
        self._publish("prepare-updated", info, kept=new)

    def viewer_started(self, info: ViewerInfo) -> None:
        """Send `viewer-started`. Viewers need no slot, so there can be many: they are not kept, and push nothing out that is."""
        self._publish("viewer-started", info, kept=False)

    def viewer_ended(self, ending: ViewerEnding) -> None:
        """Send `viewer-ended`."""
        self._publish("viewer-ended", ending, kept=False)

    def tick(self, elapsed: float) -> None:
        """Send `stream-updated` for each live stream, and from time to time a comment. `elapsed` is in seconds."""
        for listener in list(self._listeners):
            listener.tick(elapsed)
        if not self._listeners:
            return
        for stream in self._live():
            # An old update is of no use: the next one replaces it.
            self._publish("stream-updated", stream.info(), kept=False)
        self._quiet += elapsed
        if self._quiet >= HEARTBEAT:
            self._quiet = 0.0
            for listener in list(self._listeners):
                listener.send(_STILL_HERE, kept=False)

    @route("/api/v1/events", answers=sent("text/event-stream"))
    async def events(self, request: Request) -> Body:
        """Server-sent events until the client closes the connection."""
        client = client_of(request)
        self._check_room(client)
        request.setHeader(b"Content-Type", b"text/event-stream")
        request.setHeader(b"Cache-Control", b"no-store")
        request.setHeader(b"X-Accel-Buffering", b"no")
        return Body(None, lambda: self._listen(request, client))

    async def _listen(self, request: Request, client: str) -> None:
        make_last(request)
        listener = _Listener(request, client, self._missed(request.getHeader(b"Last-Event-ID")))
        self._listeners.add(listener)
        # Before the first event, so that the client's pace counts from there.
        request.registerProducer(listener, True)
        request.write(b"retry: 2000\n\n")
        listener.replay()
        try:
            await listener.closed
            # Its end is no failure: events have no last one.
            await abort(request, request.code)
        finally:
            self._listeners.discard(listener)

    def stop(self) -> None:
        """Close all connections."""
        for listener in list(self._listeners):
            listener.close()

    def _check_room(self, client: str) -> None:
        if len(self._listeners) >= MAX_LISTENERS:
            raise Unavailable(f"{MAX_LISTENERS} clients listen to events, the most at the same time.")
        if sum(listener.client == client for listener in self._listeners) >= MAX_LISTENERS_PER_CLIENT:
            raise Unavailable(f"{client} listens to events {MAX_LISTENERS_PER_CLIENT} times, the most for one client.")

    def _missed(self, last: bytes | None) -> Sequence[_Event]:
        epoch, _, number = (last or b"").decode("ascii", "replace").partition("-")
        if not number.isdigit() or len(number) > 18:
            return []
        seen = int(number) if epoch == self._epoch else 0
        return [event for event in self._recent if event.number > seen]

    def _publish(self, name: str, value: msgspec.Struct, *, kept: bool = True) -> None:
        self._number += 1
        encoded = msgspec.json.encode(value).decode("utf-8")
        text = f"id: {self._epoch}-{self._number}\nevent: {name}\ndata: {encoded}\n\n"
        event = _Event(self._number, text.encode("utf-8"))
        if kept:
            self._recent.append(event)
        for listener in list(self._listeners):
            listener.send(event, kept=kept)


_STILL_HERE = _Event(0, b": still here\n\n")


@implementer(IPushProducer)
class _Listener:
    """One client, which has missed the events in `missed`. `closed` fires when its connection is to be closed."""

    def __init__(self, request: Request, client: str, missed: Sequence[_Event]) -> None:
        self.client = client
        self._request = request
        self._missed = deque(missed)
        self._full = False
        self._full_s = 0.0
        self.closed: Deferred[None] = Deferred()

    def replay(self) -> None:
        """Send what it has missed, until the client has no room."""
        while self._missed and not self._full and not self.closed.called:
            self._request.write(self._missed.popleft().data)

    def send(self, event: _Event, *, kept: bool) -> None:
        """Send an event. If the client has not yet taken those before it, close the connection instead.

        While it catches up with what it has missed, an event that is `kept` comes after that, and others are left out.
        """
        if self._missed:
            if kept and len(self._missed) >= REMEMBERED:
                self.close()
            elif kept:
                self._missed.append(event)
        elif self._full:
            self.close()
        elif not self.closed.called:
            self._request.write(event.data)

    def tick(self, elapsed: float) -> None:
        """So many seconds have passed: close the connection if the client has read nothing of what it missed for too long."""
        self._full_s = self._full_s + elapsed if self._full and self._missed else 0.0
        if self._full_s >= PATIENCE:
            self.close()

    def close(self) -> None:
        """Close the connection."""
        self._missed.clear()
        if not self.closed.called:
            self.closed.callback(None)

    def pauseProducing(self) -> None:
        """The client does not take data as fast as it comes."""
        self._full = True

    def resumeProducing(self) -> None:
        """The client has taken everything."""
        self._full = False
        self._full_s = 0.0
        self.replay()

    def stopProducing(self) -> None:
        """The connection is lost: do nothing, because Klein cancels the route's Deferred."""
