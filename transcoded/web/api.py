"""The routes that watch and operate: the library's listing, live streams, Endings, the drain."""

from collections.abc import Callable

import attrs
import msgspec
from twisted.web.server import Request

from transcoded.plan.endings import Ending, Reason
from transcoded.plan.http.parameters import Parameter, Values, whole
from transcoded.run.files.async_library import AsyncLibrary
from transcoded.run.files.library import Entry
from transcoded.run.streams.admission import AdmissionQueue
from transcoded.run.streams.registry import REMEMBERED, StreamRegistry
from transcoded.run.streams.release import FileReleaser
from transcoded.run.streams.stream_info import StreamInfo
from transcoded.web.answers import json_of
from transcoded.web.route import route

LIMIT = whole("limit", 1, REMEMBERED, 100, "How many.")
PATH: Parameter[str] = Parameter(
    name="path",
    schema={"type": "string", "pattern": "^[\\s\\S]*[^/][\\s\\S]*$"},
    hint="the path of a file or directory in the library.",
    convert=lambda text: text.strip("/"),
    default="",
    meaning="A file or a directory of the library.",
    required=True,
)


class Listing(msgspec.Struct):
    """A directory of the library."""

    path: str
    entries: list[Entry]


class Queued(msgspec.Struct):
    """A request that waits for a place."""

    client: str
    position: int


class Capacity(msgspec.Struct):
    """Units: a transcode takes 2, a copy 1."""

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
    """A drain has begun."""

    draining: bool
    streams: int
    timeout_s: float


@attrs.frozen
class Admin:
    """The routes below /api/v1/ for programs and for the dashboard."""

    library: AsyncLibrary
    streams: StreamRegistry
    admission: AdmissionQueue
    releaser: FileReleaser
    drain: Callable[[], None]
    drain_timeout: float

    @route("/api/v1/library/", answers=json_of(Listing))
    async def roots(self, request: Request) -> Listing:
        """The media roots."""
        return await self._list("")

    @route("/api/v1/library/<media:path>", answers=json_of(Listing))
    async def listing(self, request: Request, path: str) -> Listing:
        """What is in a directory."""
        return await self._list(path.rstrip("/"))

    async def _list(self, path: str) -> Listing:
        return Listing(path, list(await self.library.listing(path)))

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
        """End every stream on a file or below a directory; answers when all are reaped."""
        released = await self.releaser.release(query[PATH])
        released.readmit()
        return Endings(released.endings)

    @route("/api/v1/streams/<stream_id>", answers=json_of(StreamInfo))
    async def one(self, request: Request, stream_id: str) -> StreamInfo:
        """One live stream."""
        return self.streams.get(stream_id).info()

    @route("/api/v1/streams/<stream_id>", methods=("DELETE",), answers=json_of(Ending))
    async def stop(self, request: Request, stream_id: str) -> Ending:
        """End one; answers with its Ending once it is reaped."""
        return await self.streams.get(stream_id).end(Reason.STOPPED)

    @route("/api/v1/endings", params=(LIMIT,), answers=json_of(Endings))
    async def endings(self, request: Request, query: Values) -> Endings:
        """The latest Endings, newest first."""
        return Endings(list(self.streams.endings(query[LIMIT])))

    @route("/api/v1/drain", methods=("POST",), answers=json_of(Draining, 202))
    async def empty(self, request: Request) -> Draining:
        """Refuse new streams, let those that run finish, and then end."""
        self.drain()
        return Draining(draining=True, streams=len(self.streams.live()), timeout_s=self.drain_timeout)
