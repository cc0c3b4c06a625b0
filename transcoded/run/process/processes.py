"""The processes of the machine, as /proc shows them, and how to kill one of them that is not an own, unreaped child.

The number of such a process may belong to another one at any moment. So it is opened first (pidfd_open(2)), then looked at, and
then killed by this descriptor, which never means another process. Linux has this since 5.3.

What /proc shows of a process was written by that process: it can be long, and it can lie. So it is read up to a limit, and only
processes of this user count: a token that somebody else has copied means nothing.
"""

import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import attrs
from twisted.logger import Logger

TOKEN = "TRANSCODED_TOKEN"  # noqa: S105 - the name of a variable

MAX_ENVIRONMENT = 8 << 20
"""Bytes of an environment that are read. The kernel allows no program more than 6 MiB (execve(2))."""

_BLOCK = 65536
_log = Logger()


@attrs.frozen
class OpenProcess:
    """A process that is held by a descriptor. The pid belongs to it as long as it has not been reaped."""

    pid: int
    _fd: int

    def kill(self) -> None:
        """Send SIGKILL. It is no error if the process is gone or may not be killed."""
        with suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(self._fd, signal.SIGKILL)

    def has_exited(self) -> bool:
        """Whether it has exited; it may be a zombie."""
        # The descriptor of a process that has exited can be read (pidfd_open(2)).
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return bool(poll.poll(0))

    def wait(self, until: float) -> bool:
        """Block until it has exited; False if it has not at `until` (monotonic time, in seconds)."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return bool(poll.poll(max(0.0, until - time.monotonic()) * 1000))


@contextmanager
def open_process(pid: int) -> Iterator[OpenProcess | None]:
    """Hold a process; None if there is none with this number, or, with an error in the log, if the kernel cannot do it."""
    try:
        fd = os.pidfd_open(pid)
    except OSError as error:
        if not isinstance(error, ProcessLookupError):
            _log.error("process {pid} cannot be ended safely: {error}", pid=pid, error=error.strerror)
        yield None
        return
    try:
        yield OpenProcess(pid, fd)
    finally:
        os.close(fd)


def kill_if(pid: int, is_wanted: Callable[[int], bool]) -> bool:
    """Kill the process with this number if the function says so. It is asked when the process is held. Whether it was killed."""
    with open_process(pid) as process:
        # If it has exited, another one may have got its number, and the function may have looked at that one.
        if process is None or not is_wanted(pid) or process.has_exited():
            return False
        process.kill()
        return True


def pids() -> Sequence[int]:
    """The pids of all processes, without this one."""
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
    except OSError:
        return []


def be_nicer(pid: int, niceness: int) -> None:
    """Give a child process that was just started at least this niceness (setpriority(2)); its threads to come inherit it."""
    with suppress(ProcessLookupError, PermissionError):
        if os.getpriority(os.PRIO_PROCESS, pid) < niceness:
            os.setpriority(os.PRIO_PROCESS, pid, niceness)


def start_ticks(pid: int) -> int | None:
    """When a process was started, in clock ticks since boot (proc(5), field 22 of stat); None if there is no such process."""
    # The second field is the program's name in parentheses. It may contain spaces and parentheses.
    fields = _read(pid, "stat", _BLOCK).rpartition(b")")[2].split()
    try:
        return int(fields[19])
    except (IndexError, ValueError):
        return None


def is_own(pid: int) -> bool:
    """Whether a process is one of this user: its real and its effective user."""
    for line in _read(pid, "status", _BLOCK).splitlines():
        if line.startswith(b"Uid:"):
            return line.split()[1:3] == [b"%d" % os.geteuid()] * 2
    return False


def carries(pid: int, token: str) -> bool:
    """Whether a process of this user has this token in its environment. False if the environment cannot be read."""
    return is_own(pid) and f"{TOKEN}={token}".encode("ascii") in _read(pid, "environ", MAX_ENVIRONMENT).split(b"\0")


def carriers(token: str) -> list[int]:
    """The pids of all processes of this user with this token, without this process."""
    return [pid for pid in pids() if carries(pid, token)]


def command_of(pid: int) -> str:
    """The start of a process's command line, for a message; an empty text if there is none."""
    return _read(pid, "cmdline", 200).replace(b"\0", b" ").decode("utf-8", "replace").strip()


def _read(pid: int, name: str, max_bytes: int) -> bytes:
    """A file of /proc, up to a limit; nothing if it cannot be read."""
    data = bytearray()
    try:
        with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:
            while len(data) < max_bytes and (block := file.read(min(_BLOCK, max_bytes - len(data)))):
                data += block
    except OSError:
        return b""
    return bytes(data)
