"""The watch over live streams and over the machine's memory, a look at each tick. `plan.policy.health` judges."""

from collections.abc import Callable

from twisted.logger import Logger

from transcoded.plan.endings import Reason
from transcoded.plan.policy.health import Limits, observe, verdict
from transcoded.run.streams.admission import AdmissionQueue
from transcoded.run.streams.registry import StreamRegistry
from transcoded.run.streams.stream import Stream

LOW_MEMORY = "memory is short"

_log = Logger()


class HealthMonitor:
    """Ends streams that are hung, stalled, expired or too large."""

    def __init__(self, streams: StreamRegistry, limits: Limits) -> None:
        self._streams = streams
        self._limits = limits

    def tick(self, elapsed: float) -> None:
        """Look at each stream. One that cannot be looked at is logged and does not hide the others."""
        for stream in self._streams.live():
            try:
                sample = stream.sample(memory=self._limits.stream_memory_max is not None)
                stream.health = observe(stream.health, sample, elapsed)
                reason = verdict(stream.health, self._limits)
                if reason is not None:
                    _end(stream, reason)
            except Exception:  # noqa: BLE001 - one stream must not hide the others
                _log.failure("stream {stream_id} cannot be examined", stream_id=stream.id)


class MemoryGuard:
    """Keeps the machine from running out of memory. `memory_in_use` gives the fraction in use, None where it is unknown.

    Above `memory_high` nobody is admitted; if that has not helped by the next tick, the oldest stream is ended, one a tick.
    `memory_high` None: off.
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
        """Look at the memory."""
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
