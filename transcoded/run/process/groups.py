"""Process groups: signalling one and seeing what lives in it. Only ever groups that we made."""

import os
import signal
from collections.abc import Sequence

import attrs
import psutil


@attrs.frozen
class Member:
    """A process that runs in a group. `name` is the kernel's for it, 15 characters at the most."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.pid} {self.name}"


def signal_group(pgid: int, number: signal.Signals) -> bool:
    """Send a signal to every process of a group; False if there is no such group, or nothing in it that may be signalled."""
    try:
        os.killpg(pgid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def group_members(pgid: int) -> Sequence[Member]:
    """What runs in a group. Zombies that wait for another parent do not count: they hold nothing any more."""
    try:
        os.killpg(pgid, 0)
    except ProcessLookupError:
        return []
    except PermissionError:
        pass  # it is there, and may be seen all the same
    return [member for process in psutil.process_iter() if (member := _member(process, pgid)) is not None]


def _member(process: psutil.Process, pgid: int) -> Member | None:
    try:
        if os.getpgid(process.pid) != pgid or process.status() == psutil.STATUS_ZOMBIE:
            return None
        return Member(process.pid, process.name())
    except (ProcessLookupError, psutil.Error):
        return None
