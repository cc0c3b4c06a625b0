"""One tick a second for everything: health of the streams, memory of the machine, those who wait.

What is wrong in one tick, or with one stream, is logged and does not end the ticking. The judgements are `plan.health`'s.
"""

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from transcoded.plan.endings import Reason
from transcoded.plan.policy.health import Limits, StreamHealth, observe, verdict
from transcoded.run.reactor import IReactor
from transcoded.run.streams.admission import AdmissionQueue
from transcoded.run.streams.peers import Peers
from transcoded.run.streams.registry import StreamRegistry
from transcoded.run.streams.stream import Stream

INTERVAL = 1.0
LOW_MEMORY = "memory is short"


class HealthMonitor:
    """Watches. `tasks` are called at each tick with the seconds since the last; others may add theirs. `preempt_after`: seconds without a byte taken, after which a stream gives way to one that waits."""

    _log = Logger()

    def __init__(
        self,
        reactor: IReactor,
        streams: StreamRegistry,
        gate: AdmissionQueue,
        connections: Peers,
        limits: Limits,
        *,
        memory_high: float | None,
        memory_in_use: Callable[[], float | None],
        preempt_after: float | None,
    ) -> None:
        self._reactor = reactor
        self._streams = streams
        self._gate = gate
        self._connections = connections
        self._limits = limits
        self._memory_high = memory_high
        self._memory_in_use = memory_in_use
        self._preempt_after = preempt_after
        self._health: dict[str, StreamHealth] = {}
        self._call: IDelayedCall | None = None
        self._ticked_at = reactor.seconds()
        self.lag = 0.0
        self.tasks: list[Callable[[float], None]] = [
            self._look_for_peers,
            self._examine,
            self._spare_memory,
            self._make_room,
        ]

    def start(self) -> None:
        """Begin."""
        self._ticked_at = self._reactor.seconds()
        self._call = self._reactor.callLater(INTERVAL, self._tick)

    def stop(self) -> None:
        """No more ticks."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None

    def _tick(self) -> None:
        self._call = self._reactor.callLater(INTERVAL, self._tick)
        now = self._reactor.seconds()
        elapsed, self._ticked_at = now - self._ticked_at, now
        self.lag = max(0.0, elapsed - INTERVAL)
        for task in self.tasks:
            try:
                task(elapsed)
            except Exception:  # noqa: BLE001 - one fault must not end the watch over all the others
                self._log.failure("a health check failed")

    def _look_for_peers(self, elapsed: float) -> None:
        self._connections.examine()

    def _examine(self, elapsed: float) -> None:
        streams = self._streams.live()
        before, self._health = self._health, {}
        for stream in streams:
            try:
                sample = stream.sample(memory=self._limits.stream_memory_max is not None)
                health = self._health[stream.id] = observe(before.get(stream.id, StreamHealth()), sample, elapsed)
                reason = verdict(health, self._limits)
                if reason is not None:
                    self._end(stream, reason)
            except Exception:  # noqa: BLE001 - one stream must not hide the others
                self._log.failure("stream {stream_id} cannot be examined", stream_id=stream.id)

    def _spare_memory(self, elapsed: float) -> None:
        """Above the limit: first admit nobody, and if that does not help until the next tick, end the oldest, one a tick."""
        if self._memory_high is None:
            return
        used = self._memory_in_use()
        if used is None or used < self._memory_high:
            self._gate.open(LOW_MEMORY)
        elif LOW_MEMORY not in self._gate.admission.closed:
            self._log.warn("memory is short ({used:.0%} in use): admitting nobody", used=used)
            self._gate.close(LOW_MEMORY)
        else:
            oldest = next((stream for stream in self._streams.live() if not stream.ending_already), None)
            if oldest is not None:
                self._end(oldest, Reason.OVERLOAD)

    def _make_room(self, elapsed: float) -> None:
        """While others wait, those whose client has taken nothing for long give way, the longest-stalled first."""
        wanting = self._gate.admission.wanting()
        if self._preempt_after is None or not wanting:
            return
        stalled = sorted(
            (
                stream
                for stream in self._streams.live()
                if stream.permit is not None and self._stalled(stream) >= self._preempt_after
            ),
            key=self._stalled,
            reverse=True,
        )
        # Those on their way out count as room already: one waiter costs one stalled stream its place, and no second.
        for stream in stalled:
            if wanting <= 0:
                return
            wanting -= stream.permit.ticket.units if stream.permit else 0
            if not stream.ending_already:
                self._end(stream, Reason.PREEMPTED)

    def _stalled(self, stream: Stream) -> float:
        return self._health.get(stream.id, StreamHealth()).stalled

    def _end(self, stream: Stream, reason: Reason) -> None:
        if not stream.ending_already:
            self._log.info("ending stream {stream_id}: {reason}", stream_id=stream.id, reason=reason.value)
            stream.end(reason)
