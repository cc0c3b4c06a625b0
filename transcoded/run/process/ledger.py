"""The ledger: a record of the running processes in the state directory. The next daemon uses it to end what a dead one left.

    {state_dir}/lock            locked (flock) as long as the daemon lives; contains its pid
    {state_dir}/daemon.json     boot id and token of the daemon that used the directory last
    {state_dir}/running/{pid}   one file per process: its start time in kernel ticks

Every child process has the token in its environment (`TRANSCODED_TOKEN`), and its own children inherit it. At its start a
daemon ends a process only if the machine was not rebooted, and the process belongs to this user and has the dead daemon's
token. If the environment of a process of this user cannot be read, a recorded pid with the recorded start time is enough. So a
pid that was used again is safe, and so are the processes of another living daemon, whose directory is locked.

The directory is private (`private_directory`): who could write there could choose whom the next start kills.
"""

import fcntl
import os
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from secrets import token_hex

import attrs
import msgspec
from twisted.logger import Logger

from transcoded.run.files.private_directory import PrivateDirectory
from transcoded.run.process.processes import (
    TOKEN,
    OpenProcess,
    carries,
    command_of,
    is_own,
    open_process,
    pids,
    start_ticks,
)

_KILL_TIMEOUT = 5.0
"""Seconds that killed processes have until they are gone."""

_MAX_RECORD = 4096
"""Bytes of a file in the directory; the daemon writes much shorter ones."""

_MAX_RECORDS = 100_000
"""Records that are looked at, at the most."""


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


@attrs.frozen
class _State:
    """The open state directory: the directory itself, its `running`, and the lock."""

    directory: PrivateDirectory
    running: PrivateDirectory
    opened: ExitStack


class Ledger:
    """The record of one daemon. Without a directory it has a token and writes nothing.

    An error in writing is logged once, and then nothing more is written: streams go on, and the tokens of the processes
    still show what belongs to this daemon.
    """

    _log = Logger()

    def __init__(self, token: str, state: _State | None = None) -> None:
        self.token = token
        self._state = state
        self._writable = state is not None

    @property
    def directory(self) -> PrivateDirectory | None:
        """The state directory, which is open until `close`."""
        return self._state.directory if self._state is not None else None

    def environment(self) -> Mapping[str, str]:
        """The variables that every child process must have."""
        return {TOKEN: self.token}

    def started(self, pid: int) -> None:
        """Record a running process."""
        if self._state is not None and self._writable:
            try:
                self._state.running.create(str(pid), str(start_ticks(pid) or "").encode("ascii"))
            except OSError as error:
                self._give_up(self._state.directory.path, error)

    def ended(self, pid: int) -> None:
        """Remove the record of a process."""
        if self._state is not None:
            self._state.running.remove(str(pid))

    def close(self) -> None:
        """Unlock the directory and close it. May be repeated."""
        if self._state is not None:
            self._state.opened.close()

    def _give_up(self, path: str, error: OSError) -> None:
        self._writable = False
        self._log.warn(
            "the ledger in {directory} cannot be written ({error}); going on without it",
            directory=path,
            error=error.strerror,
        )


def open_ledger(path: str | None) -> tuple[Ledger, Sequence[Leftover]]:
    """Lock the state directory, an absolute path, end what a dead daemon left, and begin a new record.

    None: no directory. Raises `InUse` if a living daemon uses the directory, `UntrustedFile` if somebody else could have
    written there, and other OSErrors if it cannot be created or written.
    """
    token = token_hex(16)
    if path is None:
        return Ledger(token), []
    with ExitStack() as opened:
        directory = PrivateDirectory.open(path)
        opened.callback(directory.close)
        lock = directory.open_file("lock", os.O_RDWR | os.O_CREAT)
        opened.callback(os.close, lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(lock, 20, 0).decode("ascii", "replace").strip()
            raise InUse(f"{path} is in use by another daemon" + (f" (pid {owner})" if owner else "")) from None
        running = directory.subdirectory("running")
        opened.callback(running.close)
        leftovers = _end_leftovers(directory, running)
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode("ascii"), 0)
        directory.replace("daemon.json", msgspec.json.encode(_Daemon(_boot_id(), token)))
        return Ledger(token, _State(directory, running, opened.pop_all())), leftovers
    raise AssertionError("not reached: the block above does not swallow exceptions")


def _end_leftovers(directory: PrivateDirectory, running: PrivateDirectory) -> Sequence[Leftover]:
    """Kill what the last daemon of this directory left, and wait until it is gone."""
    recorded = _take_records(running)
    try:
        last = msgspec.json.decode(directory.read("daemon.json", _MAX_RECORD) or b"", type=_Daemon)
    except msgspec.DecodeError:
        return []
    if last.boot_id != _boot_id() or not re.fullmatch(r"[0-9a-f]{32}", last.token):
        return []
    with ExitStack() as held:
        ours: list[tuple[OpenProcess, str]] = []
        for pid in [pid for pid in pids() if _is_ours(pid, last.token, recorded.get(pid))]:
            process = held.enter_context(open_process(pid))
            # Looked at again, now that the number cannot pass to another process unnoticed.
            if process is not None and _is_ours(pid, last.token, recorded.get(pid)) and not process.has_exited():
                ours.append((process, command_of(pid)))
        for process, _ in ours:
            process.kill()
        until = time.monotonic() + _KILL_TIMEOUT
        return [Leftover(process.pid, command, process.wait(until)) for process, command in ours]


def _is_ours(pid: int, token: str, recorded_start: int | None) -> bool:
    """Whether a process is one that the dead daemon has started. Never one of another user, whatever it carries."""
    if not is_own(pid):
        return False
    if os.access(f"/proc/{pid}/environ", os.R_OK):
        return carries(pid, token)
    return recorded_start is not None and recorded_start == start_ticks(pid)


def _take_records(running: PrivateDirectory) -> Mapping[int, int | None]:
    """Read and remove the records: the start time by pid, None for a record that is damaged."""
    found: dict[int, int | None] = {}
    for name in running.names()[:_MAX_RECORDS]:
        if re.fullmatch(r"[0-9]{1,10}", name):
            text = running.read(name, _MAX_RECORD) or b""
            found[int(name)] = int(text) if re.fullmatch(rb"[0-9]{1,20}", text) else None
            running.remove(name)
    return found


def _boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
