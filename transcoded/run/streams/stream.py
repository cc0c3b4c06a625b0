"""One live stream: a job, and the process that does it. It gets exactly one Ending, also when it could not be started."""

from collections.abc import Callable
from datetime import UTC, datetime
from secrets import token_hex

import attrs
import msgspec
import psutil
from twisted.internet.defer import Deferred

from transcoded.plan.endings import Ending, Reason
from transcoded.plan.errors import NoOutput, TranscodeFailed, Unavailable
from transcoded.plan.policy.admission import Kind, Occupant, Ticket
from transcoded.plan.policy.health import Sample, StreamHealth
from transcoded.run.files.leases import Lease
from transcoded.run.process.child import ChildProcess, ExitStatus
from transcoded.run.process.lifecycle import State
from transcoded.run.reactor import IReactor
from transcoded.run.relay.relay import Relay
from transcoded.run.streams.admission import Permit
from transcoded.run.streams.peers import Peer

HASTE = 0.02
"""Seconds of grace of a hasty stream."""


@attrs.frozen
class StreamSpec:
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
        job: StreamSpec,
        grace: float,
        over: Callable[["Stream", ExitStatus], None],
        opened: Callable[["Stream"], None],
        preempt_after: float | None = None,
    ) -> None:
        self.id = token_hex(8)
        self.job = job
        self.permit: Permit | None = None
        self.health = StreamHealth()
        self.connection: Peer | None = None
        self.hold: Lease | None = None
        self.started = datetime.now(UTC)
        self.started_at = reactor.seconds()
        self.child = ChildProcess(reactor, self, min(grace, HASTE) if job.hasty else grace)
        self._reactor = reactor
        self._over = over
        self._opened = opened
        self._preempt_after = preempt_after
        self._opening: Deferred[Relay] = Deferred(lambda _: self.child.end(Reason.CLIENT_GONE))
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
    def is_ending(self) -> bool:
        """Whether its end is decided."""
        return self.child.state in {State.TERMINATING, State.KILLED, State.REAPED}

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
        self.child.end(reason)
        return self.when_ended()

    def info(self) -> StreamInfo:
        """How it stands."""
        progress = self.child.progress
        cpu_percent, rss_bytes = self._resources()
        return StreamInfo(
            id=self.id,
            request_id=self.job.request_id,
            path=self.job.path,
            format=self.job.format,
            state=self.child.state,
            pid=self.child.pid,
            client=self.job.client,
            started=rfc3339(self.started),
            uptime_s=round(self.uptime, 3),
            bytes_sent=self.child.bytes_sent,
            position_s=None if progress.position_s is None else round(self.job.start_s + progress.position_s, 3),
            speed=progress.speed,
            fps=progress.fps,
            cpu_percent=cpu_percent,
            rss_bytes=rss_bytes,
            backpressured=self.child.backpressured,
            action=self.job.action,
            why=self.job.why,
        )

    def sample(self, *, memory: bool) -> Sample:
        """What a health check sees; resident memory costs a look into /proc and is left out unless it is wanted."""
        relay = self.child.relay
        tcp = self.connection.info() if self.connection is not None else None
        return Sample(
            bytes_made=relay.bytes_sent,
            position_s=self.child.progress.position_s,
            backpressured=relay.backpressured,
            bytes_taken=tcp.bytes_acked if tcp is not None and tcp.bytes_acked is not None else relay.bytes_sent,
            rss_bytes=self._resources()[1] if memory else None,
        )

    def _resources(self) -> tuple[float | None, int | None]:
        """CPU since the last look in percent of one core (at the first look: since the start), and resident bytes."""
        if self.child.pid is None or self.child.state in {State.DRAINING, State.REAPED}:
            return None, None
        try:
            first = self._process is None
            process = self._process = self._process or psutil.Process(self.child.pid)
            with process.oneshot():
                percent = process.cpu_percent()
                if first:
                    used = process.cpu_times()
                    percent = round(100 * (used.user + used.system) / max(self.uptime, 0.01), 1)
                return percent, process.memory_info().rss
        except psutil.Error:
            return None, None

    # As an occupant of slots.

    def standing(self, ticket: Ticket) -> Occupant:
        """How it stands: a viewer who has taken nothing for long may have to give way."""
        return Occupant(
            number=ticket.number,
            slots=ticket.slots,
            kind=Kind.VIEWER,
            idle_s=self.health.stalled,
            evictable_after=self._preempt_after,
            leaving=self.is_ending,
        )

    def evict(self) -> None:
        """Give way to somebody who waits."""
        self.end(Reason.PREEMPTED)

    # As the watcher of its process.

    def opened(self) -> None:
        """The first byte is there."""
        if not self._opening.called:
            self._opened(self)
            self._opening.callback(self.child.relay)

    def exited(self) -> None:
        """The process is gone, and its place is free."""
        if self.permit is not None:
            self.permit.release()

    def over(self, death: ExitStatus) -> None:
        """It is over."""
        self._over(self, death)

    def ending_of(self, death: ExitStatus) -> Ending:
        """The record of its end."""
        return Ending(
            id=self.id,
            request_id=self.job.request_id,
            path=self.job.path,
            format=self.job.format,
            reason=death.reason,
            exit_code=death.exit_code,
            signal=death.signal,
            signals_sent=death.signals_sent,
            kill_ms=death.kill_ms,
            duration_s=round(self.uptime, 3),
            bytes_sent=self.child.bytes_sent,
            client=self.job.client,
            started=rfc3339(self.started),
            ended=rfc3339(datetime.now(UTC)),
            stderr_tail=death.stderr_tail,
        )

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


def rfc3339(moment: datetime) -> str:
    """A moment as the API tells it: UTC, milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
