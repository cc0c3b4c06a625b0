"""The segment service: segments on demand, with at most one encoder for each rendition of a file.

A request is served from memory, or else from disk (`disk`), or else it waits in the session of its rendition (`session`). The rules
for the encoder are in `plan.cmaf.steering`.
"""

from collections.abc import Callable

from twisted.internet.defer import Deferred, fail

from transcoded.plan.endings import Ending, Reason
from transcoded.plan.errors import Unavailable
from transcoded.run.files.library import MediaFile
from transcoded.run.files.opener import FileOpener
from transcoded.run.media.burn_in import BurnIns
from transcoded.run.reactor import IReactor
from transcoded.run.segments.cache import RenditionCache, SegmentCache
from transcoded.run.segments.disk import DiskTier
from transcoded.run.segments.encoder import EncoderFactory, Source
from transcoded.run.segments.requests import Answer, Requester
from transcoded.run.segments.session import PlaceBefore, RenditionSession, SessionContext
from transcoded.run.streams.admission import AdmissionQueue

MAX_SESSIONS = 1000
"""Renditions that are in use, or were within the last `idle_timeout` seconds."""


class SegmentService:
    """The sessions of all renditions that are in use.

    `idle_timeout`: an encoder is ended if its rendition has not been requested for so many seconds. `served` is called for each
    request that had to wait, with the seconds. `place_before` is that of the prober, `burn_ins` makes what is drawn into a video.
    `disk` is the second tier of the cache; None: there is none.
    """

    def __init__(
        self,
        reactor: IReactor,
        admission: AdmissionQueue,
        opener: FileOpener,
        encoders: EncoderFactory,
        cache: SegmentCache,
        idle_timeout: float,
        served: Callable[[float], object],
        place_before: PlaceBefore,
        burn_ins: BurnIns,
        disk: DiskTier | None = None,
    ) -> None:
        self._disk = disk
        self._context = SessionContext(
            reactor,
            admission,
            opener,
            encoders,
            cache,
            idle_timeout,
            served,
            self._audio_is_free,
            place_before,
            burn_ins,
        )
        self._sessions: dict[tuple[object, ...], RenditionSession] = {}

    def kept(self, source: Source, number: int) -> bytes | None:
        """One segment, or the init segment (`INIT`), if it is made already."""
        session = self._sessions.get(source.key)
        return RenditionCache(self._context.cache, source).get(number) if session is None else session.kept(number)

    def segment(self, source: Source, number: int, requester: Requester) -> "Deferred[Answer]":
        """One segment, or the init segment (`INIT`). See `RenditionSession.segment`.

        Fails with `Unavailable` if `MAX_SESSIONS` renditions are in use.
        """
        if self.kept(source, number) is not None:
            self._context.cache.hits += 1
            return self._from_session(source, number, requester)
        self._context.cache.misses += 1
        if self._disk is None:
            return self._from_session(source, number, requester)
        return Deferred.fromCoroutine(self._from_disk(self._disk, source, number, requester))

    async def _from_disk(self, disk: DiskTier, source: Source, number: int, requester: Requester) -> Answer:
        """What is on disk needs no encoder, and no permit. It is in memory then, where its session finds it if there is one."""
        data = await disk.get(source, number)
        if data is not None and (source.key not in self._sessions or self.kept(source, number) is None):
            return data
        return await self._from_session(source, number, requester)

    def _from_session(self, source: Source, number: int, requester: Requester) -> "Deferred[Answer]":
        session = self._sessions.get(source.key)
        if session is None:
            if len(self._sessions) >= MAX_SESSIONS and not self._drop_one():
                return fail(Unavailable("Too many renditions are in use."))
            session = self._sessions[source.key] = RenditionSession(self._context, source)
        return session.segment(number, requester)

    async def is_kept(self, source: Source, number: int) -> bool:
        """Whether a segment, or the init segment (`INIT`), is made already, and kept for as long as possible."""
        return self.kept(source, number) is not None if self._disk is None else await self._disk.has(source, number)

    async def make(self, source: Source, number: int, requester: Requester) -> bool:
        """Have a segment, or the init segment (`INIT`), made and kept. Returns False if it could not be kept.

        Fails as `segment` does.
        """
        data = self.kept(source, number)
        if data is None:
            answer = await self._from_session(source, number, requester)
            data = answer if isinstance(answer, bytes) else await answer.whole(requester.unit)
        if self._disk is not None:
            return await self._disk.store(source, number, data)
        # A session, which keeps the init segment, does not last.
        self._context.cache.put((*source.key, number), data)
        return True

    async def end_background(self, source: Source, reason: Reason) -> None:
        """Nothing more is made in advance of a rendition. Returns when its encoder is proven gone, unless somebody watches."""
        session = self._sessions.get(source.key)
        ending = None if session is None else session.end_background(reason)
        if ending is not None:
            await ending

    @property
    def room(self) -> int:
        """Bytes of the cache, on disk if there is such a tier."""
        return self._context.cache.quota if self._disk is None else self._disk.quota

    def leave(self, file: MediaFile, client: str) -> None:
        """A viewer leaves a file: each of its encoders that nobody else watches is ended as soon as no request waits for it.

        `client` is the unit of fairness. It counts only for the renditions that this client watches, and not too often
        (`viewers`).
        """
        for session in self._sessions.values():
            if session.real_path == file.real_path:
                session.leave(client)

    # What viewings need (`run.streams.viewings.Encoders`).

    def stream_of(self, key: tuple[object, ...]) -> str | None:
        """The id of the live stream that makes the rendition with this key (`Source.key`)."""
        session = self._sessions.get(key)
        return None if session is None else session.stream_id

    def withdraw(self, key: tuple[object, ...], client: str) -> None:
        """A client, as a unit of fairness, does not watch this rendition any more. Others are not concerned."""
        session = self._sessions.get(key)
        if session is not None:
            session.leave(client)

    def stop(self, key: tuple[object, ...]) -> "Deferred[Ending] | None":
        """End the encoder of a rendition that nobody watches. Fires when it is proven gone; None: there is none."""
        session = self._sessions.get(key)
        return None if session is None else session.stop(Reason.STOPPED)

    def tick(self, elapsed: float) -> None:
        """A task of the ticker. Sessions that are not in use any more are dropped."""
        for key, session in list(self._sessions.items()):
            session.tick(elapsed)
            if session.is_over:
                del self._sessions[key]

    def _drop_one(self) -> bool:
        """Drop the oldest session that is unused. Returns whether there was one."""
        key = next((key for key, session in self._sessions.items() if session.is_unused), None)
        if key is not None:
            del self._sessions[key]
        return key is not None

    def _audio_is_free(self, real_path: str) -> bool:
        """Beside each video that is made of a file, one audio takes no slots: a viewer has permits for all that he uses."""
        sessions = [session for session in self._sessions.values() if session.real_path == real_path]
        return sum(one.makes_free_audio for one in sessions) < sum(one.makes_video for one in sessions)
