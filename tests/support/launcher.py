"""Starts daemons from a process that has loaded their code already: loading it anew is most of what a start costs.

`launcher()` runs one such process for a test session. While it runs, `start` has it fork for each `python -m twisted …`; the
fork goes through `Twist.main` like the command itself. Every other command is started in the usual way, and so is everything
without a launcher: the tests of the command lines (tests/live/test_faces) and of the units (tests/deploy) show that those work.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, cast

import attrs

from tests.support import REPOSITORY

_TWIST = (sys.executable, "-m", "twisted")


class Running(Protocol):
    """A process of ours: the part of `subprocess.Popen` that the tests use."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | Any: ...  # as typeshed has it: who has waited knows that it is there

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, sig: int) -> None: ...

    def terminate(self) -> None: ...

    def kill(self) -> None: ...


def start(command: Sequence[str], environment: Mapping[str, str], directory: Path, output: int) -> Running:
    """Start a command with nothing on stdin, and stdout and stderr in the descriptor `output`."""
    if _launchers and tuple(command[:3]) == _TWIST:
        return _launchers[-1].start(command[3:], environment, directory, output)
    return subprocess.Popen(
        command, env=environment, cwd=directory, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
    )


@contextmanager
def launcher() -> Iterator[None]:
    """Run the launcher, unless one runs already."""
    if _launchers:
        yield
        return
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.launcher", str(theirs.fileno())],
                cwd=REPOSITORY,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for pytest, which then ends it
            )
        _launchers.append(_Launcher(process.pid, ours))
        try:
            yield
        finally:
            _launchers.pop()
            ours.close()
            process.wait()


def launcher_pids() -> list[int]:
    """The launcher, if one runs. The daemons are its children."""
    return [one.pid for one in _launchers]


class _Launcher:
    """Our end of the line to it."""

    def __init__(self, pid: int, line: socket.socket) -> None:
        self.pid = pid
        self._line = line
        self._lock = threading.Lock()

    def start(
        self, arguments: Sequence[str], environment: Mapping[str, str], directory: Path, output: int
    ) -> "_Launched":
        status, theirs = os.pipe()
        try:
            order = json.dumps([list(arguments), dict(environment), str(directory)])
            with self._lock:
                socket.send_fds(self._line, [order.encode()], [output, theirs])
                answer = self._line.recv(100)
        finally:
            os.close(theirs)
        assert answer, "the launcher has ended"
        return _Launched(int(answer), status)


_launchers: list[_Launcher] = []


class _Launched:
    """A daemon that the launcher has started. `status` is a pipe that brings its exit status."""

    def __init__(self, pid: int, status: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._status = status

    def poll(self) -> int | None:
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        status = self._look(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(f"daemon {self.pid}", timeout or 0)
        return status

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            # It may have been reaped just now.
            with suppress(ProcessLookupError):
                os.kill(self.pid, sig)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _look(self, timeout: float | None) -> int | None:
        if self.returncode is None:
            poller = select.poll()
            poller.register(self._status, select.POLLIN)
            if poller.poll(None if timeout is None else timeout * 1000):
                told = os.read(self._status, 100)
                os.close(self._status)
                assert told, "the launcher has ended"
                self.returncode = int(told)
        return self.returncode


# The other end.


@attrs.frozen
class _Child:
    """A daemon, its pidfd, and the pipe for its exit status."""

    pid: int
    pidfd: int
    status: int


def _serve(line: socket.socket) -> bool:
    """Start what is asked for, until nobody is there to ask. Returns twice: True in each daemon, which is to run now."""
    children: dict[int, _Child] = {}
    poller = select.poll()
    poller.register(line, select.POLLIN)
    while True:
        for fd, _ in poller.poll():
            if fd in children:
                poller.unregister(fd)
                child = children.pop(fd)
                code = os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1])
                os.write(child.status, str(code).encode())
                os.close(child.status)
                os.close(child.pidfd)
                continue
            order, fds, _, _ = socket.recv_fds(line, 1 << 20, 2)
            if not order:
                for child in children.values():
                    os.kill(child.pid, signal.SIGKILL)
                return False
            output, status = fds
            pid = os.fork()
            if not pid:
                for other in children.values():
                    os.close(other.pidfd)
                    os.close(other.status)
                os.close(status)
                line.close()
                _become(order, output)
                return True
            os.close(output)
            child = _Child(pid, os.pidfd_open(pid), status)
            children[child.pidfd] = child
            poller.register(child.pidfd, select.POLLIN)
            line.send(str(pid).encode())


def _become(order: bytes, output: int) -> None:
    """Be the process that the order is for: arguments, environment, directory, output, and a reactor of its own."""
    from twisted.internet import reactor

    arguments, environment, directory = json.loads(order)
    sys.argv[1:] = arguments
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    tempfile.tempdir = None
    for stream in (1, 2):
        os.dup2(output, stream)
    os.close(output)
    # What was made when the code was loaded is shared with all other daemons: the epoll instance and the pipe that wakes it.
    cast(Any, reactor).__init__()


def main() -> None:
    """Load what a daemon loads, and serve."""
    from twisted.application.service import IServiceMaker
    from twisted.application.twist._twist import Twist
    from twisted.plugin import getPlugins

    list(getPlugins(IServiceMaker))
    __import__("transcoded.tap")
    if _serve(socket.socket(fileno=int(sys.argv[1]))):
        sys.exit(Twist.main())


if __name__ == "__main__":
    main()
