"""Health checks of the live streams and of the machine's memory, at each tick. `plan.policy.health` decides."""

from collections.abc import Callable

from twisted.logger import Logger

from transcoded.plan.endings import Reason
from transcoded.plan.policy.health import Limits, observe, verdict
from transcoded.run.streams.admission import AdmissionQueue
from transcoded.run.streams.registry import StreamRegistry
from transcoded.run.streams.stream import Stream

LOW_MEMORY = "memory is short"
"""The reason for which the admission queue is closed; shown to clients and by `/readyz`."""

_log = Logger()


class HealthMonitor:
    """Ends streams that are hung, stalled, expired or too large (`Limits`)."""

    def __init__(self, streams: StreamRegistry, limits: Limits) -> None:
        self._streams = streams
        self._limits = limits

    def tick(self, elapsed: float) -> None:
        """A task of the ticker: check each stream. An error in the check of one stream is logged, and the others are checked."""
        for stream in self._streams.live():
            try:
                sample = stream.sample(memory=self._limits.stream_memory_max is not None)
                stream.health = observe(stream.health, sample, elapsed)
                reason = verdict(stream.health, self._limits)
                if reason is not None:
                    _end(stream, reason)
            except Exception:  # noqa: BLE001 - an error of one stream must not prevent the checks of the others
                _log.failure("the health check of stream {stream_id} failed", stream_id=stream.id)


class MemoryGuard:
    """Keeps the machine from running out of memory. `memory_in_use` gives the fraction in use, None if it is unknown.

    From `memory_high` on no stream is admitted. If that has not helped by the next tick, the oldest stream is ended, one at
    each tick. `memory_high` None: off.
    """

    def __init__(
        self,
        streams: StreamRegistry,
        admission: AdmissionQueue,
        memory_high: float | None,
        memory_in_use: Callable[[], float | None],
    ) -> None:
        self._streams = streams
        self._admission = admission
        self._memory_high = memory_high
        self._memory_in_use = memory_in_use

    def tick(self, elapsed: float) -> None:
        """A task of the ticker: check the memory."""
        if self._memory_high is None:
            return
        used = self._memory_in_use()
        if used is None or used < self._memory_high:
            self._admission.open(LOW_MEMORY)
        elif LOW_MEMORY not in self._admission.state.closed:
            _log.warn("memory is short ({used:.0%} in use): admitting nobody", used=used)
            self._admission.close(LOW_MEMORY)
        else:
            oldest = next((stream for stream in self._streams.live() if not stream.is_ending), None)
            if oldest is not None:
                _end(oldest, Reason.OVERLOAD)


def _end(stream: Stream, reason: Reason) -> None:
    if not stream.is_ending:
        _log.info("ending stream {stream_id}: {reason}", stream_id=stream.id, reason=reason.value)
        stream.end(reason)
