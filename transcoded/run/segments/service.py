"""The segment service: segments on demand, with at most one encoder for each rendition of a file.

A request is served from the cache, or it waits in the session of its rendition (`session`). The rules for the encoder are in
`plan.cmaf.steering`.
"""

from collections.abc import Callable

from twisted.internet.defer import Deferred

from transcoded.run.files.library import MediaFile
from transcoded.run.files.opener import FileOpener
from transcoded.run.reactor import IReactor
from transcoded.run.segments.cache import SegmentCache
from transcoded.run.segments.encoder import EncoderFactory, Source
from transcoded.run.segments.requests import Requester
from transcoded.run.segments.session import RenditionSession, SessionContext
from transcoded.run.streams.admission import AdmissionQueue


class SegmentService:
    """The sessions of all renditions that are in use.

    `idle_timeout`: an encoder is ended if its rendition has not been requested for so many seconds. `served` is called for each
    request that had to wait, with the seconds.
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
    ) -> None:
        self._context = SessionContext(
            reactor, admission, opener, encoders, cache, idle_timeout, served, self._makes_video
        )
        self._sessions: dict[tuple[object, ...], RenditionSession] = {}

    def segment(self, source: Source, number: int, requester: Requester) -> "Deferred[bytes]":
        """One segment, or the init segment (`INIT`). See `RenditionSession.segment`."""
        session = self._sessions.get(source.key)
        if session is None:
            session = self._sessions[source.key] = RenditionSession(self._context, source)
        return session.segment(number, requester)

    def leave(self, file: MediaFile) -> None:
        """A viewer has left a file: end each of its encoders as soon as no request waits for it.

        If another viewer needs the encoder, its next request starts it again at the right segment. What was made is in the cache.
        """
        for session in self._sessions.values():
            if session.real_path == file.real_path:
                session.leave()

    def tick(self, elapsed: float) -> None:
        """A task of the ticker. Sessions that are not in use any more are dropped."""
        for key, session in list(self._sessions.items()):
            session.tick(elapsed)
            if session.is_over:
                del self._sessions[key]

    def _makes_video(self, real_path: str) -> bool:
        return any(session.makes_video for session in self._sessions.values() if session.real_path == real_path)
