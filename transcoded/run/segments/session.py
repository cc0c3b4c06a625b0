"""The session of a rendition: the requests that wait for its segments, and the one encoder that makes them.

`_run` is the loop: while a request waits, find the client whose turn it is, take a permit, start an encoder at the segment that
this client requested last, steer the encoder until it has ended, and handle its Ending. The loop runs as long as there is an encoder or a waiting request. Everything else (a request,
a viewer that leaves, a new segment, a tick) only changes the state and wakes the loop, which goes on in a later turn of the
reactor. If the loop does not run, a request starts it at once.

* Two encoders of one rendition never run at the same time: the next one is started when the last one is proven gone.
* If an encoder or its permit fails, the requests of the client for which it was started fail. The next turn is another
  client's. What has failed repeatedly, or is not in the file, is not tried again for a while (`failures`).

The module is longer than others because all its methods work on the same few variables of one loop; `requests`, `encoder`,
`failures`, `cache` and `plan.cmaf.steering` are what could be separated from it.
"""

from collections.abc import Callable
from typing import Protocol

import attrs
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from transcoded.plan.cmaf.argv import shown_at
from transcoded.plan.cmaf.presets import Pace, Presets
from transcoded.plan.cmaf.renditions import Rendition, VideoRendition
from transcoded.plan.cmaf.seeks import Seeks
from transcoded.plan.cmaf.segmenter import Chunk, Segment
from transcoded.plan.cmaf.steering import AHEAD, AUDIO_AHEAD, Move, Situation, steer, waiting_in_vain
from transcoded.plan.endings import Ending, Reason
from transcoded.plan.errors import TimedOut, TranscodedError, TranscodeFailed, Unavailable
from transcoded.plan.http.names import written
from transcoded.plan.media.probe import Media
from transcoded.plan.policy.admission import BACKGROUND, COPY, TRANSCODE, Kind, Occupant, Ticket
from transcoded.plan.policy.demands import Demand
from transcoded.run.files.library import MediaFile
from transcoded.run.files.opener import FileOpener
from transcoded.run.media.burn_in import Burned, BurnIns
from transcoded.run.reactor import IReactor, OneShot, within
from transcoded.run.segments.cache import RenditionCache, SegmentCache
from transcoded.run.segments.chain_choice import ChainChoice
from transcoded.run.segments.encoder import EncoderFactory, Pieces, SegmentEncoder, Source
from transcoded.run.segments.failures import Failures, Missing, absent
from transcoded.run.segments.growing import GrowingSegment
from transcoded.run.segments.requests import INIT, Answer, Requester, Requests
from transcoded.run.segments.viewers import Viewers
from transcoded.run.streams.admission import AdmissionQueue, Permit
from transcoded.run.streams.fallbacks import PATIENCE

REQUEST_GAP = 8.0
"""Seconds without a request after which a rendition counts as not watched. A player requests a segment about every two seconds."""

LEAST_MADE = 4
"""Segments that an encoder makes before it gives way to others while its own viewers wait for more: what its start has cost must be worth it."""

SEGMENT_TIMEOUT = 60.0
"""Seconds that a request waits for a segment."""

_log = Logger()


@attrs.frozen
class SessionContext:
    """What all sessions have in common.

    `idle_timeout`: an encoder is ended if its rendition has not been requested for so many seconds. `served` is called with the
    seconds that a request had to wait. `audio_is_free` says whether one more audio of a file (given its real path) takes no slots.
    `place_before` finds keyframes in files without an index, `burn_ins` makes what is drawn into a video.
    """

    reactor: IReactor
    admission: AdmissionQueue
    opener: FileOpener
    encoders: EncoderFactory
    cache: SegmentCache
    idle_timeout: float
    served: Callable[[float], object]
    audio_is_free: Callable[[str], bool]
    place_before: "PlaceBefore"
    burn_ins: BurnIns


class PlaceBefore(Protocol):
    """Finds where reading must begin so that a time of a file's video can be shown; see `Prober.place_before`."""

    async def __call__(self, file: MediaFile, media: Media, time: float, client: str) -> float | None:
        """Both times are in seconds after the container's start. Raises `TranscodedError`."""


class RenditionSession:
    """One rendition of one version of a file. It is an `Evictable` of the admission queue, and `Demanding`."""

    def __init__(self, context: SessionContext, source: Source) -> None:
        self._context = context
        self._reactor = context.reactor
        self._source = source
        self._requests = Requests(self._reactor, self._abandoned)
        self._encoder: SegmentEncoder | None = None
        # What has come of the segment that the encoder is making.
        self._growing: GrowingSegment | None = None
        self._permit_request: Deferred[Permit] | None = None
        # Those of the encoder, from the request for its permit on.
        self._slots: int | None = None
        # Whether it has had a permit since its viewers came.
        self._admitted = False
        # Others are to have the slots of the encoder when the segment that it makes is complete.
        self._gives_way = False
        self._seeks = Seeks()
        # What the encoder had made when a client began to wait in vain.
        self._made_before: int | None = None
        self._running = False
        self._changed: OneShot[None] = OneShot(self._reactor)
        self._made = RenditionCache(context.cache, source)
        self._presets = Presets.of(source.rendition, context.encoders.costs)
        self._last_requested = 0
        self._idle_s = 0.0
        self._viewers = Viewers(self._reactor.seconds, context.idle_timeout)
        self._failures = Failures(self._reactor.seconds)
        self._chains = ChainChoice(source, context.encoders)

    # Called by `SegmentService`.

    @property
    def real_path(self) -> str:
        """The path on disk of the file."""
        return self._source.file.real_path

    def kept(self, number: int) -> bytes | None:
        """One segment, or the init segment (`INIT`), if it is made already."""
        return self._made.get(number)

    @property
    def makes_video(self) -> bool:
        """Whether a video is made here: its encoder runs, is being started, or will go on when it is its turn."""
        has_permit = self._slots is not None and self._permit_request is None
        is_ending = self._encoder is not None and self._encoder.is_ending
        return _is_watched_video(self._source.rendition) and (self._admitted or (has_permit and not is_ending))

    @property
    def makes_free_audio(self) -> bool:
        """Whether it has, or waits for, an encoder that takes no slots."""
        return self._slots == 0

    @property
    def is_unused(self) -> bool:
        """Whether it can be dropped if another needs its place: nothing runs, and no failure is remembered."""
        return not self._running and not self._failures.is_cooling

    @property
    def is_over(self) -> bool:
        """Whether it can be dropped: it is unused, and nobody has requested anything for `idle_timeout`."""
        return self.is_unused and self._idle_s >= self._context.idle_timeout

    def segment(self, number: int, requester: Requester) -> "Deferred[Answer]":
        """One segment, or the init segment (`INIT`): its bytes, or what can be read while it is being made. Cancelling stops the waiting.

        Fails with `TranscodeFailed`, `Unavailable`, or `TimedOut` after `SEGMENT_TIMEOUT` seconds.
        """
        made = self._made.get(number)
        if requester.unit != BACKGROUND:
            # The encoder is for viewers as soon as there are any, and does not go to and fro.
            self._requests.fail_client(BACKGROUND, _watched())
        elif made is None and self._watching:
            return fail(_watched())
        self._idle_s = 0.0
        self._viewers.requested(requester.unit, None if number == INIT else (number, self._starts(number)))
        if number != INIT and (made is None or self._encoder is None or number <= self._encoder.position):
            # What is in the cache far ahead of the encoder is no reason to go on until there.
            self._last_requested = number
        if made is not None:
            self._wake()
            return succeed(made)
        if self._growing is not None and self._growing.number == number:
            self._wake()
            return succeed(self._growing)
        refusal = self._failures.refusal(number)
        if refusal is not None:
            empty = self._source.empty_segment(number) if self._failures.is_absent(number) else None
            return fail(refusal) if empty is None else succeed(empty)
        since = self._reactor.seconds()
        waiting = within(self._reactor, SEGMENT_TIMEOUT, self._requests.wait(number, requester), _timed_out)
        self._wake()
        return waiting.addCallback(self._served, since)

    @property
    def stream_id(self) -> str | None:
        """The id of the stream that makes it; None: there is none."""
        return None if self._encoder is None else self._encoder.stream_id

    def stop(self, reason: Reason) -> "Deferred[Ending] | None":
        """End the encoder, because nobody watches any more. Fires when it is proven gone; None: there is none, or something is made in advance."""
        if self._encoder is None or BACKGROUND in self._viewers.within(self._context.idle_timeout):
            return None
        self._encoder.end(reason)
        return self._encoder.when_ended()

    def leave(self, client: str) -> None:
        """A viewer leaves: if it was the last one, the encoder is ended as soon as no request waits for it."""
        self._viewers.leave(client)
        self._wake()

    def tick(self, elapsed: float) -> None:
        """So many seconds have passed."""
        # Whoever has waited long for a segment is no viewer who has left: he is about to read it.
        self._idle_s = 0.0 if self._is_waited_for else self._idle_s + elapsed
        encoder = self._encoder
        self._admitted = bool(self._watching) and (self._admitted or encoder is not None)
        # A driver that hangs is not waited for as long as a slow disk.
        if encoder is not None and encoder.is_late(PATIENCE):
            encoder.end(Reason.HUNG)
        self._wake()

    # Called by the admission queue (`Demanding`, `Evictable`).

    def as_demand(self) -> Demand | None:
        """What its viewers need. Copies cost next to nothing, and what is made in advance gives way anyway."""
        watching = self._watching
        if not watching:
            return None
        share = self._chains.share(None if self._encoder is None else self._encoder.chain)
        share = self._presets.share() if share is None else share
        if share is None:
            return None
        only = self._viewers.only
        return Demand(
            share=share,
            admitted=self._admitted,
            buffered=self._viewers.buffered(watching),
            only=only,
            name=self._replaces(only),
            idle_s=self._idle_s,
        )

    def as_occupant(self, ticket: Ticket) -> Occupant:
        """Its state. A viewer's request that waits for it is a reason not to evict it, unless he has much buffered."""
        encoder, is_background = self._encoder, self._is_background
        is_needed = self._is_waited_for and not is_background
        has_turn = encoder is not None and len(encoder.made) < LEAST_MADE
        return Occupant(
            number=ticket.number,
            slots=ticket.slots,
            kind=Kind.BACKGROUND if is_background else Kind.ENCODER,
            idle_s=self._idle_s,
            # An encoder that is paused is so far ahead that its viewers have enough for a while.
            evictable_after=None
            if encoder is None or is_needed
            else 0.0
            if is_background or encoder.is_paused
            else REQUEST_GAP,
            leaving=self._gives_way or (encoder is not None and encoder.is_ending),
            name=self._replaces(self._viewers.only),
            buffered=self._viewers.buffered(self._watching) if is_needed and not has_turn else None,
        )

    def evict(self) -> None:
        """End the encoder, behind the segment that somebody waits for. It is started again at the next request."""
        if self._encoder is not None:
            self._gives_way = self._is_waited_for and not self._is_background
            if self._gives_way:
                self._yield(self._encoder)
            else:
                self._encoder.end(Reason.IDLE)
            self._requests.fail_client(BACKGROUND, Unavailable("Others need the slots."))

    def end_background(self, reason: Reason) -> "Deferred[Ending] | None":
        """End the encoder if nobody watches what it makes. Fires when it is proven gone; None: there is no such encoder."""
        encoder = self._encoder
        if encoder is None or not self._is_background:
            return None
        encoder.end(reason)
        return encoder.when_ended()

    @property
    def _is_background(self) -> bool:
        """Whether what its encoder makes is made in advance, and no viewer wants any of it now."""
        return BACKGROUND in self._viewers.within(REQUEST_GAP) | set(self._requests.clients) and not self._watching

    @property
    def _watching(self) -> frozenset[str]:
        """The viewers: who has requested something a moment ago, or waits, or reads what is being made."""
        reading = frozenset() if self._growing is None else self._growing.readers
        return (self._viewers.within(REQUEST_GAP) | reading | set(self._requests.clients)) - {BACKGROUND}

    # The loop.

    async def _run(self) -> None:
        while self._requests:
            self._slots = None
            client = self._seeks.next(self._requests.clients, self._reactor.seconds())
            if client is None:
                # All have had too many starts. The next tick wakes the loop.
                self._changed = OneShot(self._reactor)
                await self._changed.wait()
                continue
            try:
                burned = await self._burned(client)
                if client not in self._requests.clients:
                    continue
                permit = await self._wait_for_permit(client)
            except CancelledError:
                continue  # no request waits any more (`_abandoned`), or a new one has come since
            except TranscodedError as problem:
                self._requests.fail_client(client, problem)
                continue
            self._admitted = client != BACKGROUND or self._admitted
            with permit:
                if client not in self._requests.clients:
                    client = next(iter(self._requests.clients), client)
                try:
                    encoder = self._encoder = await self._start_encoder(permit, burned, client)
                except TranscodedError as problem:
                    self._requests.fail_client(client, problem)
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
                self._gives_way = False
            self._handle_end(encoder, ending, client)

    async def _wait_for_permit(self, client: str) -> Permit:
        """Wait for a permit. The waiting is cancelled (`_abandoned`) when no request waits for a segment any more."""
        self._slots = self._needed_slots()
        try:
            self._permit_request = self._context.admission.ask(client, self._slots, self._replaces(client), self)
            return await self._permit_request
        finally:
            self._permit_request = None

    async def _burned(self, client: str) -> Burned:
        """What is drawn into the video; it is empty if nothing is. It may have to be taken out of the film first, which needs no permit."""
        return Burned() if self._source.burn is None else await self._context.burn_ins.make(self._source.burn, client)

    async def _start_encoder(self, permit: Permit, burned: Burned, client: str) -> SegmentEncoder | None:
        """Start an encoder where this client waits for segments. None: meanwhile it does not wait any more."""
        if client not in self._requests.clients:
            return None
        source = self._source
        first = self._requests.start_for(client) or 0
        time = shown_at(source.rendition, first, source.media)
        place = None if time is None else await self._context.place_before(source.file, source.media, time, client)
        with (
            await self._context.burn_ins.open(burned, 0.0) as subtitles,
            await self._context.opener.open(source.file) as opened,
        ):
            if client not in self._requests.clients:
                return None
            if place is None:
                first = self._requests.start_for(client) or 0
            if not self._presets.start(first, in_background=self._is_background):
                self._seeks.started(client, self._reactor.seconds())
            self._made_before = None
            return self._context.encoders.start(
                source,
                first,
                self._requests.requester(client),
                opened.fd,
                permit,
                self,
                self._take_pieces,
                self._wake,
                place,
                subtitles,
                self._presets.name,
                self._chains.now(),
            )

    async def _drive_until_ended(self, encoder: SegmentEncoder) -> Ending:
        """Pause, resume and end the encoder as `steer` decides, until it has ended."""
        while encoder.ending is None:
            # Before steering, so that no change during it is missed.
            self._changed = OneShot(self._reactor)
            self._answer_what_was_passed(encoder)
            self._steer(encoder)
            if not self._is_waited_for:
                # It may be evicted now.
                self._context.admission.review()
            await self._changed.wait()
        return encoder.ending

    def _steer(self, encoder: SegmentEncoder) -> None:
        if self._gives_way:
            self._yield(encoder)
            return
        match steer(self._situation(encoder), self._context.idle_timeout):
            case Move.CONTINUE:
                encoder.resume()
            case Move.PAUSE if encoder.chain.is_software and self._may_be_slower:
                # There is time for better quality from the next segment on.
                self._go_on(encoder)
            case Move.PAUSE:
                encoder.pause()
            case Move.RESTART:
                encoder.end(Reason.SUPERSEDED)
            case Move.STOP:
                encoder.end(Reason.IDLE)

    def _yield(self, encoder: SegmentEncoder) -> None:
        """Let others have the slots, but break no segment off. Another encoder goes on where this one ends."""
        if self._growing is None or encoder.is_paused:
            self._presets.hurry()
            self._presets.go_on_at(encoder.position)
            encoder.end(Reason.IDLE)

    def _go_on(self, encoder: SegmentEncoder) -> None:
        """End the encoder; with the next segment, another one goes on with another preset."""
        self._presets.go_on_at(encoder.position)
        encoder.end(Reason.SUPERSEDED)

    def _answer_what_was_passed(self, encoder: SegmentEncoder) -> None:
        """No segment before the one that is being made will be made any more: the file has nothing for it."""
        passed = Missing(encoder.first, encoder.position, encoder.made)
        if any(number in passed for number in self._requests.segments):
            self._failures.passed(passed)
            self._answer_absent(passed)

    def _answer_absent(self, missing: Missing) -> None:
        """Answer the requests for segments for which the file has nothing."""
        for number in self._requests.numbers:
            if number in missing:
                empty = None if number == INIT else self._source.empty_segment(number)
                if empty is None:
                    self._requests.fail([number], absent())
                else:
                    self._requests.answer(number, empty)

    def _handle_end(self, encoder: SegmentEncoder, ending: Ending, client: str) -> None:
        """Handle the end of an encoder that was started for a client: fail requests, and record failures for later ones."""
        if self._growing is not None:
            self._growing.fail(Unavailable(f"The transcoder of this segment was ended: {ending.reason.value}."))
            self._growing = None
        match ending.reason:
            case Reason.SUPERSEDED | Reason.IDLE:
                pass
            case Reason.STOPPED if client != BACKGROUND:
                # Those for whom it was stopped have their answers. Whoever has come meanwhile gets another encoder.
                pass
            case Reason.FINISHED:
                missing = Missing(encoder.first, len(self._source.rendition.timeline), encoder.made)
                self._failures.finished(missing)
                self._answer_absent(missing)
            case Reason.FAILED | Reason.HUNG if self._chains.has_failed(encoder.chain, ending):
                # Those who wait notice nothing but the time: another chain makes what they wait for.
                self._presets.go_on_at(encoder.position)
            case Reason.FAILED | Reason.HUNG:
                if not encoder.is_productive:
                    self._failures.failed()
                problem = TranscodeFailed("The transcoder of this rendition ended with an error.", ending.stderr_tail)
                if self._failures.refusal(INIT) is None:
                    self._requests.fail_client(client, problem)
                else:
                    self._requests.fail_all(problem)
            case _:
                self._requests.fail_all(
                    Unavailable(f"The transcoder of this rendition was ended: {ending.reason.value}.")
                )

    # What wakes the loop.

    def _abandoned(self) -> None:
        """All waiters of one client for a segment were cancelled."""
        if not self._requests and self._permit_request is not None:
            self._permit_request.cancel()
        self._wake()

    def _take_pieces(self, pieces: Pieces) -> None:
        """The encoder has made these, in order: keep them, and answer the requests for them."""
        complete = {piece.number for piece in pieces if isinstance(piece, Segment)}
        for piece in pieces:
            if isinstance(piece, Chunk):
                # What is complete already is answered as a whole, with its length.
                if (self._growing is not None or piece.number not in complete) and not self._take_chunk(piece):
                    break
                continue
            number = self._made.put(piece)
            self._requests.answer(number, piece.data)
            if isinstance(piece, Segment):
                self._failures.made()
                if self._encoder is not None:
                    self._chains.made(self._encoder.chain)
                if self._growing is not None:
                    self._growing.finish()
                    self._growing = None
                self._check_pace(piece)
        self._wake()

    def _check_pace(self, segment: Segment) -> None:
        """If the encoder does not keep up with those that watch, another one goes on with the next segment."""
        encoder, film = self._encoder, segment.duration / segment.timescale
        # Nobody waits for what is made far ahead.
        if encoder is None or encoder.is_ending or self._is_background or self._last_requested < segment.number - 1:
            return
        if not encoder.chain.is_software:
            if self._chains.is_too_slow(encoder.chain, encoder.pace, film):
                self._go_on(encoder)
            return
        match self._presets.made(encoder.pace, film):
            case Pace.GO_ON:
                self._go_on(encoder)
            case Pace.SAY:
                _log.warn(
                    "{path}: {rendition} is made at {speed:.2f} times the speed at which it is watched",
                    path=written(self._source.file.path),
                    rendition=self._source.rendition.id,
                    speed=film / (encoder.pace or film),
                )
            case Pace.FINE:
                pass

    def _take_chunk(self, chunk: Chunk) -> bool:
        """Give out a part of a segment. Returns False if the encoder is to be ended, and nothing of another segment is given out any more."""
        growing = self._growing
        if growing is None:
            # Between two segments an encoder can be sent elsewhere without breaking anybody's response off.
            if self._encoder is not None and not self._encoder.is_ending:
                self._steer(self._encoder)
            if self._encoder is None or self._encoder.is_ending:
                return False
            growing = self._growing = GrowingSegment(self._reactor, chunk.number, self._wake)
        growing.add(chunk.data)
        self._requests.answer(chunk.number, growing)
        return True

    def _wake(self) -> None:
        """Something has changed: let the loop look again. Start it if a request waits and it does not run."""
        self._changed.succeed(None)
        if self._requests and not self._running:
            self._running = True
            Deferred.fromCoroutine(self._run()).addBoth(self._stopped)

    def _stopped(self, result: object) -> None:
        self._running = False
        self._slots = None
        if isinstance(result, Failure):
            _log.failure("the session of a rendition failed", result)
            self._requests.fail_all(TranscodedError("The server made a mistake; see its log."))

    def _served(self, answer: Answer, since: float) -> Answer:
        self._context.served(self._reactor.seconds() - since)
        return answer

    # Values for decisions.

    @property
    def _readers(self) -> frozenset[str]:
        """The clients that read the segment that is being made. The background counts if there is nobody else."""
        if self._growing is None:
            return frozenset()
        return self._growing.readers - ({BACKGROUND} if self._watching else set())

    @property
    def _may_be_slower(self) -> bool:
        """Whether there is time for better quality: the encoder is ahead, and nobody else needs the CPUs."""
        return self._presets.can_be_slower and not self._context.admission.waiting

    def _starts(self, number: int) -> float:
        """When a segment starts, in seconds."""
        timeline = self._source.rendition.timeline
        return float(timeline.seconds(timeline.span(number)[0]))

    @property
    def _is_waited_for(self) -> bool:
        return bool(self._requests) or bool(self._readers)

    def _situation(self, encoder: SegmentEncoder) -> Situation:
        wanted = dict(self._requests.by_unit)
        for unit in self._readers:
            wanted[unit] = wanted.get(unit, frozenset()) | {encoder.position}
        in_vain = waiting_in_vain(encoder.position, encoder.pace, wanted)
        if not in_vain:
            self._made_before = None
        elif self._made_before is None:
            self._made_before = len(encoder.made)
        return Situation(
            position=encoder.position,
            pace=encoder.pace,
            wanted=wanted,
            waited_for=self._is_waited_for,
            last_requested=self._last_requested,
            idle_s=self._idle_s,
            left=self._viewers.have_left,
            passed=0 if self._made_before is None else len(encoder.made) - self._made_before,
            may_restart=self._seeks.next(in_vain, self._reactor.seconds()) is not None,
            is_read=bool(self._readers.difference(in_vain)),
            ahead=AHEAD if isinstance(self._source.rendition, VideoRendition) else AUDIO_AHEAD,
        )

    def _needed_slots(self) -> int:
        rendition = self._source.rendition
        learned = self._chains.slots()
        learned = self._presets.slots() if learned is None else learned
        if learned is not None:
            return learned
        if isinstance(rendition, VideoRendition):
            return COPY if rendition.copied or rendition.intra else TRANSCODE
        # Audio costs very little, and its viewers have a permit for the video.
        return 0 if self._context.audio_is_free(self.real_path) else COPY

    def _replaces(self, client: str | None) -> tuple[str, str] | None:
        """Videos of one file replace each other: a player that switches to another one has left this one.

        That is so only for the client that is the one viewer of the other: it cannot replace what others watch.
        """
        video = _is_watched_video(self._source.rendition)
        return (self.real_path, client) if video and client is not None else None


def _is_watched_video(rendition: Rendition) -> bool:
    """Whether it is a video that a player shows with sound. That for fast play comes beside it, and the player returns from it."""
    return isinstance(rendition, VideoRendition) and not rendition.intra


def _watched() -> Unavailable:
    return Unavailable("Viewers watch this rendition.")


def _timed_out() -> TimedOut:
    return TimedOut(f"The segment was not made within {SEGMENT_TIMEOUT:g} s.")
