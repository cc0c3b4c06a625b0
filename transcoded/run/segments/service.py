"""Segments on demand: for each rendition of a file at most one transcoder (its head), however many are watching.

A request is served from the store, or it waits. Then, for its rendition:

* If the head is at the segment, or will be there soon, nothing else happens.
* If not, the head is ended (`superseded`), and when it is proven gone another one is started at the segment that was asked
  for last. Two heads of one rendition never run at the same time, however fast somebody scrubs.
* A head whose segments somebody waits for is not ended for another's: it is ended once they are served. So two who watch
  different places take turns, and both get on.
* A head that is `AHEAD` segments beyond the last that was asked for is not read any more, and so sleeps, until a request
  comes near. One whose rendition nobody asks for is ended after `idle_timeout` (`idle`).
* A head that dies fails those who wait for it. After `MAX_FAILURES` in a row, none of which made a segment, the next
  requests fail at once for a while.

SegmentService are streams like any other: in the registry, admitted, watched, released with their file, recorded when they end.
"""

from twisted.internet.defer import Deferred

from transcoded.run.files.library import MediaFile
from transcoded.run.segments.encoder import Requester, Source, Works
from transcoded.run.segments.session import RenditionSession
from transcoded.run.streams.admission import Permit

BETWEEN = 8.0
"""Seconds without a request, after which a rendition has been left: a player that watches asks each four."""


class SegmentService:
    """All renditions that somebody asks for."""

    def __init__(self, works: Works) -> None:
        self._works = works
        self._tracks: dict[tuple[object, ...], RenditionSession] = {}
        self._newcomer: RenditionSession | None = None
        works.gate.before_waiting(self.make_room)

    def segment(self, source: Source, number: int, asker: Requester) -> "Deferred[bytes]":
        """One segment, or the init segment (`INIT`). Cancelling stops the waiting.

        Fails with `TranscodeFailed`, `Unavailable`, or `TimedOut`.
        """
        track = self._tracks.get(source.key)
        if track is None:
            track = self._tracks[source.key] = RenditionSession(self._works, self, source)
        return track.ask(number, asker)

    def enter(self, newcomer: RenditionSession, client: str, units: int) -> "Deferred[Permit]":
        """Ask for a place for a track's new head; see `AdmissionQueue.enter`."""
        self._newcomer = newcomer
        try:
            return self._works.gate.enter(client, units)
        finally:
            self._newcomer = None

    def make_room(self, units: int, newcomer: RenditionSession | None = None) -> None:
        """End heads that nobody waits for, if a newcomer would have to wait: first those that it takes over from.

        Those are the other sizes of the same film. Then come those that are far enough ahead, and those that nobody has asked
        for longer than a player does between two segments.
        """
        newcomer = newcomer or self._newcomer
        idle = [track for track in self._tracks.values() if track is not newcomer and track.resting and track.units]
        idle.sort(key=lambda track: (newcomer is None or not track.replaced_by(newcomer), -track.unasked))
        missing = self._works.gate.missing(units)
        for track in idle:
            if missing <= 0:
                return
            replaced = newcomer is not None and track.replaced_by(newcomer)
            if replaced or track.ahead or track.unasked >= BETWEEN:
                missing -= track.units
                track.make_way()

    def leave(self, file: MediaFile) -> int:
        """Somebody has left a film: end its heads that nobody waits for; how many.

        One that another viewer needs is started again by that viewer's next request, where it was: the segments are kept.
        """
        return sum(track.leave() for track in self._tracks.values() if track.of(file))

    def shows(self, file: MediaFile) -> bool:
        """Whether a picture of this file is being made."""
        return any(track.shows(file) for track in self._tracks.values())

    def tick(self, elapsed: float) -> None:
        """End heads whose rendition nobody asks for, and forget renditions without a head."""
        for key, track in list(self._tracks.items()):
            track.rest(elapsed)
            if track.forgettable:
                del self._tracks[key]
