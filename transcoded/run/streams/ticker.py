"""One tick a second for everything that looks after something. A fault in one task is logged and ends neither the others nor the ticking."""

from collections.abc import Callable, Sequence

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from transcoded.run.reactor import IReactor

INTERVAL = 1.0
"""Seconds between two ticks."""

Task = Callable[[float], object]
"""Called at each tick with the seconds since the last one."""


class Ticker:
    """Calls its tasks, in their order, from `start` until `stop`."""

    _log = Logger()

    def __init__(self, reactor: IReactor) -> None:
        self._reactor = reactor
        self._tasks: Sequence[Task] = ()
        self._call: IDelayedCall | None = None
        self._ticked_at = 0.0
        self._lag = 0.0

    @property
    def lag(self) -> float:
        """Seconds by which the last tick was late: how long the reactor was held up."""
        return self._lag

    def start(self, tasks: Sequence[Task]) -> None:
        """Begin."""
        self._tasks = tasks
        self._ticked_at = self._reactor.seconds()
        self._call = self._reactor.callLater(INTERVAL, self._tick)

    def stop(self) -> None:
        """Call nothing any more. May be repeated."""
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
            except Exception:  # noqa: BLE001 - one fault must not end the watch over all the others
                self._log.failure("a task of the tick failed")
