"""A rendition that somebody watches: who waits for its segments, and the one encoder that makes them.

`_run` is the whole story: while somebody waits, take a permit, start an encoder where it is wanted, steer it to its end, and
draw the consequences of that end. It runs as long as there is an encoder or somebody who waits. Everything that happens
meanwhile (a request, a departure, a piece that was made, a tick) only changes the state and wakes it, in a later turn.

* Two encoders of one rendition never run at the same time: the next is started when the last is proven gone.
* An encoder that dies fails those who wait for it. What failed again and again, or is not in the file, is not tried for a
  while (`failures`).
"""

from collections.abc import Callable

import attrs
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from transcoded.plan.cmaf.ladder import VideoRendition
from transcoded.plan.cmaf.segmenter import InitSegment
from transcoded.plan.cmaf.steering import Move, Situation, steer
from transcoded.plan.endings import Ending, Reason
from transcoded.plan.errors import TimedOut, TranscodedError, TranscodeFailed, Unavailable
from transcoded.plan.policy.admission import COPY, TRANSCODE, Kind, Occupant, Ticket
from transcoded.run.reactor import IReactor, OneShot, within
from transcoded.run.segments.cache import SegmentCache
from transcoded.run.segments.encoder import EncoderFactory, Pieces, SegmentEncoder, Source
from transcoded.run.segments.failures import Failures, absent
from transcoded.run.segments.requests import INIT, Requester, Requests
from transcoded.run.streams.admission import AdmissionQueue, Permit

REQUEST_GAP = 8.0
"""Seconds without a request after which a rendition counts as left: a player that watches asks about each four seconds."""

SEGMENT_TIMEOUT = 60.0
"""Seconds that a request waits for a segment."""

_log = Logger()


@attrs.frozen
class SessionContext:
    """What all sessions are run with.

    `idle_timeout`: seconds after which an encoder is ended whose rendition nobody asks for. `served` is told how many
    seconds somebody waited for a segment. `video_runs` tells whether a video of a file (its real path) is being made.
    """

    reactor: IReactor
    admission: AdmissionQueue
    encoders: EncoderFactory
    cache: SegmentCache
    idle_timeout: float
    served: Callable[[float], object]
    video_runs: Callable[[str], bool]


class RenditionSession:
    """One rendition."""

    def __init__(self, context: SessionContext, source: Source) -> None:
        self._context = context
        self._reactor = context.reactor
        self._source = source
        self._requests = Requests(self._reactor, self._nobody_waits)
        self._encoder: SegmentEncoder | None = None
        self._permit_request: Deferred[Permit] | None = None
        self._running = False
        self._changed: OneShot[None] = OneShot(self._reactor)
        self._init: bytes | None = None
        self._furthest = 0
        self._idle_s = 0.0
        self._viewer_left = False
        self._failures = Failures(self._reactor.seconds)

    # What others ask of it.

    @property
    def real_path(self) -> str:
        """The file that it is a rendition of."""
        return self._source.file.real_path

    @property
    def makes_video(self) -> bool:
        """Whether it is a video that is being made now."""
        video = isinstance(self._source.rendition, VideoRendition)
        return video and self._encoder is not None and not self._encoder.is_ending

    @property
    def is_over(self) -> bool:
        """Whether nothing here is worth keeping."""
        return not self._running and not self._failures.is_cooling and self._idle_s >= self._context.idle_timeout

    def segment(self, number: int, requester: Requester) -> "Deferred[bytes]":
        """One segment, or the init segment (`INIT`). Cancelling stops the waiting.

        Fails with `TranscodeFailed`, `Unavailable`, or `TimedOut` after `SEGMENT_TIMEOUT` seconds.
        """
        self._idle_s = 0.0
        self._viewer_left = False
        if number != INIT:
            self._furthest = number
        made = self._init if number == INIT else self._context.cache.get((*self._source.key, number))
        if made is not None:
            self._wake()
            return succeed(made)
        refusal = self._failures.refusal(number)
        if refusal is not None:
            return fail(refusal)
        since = self._reactor.seconds()
        waiting = within(self._reactor, SEGMENT_TIMEOUT, self._requests.wait(number, requester), _timed_out)
        self._wake()
        return waiting.addCallback(self._served, since)

    def leave(self) -> None:
        """A viewer has left: the encoder ends as soon as nobody waits for it."""
        self._viewer_left = True
        self._wake()

    def tick(self, elapsed: float) -> None:
        """Time has passed."""
        self._idle_s += elapsed
        self._wake()

    # As an occupant of slots.

    def as_occupant(self, ticket: Ticket) -> Occupant:
        """How it stands: nobody takes its slots while somebody waits for it."""
        encoder = self._encoder
        at_work = encoder is None or bool(self._requests)
        return Occupant(
            number=ticket.number,
            slots=ticket.slots,
            kind=Kind.ENCODER,
            idle_s=self._idle_s,
            # One that is so far ahead that it sleeps has made what lasts its viewers a while.
            evictable_after=None if encoder is None or at_work else 0.0 if encoder.is_paused else REQUEST_GAP,
            leaving=encoder is not None and encoder.is_ending,
            name=self._replaces(),
        )

    def evict(self) -> None:
        """Give way. The encoder is started again when somebody asks."""
        if self._encoder is not None:
            self._encoder.end(Reason.IDLE)

    # The loop.

    async def _run(self) -> None:
        while self._requests:
            try:
                permit = await self._admitted()
            except (Unavailable, CancelledError) as problem:
                self._requests.fail_all(problem)
                continue
            with permit:
                if not self._requests:
                    return
                try:
                    encoder = self._encoder = self._started(permit)
                except (TranscodeFailed, Unavailable) as problem:
                    self._requests.fail_all(problem)
                    continue
            self._conclude(encoder, await self._steered(encoder))

    async def _admitted(self) -> Permit:
        """Wait for a permit. It is called off when nobody waits for a segment any more."""
        self._permit_request = self._context.admission.ask(
            self._requests.requester.client, self._slots(), self._replaces()
        )
        try:
            return await self._permit_request
        finally:
            self._permit_request = None

    def _started(self, permit: Permit) -> SegmentEncoder:
        """An encoder at the segment that was asked for last."""
        first = self._requests.latest or 0
        return self._context.encoders.start(
            self._source, first, self._requests.requester, permit, self, self._take_pieces, self._wake
        )

    async def _steered(self, encoder: SegmentEncoder) -> Ending:
        """Have the encoder do what is wanted, until it has ended."""
        while encoder.ending is None:
            self._changed = OneShot(self._reactor)
            match steer(self._situation(encoder), self._context.idle_timeout):
                case Move.CONTINUE:
                    encoder.resume()
                case Move.PAUSE:
                    encoder.pause()
                case Move.RESTART:
                    encoder.end(Reason.SUPERSEDED)
                case Move.STOP:
                    encoder.end(Reason.IDLE)
            if not self._requests:
                # It may give way to somebody now.
                self._context.admission.review()
            await self._changed.wait()
        self._encoder = None
        return encoder.ending

    def _conclude(self, encoder: SegmentEncoder, ending: Ending) -> None:
        """What the end of an encoder means for those who wait, and for the next request."""
        match ending.reason:
            case Reason.SUPERSEDED | Reason.IDLE:
                pass
            case Reason.FINISHED:
                could = {*range(encoder.first, len(self._source.rendition.timeline))}
                could |= {INIT} if encoder.first == 0 else set()
                missing = frozenset(could - encoder.made)
                self._failures.finished(missing)
                self._requests.fail(missing, absent())
            case Reason.FAILED | Reason.HUNG:
                if not encoder.is_productive:
                    self._failures.failed()
                self._requests.fail_all(
                    TranscodeFailed("The transcoder of this rendition ended with an error.", ending.stderr_tail)
                )
            case _:
                self._requests.fail_all(
                    Unavailable(f"The transcoder of this rendition was ended: {ending.reason.value}.")
                )

    # What happens meanwhile.

    def _nobody_waits(self) -> None:
        """The last one who waited for a segment has left."""
        if not self._requests and self._permit_request is not None:
            self._permit_request.cancel()
        self._wake()

    def _take_pieces(self, pieces: Pieces) -> None:
        """The encoder has made these, in order."""
        for piece in pieces:
            if isinstance(piece, InitSegment):
                # Kept here and not in the cache: an encoder writes it once, and everybody who comes needs it first.
                self._init = piece.data
                if piece.codec != self._source.rendition.codecs:
                    _log.warn(
                        "{path}: the segments are {made}, and the playlist promises {promised}",
                        path=self._source.file.path,
                        made=piece.codec,
                        promised=self._source.rendition.codecs,
                    )
                self._requests.answer(INIT, piece.data)
            else:
                self._failures.made()
                self._context.cache.put((*self._source.key, piece.number), piece.data)
                self._requests.answer(piece.number, piece.data)
        self._wake()

    def _wake(self) -> None:
        self._changed.succeed(None)
        if self._requests and not self._running:
            self._running = True
            Deferred.fromCoroutine(self._run()).addBoth(self._stopped)

    def _stopped(self, result: object) -> None:
        self._running = False
        if isinstance(result, Failure):
            _log.failure("the session of a rendition failed", result)
            if self._encoder is not None:
                self._encoder.end(Reason.FAILED)
                self._encoder = None
            self._requests.fail_all(TranscodedError("The server made a mistake; its log knows more."))

    def _served(self, data: bytes, since: float) -> bytes:
        self._context.served(self._reactor.seconds() - since)
        return data

    # What it is told by.

    def _situation(self, encoder: SegmentEncoder) -> Situation:
        return Situation(
            position=encoder.position,
            pace=encoder.pace,
            wanted=self._requests.segments,
            waited_for=bool(self._requests),
            furthest=self._furthest,
            idle_s=self._idle_s,
            left=self._viewer_left,
        )

    def _slots(self) -> int:
        rendition = self._source.rendition
        if isinstance(rendition, VideoRendition):
            return COPY if rendition.copied else TRANSCODE
        # Audio costs next to nothing, and whoever watches needs it: its video has paid.
        return 0 if self._context.video_runs(self.real_path) else COPY

    def _replaces(self) -> str | None:
        """Videos of one file replace each other: a player that changes to another one has left this one."""
        return self.real_path if isinstance(self._source.rendition, VideoRendition) else None


def _timed_out() -> TimedOut:
    return TimedOut(f"The segment was not made within {SEGMENT_TIMEOUT:g} s.")
