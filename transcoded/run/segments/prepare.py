"""Prepares: segments that are made in advance, in the background. One prepare at a time, one rendition at a time, in order.

* It gives way. It gets slots only if nobody waits for any, and is evicted as soon as somebody does (`plan.policy.admission`). A rendition
  that somebody watches is left to him, since it has one encoder. Meanwhile the prepare is paused, looks once a second whether there
  is room, and goes on. Its encoders are nicer than others.
* What is kept already is not made again, so a prepare that is made once more after a restart costs little.
* It has a lease on its file from the start to the end, so it ends when the file is released. It ends when the file has changed, when
  one of its encoders is stopped through the API, and at a drain or a stop.
* Whoever cancels it waits until its encoder is proven gone.
"""

from collections.abc import Callable, Sequence
from secrets import token_hex

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from transcoded.plan.endings import Ending, Reason
from transcoded.plan.errors import NoOutput, NotFound, TimedOut, TranscodedError, Unavailable
from transcoded.plan.http.names import written
from transcoded.plan.policy.admission import BACKGROUND, COPY
from transcoded.run.files.leases import FileLeases, Lease
from transcoded.run.process.processes import be_nicer
from transcoded.run.reactor import IReactor, OneShot, ignore_result
from transcoded.run.segments.encoder import Source
from transcoded.run.segments.prepare_info import Part, PrepareInfo, PrepareState, Wanted
from transcoded.run.segments.requests import INIT, Requester
from transcoded.run.segments.service import SegmentService
from transcoded.run.streams.admission import AdmissionQueue
from transcoded.run.streams.stream import Stream

MAX_UNFINISHED = 32
"""Prepares that run or wait; more are refused."""

REMEMBERED = 64
"""Prepares that are over and can still be asked for."""

MAX_TRIES = 10
"""How often one segment is tried that could not be made or kept for another reason than that slots were missing."""

NICENESS = 10

_log = Logger()


class _Prepare:
    """One prepare. It is changed by `Prepares` only."""

    def __init__(self, wanted: Wanted) -> None:
        self.id = token_hex(8)
        self.wanted = wanted
        self.state = PrepareState.WAITING
        self.reason: str | None = None
        self.done = 0
        self.has_moved = False
        self.lease: Lease | None = None
        self.source: Source | None = None
        self.running: Deferred[None] | None = None
        self.room: OneShot[None] | None = None

    @property
    def requester(self) -> Requester:
        return Requester(BACKGROUND, self.id, BACKGROUND)

    def info(self) -> PrepareInfo:
        return PrepareInfo(
            id=self.id,
            path=written(self.wanted.file.path),
            renditions=self.wanted.renditions,
            from_=self.wanted.start,
            seconds=self.wanted.seconds,
            done=self.done,
            total=self.wanted.total,
            bytes=self.wanted.bytes,
            state=self.state,
            reason=self.reason,
        )


class Prepares:
    """All prepares: an observer of the streams, with a tick.

    `changed` is called with each new state, and once a second while segments are made; its second argument says whether the state is new.
    """

    def __init__(
        self,
        reactor: IReactor,
        segments: SegmentService,
        admission: AdmissionQueue,
        leases: FileLeases,
        changed: Callable[[PrepareInfo, bool], object],
    ) -> None:
        self._reactor = reactor
        self._segments = segments
        self._admission = admission
        self._leases = leases
        self._changed = changed
        # Those that run or wait, and those that are over; the oldest first.
        self._unfinished: dict[str, _Prepare] = {}
        self._over: dict[str, _Prepare] = {}
        self._stopping: str | None = None

    def all(self) -> Sequence[PrepareInfo]:
        """Those that run or wait, in the order of their turns, and then those that are over, the newest first."""
        over = list(self._over.values())
        over.reverse()
        return [one.info() for one in (*self._unfinished.values(), *over)]

    def get(self, prepare_id: str) -> PrepareInfo:
        """One of them. Raises `NotFound`."""
        return self._get(prepare_id).info()

    def add(self, wanted: Wanted) -> PrepareInfo:
        """Begin, or wait for the turn. Raises `Unavailable` if too many wait, or while the file is being released."""
        if self._stopping is not None:
            raise Unavailable(self._stopping)
        if len(self._unfinished) >= MAX_UNFINISHED:
            raise Unavailable(f"{MAX_UNFINISHED} prepares run or wait, the most at the same time.", 60)
        one = _Prepare(wanted)
        one.lease = self._leases.take(
            wanted.file.path,
            wanted.file.real_path,
            lambda: self._finish(one, PrepareState.FAILED, "The file was released.", Reason.FILE_RELEASED),
        )
        self._unfinished[one.id] = one
        self._tell(one, new=True)
        self._begin_next()
        return one.info()

    async def cancel(self, prepare_id: str) -> PrepareInfo:
        """End it, if it is not over. Returns when its encoder is proven gone. Raises `NotFound`."""
        one = self._get(prepare_id)
        await self._finish(one, PrepareState.CANCELLED, "It was cancelled by a request.", Reason.STOPPED)
        return one.info()

    def stop(self, why: str) -> None:
        """Refuse new ones, and end all. Their encoders are ended."""
        self._stopping = why
        for one in list(self._unfinished.values()):
            self._finish(one, PrepareState.CANCELLED, why)

    def tick(self, elapsed: float) -> None:
        """A task of the ticker: go on if there is room, and tell how far it is."""
        for one in list(self._unfinished.values()):
            if one.has_moved:
                self._tell(one, new=False)
            if one.room is not None and self._has_room:
                one.room.succeed(None)

    # An observer of the streams.

    def stream_started(self, stream: Stream) -> None:
        """An encoder of a prepare leaves the CPU to others."""
        if stream.spec.client == BACKGROUND and not stream.is_ending and stream.child.pid is not None:
            be_nicer(stream.child.pid, NICENESS)

    def stream_opened(self, stream: Stream) -> None:
        """Do nothing: segments come from the service."""

    def stream_ended(self, ending: Ending) -> None:
        """Somebody has stopped an encoder: do not start it again."""
        one = self._unfinished.get(ending.request_id)
        if one is not None and ending.client == BACKGROUND and ending.reason is Reason.STOPPED:
            self._finish(one, PrepareState.CANCELLED, "Its encoder was stopped by a request.")

    # One after the other.

    def _begin_next(self) -> None:
        one = next(iter(self._unfinished.values()), None)
        if one is not None and one.running is None:
            one.running = Deferred.fromCoroutine(self._run(one))
            one.running.addBoth(self._ran, one)

    async def _run(self, one: _Prepare) -> None:
        self._enter(one, PrepareState.RUNNING)
        for part in await self._load(one):
            one.source = part.source
            for number in (INIT, *range(part.first, part.end)):
                await self._make(one, part.source, number)
                if number != INIT:
                    one.done += 1
                    one.has_moved = True
            await self._segments.end_background(part.source, Reason.IDLE)

    async def _load(self, one: _Prepare) -> Sequence[Part]:
        """What is to be made. Waits as long as the file cannot be looked at."""
        while True:
            try:
                parts = await one.wanted.load()
            except (Unavailable, TimedOut) as error:
                self._enter(one, PrepareState.PAUSED, str(error))
                await self._wait_for_room(one)
            else:
                self._enter(one, PrepareState.RUNNING)
                return parts

    async def _make(self, one: _Prepare, source: Source, number: int) -> None:
        """Have one segment made and kept, however long it takes until there is room."""
        tries = 0
        while not await self._segments.is_kept(source, number):
            try:
                await one.wanted.check()
                if await self._segments.make(source, number, one.requester):
                    break
                reason = "The disk of the segment cache cannot be written now."
            except NoOutput:
                # The file has nothing for this segment, so players get nothing either.
                break
            except Unavailable as error:
                self._enter(one, PrepareState.PAUSED, str(error))
                await self._wait_for_room(one)
                continue
            except TimedOut as error:
                reason = str(error)
            tries += 1
            if tries == MAX_TRIES:
                raise Unavailable(reason)
            self._enter(one, PrepareState.PAUSED, reason)
            await self._wait_for_room(one)
        self._enter(one, PrepareState.RUNNING)

    @property
    def _has_room(self) -> bool:
        state = self._admission.state
        return not state.queue and not state.closed and state.capacity - state.used >= COPY

    async def _wait_for_room(self, one: _Prepare) -> None:
        one.room = OneShot(self._reactor)
        try:
            await one.room.wait()
        finally:
            one.room = None

    def _ran(self, result: object, one: _Prepare) -> None:
        """The loop of one has ended."""
        if not isinstance(result, Failure):
            self._finish(one, PrepareState.DONE)
        elif isinstance(result.value, TranscodedError):
            self._finish(one, PrepareState.FAILED, str(result.value))
        elif not result.check(CancelledError):
            _log.failure("a prepare failed", result)
            self._finish(one, PrepareState.FAILED, "The server made a mistake; see its log.")

    def _finish(
        self, one: _Prepare, state: PrepareState, reason: str | None = None, ending: Reason = Reason.IDLE
    ) -> "Deferred[None]":
        """It is over, if it was not before. Its encoder ends, unless somebody watches what it makes. Fires when it is proven gone."""
        if not one.state.is_over:
            del self._unfinished[one.id]
            self._over[one.id] = one
            while len(self._over) > REMEMBERED:
                del self._over[next(iter(self._over))]
            # Before it is cancelled: whatever its loop raises then is no failure of it.
            self._enter(one, state, reason)
            if one.running is not None:
                one.running.cancel()
            if one.lease is not None:
                one.lease.release()
            self._reactor.callLater(0, self._begin_next)
        if one.source is None:
            return Deferred.fromCoroutine(_nothing())
        return Deferred.fromCoroutine(self._segments.end_background(one.source, ending)).addErrback(ignore_result)

    def _enter(self, one: _Prepare, state: PrepareState, reason: str | None = None) -> None:
        if (one.state, one.reason) != (state, reason):
            one.state, one.reason = state, reason
            self._tell(one, new=True)

    def _tell(self, one: _Prepare, *, new: bool) -> None:
        one.has_moved = False
        self._changed(one.info(), new)

    def _get(self, prepare_id: str) -> _Prepare:
        one = self._unfinished.get(prepare_id) or self._over.get(prepare_id)
        if one is None:
            raise NotFound("There is no prepare with this id; only the latest are remembered.")
        return one


async def _nothing() -> None:
    """Nothing is to be waited for."""
