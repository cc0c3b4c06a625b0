"""One live stream: its purpose, and its process. It gets exactly one Ending, even if its process could not be started."""

from collections.abc import Callable
from datetime import UTC, datetime
from secrets import token_hex

from twisted.internet.defer import Deferred

from transcoded.plan.endings import Ending, Reason
from transcoded.plan.errors import NoOutput, TranscodedError, TranscodeFailed, Unavailable
from transcoded.plan.http.names import written
from transcoded.plan.policy.admission import Kind, Occupant, Ticket
from transcoded.plan.policy.health import Sample, StreamHealth
from transcoded.run.files.leases import Lease
from transcoded.run.process.child import ChildProcess
from transcoded.run.process.exit_status import ExitStatus
from transcoded.run.process.lifecycle import State
from transcoded.run.process.usage import ResourceUsage
from transcoded.run.reactor import IReactor, OneShot
from transcoded.run.relay.relay import Relay
from transcoded.run.streams.admission import Permit
from transcoded.run.streams.peers import Peer
from transcoded.run.streams.stream_info import StreamInfo, StreamSpec, rfc3339


class Stream:
    """One live stream: the `ProcessListener` of its process, and an `Evictable` of the admission queue.

    It is created by `StreamRegistry` only, which also sets what it owns: permit, lease and connection. `on_open` is called at
    the first byte (of media, if `spec.muxer` says which that is), `on_reaped` with the exit status when the end of the process is proven.
    """

    def __init__(
        self,
        reactor: IReactor,
        spec: StreamSpec,
        on_reaped: Callable[["Stream", ExitStatus], None],
        on_open: Callable[["Stream"], None],
        permit: Permit | None = None,
        preempt_after: float | None = None,
    ) -> None:
        self.id = token_hex(8)
        self.spec = spec
        self.permit = permit
        self.health = StreamHealth()
        self.lease: Lease | None = None
        self.connection: Peer | None = None
        self.started = datetime.now(UTC)
        self.started_at = reactor.seconds()
        self._reactor = reactor
        self._on_reaped = on_reaped
        self._on_open = on_open
        self._preempt_after = preempt_after
        self._child: ChildProcess | None = None
        self._usage: ResourceUsage | None = None
        self._opening: OneShot[Relay] = OneShot(reactor, on_abandoned=lambda: self.child.end(Reason.CLIENT_GONE))
        self._ended: OneShot[Ending] = OneShot(reactor)
        self._ending: Ending | None = None

    @property
    def child(self) -> ChildProcess:
        """Its process. Raises LookupError if it has none, because it could not be started."""
        if self._child is None:
            raise LookupError(f"stream {self.id} has no process")
        return self._child

    @child.setter
    def child(self, child: ChildProcess) -> None:
        self._child = child
        if child.pid is not None:
            self._usage = ResourceUsage(child.pid, lambda: self.uptime)

    @property
    def ending(self) -> Ending | None:
        """The Ending; None before the end."""
        return self._ending

    @property
    def uptime(self) -> float:
        """Seconds since its start."""
        return self._reactor.seconds() - self.started_at

    @property
    def bytes_sent(self) -> int:
        """Bytes that were sent to its sink."""
        return 0 if self._child is None else self._child.bytes_sent

    @property
    def has_exited(self) -> bool:
        """Whether its process is gone, as far as slots are concerned."""
        return self._child is None or self._child.state in {State.SWEEPING, State.DRAINING, State.REAPED}

    @property
    def is_ending(self) -> bool:
        """Whether its end is decided, or it has no process."""
        return self._child is None or self._child.is_ending

    def when_open(self) -> "Deferred[Relay]":
        """Fires with the relay at the first byte. Fails with `TranscodeFailed` or `Unavailable` if there will be no output.

        If all waiters are cancelled before, the stream is ended with the reason `client-gone`.
        """
        return self._opening.wait()

    def when_ended(self) -> "Deferred[Ending]":
        """Fires with the Ending when the end of the process is proven. Cancelling only stops the waiting."""
        return self._ended.wait()

    def end(self, reason: Reason) -> "Deferred[Ending]":
        """End it. The reason counts if there is none yet. Fires as `when_ended` does."""
        if self._child is not None:
            self._child.end(reason)
        return self.when_ended()

    def info(self) -> StreamInfo:
        """Its state, as in the API."""
        child = self._child
        progress = None if child is None else child.progress
        position_s = None if progress is None else progress.position_s
        cpu_percent, rss_bytes = self._resources()
        return StreamInfo(
            id=self.id,
            request_id=self.spec.request_id,
            path=written(self.spec.path),
            format=self.spec.format,
            state=State.STARTING if child is None else child.state,
            pid=None if child is None else child.pid,
            client=self.spec.client,
            started=rfc3339(self.started),
            uptime_s=round(self.uptime, 3),
            bytes_sent=self.bytes_sent,
            position_s=None if position_s is None else round(self.spec.start_s + position_s, 3),
            speed=None if progress is None else progress.speed,
            fps=None if progress is None else progress.fps,
            cpu_percent=cpu_percent,
            rss_bytes=rss_bytes,
            backpressured=child is not None and child.backpressured,
            action=self.spec.action,
            why=self.spec.why,
            engine=self.spec.engine,
        )

    def sample(self, *, memory: bool) -> Sample:
        """The values for a health check. Without `memory`, /proc is not read and `rss_bytes` is None."""
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
        if self._usage is None or self.has_exited:
            return None, None
        return self._usage.measure()

    # Called by the admission queue (`Evictable`).

    def as_occupant(self, ticket: Ticket) -> Occupant:
        """Its state: it may be evicted if its viewer has taken no byte for `preempt_after` seconds."""
        return Occupant(
            number=ticket.number,
            slots=ticket.slots,
            kind=Kind.VIEWER,
            idle_s=self.health.stalled,
            evictable_after=self._preempt_after,
            leaving=self.is_ending,
        )

    def evict(self) -> None:
        """End it for a request that waits."""
        self.end(Reason.PREEMPTED)

    # Called by its process (`ProcessListener`).

    def opened(self) -> None:
        """There is output: inform those that wait for it."""
        self._on_open(self)
        self._opening.succeed(self.child.relay)

    def exited(self) -> None:
        """The process has exited: release its slots, though its last output may not be read yet."""
        if self.permit is not None:
            self.permit.release()

    def reaped(self, status: ExitStatus) -> None:
        """The end is proven."""
        self._on_reaped(self, status)

    def settle(self, status: ExitStatus) -> Ending:
        """Create the Ending, and give it to all that wait. Called by `StreamRegistry`."""
        ending = self._ending = Ending(
            id=self.id,
            request_id=self.spec.request_id,
            path=written(self.spec.path),
            format=self.spec.format,
            reason=status.reason,
            exit_code=status.exit_code,
            signal=status.signal,
            signals_sent=status.signals_sent,
            kill_ms=status.kill_ms,
            duration_s=round(self.uptime, 3),
            bytes_sent=self.bytes_sent,
            client=self.spec.client,
            started=rfc3339(self.started),
            ended=rfc3339(datetime.now(UTC)),
            stderr_tail=status.stderr_tail,
            proof=status.proof,
            engine=self.spec.engine,
        )
        if not self._opening.is_decided:
            self._opening.fail(failure_of(ending))
        self._ended.succeed(ending)
        return ending


def failure_of(ending: Ending) -> TranscodedError:
    """The error for a client of a stream that did not finish, if it has not been answered yet."""
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
