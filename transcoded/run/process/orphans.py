"""Orphans: processes that a child process has started and that have left its process group (setsid(2), daemon(3)).

Every process that was started has the daemon's token in its environment (`processes`), and is found by it. To search all
processes of the machine takes some milliseconds, so it is done in a thread, every `INTERVAL` seconds and at the stop.

As process 1 of a container the daemon also becomes the parent of the processes that its dead children leave, and reaps them.
"""

import os
from collections.abc import Callable
from contextlib import suppress

from twisted.internet import process as twisted_process
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from transcoded.run.files.threads import Threads
from transcoded.run.process.processes import carriers, carries, kill_if

INTERVAL = 10.0
"""Seconds between two searches."""


class OrphanReaper:
    """Finds orphans and kills them.

    `known_pids` gives the pids of the child processes that are expected; each leads a process group of its own.
    """

    _log = Logger()

    def __init__(self, threads: Threads, token: str, known_pids: Callable[[], set[int]]) -> None:
        self._threads = threads
        self._token = token
        self._known_pids = known_pids
        self._elapsed = 0.0
        self._is_sweeping = False

    def tick(self, elapsed: float) -> None:
        """A task of the ticker."""
        if os.getpid() == 1:
            reap_orphans()
        self._elapsed += elapsed
        if self._elapsed >= INTERVAL and not self._is_sweeping:
            self._elapsed = 0.0
            self.sweep().addErrback(lambda failure: self._log.failure("the search for orphans failed", failure))

    def sweep(self) -> "Deferred[object]":
        """Search now and kill what is found. Fires when that is done; fails as `Threads.run` does."""
        self._is_sweeping = True
        done: Deferred[object] = self._threads.run(carriers, self._token).addBoth(self._found)
        return done

    def _found(self, result: object) -> object:
        self._is_sweeping = False
        if not isinstance(result, list):
            return result
        for pid in result:
            if kill_if(pid, self._is_orphan):
                self._log.warn("ended an orphan: {pid}", pid=pid)
        return None

    def _is_orphan(self, pid: int) -> bool:
        """Whether a process is ours and not expected.

        Expected are a child that was started during the search, and a process in the group of a child.
        """
        known = self._known_pids()
        try:
            return pid not in known and os.getpgid(pid) not in known and carries(pid, self._token)
        except ProcessLookupError:
            return False


def reap_orphans() -> None:
    """Reap dead processes that were inherited as process 1. Those that Twisted has started are left to Twisted."""
    with suppress(ChildProcessError):
        while (dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            if dead.si_pid in twisted_process.reapProcessHandlers:
                return
            os.waitpid(dead.si_pid, os.WNOHANG)
