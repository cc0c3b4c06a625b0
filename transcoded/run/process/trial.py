"""One program that is tried at the start: from its start to the proof of its end. `trials` runs several of them.

A tried program is controlled as every other child is, but without the reactor, which does not run yet:

* It is started through the launcher, so that the kernel ends it together with this process. It is made the leader of a new
  session and process group when it is forked: so the group exists from the first moment, also on a machine without setsid.
* It carries the ledger's token in its environment, and has a line in the ledger until its end is proven.
* It has ended when its first process has exited. Then, or at the deadline, its group is killed and watched until it is empty.
* Its output is read as it comes, and is bounded.
"""

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from tempfile import TemporaryFile
from typing import IO

import attrs

from transcoded.plan.media.launcher import Launcher
from transcoded.run.process.exit_status import MAX_STDERR_TAIL, signal_name
from transcoded.run.process.groups import group_members, signal_group
from transcoded.run.process.ledger import Ledger
from transcoded.run.process.seccomp import open_filter

MAX_OUTPUT = 1 << 20
"""Bytes on stdout; a program that writes more is killed."""

POLL_INTERVAL = 0.005
"""Seconds between two checks of what has no event of its own: an exit, an empty group."""

_BLOCK = 65536
"""Bytes in one read."""


@attrs.frozen
class Trial:
    """What to run: a program by its absolute path, and its arguments.

    `stdin` is the content of a file that is its standard input. With `helper` it has the limits of a helper, else those of an
    encoder.
    """

    program: str
    arguments: Sequence[str] = ()
    stdin: bytes = attrs.field(default=b"", repr=False)
    helper: bool = True


@attrs.frozen
class Outcome:
    """The bytes that a program wrote on stdout, and `problem`.

    `problem` is None if the program did its work. Otherwise it is a clause that says what went wrong, with the program as its
    subject: "ends with status 1: No such filter". `late`: the deadline ended it, or came before it was begun.
    `complaints` are the last lines on stderr.
    """

    output: bytes
    problem: str | None
    late: bool = False
    complaints: Sequence[str] = attrs.field(default=(), eq=False)


class RunningTrial:
    """One program under trial. The constructor starts it; a failure to start is a `problem` of its outcome, not an exception.

    The order of calls: `register`, `check_exit` again and again, `end`, `prove`, `outcome`.
    """

    def __init__(self, launcher: Launcher, trial: Trial, environment: Mapping[str, str], ledger: Ledger) -> None:
        self._ledger = ledger
        self._process: subprocess.Popen[bytes] | None = None
        self._selector: selectors.BaseSelector | None = None
        self._receivers: dict[IO[bytes], Callable[[bytes], None]] = {}
        self._output = bytearray()
        self._size = 0
        self._stderr_tail = b""
        self._problem: str | None = None
        self._late = False
        self.is_running = False
        # Without setsid: that program forks if it leads a group already, and the pid would be that of another process.
        launcher = attrs.evolve(launcher, setsid=None)
        seccomp = None if launcher.sandbox is None else launcher.sandbox.seccomp
        try:
            with open_filter(seccomp) as filter_of_child, _open_input(trial.stdin) as stdin:
                filter_fd = next(iter(filter_of_child.values()), None)
                command = launcher.command(
                    trial.program, trial.arguments, has_input=False, helper=trial.helper, seccomp_fd=filter_fd
                )
                process = subprocess.Popen(
                    command,
                    env=environment,
                    stdin=stdin,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    bufsize=0,
                    start_new_session=True,
                    # It keeps its number.
                    pass_fds=() if filter_fd is None else (filter_fd,),
                )
        except (OSError, ValueError) as error:
            self._problem = f"cannot be started: {getattr(error, 'strerror', None) or error}"
            return
        self.is_running = True
        self._process = process
        self._ledger.started(process.pid)
        for pipe, receive in ((process.stdout, self._stdout_received), (process.stderr, self._stderr_received)):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                self._receivers[pipe] = receive

    def register(self, selector: selectors.BaseSelector) -> None:
        """Have the selector watch its pipes. The `data` of each key is the function to call when there is something to read."""
        self._selector = selector
        for pipe in self._receivers:
            selector.register(pipe, selectors.EVENT_READ, partial(self._read, pipe))

    def check_exit(self) -> None:
        """If its first process has exited, kill what is left of its group."""
        if self._process is not None and self.is_running and _has_exited(self._process.pid):
            self._kill()

    def end(self, problem: str) -> None:
        """If it still runs at the deadline, kill it and record this problem."""
        if self.is_running:
            self._problem, self._late = problem, True
            self._kill()

    def prove(self, until: float) -> None:
        """Wait until its first process is reaped and its group is empty, then remove its line from the ledger.

        At `until` (monotonic time, in seconds) the waiting ends. What is still there is then recorded as its problem, and the
        line stays.
        """
        if self._process is None:
            return
        pid = self._process.pid
        if not _wait_for(lambda: _has_exited(pid), until):
            self._problem = f"was killed, but process {pid} does not end"
            return
        status = self._process.wait()
        if not _wait_for(lambda: not group_members(pid), until):
            self._problem = f"was killed, but its process group {pid} does not end"
            return
        self._ledger.ended(pid)
        if self._problem is None and status:
            self._problem = f"ends with status {status}" if status > 0 else f"is ended by {signal_name(-status)}"
            lines = self._complaints()
            if lines:
                self._problem += f": {lines[-1].strip()[:200]}"

    def outcome(self) -> Outcome:
        """The result. Complete only after `prove`."""
        return Outcome(bytes(self._output), self._problem, self._late, self._complaints())

    def _complaints(self) -> Sequence[str]:
        return self._stderr_tail.decode("utf-8", "replace").strip().splitlines()

    def _kill(self) -> None:
        """Kill the whole group, then read what was written last.

        The first process is not reaped yet, so the number of the group cannot belong to another one.
        """
        assert self._process is not None  # noqa: S101 - it runs
        self.is_running = False
        signal_group(self._process.pid, signal.SIGKILL)
        for pipe in list(self._receivers):
            # Bounded: a process that has left the group may have the pipe open too, and write without end.
            for _ in range(MAX_OUTPUT // _BLOCK):
                if not self._read(pipe):
                    break
            self._close(pipe)

    def _read(self, pipe: IO[bytes]) -> bool:
        """Read what is in the pipe now. Returns whether there was anything."""
        if pipe not in self._receivers:
            return False
        try:
            data = os.read(pipe.fileno(), _BLOCK)
        except BlockingIOError:
            return False
        if data:
            self._receivers[pipe](data)
        else:
            self._close(pipe)
        return bool(data)

    def _close(self, pipe: IO[bytes]) -> None:
        if self._receivers.pop(pipe, None) is not None:
            if self._selector is not None:
                self._selector.unregister(pipe)
            pipe.close()

    def _stdout_received(self, data: bytes) -> None:
        self._output += data[: MAX_OUTPUT - len(self._output)]
        self._size += len(data)
        if self._size > MAX_OUTPUT:
            self._problem = f"writes more than {MAX_OUTPUT >> 20} MiB"
            if self.is_running:
                self._kill()

    def _stderr_received(self, data: bytes) -> None:
        self._stderr_tail = (self._stderr_tail + data)[-MAX_STDERR_TAIL:]


@contextmanager
def _open_input(content: bytes) -> Iterator[int]:
    """A descriptor to be the standard input of a program: of a file without a name that has this content, or of /dev/null."""
    if not content:
        yield subprocess.DEVNULL
        return
    with TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        yield file.fileno()


def _wait_for(condition: Callable[[], bool], until: float) -> bool:
    """Block until the condition is true; False if it is not at `until` (monotonic time, in seconds)."""
    while not condition():
        if time.monotonic() >= until:
            return False
        time.sleep(POLL_INTERVAL)
    return True


def _has_exited(pid: int) -> bool:
    """Whether a child of this process has exited. It is not reaped by this check."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        # Another part of this program reaps all children, and has reaped this one.
        return True
