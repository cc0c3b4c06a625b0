"""The ledger: a record of the running processes in the state directory. The next daemon uses it to end what a dead one left.

    {state_dir}/lock            locked (flock) as long as the daemon lives; contains its pid
    {state_dir}/daemon.json     boot id and token of the daemon that used the directory last
    {state_dir}/running/{pid}   one file per process: its start time in kernel ticks

Every child process has the token in its environment (`TRANSCODED_TOKEN`), and its own children inherit it. At its start a
daemon ends a process only if the machine was not rebooted and the process has the dead daemon's token. If the environment of
a process cannot be read, a recorded pid with the recorded start time is enough. So a pid that was used again is safe, and so
are the processes of another living daemon, whose directory is locked.
"""

import fcntl
import os
import re
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from secrets import token_hex

import attrs
import msgspec
from twisted.logger import Logger

TOKEN = "TRANSCODED_TOKEN"  # noqa: S105 - the name of a variable
_KILL_TIMEOUT = 5.0
"""Seconds that killed processes have until they are gone."""


class InUse(Exception):
    """A living daemon uses this state directory."""


class _Daemon(msgspec.Struct):
    boot_id: str
    token: str


@attrs.frozen
class Leftover:
    """A process that a dead daemon left, and that was killed. `gone` is False if it still exists."""

    pid: int
    command: str
    gone: bool


class Ledger:
    """The record of one daemon. Without a directory it has a token and writes nothing.

    An error in writing is logged once, and then nothing more is written: streams go on, and the tokens of the processes
    still show what belongs to this daemon.
    """

    _log = Logger()

    def __init__(self, directory: str | None, token: str, lock: int | None = None) -> None:
        self.directory = directory
        self.token = token
        self._lock = lock
        self._writable = directory is not None

    def environment(self) -> Mapping[str, str]:
        """The variables that every child process must have."""
        return {TOKEN: self.token}

    def started(self, pid: int) -> None:
        """Record a running process."""
        if self._writable:
            try:
                with open(f"{self.directory}/running/{pid}", "w", encoding="ascii") as file:
                    file.write(str(start_ticks(pid) or ""))
            except OSError as error:
                self._give_up(error)

    def ended(self, pid: int) -> None:
        """Remove the record of a process."""
        if self.directory is not None:
            with suppress(OSError):
                os.unlink(f"{self.directory}/running/{pid}")

    def close(self) -> None:
        """Unlock the directory. May be repeated."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _give_up(self, error: OSError) -> None:
        self._writable = False
        self._log.warn(
            "the ledger in {directory} cannot be written ({error}); going on without it",
            directory=self.directory,
            error=error.strerror,
        )


def open_ledger(directory: str | None) -> tuple[Ledger, Sequence[Leftover]]:
    """Lock the directory, end what a dead daemon left, and begin a new record.

    None: no directory. Raises `InUse` if a living daemon uses the directory, OSError if it cannot be created or written.
    """
    token = token_hex(16)
    if directory is None:
        return Ledger(None, token), []
    os.makedirs(f"{directory}/running", mode=0o700, exist_ok=True)
    lock = os.open(f"{directory}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(lock, 20, 0).decode("ascii", "replace").strip()
        os.close(lock)
        raise InUse(f"{directory} is in use by another daemon" + (f" (pid {owner})" if owner else "")) from None
    try:
        leftovers = _end_leftovers(directory)
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode("ascii"), 0)
        unfinished = f"{directory}/daemon.json.new"
        with open(unfinished, "wb") as file:
            file.write(msgspec.json.encode(_Daemon(_boot_id(), token)))
        os.replace(unfinished, f"{directory}/daemon.json")
    except BaseException:
        os.close(lock)
        raise
    return Ledger(directory, token, lock), leftovers


def start_ticks(pid: int) -> int | None:
    """When a process was started, in clock ticks since boot (proc(5), field 22 of stat); None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            # The second field is the program's name in parentheses. It may contain spaces and parentheses.
            return int(file.read().rpartition(")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return None


def carries(pid: int, token: str) -> bool:
    """Whether a process has this token in its environment. False if the environment cannot be read."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return f"{TOKEN}={token}".encode("ascii") in file.read().split(b"\0")
    except OSError:
        return False


def carriers(token: str) -> list[int]:
    """The pids of all processes with this token, without this process."""
    return [pid for pid in _processes() if carries(pid, token)]


def _end_leftovers(directory: str) -> Sequence[Leftover]:
    """Kill what the last daemon of this directory left, and wait until it is gone."""
    recorded = dict(_recorded(directory))
    for pid in recorded:
        with suppress(OSError):
            os.unlink(f"{directory}/running/{pid}")
    try:
        with open(f"{directory}/daemon.json", "rb") as file:
            last = msgspec.json.decode(file.read(), type=_Daemon)
    except (OSError, msgspec.DecodeError):
        return []
    if last.boot_id != _boot_id() or not re.fullmatch(r"[0-9a-f]{32}", last.token):
        return []
    ours = [pid for pid in _processes() if _is_ours(pid, last.token, recorded.get(pid))]
    commands = {pid: _command(pid) for pid in ours}
    started = {pid: start_ticks(pid) for pid in ours}
    for pid in ours:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + _KILL_TIMEOUT
    while any(_runs(pid, started[pid]) for pid in ours) and time.monotonic() < until:
        time.sleep(0.01)
    return [Leftover(pid, commands[pid], not _runs(pid, started[pid])) for pid in ours]


def _is_ours(pid: int, token: str, recorded_start: int | None) -> bool:
    if os.access(f"/proc/{pid}/environ", os.R_OK):
        return carries(pid, token)
    return recorded_start is not None and recorded_start == start_ticks(pid)


def _recorded(directory: str) -> Iterator[tuple[int, int | None]]:
    for name in os.listdir(f"{directory}/running"):
        if name.isdigit():
            try:
                with open(f"{directory}/running/{name}", encoding="ascii") as file:
                    text = file.read().strip()
            except (OSError, UnicodeDecodeError):
                text = ""
            yield int(name), int(text) if text.isdigit() else None


def _processes() -> Iterator[int]:
    try:
        yield from (int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid())
    except OSError:
        return


def _runs(pid: int, started: int | None) -> bool:
    """Whether a process still runs. Not a zombie, and not a later process with the same pid."""
    if started is None or start_ticks(pid) != started:
        return False
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except (OSError, IndexError):
        return False


def _command(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read(200).replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
