"""The routes that watch and operate: the library's listing, live streams, Endings, health."""

from collections.abc import Callable

import attrs
from twisted.web.server import Request

from transcoded.plan.endings import Reason
from transcoded.plan.errors import BadParameter, NotReady
from transcoded.plan.http.access import Access
from transcoded.plan.media.params import Reader, single, whole
from transcoded.run.files.library import Library
from transcoded.run.files.threads import Threads
from transcoded.run.streams.admission import AdmissionQueue
from transcoded.run.streams.registry import REMEMBERED, StreamRegistry
from transcoded.run.streams.release import FileReleaser
from transcoded.web.app import json_body, query_of, route


@attrs.frozen
class Admin:
    """The routes below /api/v1/ and those for health checks."""

    library: Library
    threads: Threads
    streams: StreamRegistry
    admission: AdmissionQueue
    releasing: FileReleaser
    drain: Callable[[], None]
    drain_timeout: float

    @route("/api/v1/library/")
    async def roots(self, request: Request) -> bytes:
        """The media roots."""
        return await self._list(request, "")

    @route("/api/v1/library/<media:path>")
    async def listing(self, request: Request, path: str) -> bytes:
        """What is in a directory."""
        return await self._list(request, path.rstrip("/"))

    async def _list(self, request: Request, path: str) -> bytes:
        single(query_of(request), [])
        entries = await self.threads.run(self.library.listing, path)
        return json_body(request, {"path": path, "entries": entries})

    @route("/api/v1/streams")
    async def live(self, request: Request) -> bytes:
        """All live streams, the oldest first."""
        single(query_of(request), [])
        state = self.admission.state
        return json_body(
            request,
            {
                "streams": [stream.info() for stream in self.streams.live()],
                "queue": [
                    {"client": ticket.client, "position": state.position(ticket.number)} for ticket in state.queue
                ],
                "capacity": {"units": state.capacity, "used": state.used, "waiting": self.admission.waiting},
            },
        )

    @route("/api/v1/streams", methods=("DELETE",))
    async def release(self, request: Request) -> bytes:
        """End every stream on a file or below a directory; answers when all are reaped."""
        path = single(query_of(request), ["path"]).get("path", "").strip("/")
        if not path:
            raise BadParameter("path", "required: the path of a file or directory in the library.")
        freed = await self.releasing.free(path)
        freed.readmit()
        return json_body(request, {"endings": freed.endings})

    @route("/api/v1/streams/<stream_id>")
    async def one(self, request: Request, stream_id: str) -> bytes:
        """One live stream."""
        single(query_of(request), [])
        return json_body(request, self.streams.get(stream_id).info())

    @route("/api/v1/streams/<stream_id>", methods=("DELETE",))
    async def stop(self, request: Request, stream_id: str) -> bytes:
        """End one; answers with its Ending once it is reaped."""
        single(query_of(request), [])
        return json_body(request, await self.streams.get(stream_id).end(Reason.STOPPED))

    @route("/api/v1/endings")
    async def endings(self, request: Request) -> bytes:
        """The latest Endings, newest first."""
        limit = Reader(single(query_of(request), ["limit"])).value("limit", whole(1, REMEMBERED), 100)
        return json_body(request, {"endings": self.streams.endings(limit)})

    @route("/api/v1/drain", methods=("POST",))
    async def empty(self, request: Request) -> bytes:
        """Refuse new streams, let those that run finish, and then end."""
        single(query_of(request), [])
        self.drain()
        body = {"draining": True, "streams": len(self.streams.live()), "timeout_s": self.drain_timeout}
        return json_body(request, body, 202)

    @route("/healthz", access=Access.OPEN, quiet=True)
    async def alive(self, request: Request) -> bytes:
        """Whether the daemon answers at all."""
        single(query_of(request), [])
        return json_body(request, {"status": "ok"})

    @route("/readyz", access=Access.OPEN, quiet=True)
    async def ready(self, request: Request) -> bytes:
        """Whether a stream could be started now."""
        single(query_of(request), [])
        reasons = self.admission.not_ready()
        if reasons:
            raise NotReady(f"Not ready: {'; '.join(reasons)}.", self.admission.reasons())
        return json_body(request, {"status": "ready"})
