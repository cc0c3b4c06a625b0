"""The registry: every live stream, and how the last thousand ended.

A stream is in the registry from before its process is started until its Ending is recorded, and it gets exactly one Ending,
also when it could not be started. Nobody else starts transcoders.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from secrets import token_hex
from typing import Protocol

import attrs
import msgspec
import psutil
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from transcoded.plan.endings import Ending, Reason
from transcoded.plan.errors import NoOutput, NotFound, TranscodeFailed, Unavailable
from transcoded.plan.health import Sample
from transcoded.plan.launcher import Launcher
from transcoded.run.connections import Connection
from transcoded.run.gate import Pass
from transcoded.run.ireactor import IReactor
from transcoded.run.ledger import Ledger
from transcoded.run.life import State
from transcoded.run.locks import Hold, Locks, Release
from transcoded.run.process import Death, Transcoder
from transcoded.run.relay import Relay

REMEMBERED = 1000

HASTE = 0.02
"""Seconds of grace of a hasty stream."""


@attrs.frozen
class Job:
    """What a stream is for.

    `path` and `format` as the API tells them, the file's `real_path` on disk, `start_s` its place in the file, who asked,
    and why it is done like this. A `hasty` one is ended without much grace: nobody wants what it would still write.
    """

    path: str
    format: str
    client: str
    request_id: str
    real_path: str = ""
    start_s: float = 0.0
    action: str = "transcode"
    why: str = ""
    hasty: bool = False


class StreamInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A live stream as the API tells it: seconds, bytes, percent of one core; None where it is not known (yet)."""

    id: str
    request_id: str
    path: str
    format: str
    state: State
    pid: int | None
    client: str
    started: str
    uptime_s: float
    bytes_sent: int
    position_s: float | None
    speed: float | None
    fps: float | None
    cpu_percent: float | None
    rss_bytes: int | None
    backpressured: bool
    action: str
    why: str


class Stream:
    """One live stream: a job and the process that does it."""

    def __init__(
        self,
        reactor: IReactor,
        job: Job,
        grace: float,
        over: Callable[["Stream", Death], None],
        opened: Callable[["Stream"], None],
        admitted: Pass | None = None,
    ) -> None:
        self.id = token_hex(8)
        self.job = job
        self.admitted = admitted
        self.connection: Connection | None = None
        self.hold: Hold | None = None
        self.started = datetime.now(UTC)
        self.started_at = reactor.seconds()
        self.transcoder = Transcoder(reactor, self, min(grace, HASTE) if job.hasty else grace)
        self._reactor = reactor
        self._over = over
        self._opened = opened
        self._opening: Deferred[Relay] = Deferred(lambda _: self.transcoder.end(Reason.CLIENT_GONE))
        self._ended: list[Deferred[Ending]] = []
        self._ending: Ending | None = None
        self._process: psutil.Process | None = None

    @property
    def ending(self) -> Ending | None:
        """How it ended, once it has."""
        return self._ending

    @property
    def uptime(self) -> float:
        """Seconds since it was started."""
        return self._reactor.seconds() - self.started_at

    @property
    def ending_already(self) -> bool:
        """Whether its end is decided."""
        return self.transcoder.state in {State.TERMINATING, State.KILLED, State.REAPED}

    def when_open(self) -> "Deferred[Relay]":
        """Fires with the relay at the first byte; fails with `TranscodeFailed` or `Unavailable` if there will be none."""
        return self._opening

    def when_ended(self) -> "Deferred[Ending]":
        """Fires with the Ending once the process is reaped and proven gone. Cancelling changes nothing."""
        deferred: Deferred[Ending] = Deferred()
        if self._ending is not None:
            deferred.callback(self._ending)
        else:
            self._ended.append(deferred)
        return deferred

    def end(self, reason: Reason) -> "Deferred[Ending]":
        """End it, for this reason unless there is one already, and tell when it is over."""
        self.transcoder.end(reason)
        return self.when_ended()

    def info(self) -> StreamInfo:
        """How it stands."""
        progress = self.transcoder.progress
        cpu_percent, rss_bytes = self._resources()
        return StreamInfo(
            id=self.id,
            request_id=self.job.request_id,
            path=self.job.path,
            format=self.job.format,
            state=self.transcoder.state,
            pid=self.transcoder.pid,
            client=self.job.client,
            started=rfc3339(self.started),
            uptime_s=round(self.uptime, 3),
            bytes_sent=self.transcoder.bytes_sent,
            position_s=None if progress.position_s is None else round(self.job.start_s + progress.position_s, 3),
            speed=progress.speed,
            fps=progress.fps,
            cpu_percent=cpu_percent,
            rss_bytes=rss_bytes,
            backpressured=self.transcoder.backpressured,
            action=self.job.action,
            why=self.job.why,
        )

    def sample(self, *, memory: bool) -> Sample:
        """What a health check sees; resident memory costs a look into /proc and is left out unless it is wanted."""
        relay = self.transcoder.relay
        tcp = self.connection.info() if self.connection is not None else None
        return Sample(
            bytes_made=relay.bytes_sent,
            position_s=self.transcoder.progress.position_s,
            backpressured=relay.backpressured,
            bytes_taken=tcp.bytes_acked if tcp is not None and tcp.bytes_acked is not None else relay.bytes_sent,
            rss_bytes=self._resources()[1] if memory else None,
        )

    def _resources(self) -> tuple[float | None, int | None]:
        """CPU since the last look in percent of one core (at the first look: since the start), and resident bytes."""
        if self.transcoder.pid is None or self.transcoder.state in {State.DRAINING, State.REAPED}:
            return None, None
        try:
            first = self._process is None
            process = self._process = self._process or psutil.Process(self.transcoder.pid)
            with process.oneshot():
                percent = process.cpu_percent()
                if first:
                    used = process.cpu_times()
                    percent = round(100 * (used.user + used.system) / max(self.uptime, 0.01), 1)
                return percent, process.memory_info().rss
        except psutil.Error:
            return None, None

    # As the watcher of its process.

    def opened(self) -> None:
        """The first byte is there."""
        if not self._opening.called:
            self._opened(self)
            self._opening.callback(self.transcoder.relay)

    def exited(self) -> None:
        """The process is gone, and its place is free."""
        if self.admitted is not None:
            self.admitted.release()

    def over(self, death: Death) -> None:
        """It is over."""
        self._over(self, death)

    def settle(self, ending: Ending) -> None:
        """Take the Ending and tell all who wait for it."""
        self._ending = ending
        if not self._opening.called:
            self._opening.errback(_no_output(ending))
        waiting, self._ended = self._ended, []
        for deferred in waiting:
            if not deferred.called:
                deferred.callback(ending)


def _no_output(ending: Ending) -> Exception:
    match ending.reason:
        case Reason.FAILED if ending.exit_code == 0:
            return NoOutput("There is nothing to play in this part of the file.", ending.stderr_tail)
        case Reason.FAILED:
            how = f"with signal {ending.signal}" if ending.signal else f"with status {ending.exit_code}"
            return TranscodeFailed(f"The transcoder ended {how} before it gave any output.", ending.stderr_tail)
        case Reason.HUNG:
            return TranscodeFailed("The transcoder gave no output in time.", ending.stderr_tail)
        case _:
            return Unavailable(f"The stream was ended before it began: {ending.reason.value}.")


class Streams:
    """Starts streams, knows them, ends them, remembers their ends."""

    _log = Logger()

    def __init__(
        self,
        reactor: IReactor,
        launcher: Launcher,
        environment: Mapping[str, str],
        grace: float,
        ledger: Ledger,
        locks: Locks,
    ) -> None:
        self._reactor = reactor
        self._launcher = launcher
        self._environment = {**environment, **ledger.environment()}
        self._grace = grace
        self._ledger = ledger
        self._locks = locks
        self._live: dict[str, Stream] = {}
        self._endings: deque[Ending] = deque(maxlen=REMEMBERED)
        self._observers: list[Observer] = []
        self._stopping = False

    def remember(self, endings: Sequence[Ending]) -> None:
        """Endings of earlier daemons, oldest first."""
        self._endings.extendleft(reversed(endings))

    def observe(self, observer: "Observer") -> None:
        """Tell `observer` of every start and end from now on."""
        self._observers.append(observer)

    @property
    def stopping(self) -> bool:
        """Whether new streams are refused for good."""
        return self._stopping

    def start(self, job: Job, program: str, arguments: Sequence[str], admitted: Pass | None = None) -> Stream:
        """Start a transcoder for a job; the pass it was admitted with is given back when its process has exited.

        Raises `Unavailable` while stopping or where the system cannot start a process, `TranscodeFailed` if the program is
        gone; the Ending of the attempt is recorded.
        """
        stream = Stream(self._reactor, job, self._grace, self._over, self._opened, admitted)
        try:
            if self._stopping:
                raise Unavailable("The server is stopping.")
            stream.hold = self._locks.hold(job.path, job.real_path, lambda: stream.end(Reason.FILE_RELEASED))
        except Unavailable:
            stream.exited()
            raise
        self._live[stream.id] = stream
        self._log.info(
            "stream {stream_id} started: {path} as {output} for {client}",
            stream_id=stream.id,
            request_id=job.request_id,
            path=job.path,
            output=job.format,
            client=job.client,
        )
        # Before the process: it may be over before it is known to run, and no end comes before its start.
        for observer in self._observers:
            observer.stream_started(stream)
        try:
            stream.transcoder.start(self._launcher.command(program, arguments, [job.real_path]), self._environment)
        except (OSError, Unavailable) as error:
            stream.when_open().addErrback(lambda _: None)
            stream.exited()
            self._over(stream, Death(Reason.FAILED, None, None, (), None, str(error)))
            if isinstance(error, Unavailable):
                raise
            raise TranscodeFailed("The transcoder cannot be run.", str(error)) from error
        if stream.ending is None and stream.transcoder.pid is not None:
            self._ledger.started(stream.transcoder.pid)
        return stream

    def live(self) -> Sequence[Stream]:
        """All live streams, the oldest first."""
        return list(self._live.values())

    def get(self, stream_id: str) -> Stream:
        """A live stream; raises `NotFound`."""
        try:
            return self._live[stream_id]
        except KeyError:
            raise NotFound("There is no live stream with this id; it may have ended.") from None

    def release(self, path: str, real_path: str | None) -> "tuple[Release, Deferred[list[Ending]]]":
        """Get a file, or all below a directory, back; see `locks`. Fires with the Endings when nobody has it open any more."""
        meant = [s for s in self._live.values() if s.hold is not None]
        release = self._locks.release(path, real_path)
        ended = [s.when_ended() for s in meant if release.covers(s.job.path, s.job.real_path)]
        return release, release.freed.addCallback(lambda _: gatherResults(ended))

    def endings(self, limit: int = REMEMBERED) -> Sequence[Ending]:
        """The latest Endings, newest first."""
        newest = list(self._endings)
        newest.reverse()
        return newest[:limit]

    def end_all(self, streams: Sequence[Stream], reason: Reason) -> "Deferred[list[Ending]]":
        """End these; fires with their Endings when all are reaped."""
        return gatherResults([stream.end(reason) for stream in streams])

    def stop(self) -> "Deferred[list[Ending]]":
        """Refuse new streams and end all; fires when all are reaped."""
        self._stopping = True
        return self.end_all(self.live(), Reason.SHUTDOWN)

    def _opened(self, stream: Stream) -> None:
        for observer in self._observers:
            observer.stream_opened(stream)

    def _over(self, stream: Stream, death: Death) -> None:
        job = stream.job
        ending = Ending(
            id=stream.id,
            request_id=job.request_id,
            path=job.path,
            format=job.format,
            reason=death.reason,
            exit_code=death.exit_code,
            signal=death.signal,
            signals_sent=death.signals_sent,
            kill_ms=death.kill_ms,
            duration_s=round(self._reactor.seconds() - stream.started_at, 3),
            bytes_sent=stream.transcoder.bytes_sent,
            client=job.client,
            started=rfc3339(stream.started),
            ended=rfc3339(datetime.now(UTC)),
            stderr_tail=death.stderr_tail,
        )
        del self._live[stream.id]
        if stream.transcoder.pid is not None:
            self._ledger.ended(stream.transcoder.pid)
        if stream.connection is not None:
            stream.connection.forget()
        self._endings.append(ending)
        self._log.info(
            "stream {ending.id} ended: {ending.reason}, {ending.path} as {ending.format}, {ending.bytes_sent} bytes",
            ending=ending,
            request_id=ending.request_id,
        )
        stream.settle(ending)
        if stream.hold is not None:
            stream.hold.free()
        for observer in self._observers:
            observer.stream_ended(ending)


class Observer(Protocol):
    """Who is told of starts and ends: the journal, metrics, events."""

    def stream_started(self, stream: Stream) -> None:
        """A process is about to be started."""

    def stream_opened(self, stream: Stream) -> None:
        """Its first byte is there."""

    def stream_ended(self, ending: Ending) -> None:
        """Its Ending was recorded."""


def rfc3339(moment: datetime) -> str:
    """A moment as the API tells it: UTC, milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
