"""Segments on demand: for each rendition of a file at most one encoder, however many watch.

A request is served from the cache, or it waits in the session of its rendition (`session`), where `plan.cmaf.steering` states
the rules.
"""

from collections.abc import Callable

from twisted.internet.defer import Deferred

from transcoded.run.files.library import MediaFile
from transcoded.run.reactor import IReactor
from transcoded.run.segments.cache import SegmentCache
from transcoded.run.segments.encoder import EncoderFactory, Source
from transcoded.run.segments.requests import Requester
from transcoded.run.segments.session import RenditionSession, SessionContext
from transcoded.run.streams.admission import AdmissionQueue


class SegmentService:
    """All renditions that somebody asks for.

    `idle_timeout`: seconds after which an encoder is ended whose rendition nobody asks for. `served` is told how many seconds
    somebody waited for a segment.
    """

    def __init__(
        self,
        reactor: IReactor,
        admission: AdmissionQueue,
        encoders: EncoderFactory,
        cache: SegmentCache,
        idle_timeout: float,
        served: Callable[[float], object],
    ) -> None:
        self._context = SessionContext(reactor, admission, encoders, cache, idle_timeout, served, self._video_runs)
        self._sessions: dict[tuple[object, ...], RenditionSession] = {}

    def segment(self, source: Source, number: int, requester: Requester) -> "Deferred[bytes]":
        """One segment, or the init segment (`INIT`). See `RenditionSession.segment`."""
        session = self._sessions.get(source.key)
        if session is None:
            session = self._sessions[source.key] = RenditionSession(self._context, source)
        return session.segment(number, requester)

    def leave(self, file: MediaFile) -> None:
        """A viewer has left a file: its encoders end as soon as nobody waits for them.

        One that another viewer needs is started again by that viewer's next request, where it was: what was made is kept.
        """
        for session in self._sessions.values():
            if session.real_path == file.real_path:
                session.leave()

    def tick(self, elapsed: float) -> None:
        """Time has passed: forget the renditions that nobody watches any more."""
        for key, session in list(self._sessions.items()):
            session.tick(elapsed)
            if session.is_over:
                del self._sessions[key]

    def _video_runs(self, real_path: str) -> bool:
        return any(session.makes_video for session in self._sessions.values() if session.real_path == real_path)
