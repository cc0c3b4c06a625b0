"""All viewings: who watches which file. Above the streams: many viewers share an encoder of segments, and one viewer uses several.

* A viewing of segments begins with a request for a segment, and ends `idle_timeout` seconds after the last one, or when the
  player says that it leaves. A progressive stream is a viewing of its own, as long as it lives.
* Whoever stops a viewing ends all encoders that nobody else watches, breaks its responses off, and has its client refused for
  this file for `REFUSAL` seconds, so that its player does not start it anew. Other sessions of this client that watch the file
  at that moment go on.
* At most `MAX_VIEWINGS` of segments are remembered, `MAX_PER_CLIENT` of one client. If there are more, the client that has most
  loses the one that has been idle for longest: it goes on, but is not known until its next request.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from typing import Protocol

from twisted.internet.defer import Deferred, gatherResults

from transcoded.plan.endings import Ending, Reason
from transcoded.plan.errors import NotFound, Stopped, TranscodedError
from transcoded.run.files.leases import FileLeases, FileRelease, file_being_released
from transcoded.run.files.library import MediaFile
from transcoded.run.reactor import IReactor
from transcoded.run.streams.stream import Stream
from transcoded.run.streams.viewing import PROGRESSIVE, SEGMENTS, Viewer, ViewerEnding, ViewerInfo, Viewing, Watched

REFUSAL = 30.0
"""Seconds for which a client whose viewing was stopped is refused for that file."""

MAX_VIEWINGS = 1024

MAX_PER_CLIENT = 64

MAX_REFUSALS = 4096
"""Clients and files that are refused. If there are more, the oldest is forgotten."""


class Encoders(Protocol):
    """The encoders of segments, by the keys of the renditions."""

    def stream_of(self, key: tuple[object, ...]) -> str | None:
        """The id of the live stream that makes this rendition."""

    def withdraw(self, key: tuple[object, ...], client: str) -> None:
        """A client, as a unit of fairness, does not watch this rendition any more."""

    def stop(self, key: tuple[object, ...]) -> "Deferred[Ending] | None":
        """End the encoder of a rendition that nobody watches. Fires when it is proven gone; None: there is none."""


class ViewerObserver(Protocol):
    """Is told of viewings. What begins and ends within a second is not told, so that no client can cause a flood."""

    def viewer_started(self, info: ViewerInfo) -> None:
        """Somebody watches a file."""

    def viewer_ended(self, ending: ViewerEnding) -> None:
        """And does not any more."""


class Viewings:
    """The live viewings, and who is refused. `idle_timeout` is in seconds."""

    def __init__(
        self, reactor: IReactor, encoders: Encoders, leases: FileLeases, idle_timeout: float, observer: ViewerObserver
    ) -> None:
        self._reactor = reactor
        self._encoders = encoders
        self._leases = leases
        self._idle_timeout = idle_timeout
        self._observer = observer
        # Those of segments by the client, its session and the file on disk; those of progressive streams by the stream's id.
        self._live: dict[tuple[str, ...], Viewing] = {}
        # When the refusal of a client and a file ends.
        self._refused: dict[tuple[str, str], float] = {}
        leases.on_release(self._released)

    def live(self) -> Sequence[ViewerInfo]:
        """All live viewings."""
        return [self._info(viewing) for viewing in self._live.values()]

    def counts(self) -> dict[str, int]:
        """How many there are, by their protocol."""
        found = Counter(viewing.protocol for viewing in self._live.values())
        return {protocol: found[protocol] for protocol in (SEGMENTS, PROGRESSIVE)}

    def get(self, viewing_id: str) -> ViewerInfo:
        """A live viewing; raises `NotFound`."""
        return self._info(self._find(viewing_id))

    # Requests.

    def check(self, viewer: Viewer, file: MediaFile) -> None:
        """Raise `Stopped` if the client is refused for this file, and `Unavailable` while the file is being released."""
        if self._leases.is_released(file.path, file.real_path):
            raise file_being_released()
        if (viewer.unit, viewer.session, file.real_path) not in self._live:
            left = self._refused.get((viewer.unit, file.real_path), 0.0) - self._reactor.seconds()
            if left > 0:
                raise Stopped(ceil(left))

    @contextmanager
    def request(self, viewer: Viewer, file: MediaFile, watched: Watched, sent: Callable[[], int]) -> Iterator[Viewing]:
        """A request for a part of a rendition, until its response is complete. `sent` returns the bytes that were sent.

        Raises as `check` does. The body is to be sent within `Viewing.unless_broken`.
        """
        self.check(viewer, file)
        key = viewer.unit, viewer.session, file.real_path
        viewing = self._live.get(key)
        if viewing is None:
            self._make_room(viewer.unit)
            viewing = self._live[key] = Viewing(self._reactor, key, viewer, file)
        with viewing.response(watched, sent):
            yield viewing

    def begin(self, viewer: Viewer, file: MediaFile, stream: Stream) -> None:
        """A progressive stream was started for a viewer. Raises as `check` does."""
        self.check(viewer, file)
        key = (stream.id,)
        viewing = self._live[key] = Viewing(self._reactor, key, viewer, file, stream)

        def ended(ending: Ending) -> Ending:
            self._end(viewing, ending.reason)
            return ending

        stream.when_ended().addCallback(ended)

    def leave(self, viewer: Viewer, file: MediaFile) -> None:
        """A player says that it leaves. Without a session all of its client count that watch this file."""
        for viewing in self._of_segments(viewer.unit):
            if viewing.file.real_path == file.real_path and viewer.session in {"", viewing.viewer.session}:
                self._end(viewing, Reason.CLIENT_GONE)

    def tick(self, elapsed: float) -> None:
        """A task of the ticker: those that are idle end, and those that are new are told."""
        now = self._reactor.seconds()
        self._refused = {key: end for key, end in self._refused.items() if end > now}
        for viewing in list(self._live.values()):
            if viewing.idle_s >= self._idle_timeout:
                self._end(viewing, Reason.IDLE)
            elif not viewing.is_told:
                self._tell(viewing)

    # Stops.

    def stop(self, viewing_id: str) -> "tuple[ViewerEnding, Deferred[list[Ending]]]":
        """Stop a viewing. The Deferred fires with the Endings of its streams that nobody else watches, when they are proven gone.

        Raises `NotFound`.
        """
        return self._stop(self._find(viewing_id))

    def stop_stream(self, stream_id: str) -> None:
        """Somebody stops an encoder of segments: stop the viewings of all that watch what it makes."""
        for viewing in self._of_segments():
            if stream_id in self._streams(viewing):
                self._stop(viewing)

    def _stop(self, viewing: Viewing) -> "tuple[ViewerEnding, Deferred[list[Ending]]]":
        unit = viewing.viewer.unit
        refused = unit, viewing.file.real_path
        self._refused.pop(refused, None)
        self._refused[refused] = self._reactor.seconds() + REFUSAL
        while len(self._refused) > MAX_REFUSALS:
            del self._refused[next(iter(self._refused))]
        if not viewing.is_told:
            self._tell(viewing)
        ended = self._end(viewing, Reason.STOPPED, lambda: Stopped(ceil(REFUSAL)))
        if viewing.stream is not None:
            return ended, gatherResults([viewing.stream.end(Reason.STOPPED)])
        endings = []
        for one in viewing.renditions:
            others = [other for other in self._of_segments() if one in other.watched]
            if all(other.viewer.unit != unit for other in others):
                self._encoders.withdraw(one.key, unit)
            ending = None if others else self._encoders.stop(one.key)
            if ending is not None:
                endings.append(ending)
        return ended, gatherResults(endings)

    def _released(self, release: FileRelease) -> None:
        """A file is being released. Its streams end by their own leases."""
        for viewing in self._of_segments():
            if release.covers(viewing.file.path, viewing.file.real_path):
                self._end(viewing, Reason.FILE_RELEASED, file_being_released)

    # Their beginning and their end.

    def _end(
        self, viewing: Viewing, reason: Reason, broken: Callable[[], TranscodedError] | None = None
    ) -> ViewerEnding:
        """It is over, if it was not before. With `broken` its responses end with this error, else they may be completed."""
        ending = viewing.ending(reason)
        if self._live.get(viewing.key) is viewing:
            del self._live[viewing.key]
            if viewing.is_told:
                self._observer.viewer_ended(ending)
        if broken is not None:
            viewing.break_off(broken)
        return ending

    def _make_room(self, unit: str) -> None:
        """Forget a viewing if there is no room for one more of this client."""
        counts = Counter(viewing.viewer.unit for viewing in self._of_segments())
        if counts[unit] >= MAX_PER_CLIENT:
            loser = unit
        elif counts.total() >= MAX_VIEWINGS:
            most, number = counts.most_common(1)[0]
            loser = most if number > counts[unit] else unit
        else:
            return
        self._end(max(self._of_segments(loser), key=lambda viewing: viewing.idle_s), Reason.PREEMPTED)

    def _tell(self, viewing: Viewing) -> None:
        viewing.is_told = True
        self._observer.viewer_started(self._info(viewing))

    def _of_segments(self, unit: str | None = None) -> list[Viewing]:
        """The viewings of segments, of one client or of all."""
        return [one for one in self._live.values() if one.stream is None and unit in {None, one.viewer.unit}]

    def _find(self, viewing_id: str) -> Viewing:
        found = next((viewing for viewing in self._live.values() if viewing.id == viewing_id), None)
        if found is None:
            raise NotFound("There is no live viewing with this id; it may have ended.")
        return found

    def _info(self, viewing: Viewing) -> ViewerInfo:
        return viewing.info(self._streams(viewing))

    def _streams(self, viewing: Viewing) -> list[str]:
        """The ids of the live streams that serve it."""
        if viewing.stream is not None:
            return [viewing.stream.id]
        found = (self._encoders.stream_of(one.key) for one in viewing.watched)
        return [stream_id for stream_id in found if stream_id is not None]
