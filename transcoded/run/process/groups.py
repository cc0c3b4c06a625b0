"""Process groups: how to signal one, and how to list its members. Used only for groups that this daemon has created.

The number of a group can pass to another one as soon as its leader is reaped and no member is left. So a group is named by its
number and by a descriptor of its leader (`open_leader`), which never means another process, and so never another group. Linux
can signal a group by it since 6.9. Before that, and for a leader that is not reaped yet, the number is used. Then it is safe for
an unreaped leader; and for one that Twisted has just reaped, it could only be wrong if the kernel, which gives out numbers in
rising order, had used all the others since the same turn of the reactor.
"""

import os
import signal
from collections.abc import Sequence

import attrs
import psutil

_TO_GROUP = 4
"""PIDFD_SIGNAL_PROCESS_GROUP of pidfd_send_signal(2)."""


@attrs.frozen
class Member:
    """A process in a group. `name` is the name that the kernel has for it, at most 15 characters."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.pid} {self.name}"


def open_leader(pid: int) -> int | None:
    """A descriptor of a child that leads a group, or will soon. The child must not be reaped yet. None if the kernel has none."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def signal_group(pgid: int, number: signal.Signals, leader: int | None = None) -> bool:
    """Send a signal to every process of a group. False if there is no such group, or if none of its members may be signalled."""
    try:
        _send(pgid, number, leader)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def group_members(pgid: int, leader: int | None = None) -> Sequence[Member]:
    """The members of a group, without zombies: a zombie has no memory and no open files, and waits for its parent.

    Raises OSError if /proc cannot be read.
    """
    try:
        _send(pgid, 0, leader)
    except ProcessLookupError:
        return []
    except PermissionError:
        pass  # the group exists; its members can be listed, though not signalled
    return [member for process in psutil.process_iter() if (member := _member(process, pgid)) is not None]


def _send(pgid: int, number: int, leader: int | None) -> None:
    """Send a signal to a group, 0 to ask whether it exists. Raises ProcessLookupError and PermissionError."""
    if leader is not None:
        try:
            signal.pidfd_send_signal(leader, number, None, _TO_GROUP)
        except ProcessLookupError:
            raise
        except OSError:
            pass  # an older kernel, or a filter of system calls
        else:
            return
    os.killpg(pgid, number)


def _member(process: psutil.Process, pgid: int) -> Member | None:
    try:
        if os.getpgid(process.pid) != pgid or process.status() == psutil.STATUS_ZOMBIE:
            return None
        return Member(process.pid, process.name())
    except (ProcessLookupError, psutil.Error):
        return None
