"""Processes of ours that nobody knows any more: what a transcoder started and sent out of its process group (setsid, daemon).

Everything that was started carries the daemon's token in its environment (`ledger`), so it is found wherever it has gone. A
look at all processes of the machine takes some milliseconds, so it happens in a thread, every `INTERVAL` seconds and at a stop.

As process 1 of a container the daemon also inherits what its children leave when they die, and reaps that.
"""

import os
import signal
from collections.abc import Callable
from contextlib import suppress

from twisted.internet import process as twisted_process
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from transcoded.run.files.threads import Threads
from transcoded.run.process.ledger import carriers, carries

INTERVAL = 10.0


class OrphanReaper:
    """Looks for them and ends them. `known` gives the pids that are rightly there; each leads a group of its own."""

    _log = Logger()

    def __init__(self, threads: Threads, token: str, known: Callable[[], set[int]]) -> None:
        self._threads = threads
        self._token = token
        self._known = known
        self._elapsed = 0.0
        self._is_sweeping = False

    def tick(self, elapsed: float) -> None:
        """As a task of the monitor."""
        if os.getpid() == 1:
            reap_orphans()
        self._elapsed += elapsed
        if self._elapsed >= INTERVAL and not self._is_sweeping:
            self._elapsed = 0.0
            self.sweep().addErrback(lambda failure: self._log.failure("no look for orphans", failure))

    def sweep(self) -> "Deferred[object]":
        """Look now, and end what is found."""
        self._is_sweeping = True
        looked: Deferred[object] = self._threads.run(carriers, self._token).addBoth(self._found)
        return looked

    def _found(self, result: object) -> object:
        self._is_sweeping = False
        if not isinstance(result, list):
            return result
        known = self._known()
        for pid in result:
            with suppress(ProcessLookupError):
                # Known now, or in the group of one that is: started while we looked, or at work for it.
                if pid in known or os.getpgid(pid) in known or not carries(pid, self._token):
                    continue
                os.kill(pid, signal.SIGKILL)
                self._log.warn("ended an orphan: {pid}", pid=pid)
        return None


def reap_orphans() -> None:
    """Take the exit status of children that are not ours by birth; ours are left to Twisted, which is about to."""
    with suppress(ChildProcessError):
        while (dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            if dead.si_pid in twisted_process.reapProcessHandlers:
                return
            os.waitpid(dead.si_pid, os.WNOHANG)
