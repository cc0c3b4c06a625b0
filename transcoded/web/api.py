"""The routes below /api/v1/ for operators and for the dashboard: the library's listing, live streams, Endings, the drain."""

from collections.abc import Callable

import attrs
import msgspec
from twisted.web.server import Request

from transcoded.plan.endings import Ending, Reason
from transcoded.plan.http.cursors import CURSOR_PATTERN, key_of
from transcoded.plan.http.names import written
from transcoded.plan.http.parameters import Parameter, Values, matching, whole
from transcoded.run.files.folders import Entry
from transcoded.run.files.listings import Listings
from transcoded.run.streams.admission import AdmissionQueue
from transcoded.run.streams.registry import REMEMBERED, StreamRegistry
from transcoded.run.streams.release import FileReleaser
from transcoded.run.streams.stream_info import StreamInfo
from transcoded.run.streams.viewings import Viewings
from transcoded.web.answers import json_of
from transcoded.web.request import unit_of
from transcoded.web.route import route

ENTRIES = whole("limit", 1, 1000, 1000, "How many entries.")
CURSOR = matching(
    "cursor", (CURSOR_PATTERN,), "give the next_cursor of an answer.", key_of, "", "Where to go on: a next_cursor."
)
LIMIT = whole("limit", 1, REMEMBERED, 100, "How many.")
PATH: Parameter[str] = Parameter(
    name="path",
    schema={"type": "string", "pattern": "^[\\s\\S]*[^/][\\s\\S]*$"},
    hint="give the path of a file or directory in the library.",
    convert=lambda text: text.strip("/"),
    default="",
    meaning="A file or a directory of the library.",
    required=True,
)


class Listing(msgspec.Struct):
    """A page of a directory of the library. `next_cursor` is the parameter `cursor` of the next one; null if there is none."""

    path: str
    entries: list[Entry]
    next_cursor: str | None


class Queued(msgspec.Struct):
    """A request that waits for slots. `position` is 1 for the next one."""

    client: str
    position: int


class Capacity(msgspec.Struct):
    """Slots: all, and those in use. A transcode takes 2, a copy 1. `waiting` is the number of requests in the queue."""

    units: int
    used: int
    waiting: int


class LiveStreams(msgspec.Struct):
    """All live streams."""

    streams: list[StreamInfo]
    queue: list[Queued]
    capacity: Capacity


class Endings(msgspec.Struct):
    """Ended streams, newest first."""

    endings: list[Ending]


class Draining(msgspec.Struct):
    """A drain has begun. `streams` are still running, and end after `timeout_s` seconds at the latest."""

    draining: bool
    streams: int
    timeout_s: float


@attrs.frozen
class Drain:
    """How a drain is begun, and the seconds that running streams then have."""

    begin: Callable[[], None]
    timeout_s: float


@attrs.frozen
class LibraryRoutes:
    """The listing of the library."""

    listings: Listings

    @route("/api/v1/library/", params=(ENTRIES, CURSOR), answers=json_of(Listing))
    async def roots(self, request: Request, query: Values) -> Listing:
        """The media roots."""
        return await self._list(request, "", query)

    @route("/api/v1/library/<media:path>", params=(ENTRIES, CURSOR), answers=json_of(Listing))
    async def directory(self, request: Request, path: str, query: Values) -> Listing:
        """The directories and media files in a directory, page by page."""
        return await self._list(request, path.rstrip("/"), query)

    async def _list(self, request: Request, path: str, query: Values) -> Listing:
        page = await self.listings.page(path, query[ENTRIES], query[CURSOR], unit_of(request))
        return Listing(written(path), list(page.entries), page.cursor)


@attrs.frozen
class StreamRoutes:
    """Live streams and Endings: to see them and to end them."""

    streams: StreamRegistry
    admission: AdmissionQueue
    releaser: FileReleaser
    drain: Drain
    viewings: Viewings

    @route("/api/v1/streams", answers=json_of(LiveStreams))
    async def live(self, request: Request) -> LiveStreams:
        """All live streams, the oldest first."""
        state = self.admission.state
        return LiveStreams(
            streams=[stream.info() for stream in self.streams.live()],
            queue=[Queued(ticket.client, state.position(ticket.number) or 0) for ticket in state.queue],
            capacity=Capacity(state.capacity, state.used, self.admission.waiting),
        )

    @route("/api/v1/streams", methods=("DELETE",), params=(PATH,), answers=json_of(Endings))
    async def release(self, request: Request, query: Values) -> Endings:
        """End every stream of a file, or of all files below a directory; answers when all are reaped."""
        released = await self.releaser.release(query[PATH])
        released.readmit()
        return Endings(released.endings)

    @route("/api/v1/streams/<stream_id>", answers=json_of(StreamInfo))
    async def one(self, request: Request, stream_id: str) -> StreamInfo:
        """One live stream."""
        return self.streams.get(stream_id).info()

    @route("/api/v1/streams/<stream_id>", methods=("DELETE",), answers=json_of(Ending))
    async def stop(self, request: Request, stream_id: str) -> Ending:
        """End one stream, and the viewings of all that watch its segments; answers with its Ending when it is reaped."""
        ended = self.streams.get(stream_id).end(Reason.STOPPED)
        self.viewings.stop_stream(stream_id)
        return await ended

    @route("/api/v1/endings", params=(LIMIT,), answers=json_of(Endings))
    async def endings(self, request: Request, query: Values) -> Endings:
        """The latest Endings, newest first."""
        return Endings(list(self.streams.endings(query[LIMIT])))

    @route("/api/v1/drain", methods=("POST",), answers=json_of(Draining, 202))
    async def begin_drain(self, request: Request) -> Draining:
        """Refuse new streams, let the running ones finish, and then stop the daemon."""
        self.drain.begin()
        return Draining(draining=True, streams=len(self.streams.live()), timeout_s=self.drain.timeout_s)
