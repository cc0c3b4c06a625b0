"""The ticker: calls all periodic tasks once a second. An error in one task is logged, and stops neither the others nor the ticker."""

from collections.abc import Callable, Sequence

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from transcoded.run.reactor import IReactor

INTERVAL = 1.0
"""Seconds between two ticks."""

Tick = Callable[[float], object]
"""A task. It is called at each tick, with the seconds since the last one."""


class Ticker:
    """Calls the tasks of `start`, in their order, until `stop`."""

    _log = Logger()

    def __init__(self, reactor: IReactor) -> None:
        self._reactor = reactor
        self._tasks: Sequence[Tick] = ()
        self._call: IDelayedCall | None = None
        self._ticked_at = 0.0
        self._lag = 0.0

    @property
    def lag(self) -> float:
        """Seconds by which the last tick was late, because the reactor was busy."""
        return self._lag

    def start(self, tasks: Sequence[Tick]) -> None:
        """Call these tasks from now on; first in `INTERVAL` seconds."""
        self._tasks = tasks
        self._ticked_at = self._reactor.seconds()
        self._call = self._reactor.callLater(INTERVAL, self._tick)

    def stop(self) -> None:
        """Stop calling. May be repeated."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None

    def _tick(self) -> None:
        self._call = self._reactor.callLater(INTERVAL, self._tick)
        now = self._reactor.seconds()
        elapsed, self._ticked_at = now - self._ticked_at, now
        self._lag = max(0.0, elapsed - INTERVAL)
        for task in self._tasks:
            try:
                task(elapsed)
            except Exception:  # noqa: BLE001 - an error in one task must not stop all others
                self._log.failure("a task of the tick failed")
