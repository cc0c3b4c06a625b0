"""Runs programs that are tried at the start, before the reactor runs: several at the same time, under one deadline.

What was started is gone before a result is given, on every path. `trial` ends each program and what is left of its process
group. What has left the group is found here, by the token in its environment: so nobody else may run a program with this
token at the same time.
"""

import selectors
import time
from collections.abc import Mapping, Sequence

from twisted.logger import Logger

from transcoded.plan.media.launcher import Launcher
from transcoded.run.process.ledger import Ledger
from transcoded.run.process.processes import carriers, carries, kill_if
from transcoded.run.process.trial import POLL_INTERVAL, Outcome, RunningTrial, Trial

DEADLINE = 5.0
"""Seconds that programs have to answer, if nobody says otherwise."""

KILL_TIMEOUT = 2.0
"""Seconds that killed processes have until they are gone."""


_NOT_BEGUN = "was not begun within the deadline"


class Trials:
    """Runs trials. `environment` is what programs see besides the token of the ledger, `deadline` in seconds."""

    _log = Logger()

    def __init__(self, environment: Mapping[str, str], ledger: Ledger, deadline: float = DEADLINE) -> None:
        self._environment = {**environment, **ledger.environment()}
        self._ledger = ledger
        self._deadline = deadline

    def run(
        self, launcher: Launcher, trials: Sequence[Trial], deadline: float | None = None, at_once: int | None = None
    ) -> list[Outcome]:
        """Run all, `at_once` of them at the same time; None: all.

        Returns their outcomes, in order, at most `KILL_TIMEOUT` seconds after the deadline.

        No started process is left when it returns or raises, except those that SIGKILL does not end, which are a `problem` of
        their outcome. Whatever a program does is no exception.
        """
        seconds = self._deadline if deadline is None else deadline
        until = time.monotonic() + seconds
        waiting = list(reversed(trials))
        running: list[RunningTrial] = []
        selector = selectors.DefaultSelector()
        try:
            while time.monotonic() < until:
                busy = [one for one in running if one.is_running]
                while waiting and (at_once is None or len(busy) < at_once):
                    running.append(RunningTrial(launcher, waiting.pop(), self._environment, self._ledger))
                    running[-1].register(selector)
                    busy.append(running[-1])
                if not waiting and not any(one.is_running for one in busy):
                    break
                for key, _ in selector.select(POLL_INTERVAL):
                    key.data()
                for one in busy:
                    one.check_exit()
        finally:
            for one in running:
                one.end(f"does not end within {seconds:g} seconds")
            selector.close()
            until = time.monotonic() + KILL_TIMEOUT
            for one in running:
                one.prove(until)
            self._end_token_carriers(until)
        return [*(one.outcome() for one in running), *(Outcome(b"", _NOT_BEGUN, late=True) for _ in waiting)]

    def _end_token_carriers(self, until: float) -> None:
        """Kill the processes that have left their group."""
        found: set[int] = set()
        # Repeated until none is found: a process may have been forked while another one was killed.
        while (pids := carriers(self._ledger.token)) and time.monotonic() < until:
            found.update(pid for pid in pids if kill_if(pid, lambda pid: carries(pid, self._ledger.token)))
            time.sleep(POLL_INTERVAL)
        if found:
            self._log.warn("ended processes that a tried program had left: {pids}", pids=sorted(found))
