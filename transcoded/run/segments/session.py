"""The session of a rendition: the requests that wait for its segments, and the one encoder that makes them.

`_run` is the loop: while a request waits, take a permit, start an encoder at the requested segment, steer the encoder until it
has ended, and handle its Ending. The loop runs as long as there is an encoder or a waiting request. Everything else (a request,
a viewer that leaves, a new segment, a tick) only changes the state and wakes the loop, which goes on in a later turn of the
reactor. If the loop does not run, a request starts it at once.

* Two encoders of one rendition never run at the same time: the next one is started when the last one is proven gone.
* If an encoder fails, all requests that wait fail. What has failed repeatedly, or is not in the file, is not tried again for a
  while (`failures`).

The module is longer than others because all its methods work on the same few variables of one loop; `requests`, `encoder`,
`failures`, `cache` and `plan.cmaf.steering` are what could be separated from it.
"""

from collections.abc import Callable

import attrs
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from transcoded.plan.cmaf.ladder import VideoRendition
from transcoded.plan.cmaf.steering import Move, Situation, steer
from transcoded.plan.endings import Ending, Reason
from transcoded.plan.errors import TimedOut, TranscodedError, TranscodeFailed, Unavailable
from transcoded.plan.policy.admission import COPY, TRANSCODE, Kind, Occupant, Ticket
from transcoded.run.files.opener import FileOpener
from transcoded.run.reactor import IReactor, OneShot, within
from transcoded.run.segments.cache import RenditionCache, SegmentCache
from transcoded.run.segments.encoder import EncoderFactory, Pieces, SegmentEncoder, Source
from transcoded.run.segments.failures import Failures, Missing, absent
from transcoded.run.segments.requests import INIT, Requester, Requests
from transcoded.run.streams.admission import AdmissionQueue, Permit

REQUEST_GAP = 8.0
"""Seconds without a request after which a rendition counts as not watched. A player requests a segment about every four seconds."""

SEGMENT_TIMEOUT = 60.0
"""Seconds that a request waits for a segment."""

_log = Logger()


@attrs.frozen
class SessionContext:
    """What all sessions have in common.

    `idle_timeout`: an encoder is ended if its rendition has not been requested for so many seconds. `served` is called with the
    seconds that a request had to wait. `makes_video` says whether an encoder makes a video of a file (given its real path).
    """

    reactor: IReactor
    admission: AdmissionQueue
    opener: FileOpener
    encoders: EncoderFactory
    cache: SegmentCache
    idle_timeout: float
    served: Callable[[float], object]
    makes_video: Callable[[str], bool]


class RenditionSession:
    """One rendition of one version of a file. It is an `Evictable` of the admission queue."""

    def __init__(self, context: SessionContext, source: Source) -> None:
        self._context = context
        self._reactor = context.reactor
        self._source = source
        self._requests = Requests(self._reactor, self._abandoned)
        self._encoder: SegmentEncoder | None = None
        self._permit_request: Deferred[Permit] | None = None
        self._running = False
        self._changed: OneShot[None] = OneShot(self._reactor)
        self._made = RenditionCache(context.cache, source)
        self._last_requested = 0
        self._idle_s = 0.0
        self._viewer_left = False
        self._failures = Failures(self._reactor.seconds)

    # Called by `SegmentService`.

    @property
    def real_path(self) -> str:
        """The path on disk of the file."""
        return self._source.file.real_path

    @property
    def makes_video(self) -> bool:
        """Whether an encoder makes a video here now."""
        video = isinstance(self._source.rendition, VideoRendition)
        return video and self._encoder is not None and not self._encoder.is_ending

    @property
    def is_over(self) -> bool:
        """Whether it can be dropped: nothing runs, nobody has requested anything for `idle_timeout`, and no failure is remembered."""
        return not self._running and not self._failures.is_cooling and self._idle_s >= self._context.idle_timeout

    def segment(self, number: int, requester: Requester) -> "Deferred[bytes]":
        """One segment, or the init segment (`INIT`). Cancelling stops the waiting.

        Fails with `TranscodeFailed`, `Unavailable`, or `TimedOut` after `SEGMENT_TIMEOUT` seconds.
        """
        self._idle_s = 0.0
        self._viewer_left = False
        if number != INIT:
            self._last_requested = number
        made = self._made.get(number)
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
        """A viewer has left: the encoder is ended as soon as no request waits for it."""
        self._viewer_left = True
        self._wake()

    def tick(self, elapsed: float) -> None:
        """So many seconds have passed."""
        self._idle_s += elapsed
        self._wake()

    # Called by the admission queue (`Evictable`).

    def as_occupant(self, ticket: Ticket) -> Occupant:
        """Its state: it is not evicted while a request waits for it."""
        encoder = self._encoder
        is_needed = encoder is None or bool(self._requests)
        return Occupant(
            number=ticket.number,
            slots=ticket.slots,
            kind=Kind.ENCODER,
            idle_s=self._idle_s,
            # An encoder that is paused is so far ahead that its viewers have enough for a while.
            evictable_after=None if encoder is None or is_needed else 0.0 if encoder.is_paused else REQUEST_GAP,
            leaving=encoder is not None and encoder.is_ending,
            name=self._replaces(),
        )

    def evict(self) -> None:
        """End the encoder. It is started again at the next request."""
        if self._encoder is not None:
            self._encoder.end(Reason.IDLE)

    # The loop.

    async def _run(self) -> None:
        while self._requests:
            try:
                permit = await self._wait_for_permit()
            except CancelledError:
                continue  # no request waits any more (`_abandoned`), or a new one has come since
            except Unavailable as problem:
                self._requests.fail_all(problem)
                continue
            with permit:
                try:
                    encoder = self._encoder = await self._start_encoder(permit)
                except TranscodedError as problem:
                    self._requests.fail_all(problem)
                    continue
            if encoder is None:
                continue
            try:
                ending = await self._drive_until_ended(encoder)
            finally:
                # Whatever happened: the next encoder starts when this one is proven gone, and not before.
                encoder.end(Reason.FAILED)
                await encoder.when_ended()
                self._encoder = None
            self._handle_end(encoder, ending)

    async def _wait_for_permit(self) -> Permit:
        """Wait for a permit. The waiting is cancelled (`_abandoned`) when no request waits for a segment any more."""
        self._permit_request = self._context.admission.ask(
            self._requests.requester.client, self._slots(), self._replaces()
        )
        try:
            return await self._permit_request
        finally:
            self._permit_request = None

    async def _start_encoder(self, permit: Permit) -> SegmentEncoder | None:
        """Start an encoder at the segment that was requested last. None: meanwhile no request waits any more."""
        if not self._requests:
            return None
        with await self._context.opener.open(self._source.file) as opened:
            if not self._requests:
                return None
            return self._context.encoders.start(
                self._source,
                self._requests.latest or 0,
                self._requests.requester,
                opened.fd,
                permit,
                self,
                self._take_pieces,
                self._wake,
            )

    async def _drive_until_ended(self, encoder: SegmentEncoder) -> Ending:
        """Pause, resume and end the encoder as `steer` decides, until it has ended."""
        while encoder.ending is None:
            # Before steering, so that no change during it is missed.
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
                # It may be evicted now.
                self._context.admission.review()
            await self._changed.wait()
        return encoder.ending

    def _handle_end(self, encoder: SegmentEncoder, ending: Ending) -> None:
        """Handle the end of an encoder: fail requests, and record failures for later ones."""
        match ending.reason:
            case Reason.SUPERSEDED | Reason.IDLE:
                pass
            case Reason.FINISHED:
                missing = Missing(encoder.first, len(self._source.rendition.timeline), encoder.made)
                self._failures.finished(missing)
                self._requests.fail([number for number in self._requests.numbers if number in missing], absent())
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

    # What wakes the loop.

    def _abandoned(self) -> None:
        """All waiters of a segment were cancelled."""
        if not self._requests and self._permit_request is not None:
            self._permit_request.cancel()
        self._wake()

    def _take_pieces(self, pieces: Pieces) -> None:
        """The encoder has made these, in order: keep them, and answer the requests for them."""
        for piece in pieces:
            number = self._made.put(piece)
            if number != INIT:
                self._failures.made()
            self._requests.answer(number, piece.data)
        self._wake()

    def _wake(self) -> None:
        """Something has changed: let the loop look again. Start it if a request waits and it does not run."""
        self._changed.succeed(None)
        if self._requests and not self._running:
            self._running = True
            Deferred.fromCoroutine(self._run()).addBoth(self._stopped)

    def _stopped(self, result: object) -> None:
        self._running = False
        if isinstance(result, Failure):
            _log.failure("the session of a rendition failed", result)
            self._requests.fail_all(TranscodedError("The server made a mistake; see its log."))

    def _served(self, data: bytes, since: float) -> bytes:
        self._context.served(self._reactor.seconds() - since)
        return data

    # Values for decisions.

    def _situation(self, encoder: SegmentEncoder) -> Situation:
        return Situation(
            position=encoder.position,
            pace=encoder.pace,
            wanted=self._requests.segments,
            waited_for=bool(self._requests),
            last_requested=self._last_requested,
            idle_s=self._idle_s,
            left=self._viewer_left,
        )

    def _slots(self) -> int:
        rendition = self._source.rendition
        if isinstance(rendition, VideoRendition):
            return COPY if rendition.copied else TRANSCODE
        # Audio costs very little, and its viewers have a permit for the video.
        return 0 if self._context.makes_video(self.real_path) else COPY

    def _replaces(self) -> str | None:
        """Videos of one file replace each other: a player that switches to another one has left this one."""
        return self.real_path if isinstance(self._source.rendition, VideoRendition) else None


def _timed_out() -> TimedOut:
    return TimedOut(f"The segment was not made within {SEGMENT_TIMEOUT:g} s.")
