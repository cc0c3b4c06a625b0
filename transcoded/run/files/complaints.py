"""Tells the operator what cannot be read in the library, once in a while: a player asks for the same file again and again."""

import os
from collections.abc import Callable

from twisted.logger import Logger

from transcoded.plan.errors import DiskFailed, Unreadable
from transcoded.plan.lru import LRU

AGAIN = 3600.0
"""Seconds after which the same is told once more."""

WINDOW = 60.0
PER_WINDOW = 20
"""Lines that are logged within so many seconds."""

REMEMBERED = 1000
"""Paths of which it is known when they were told."""

_log = Logger()


class Complaints:
    """Logs warnings, for the reactor's thread. `clock` returns seconds of a monotonic clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._told: LRU[str, float] = LRU(REMEMBERED, lambda _: 1)
        self._window = -WINDOW
        self._lines = 0

    def note(self, error: BaseException | None) -> None:
        """What a request has failed with: if it is about a file that cannot be read, say so."""
        if isinstance(error, Unreadable):
            self._warn(error.path, f"user {os.geteuid()} has no permission for it, or for a directory above it")
        elif isinstance(error, DiskFailed):
            self._warn(error.path, error.detail)

    def listed(self, path: str, unreadable: int, example: str) -> None:
        """A listing of the directory `path` has shown so many entries that cannot be read, such as `example`."""
        what = "1 entry" if unreadable == 1 else f"{unreadable} entries"
        why = f"user {os.geteuid()} has no permission for {what} in it, such as {example!r}, or a disk is gone"
        self._warn(path or "/", why)

    def _warn(self, path: str, why: str) -> None:
        now = self._clock()
        told = self._told.get(path)
        if told is not None and now - told < AGAIN:
            return
        if now - self._window >= WINDOW:
            self._window, self._lines = now, 0
        if self._lines == PER_WINDOW:
            return
        self._told.put(path, now)
        self._lines += 1
        _log.warn("cannot read {path!r} in the library: {why}", path=path, why=why)
