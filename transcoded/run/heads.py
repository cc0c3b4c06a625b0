"""Segments on demand: for each rendition of a file at most one transcoder (its head), however many are watching.

A request is served from the store, or it waits. Then, for its rendition:

* If the head is at the segment, or will be there soon, nothing else happens.
* If not, the head is ended (`superseded`), and when it is proven gone another one is started at the segment that was asked
  for last. Two heads of one rendition never run at the same time, however fast somebody scrubs.
* A head whose segments somebody waits for is not ended for another's: it is ended once they are served. So two who watch
  different places take turns, and both get on.
* A head that is `AHEAD` segments beyond the last that was asked for is not read any more, and so sleeps, until a request
  comes near. One whose rendition nobody asks for is ended after `idle_timeout` (`idle`).
* A head that dies fails those who wait for it. After `MOST_FAILURES` in a row, none of which made a segment, the next
  requests fail at once for a while.

Heads are streams like any other: in the registry, admitted, watched, released with their file, recorded when they end.
"""

import os
from collections.abc import Callable

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from transcoded.plan.admission import COPY, TRANSCODE
from transcoded.plan.argv import Options
from transcoded.plan.boxes import BoxError
from transcoded.plan.endings import Ending, Reason
from transcoded.plan.errors import TimedOut, TranscodeFailed, Unavailable
from transcoded.plan.ladder import Rendition, VideoRendition
from transcoded.plan.media import Media
from transcoded.plan.segment_argv import segment_argv
from transcoded.plan.segmenter import InitSegment, Segment, Segmenter
from transcoded.run.gate import Gate, Pass
from transcoded.run.ireactor import IReactor
from transcoded.run.library import MediaFile
from transcoded.run.outlets import Valve
from transcoded.run.store import Store
from transcoded.run.streams import Job, Stream, Streams

SOON = 0.5
"""Seconds: a segment is near if the head makes it within them, at its pace so far; the next one is near in any case.

Starting anew at the right place takes about as long."""

AHEAD = 4
"""Segments that are made beyond the last that was asked for."""

BETWEEN = 8.0
"""Seconds without a request, after which a rendition has been left: a player that watches asks each four."""

PATIENCE = 60.0
"""Seconds that a request waits for a segment."""

MOST_FAILURES = 3
COOL_DOWN = 30.0
"""Seconds for which a rendition that cannot be made is not tried again."""

INIT = -1
"""The number under which the init segment is asked for and kept."""

READ = 128 * 1024


_log = Logger()


@attrs.frozen
class Source:
    """What segments are made of: one rendition of one version of a file."""

    file: MediaFile
    media: Media
    rendition: Rendition

    @property
    def key(self) -> tuple[object, ...]:
        """What tells it from others."""
        return self.file.real_path, self.file.version, self.rendition.id


@attrs.frozen
class Asker:
    """Who asks: for the registry and for admission."""

    client: str
    request_id: str


class Heads:
    """All renditions that somebody asks for."""

    def __init__(
        self,
        reactor: IReactor,
        streams: Streams,
        gate: Gate,
        store: Store,
        ffmpeg: str,
        options: Options,
        *,
        idle_timeout: float,
        served: Callable[[float], None] = lambda _: None,
    ) -> None:
        self.reactor = reactor
        self.streams = streams
        self.gate = gate
        self.store = store
        self.ffmpeg = ffmpeg
        self.options = options
        self.idle_timeout = idle_timeout
        self.served = served
        self.newcomer: _Track | None = None
        gate.before_waiting(self.make_room)
        self._tracks: dict[tuple[object, ...], _Track] = {}

    def segment(self, source: Source, number: int, asker: Asker) -> "Deferred[bytes]":
        """One segment, or the init segment (`INIT`). Cancelling stops the waiting.

        Fails with `TranscodeFailed`, `Unavailable`, or `TimedOut`.
        """
        track = self._tracks.get(source.key)
        if track is None:
            track = self._tracks[source.key] = _Track(self, source)
        return track.ask(number, asker)

    def make_room(self, units: int, newcomer: "_Track | None" = None) -> None:
        """End heads that nobody waits for, if a newcomer would have to wait: first those that it takes over from.

        Those are the other sizes of the same film. Then come those that are far enough ahead, and those that nobody has asked
        for longer than a player does between two segments.
        """
        newcomer = newcomer or self.newcomer
        idle = [track for track in self._tracks.values() if track is not newcomer and track.resting]
        idle.sort(key=lambda track: (newcomer is None or not track.replaced_by(newcomer), -track.unasked))
        missing = self.gate.missing(units)
        for track in idle:
            if missing <= 0:
                return
            replaced = newcomer is not None and track.replaced_by(newcomer)
            if replaced or track.ahead or track.unasked >= BETWEEN:
                missing -= track.make_way()

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


class _Track:
    """One rendition: who waits, and the head."""

    def __init__(self, heads: Heads, source: Source) -> None:
        self._heads = heads
        self._source = source
        self._waiting: dict[Deferred[bytes], tuple[int, Asker]] = {}
        self._head: _Head | None = None
        self._entering: Deferred[Pass] | None = None
        self._units = 0
        self._deserted = False
        self._init: bytes | None = None
        self._furthest = 0
        self._unasked = 0.0
        self._failures = 0
        self._cool_until = 0.0

    @property
    def forgettable(self) -> bool:
        """Whether nothing here is worth keeping."""
        busy = self._head is not None or self._entering is not None or bool(self._waiting)
        cooling = self._failures and self._heads.reactor.seconds() < self._cool_until
        return not busy and not cooling and self._unasked >= self._heads.idle_timeout

    @property
    def unasked(self) -> float:
        """Seconds since somebody asked, to the last tick."""
        return self._unasked

    @property
    def resting(self) -> bool:
        """Whether it has a head that nobody waits for."""
        return self._head is not None and not self._head.ending and not self._waiting

    @property
    def ahead(self) -> bool:
        """Whether its head is so far ahead that it sleeps: what it has made lasts a while."""
        return self._head is not None and self._head.braked

    def of(self, file: MediaFile) -> bool:
        """Whether it is a rendition of this file."""
        return self._source.file.real_path == file.real_path

    def shows(self, file: MediaFile) -> bool:
        """Whether it is a picture of this file that is being made."""
        mine = self._source
        picture = isinstance(mine.rendition, VideoRendition) and self.of(file)
        return picture and self._head is not None and not self._head.ending

    def replaced_by(self, other: "_Track") -> bool:
        """Whether a player that changed to the other left this one: two pictures of one file."""
        mine, theirs = self._source, other._source  # noqa: SLF001 - its own kind
        pictures = isinstance(mine.rendition, VideoRendition) and isinstance(theirs.rendition, VideoRendition)
        return pictures and mine.file.real_path == theirs.file.real_path

    def make_way(self) -> int:
        """End the head for another's; the units that this frees."""
        if self._head is None:
            return 0
        self._head.end(Reason.IDLE)
        return self._head.units

    def leave(self) -> bool:
        """A viewer has left: end the head now, or as soon as the last request is called off; whether it was now."""
        self._deserted = True
        return self.resting and self.make_way() >= 0

    def ask(self, number: int, asker: Asker) -> "Deferred[bytes]":
        """See `Heads.segment`."""
        self._unasked = 0.0
        self._deserted = False
        if number != INIT:
            self._furthest = number
        waiting: Deferred[bytes] = Deferred(self._left)
        made = self._init if number == INIT else self._heads.store.get((*self._source.key, number))
        if made is not None:
            self._resume()
            waiting.callback(made)
            return waiting
        if self._failures >= MOST_FAILURES and self._heads.reactor.seconds() < self._cool_until:
            raise TranscodeFailed(f"This rendition failed {self._failures} times in a row; try again in half a minute.")
        self._waiting[waiting] = number, asker
        self._go()
        since = self._heads.reactor.seconds()
        return waiting.addTimeout(PATIENCE, self._heads.reactor, _late).addCallback(self._served, since)

    def _served(self, data: bytes, since: float) -> bytes:
        self._heads.served(self._heads.reactor.seconds() - since)
        return data

    def rest(self, elapsed: float) -> None:
        """Time has passed."""
        self._unasked += elapsed
        if self._entering is not None:
            # Somebody in the way may have been left meanwhile.
            self._heads.make_room(0, self)
        if self._head is not None and not self._waiting and self._unasked >= self._heads.idle_timeout:
            self._head.end(Reason.IDLE)

    def made(self, piece: InitSegment | Segment) -> None:
        """The head has made something."""
        number = INIT if isinstance(piece, InitSegment) else piece.number
        if number == INIT:
            # Kept here, not in the store: a head writes it once, and everybody who comes needs it first.
            self._init = piece.data
        else:
            self._failures = 0
            self._heads.store.put((*self._source.key, number), piece.data)
        for waiting, (wanted, _) in list(self._waiting.items()):
            if wanted == number:
                del self._waiting[waiting]
                waiting.callback(piece.data)
        self._go()

    def ended(self, head: "_Head", ending: Ending) -> None:
        """A head is proven gone."""
        self._head = None
        if ending.reason in {Reason.SUPERSEDED, Reason.IDLE}:
            self._go()
            return
        if ending.reason is Reason.FINISHED:
            # What it could have made and has not is not in the file (a hole, or less film than was promised).
            missing = TranscodeFailed("The file holds nothing for this segment.")
            self._fail(missing, lambda number: (number == INIT or number >= head.first) and number not in head.made)
            self._go()
            return
        if ending.reason in {Reason.FAILED, Reason.HUNG} and not head.productive:
            self._failures += 1
            self._cool_until = self._heads.reactor.seconds() + COOL_DOWN
        if ending.reason in {Reason.FAILED, Reason.HUNG}:
            problem: Exception = TranscodeFailed(
                "The transcoder of this rendition ended with an error.", ending.stderr_tail
            )
        else:
            problem = Unavailable(f"The transcoder of this rendition was ended: {ending.reason.value}.")
        self._fail(problem, lambda _: True)

    def _go(self) -> None:
        """Let the head do what is wanted: read on, rest, or make way for one at another place."""
        wanted = [number for number, _ in self._waiting.values() if number != INIT]
        head = self._head
        if head is None:
            if self._waiting and self._entering is None:
                self._enter()
            return
        if wanted and not head.ending and not any(head.near(number) for number in wanted):
            head.end(Reason.SUPERSEDED)
        elif head.number > self._furthest + AHEAD and not self._waiting:
            head.brake()
        else:
            self._resume()

    def _resume(self) -> None:
        if self._head is not None and self._head.number <= self._furthest + AHEAD:
            self._head.release()

    def _enter(self) -> None:
        """Ask for a place for a new head."""
        asker = next(reversed(self._waiting.values()))[1]
        rendition = self._source.rendition
        if not isinstance(rendition, VideoRendition):
            # Sound costs next to nothing, and whoever watches a film needs it: its picture has paid.
            self._units = 0 if self._heads.shows(self._source.file) else COPY
        else:
            self._units = COPY if rendition.copied else TRANSCODE
        self._heads.newcomer = self
        try:
            entering = self._entering = self._heads.gate.enter(asker.client, self._units)
        except Unavailable as problem:
            self._fail(problem, lambda _: True)
            return
        finally:
            self._heads.newcomer = None
        entering.addCallbacks(self._start, self._refused)

    def _start(self, admitted: Pass) -> None:
        """Start a head at the segment that was asked for last."""
        self._entering = None
        if not self._waiting:
            admitted.release()
            return
        wanted = [number for number, _ in self._waiting.values() if number != INIT]
        asker = next(reversed(self._waiting.values()))[1]
        try:
            head = _Head(self._heads, self._source, self, wanted[-1] if wanted else 0, asker, admitted)
            # It may be over before it is known to run.
            self._head = None if head.over else head
        except (TranscodeFailed, Unavailable) as problem:
            self._fail(problem, lambda _: True)

    def _refused(self, failure: Failure) -> None:
        self._entering = None
        if not failure.check(CancelledError):
            self._fail(failure.value or Unavailable("No place became free."), lambda _: True)

    def _fail(self, problem: BaseException, which: Callable[[int], bool]) -> None:
        for waiting, (number, _) in list(self._waiting.items()):
            if which(number):
                del self._waiting[waiting]
                waiting.errback(problem)

    def _left(self, waiting: "Deferred[bytes]") -> None:
        """Somebody does not wait any more."""
        self._waiting.pop(waiting, None)
        if not self._waiting and self._entering is not None:
            self._entering.cancel()
        elif self._deserted and self.resting:
            self.make_way()
        else:
            self._go()


class _Head:
    """One run of ffmpeg from a segment on: the outlet of its relay, which cuts what comes."""

    def __init__(self, heads: Heads, source: Source, track: _Track, first: int, asker: Asker, admitted: Pass) -> None:
        rendition = source.rendition
        self._track = track
        self._segmenter = Segmenter(rendition.timeline, first, delay=rendition.delay)
        self._valve: Valve | None = None
        self.braked = False
        self._clock = heads.reactor.seconds
        self._made_at: float | None = None
        self._pace: float | None = None
        self.made: set[int] = set()
        self.over = False
        self.first = first
        self.units = admitted.ticket.units
        self.ending = False
        copied = isinstance(rendition, VideoRendition) and rendition.copied
        job = Job(
            path=source.file.path,
            format=f"cmaf/{rendition.id}",
            client=asker.client,
            request_id=asker.request_id,
            real_path=source.file.real_path,
            action="copy" if copied else "transcode",
            why=f"segments from {first} on",
            hasty=True,
        )
        arguments = segment_argv(rendition, first, source.media, source.file.real_path, heads.options)
        self._stream: Stream = heads.streams.start(job, heads.ffmpeg, arguments, admitted)
        self._stream.when_open().addCallbacks(lambda relay: relay.open(self._take), lambda _: None)
        self._stream.when_ended().addCallback(self._over)

    @property
    def number(self) -> int:
        """The segment that is being made."""
        return self._segmenter.number

    def near(self, number: int) -> bool:
        """Whether it will make this segment soon."""
        ahead = number - self.number
        soon = ahead <= 1 or (self._pace is not None and ahead * self._pace <= SOON)
        return not self.ending and ahead >= 0 and soon

    def end(self, reason: Reason) -> None:
        """Have it end."""
        self.ending = True
        self._stream.end(reason)

    def brake(self) -> None:
        """Stop reading; it will sleep when its pipe is full."""
        if not self.braked and self._valve is not None:
            self.braked = True
            self._made_at = None
            self._valve.hold_up()

    def release(self) -> None:
        """Read on."""
        if self.braked and self._valve is not None:
            self.braked = False
            self._valve.carry_on()

    def _take(self, valve: Valve) -> "_Head":
        self._valve = valve
        return self

    def pump(self, fd: int) -> int:
        """As an outlet: take what comes, and cut it."""
        data = os.read(fd, READ)
        if data and not self.ending:
            try:
                pieces = self._segmenter.feed(data)
            except BoxError as error:
                _log.warn("segments of {path} cannot be cut: {error}", path=self._stream.job.path, error=str(error))
                self.end(Reason.FAILED)
                return len(data)
            self._tell(pieces)
        return len(data)

    def close(self) -> None:
        """As an outlet: nothing to close."""
        self._valve = None

    def _tell(self, pieces: list[InitSegment | Segment]) -> None:
        for piece in pieces:
            self.made.add(INIT if isinstance(piece, InitSegment) else piece.number)
            if isinstance(piece, Segment):
                now = self._clock()
                # What passed while it was braked says nothing of its pace; neither does the first, with the start in it.
                self._pace = None if self._made_at is None else now - self._made_at
                self._made_at = now
            self._track.made(piece)

    @property
    def productive(self) -> bool:
        """Whether it has made a segment."""
        return bool(self.made - {INIT})

    def _over(self, ending: Ending) -> None:
        self._valve = None
        self.over = True
        if ending.reason is Reason.FINISHED:
            try:
                self._tell([*self._segmenter.finish()])
            except BoxError as error:
                _log.warn("the last segment cannot be cut: {error}", error=str(error))
        self._track.ended(self, ending)


def _late(result: object, timeout: float) -> bytes:
    raise TimedOut(f"The segment was not made within {timeout:g} s.")
