"""Process groups: signalling one and seeing whether anything lives in it. Only ever groups that we made."""

import os
import signal

import psutil


def signal_group(pgid: int, number: signal.Signals) -> bool:
    """Send a signal to every process of a group; False if there is no such group, or nothing in it that may be signalled."""
    try:
        os.killpg(pgid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def group_is_empty(pgid: int) -> bool:
    """Whether nothing runs in a group. Zombies that wait for another parent do not count: they hold nothing any more."""
    try:
        os.killpg(pgid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return not any(_runs_in(process, pgid) for process in psutil.process_iter())


def _runs_in(process: psutil.Process, pgid: int) -> bool:
    try:
        return os.getpgid(process.pid) == pgid and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.Error):
        return False
