"""Programs that are tried at the start, before the reactor runs: several at the same time, under one deadline.

A program that is tried is held as every other child is, and proven gone before its result is given:

* It comes through the launcher, so the kernel ends it with this process. Its session and process group are made when it is
  forked: the group is there from the first moment, also on a machine without setsid.
* It carries the ledger's token, and has a line in the ledger.
* It has ended when its first process has. Its group is killed then, or at the deadline, and seen to be empty. What has left the
  group is found by the token. So nobody else may run something with this token at the same time.
* What it writes is read as it comes, and bounded.
"""

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import IO

import attrs
from twisted.logger import Logger

from transcoded.plan.media.launcher import Launcher
from transcoded.run.process.groups import group_members, signal_group
from transcoded.run.process.ledger import Ledger, carriers

DEADLINE = 5.0
"""Seconds that a program has to answer a question."""

PROOF = 2.0
"""Seconds that killed processes have until they are gone."""

MAX_OUTPUT = 1 << 20
STDERR_TAIL = 8192

_INTERVAL = 0.005
_BLOCK = 65536


@attrs.frozen
class Trial:
    """What to run: a program by its absolute path, and its arguments."""

    program: str
    arguments: Sequence[str] = ()


@attrs.frozen
class Outcome:
    """What it wrote on stdout, and None or a clause about it that says why it did not do its work."""

    output: bytes
    problem: str | None


class Trials:
    """Runs trials. `environment` is what programs see besides the token of the ledger, `deadline` in seconds."""

    _log = Logger()

    def __init__(self, environment: Mapping[str, str], ledger: Ledger, deadline: float = DEADLINE) -> None:
        self._environment = {**environment, **ledger.environment()}
        self._ledger = ledger
        self._deadline = deadline

    def run(self, launcher: Launcher, trials: Sequence[Trial], deadline: float | None = None) -> list[Outcome]:
        """Run all at the same time; their outcomes, in order, after the deadline and `PROOF` seconds more at the most.

        Nothing that was started is there any more when it returns or raises. It raises nothing for what a program does.
        """
        seconds = self._deadline if deadline is None else deadline
        until = time.monotonic() + seconds
        attempts: list[_Attempt] = []
        selector = selectors.DefaultSelector()
        try:
            attempts.extend(_Attempt(launcher, trial, self._environment, self._ledger) for trial in trials)
            for attempt in attempts:
                attempt.listen(selector)
            while any(attempt.runs for attempt in attempts) and time.monotonic() < until:
                for key, _ in selector.select(_INTERVAL):
                    key.data()
                for attempt in attempts:
                    attempt.look()
        finally:
            for attempt in attempts:
                attempt.end(f"does not end within {seconds:g} seconds")
            selector.close()
            until = time.monotonic() + PROOF
            for attempt in attempts:
                attempt.prove(until)
            self._end_what_left_its_group(until)
        return [attempt.outcome() for attempt in attempts]

    def _end_what_left_its_group(self, until: float) -> None:
        found: set[int] = set()
        # Again until a look finds none: one may have been forked while the first was killed.
        while (pids := carriers(self._ledger.token)) and time.monotonic() < until:
            found.update(pids)
            for pid in pids:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(_INTERVAL)
        if found:
            self._log.warn("ended what a program that was tried had left: {pids}", pids=sorted(found))


class _Attempt:
    """One program, from its start to the proof of its end."""

    def __init__(self, launcher: Launcher, trial: Trial, environment: Mapping[str, str], ledger: Ledger) -> None:
        self._ledger = ledger
        self._process: subprocess.Popen[bytes] | None = None
        self._selector: selectors.BaseSelector | None = None
        self._takers: dict[IO[bytes], Callable[[bytes], None]] = {}
        self._output = bytearray()
        self._size = 0
        self._stderr = b""
        self._problem: str | None = None
        self.runs = False
        # setsid would fork if it led a group already, and the pid would be another's.
        command = attrs.evolve(launcher, setsid=None).command(trial.program, trial.arguments)
        try:
            process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            self._problem = f"cannot be started: {getattr(error, 'strerror', None) or error}"
            return
        self.runs = True
        self._process = process
        self._ledger.started(process.pid)
        for pipe, take in ((process.stdout, self._wrote), (process.stderr, self._complained)):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                self._takers[pipe] = take

    def listen(self, selector: selectors.BaseSelector) -> None:
        """Have its output read as it comes."""
        self._selector = selector
        for pipe in self._takers:
            selector.register(pipe, selectors.EVENT_READ, partial(self._read, pipe))

    def look(self) -> None:
        """See whether its first process has exited."""
        if self._process is not None and self.runs and _has_exited(self._process.pid):
            self._kill()

    def end(self, problem: str) -> None:
        """If it still runs, kill it, and let this be why it is of no use."""
        if self.runs:
            self._problem = problem
            self._kill()

    def prove(self, until: float) -> None:
        """Wait until its first process is reaped and its group is empty, and cross it out in the ledger."""
        if self._process is None:
            return
        pid = self._process.pid
        if not _comes_true(lambda: _has_exited(pid), until):
            self._problem = f"was killed, but process {pid} does not end"
            return
        status = self._process.wait()
        if not _comes_true(lambda: not group_members(pid), until):
            self._problem = f"was killed, but its process group {pid} does not end"
            return
        self._ledger.ended(pid)
        if self._problem is None and status:
            self._problem = f"ends with status {status}" if status > 0 else f"is ended by {_signal_name(-status)}"
            said = self._stderr.decode("utf-8", "replace").strip().splitlines()
            if said:
                self._problem += f": {said[-1].strip()[:200]}"

    def outcome(self) -> Outcome:
        """The result, after the proof."""
        return Outcome(bytes(self._output), self._problem)

    def _kill(self) -> None:
        """Kill the whole group, and take what was written last.

        The first process is not reaped yet, so the group's number is its own.
        """
        assert self._process is not None  # noqa: S101 - it runs
        self.runs = False
        signal_group(self._process.pid, signal.SIGKILL)
        for pipe in list(self._takers):
            # What has left the group may hold the other end, and write for ever.
            for _ in range(MAX_OUTPUT // _BLOCK):
                if not self._read(pipe):
                    break
            self._forget(pipe)

    def _read(self, pipe: IO[bytes]) -> bool:
        """Take what is there; whether there was something."""
        if pipe not in self._takers:
            return False
        try:
            data = os.read(pipe.fileno(), _BLOCK)
        except BlockingIOError:
            return False
        if data:
            self._takers[pipe](data)
        else:
            self._forget(pipe)
        return bool(data)

    def _forget(self, pipe: IO[bytes]) -> None:
        if self._takers.pop(pipe, None) is not None:
            if self._selector is not None:
                self._selector.unregister(pipe)
            pipe.close()

    def _wrote(self, data: bytes) -> None:
        self._output += data[: MAX_OUTPUT - len(self._output)]
        self._size += len(data)
        if self._size > MAX_OUTPUT:
            self._problem = f"writes more than {MAX_OUTPUT >> 20} MiB"
            if self.runs:
                self._kill()

    def _complained(self, data: bytes) -> None:
        self._stderr = (self._stderr + data)[-STDERR_TAIL:]


def _comes_true(is_true: Callable[[], bool], until: float) -> bool:
    while not is_true():
        if time.monotonic() >= until:
            return False
        time.sleep(_INTERVAL)
    return True


def _has_exited(pid: int) -> bool:
    """Whether a child of ours has exited. It is not reaped by the question."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        # Somebody else in this program reaps every child.
        return True


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
