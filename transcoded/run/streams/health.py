"""Health checks of the live streams, of the helpers and of the machine's memory, at each tick. `plan.policy.health` decides."""

from collections.abc import Callable

from twisted.logger import Logger

from transcoded.plan.endings import Reason
from transcoded.plan.errors import NotMedia, Unavailable
from transcoded.plan.policy.health import Limits, observe, takes_too_much, verdict
from transcoded.run.process.commands import Command, Commands
from transcoded.run.streams.admission import AdmissionQueue
from transcoded.run.streams.registry import StreamRegistry
from transcoded.run.streams.stream import Stream

LOW_MEMORY = "memory is short"
"""The reason for which the admission queue is closed; shown to clients and by `/readyz`."""

_log = Logger()


class HealthMonitor:
    """Ends streams that are hung, stalled, expired or too large (`Limits`), and helpers that are too large."""

    def __init__(self, streams: StreamRegistry, commands: Commands, limits: Limits) -> None:
        self._streams = streams
        self._commands = commands
        self._limits = limits

    def tick(self, elapsed: float) -> None:
        """A task of the ticker: check each stream and helper. An error in the check of one is logged, and the others are checked."""
        for stream in self._streams.live():
            try:
                sample = stream.sample(memory=self._limits.stream_memory_max is not None)
                stream.health = observe(stream.health, sample, elapsed)
                reason = verdict(stream.health, self._limits)
                if reason is not None:
                    _end(stream, reason)
            except Exception:  # noqa: BLE001 - an error of one stream must not prevent the checks of the others
                _log.failure("the health check of stream {stream_id} failed", stream_id=stream.id)
        if self._limits.stream_memory_max is None:
            return
        for command in self._commands.live():
            try:
                if takes_too_much(command.rss_bytes(), self._limits):
                    _end_command(
                        command,
                        NotMedia("The file cannot be read: more memory is needed than stream_memory_max allows."),
                    )
            except Exception:  # noqa: BLE001 - as above
                _log.failure("the health check of a helper failed")


class MemoryGuard:
    """Keeps the machine from running out of memory. `memory_in_use` gives the fraction in use, None if it is unknown.

    From `memory_high` on no stream is admitted. If that has not helped by the next tick, the largest helper is ended, or if there
    is none the oldest stream, one at each tick. `memory_high` None: off.
    """

    def __init__(
        self,
        streams: StreamRegistry,
        commands: Commands,
        admission: AdmissionQueue,
        memory_high: float | None,
        memory_in_use: Callable[[], float | None],
    ) -> None:
        self._streams = streams
        self._commands = commands
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
        elif helpers := [command for command in self._commands.live() if not command.is_ending]:
            # Nobody watches it yet, and it can be asked for again.
            largest = max(helpers, key=lambda command: command.rss_bytes() or 0)
            _end_command(largest, Unavailable("The server has too little memory at the moment."))
        else:
            oldest = next((stream for stream in self._streams.live() if not stream.is_ending), None)
            if oldest is not None:
                _end(oldest, Reason.OVERLOAD)


def _end(stream: Stream, reason: Reason) -> None:
    if not stream.is_ending:
        _log.info("ending stream {stream_id}: {reason}", stream_id=stream.id, reason=reason.value)
        stream.end(reason)


def _end_command(command: Command, error: NotMedia | Unavailable) -> None:
    if not command.is_ending:
        _log.warn("ending a helper: {error}", error=error.detail)
        command.end(Reason.OVERLOAD, error)
