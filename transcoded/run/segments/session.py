"""A track: who waits for segments of one rendition, and the one head that makes them; `run.heads` states the rules."""

from collections.abc import Callable, Sequence
from typing import Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from transcoded.plan.cmaf.ladder import VideoRendition
from transcoded.plan.cmaf.segmenter import InitSegment, Segment
from transcoded.plan.endings import Ending, Reason
from transcoded.plan.errors import TimedOut, TranscodeFailed, Unavailable
from transcoded.plan.policy.admission import COPY, TRANSCODE
from transcoded.run.files.library import MediaFile
from transcoded.run.segments.encoder import INIT, Requester, SegmentEncoder, Source, Works
from transcoded.run.streams.admission import Permit

AHEAD = 4
"""Segments that are made beyond the last that was asked for."""

PATIENCE = 60.0
"""Seconds that a request waits for a segment."""

MAX_FAILURES = 3
COOL_DOWN = 30.0
"""Seconds for which what cannot be made is not tried again."""

_NOTHING = "The file holds nothing for this segment."


class Others(Protocol):
    """The other tracks, which may have to make way."""

    def enter(self, newcomer: "RenditionSession", client: str, units: int) -> "Deferred[Permit]":
        """Ask for a place for a track's new head."""

    def make_room(self, units: int, newcomer: "RenditionSession | None" = None) -> None:
        """End heads that nobody waits for, if a newcomer would have to wait."""

    def shows(self, file: MediaFile) -> bool:
        """Whether a picture of this file is being made."""


class RenditionSession:
    """One rendition: who waits, and the head."""

    def __init__(self, works: Works, others: Others, source: Source) -> None:
        self._works = works
        self._others = others
        self._source = source
        self._waiting: dict[Deferred[bytes], tuple[int, Requester]] = {}
        self._head: SegmentEncoder | None = None
        self._entering: Deferred[Permit] | None = None
        self._units = 0
        self._deserted = False
        self._init: bytes | None = None
        self._absent: set[int] = set()
        self._furthest = 0
        self._unasked = 0.0
        self._failures = 0
        self._cool_until = 0.0

    @property
    def forgettable(self) -> bool:
        """Whether nothing here is worth keeping."""
        busy = self._head is not None or self._entering is not None or bool(self._waiting)
        cooling = self._failures and self._works.reactor.seconds() < self._cool_until
        return not busy and not cooling and self._unasked >= self._works.idle_timeout

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

    def replaced_by(self, other: "RenditionSession") -> bool:
        """Whether a player that changed to the other left this one: two pictures of one file."""
        mine, theirs = self._source, other._source  # noqa: SLF001 - its own kind
        pictures = isinstance(mine.rendition, VideoRendition) and isinstance(theirs.rendition, VideoRendition)
        return pictures and mine.file.real_path == theirs.file.real_path

    @property
    def units(self) -> int:
        """The units that the end of its head would free."""
        return 0 if self._head is None else self._head.units

    def make_way(self) -> None:
        """End the head; it may be over when this returns."""
        if self._head is not None:
            self._head.end(Reason.IDLE)

    def leave(self) -> bool:
        """A viewer has left: end the head now, or as soon as the last request is called off; whether it was now."""
        self._deserted = True
        now = self.resting
        if now:
            self.make_way()
        return now

    def ask(self, number: int, asker: Requester) -> "Deferred[bytes]":
        """See `SegmentService.segment`."""
        self._unasked = 0.0
        self._deserted = False
        if number != INIT:
            self._furthest = number
        waiting: Deferred[bytes] = Deferred(self._left)
        made = self._init if number == INIT else self._works.store.get((*self._source.key, number))
        if made is not None:
            self._resume()
            waiting.callback(made)
            return waiting
        if number in self._absent and self._works.reactor.seconds() < self._cool_until:
            raise TranscodeFailed(_NOTHING)
        if self._failures >= MAX_FAILURES and self._works.reactor.seconds() < self._cool_until:
            raise TranscodeFailed(f"This rendition failed {self._failures} times in a row; try again in half a minute.")
        self._waiting[waiting] = number, asker
        self._go()
        since = self._works.reactor.seconds()
        return waiting.addTimeout(PATIENCE, self._works.reactor, _late).addCallback(self._served, since)

    def _served(self, data: bytes, since: float) -> bytes:
        self._works.served(self._works.reactor.seconds() - since)
        return data

    def rest(self, elapsed: float) -> None:
        """Time has passed."""
        self._unasked += elapsed
        if self._entering is not None:
            # Somebody in the way may have been left meanwhile.
            self._others.make_room(0, self)
        if self._head is not None and not self._waiting and self._unasked >= self._works.idle_timeout:
            self._head.end(Reason.IDLE)

    def made(self, pieces: Sequence[InitSegment | Segment]) -> None:
        """The head has made these, in order."""
        made = {INIT if isinstance(piece, InitSegment) else piece.number: piece.data for piece in pieces}
        for number, data in made.items():
            if number == INIT:
                # Kept here, not in the store: a head writes it once, and everybody who comes needs it first.
                self._init = data
            else:
                self._failures = 0
                self._works.store.put((*self._source.key, number), data)
        # Only now, when the head is no further than what is known to be made.
        for waiting, (wanted, _) in list(self._waiting.items()):
            if wanted in made and waiting in self._waiting:
                del self._waiting[waiting]
                waiting.callback(made[wanted])
        self._go()

    def ended(self, head: SegmentEncoder, ending: Ending) -> None:
        """A head is proven gone."""
        self._head = None
        if ending.reason in {Reason.SUPERSEDED, Reason.IDLE}:
            self._go()
            return
        if ending.reason is Reason.FINISHED:
            # What it could have made and has not is not in the file (a hole, or less film than was promised).
            could = {*range(head.first, len(self._source.rendition.timeline)), *([INIT] if head.first == 0 else [])}
            self._absent = could - head.made
            self._cool_until = self._works.reactor.seconds() + COOL_DOWN
            self._fail(TranscodeFailed(_NOTHING), self._absent.__contains__)
            self._go()
            return
        if ending.reason in {Reason.FAILED, Reason.HUNG} and not head.productive:
            self._failures += 1
            self._cool_until = self._works.reactor.seconds() + COOL_DOWN
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
            self._units = 0 if self._others.shows(self._source.file) else COPY
        else:
            self._units = COPY if rendition.copied else TRANSCODE
        try:
            entering = self._entering = self._others.enter(self, asker.client, self._units)
        except Unavailable as problem:
            self._fail(problem, lambda _: True)
            return
        entering.addCallbacks(self._start, self._refused)

    def _start(self, permit: Permit) -> None:
        """Start a head at the segment that was asked for last."""
        self._entering = None
        if not self._waiting:
            permit.release()
            return
        wanted = [number for number, _ in self._waiting.values() if number != INIT]
        asker = next(reversed(self._waiting.values()))[1]
        try:
            head = SegmentEncoder(self._works, self._source, self, wanted[-1] if wanted else 0, asker, permit)
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


def _late(result: object, timeout: float) -> bytes:
    raise TimedOut(f"The segment was not made within {timeout:g} s.")
