"""Process groups: how to signal one, and how to list its members. Used only for groups that this daemon has created."""

import os
import signal
from collections.abc import Sequence

import attrs
import psutil


@attrs.frozen
class Member:
    """A process in a group. `name` is the name that the kernel has for it, at most 15 characters."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.pid} {self.name}"


def signal_group(pgid: int, number: signal.Signals) -> bool:
    """Send a signal to every process of a group. False if there is no such group, or if none of its members may be signalled."""
    try:
        os.killpg(pgid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def group_members(pgid: int) -> Sequence[Member]:
    """The members of a group, without zombies: a zombie has no memory and no open files, and waits for its parent.

    Raises OSError if /proc cannot be read.
    """
    try:
        os.killpg(pgid, 0)
    except ProcessLookupError:
        return []
    except PermissionError:
        pass  # the group exists; its members can be listed, though not signalled
    return [member for process in psutil.process_iter() if (member := _member(process, pgid)) is not None]


def _member(process: psutil.Process, pgid: int) -> Member | None:
    try:
        if os.getpgid(process.pid) != pgid or process.status() == psutil.STATUS_ZOMBIE:
            return None
        return Member(process.pid, process.name())
    except (ProcessLookupError, psutil.Error):
        return None
