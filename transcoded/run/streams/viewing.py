"""A viewing: one viewer who watches one file, over segments or as one progressive stream."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from secrets import token_hex
from typing import TypedDict, TypeVar

import attrs
import msgspec
from twisted.internet.defer import CancelledError, Deferred

from transcoded.plan.endings import Reason
from transcoded.plan.errors import TranscodedError
from transcoded.plan.http.names import written
from transcoded.run.files.library import MediaFile
from transcoded.run.reactor import IReactor, OneShot, ignore_result
from transcoded.run.streams.stream import Stream
from transcoded.run.streams.stream_info import rfc3339

SEGMENTS, PROGRESSIVE = "segments", "progressive"

RECENT = 8.0
"""Seconds for which a rendition counts as watched after a request, though the viewer has requested another one since."""

MAX_RENDITIONS = 32
"""Renditions that a viewing remembers: the latest."""

T = TypeVar("T")


@attrs.frozen
class Viewer:
    """Who watches: the client as a unit of fairness, its address, the name of its key, and the session that its player names.

    `key` and `session` are empty where there is none.
    """

    unit: str
    client: str
    key: str = ""
    session: str = ""


@attrs.frozen
class Watched:
    """A rendition that is watched. `key` is that of its `Source`, `kind` `video` or `audio`, `action` `copy` or `transcode`."""

    key: tuple[object, ...]
    rendition: str
    kind: str
    action: str


class ViewerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A live viewing, as in the API. `streams` are the live streams that serve it; `renditions` those that it watches now.

    Units: seconds, bytes.
    """

    id: str
    path: str
    client: str
    key: str | None
    session: str | None
    protocol: str
    action: str
    started: str
    uptime_s: float
    last_request: str
    idle_s: float
    renditions: list[str]
    streams: list[str]
    bytes_sent: int


class ViewerEnding(msgspec.Struct, frozen=True, kw_only=True):
    """An ended viewing. Units: seconds, bytes.

    `reason` is `stopped`, `client-gone` (the player has left), `idle`, `file-released`, `preempted` (too many are remembered),
    or that of its progressive stream.
    """

    id: str
    path: str
    client: str
    key: str | None
    session: str | None
    protocol: str
    reason: Reason
    started: str
    ended: str
    duration_s: float
    bytes_sent: int


class _Who(TypedDict):
    """The fields that a live viewing and an ended one have in common."""

    id: str
    path: str
    client: str
    key: str | None
    session: str | None
    protocol: str
    started: str


@attrs.define
class _Part:
    watched: Watched
    requested_at: float
    responses: int = 0


class Viewing:
    """One viewing. It is created by `Viewings` only, which finds it by `key`.

    `stream` is the stream of a progressive one; None: it is of segments. `is_told`: whether the observer knows of it.
    """

    def __init__(
        self, reactor: IReactor, key: tuple[str, ...], viewer: Viewer, file: MediaFile, stream: Stream | None = None
    ) -> None:
        self.id = token_hex(8)
        self.key = key
        self.viewer = viewer
        self.file = file
        self.stream = stream
        self.is_told = False
        self._reactor = reactor
        self._started = self._last_request = datetime.now(UTC)
        self._started_at = self._active_at = reactor.seconds()
        # By the key of the rendition, the one that was requested last at the end.
        self._parts: dict[tuple[object, ...], _Part] = {}
        self._sent = 0
        self._responses: dict[object, Callable[[], int]] = {}
        self._broken: OneShot[Callable[[], TranscodedError]] = OneShot(reactor)
        self._why: Callable[[], TranscodedError] | None = None

    @property
    def protocol(self) -> str:
        """How it is watched."""
        return SEGMENTS if self.stream is None else PROGRESSIVE

    @property
    def idle_s(self) -> float:
        """Seconds since its latest request; 0 while one is being answered."""
        busy = self.stream is not None or self._responses
        return 0.0 if busy else self._reactor.seconds() - self._active_at

    @property
    def bytes_sent(self) -> int:
        """Bytes of media that were sent to the viewer."""
        if self.stream is not None:
            return self.stream.bytes_sent
        return self._sent + sum(sent() for sent in self._responses.values())

    @property
    def renditions(self) -> list[Watched]:
        """All renditions that it remembers."""
        return [part.watched for part in self._parts.values()]

    @property
    def watched(self) -> list[Watched]:
        """What it watches: of video and of audio what was requested last, and what was requested a moment ago or is being sent."""
        now = self._reactor.seconds()
        latest = {part.watched.kind: part for part in self._parts.values()}
        return [
            part.watched
            for part in self._parts.values()
            if part is latest[part.watched.kind] or part.responses or now - part.requested_at < RECENT
        ]

    @contextmanager
    def response(self, watched: Watched, sent: Callable[[], int]) -> Iterator[None]:
        """A request for a part of a rendition is being answered; `sent` returns the bytes that were sent."""
        part = self._parts.pop(watched.key, None) or _Part(watched, 0.0)
        self._parts[watched.key] = part
        if len(self._parts) > MAX_RENDITIONS:
            del self._parts[next(key for key, one in self._parts.items() if not one.responses or one is part)]
        mark = object()
        self._responses[mark] = sent
        part.requested_at = self._active_at = self._reactor.seconds()
        part.responses += 1
        self._last_request = datetime.now(UTC)
        try:
            yield
        finally:
            part.responses -= 1
            self._active_at = self._reactor.seconds()
            self._sent += self._responses.pop(mark)()

    def break_off(self, why: Callable[[], TranscodedError]) -> None:
        """All its responses end with an error that `why` makes."""
        self._why = why
        self._broken.succeed(why)

    async def unless_broken(self, work: "Deferred[T]") -> T:
        """The result of making and sending a response. Raises the error of `break_off` if that comes before, and cancels the work."""
        breaking = self._broken.wait().addCallback(lambda _: work.cancel())
        try:
            return await work
        except CancelledError:
            if self._why is not None and self._broken.is_decided:
                raise self._why() from None
            raise
        finally:
            breaking.addErrback(ignore_result)
            breaking.cancel()

    def info(self, streams: list[str]) -> ViewerInfo:
        """Its state, as in the API."""
        watched = self.watched
        actions = {one.kind: one.action for one in watched}
        action = actions.get("video") or actions.get("audio") or "transcode"
        return ViewerInfo(
            **self._who(),
            action=action if self.stream is None else self.stream.spec.action,
            uptime_s=round(self._reactor.seconds() - self._started_at, 3),
            last_request=rfc3339(self._last_request),
            idle_s=round(self.idle_s, 3),
            renditions=[one.rendition for one in watched],
            streams=streams,
            bytes_sent=self.bytes_sent,
        )

    def ending(self, reason: Reason) -> ViewerEnding:
        """How it ends now."""
        return ViewerEnding(
            **self._who(),
            reason=reason,
            ended=rfc3339(datetime.now(UTC)),
            duration_s=round(self._reactor.seconds() - self._started_at, 3),
            bytes_sent=self.bytes_sent,
        )

    def _who(self) -> "_Who":
        return {
            "id": self.id,
            "path": written(self.file.path),
            "client": self.viewer.client,
            "key": self.viewer.key or None,
            "session": self.viewer.session or None,
            "protocol": self.protocol,
            "started": rfc3339(self._started),
        }
