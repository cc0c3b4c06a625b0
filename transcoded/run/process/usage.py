"""The resources that a process uses: CPU and resident memory, as the kernel counts them."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

DEPTH = 2
"""Generations below the process. In the sandbox the transcoder is a grandchild: bwrap, bwrap as process 1, the transcoder."""


class ResourceUsage:
    """Measures one process together with its descendants. `uptime` gives the seconds since it was started."""

    def __init__(self, pid: int, uptime: Callable[[], float]) -> None:
        self._pid = pid
        self._uptime = uptime
        self._processes: dict[int, psutil.Process] = {}

    def measure(self) -> tuple[float | None, int | None]:
        """The CPU in percent of one core since the last measurement (at first: since the start), and the resident bytes.

        Both are None if the process is gone.
        """
        try:
            percent, rss = self._measure(self._pid)
        except psutil.Error:
            return None, None
        for pid in _descendants(self._pid):
            with suppress(psutil.Error):
                more = self._measure(pid)
                percent, rss = percent + more[0], rss + more[1]
        return round(percent, 1), rss

    def _measure(self, pid: int) -> tuple[float, int]:
        process = self._processes.get(pid)
        if process is not None:
            with process.oneshot():
                return process.cpu_percent(), process.memory_info().rss
        process = psutil.Process(pid)
        with process.oneshot():
            process.cpu_percent()
            used = process.cpu_times()
            percent = 100 * (used.user + used.system) / max(self._uptime(), 0.01)
            rss = process.memory_info().rss
        self._processes[pid] = process
        return percent, rss


def cpu_seconds(pid: int) -> float:
    """The seconds of a CPU that a process and its descendants have used. 0 if the process is gone."""
    total = 0.0
    for one in (pid, *_descendants(pid)):
        with suppress(psutil.Error):
            used = psutil.Process(one).cpu_times()
            total += used.user + used.system
    return total


def resident_bytes(pid: int) -> int | None:
    """The resident memory of a process and its descendants; None if the process is gone."""
    try:
        total = int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return None
    for one in _descendants(pid):
        with suppress(psutil.Error):
            total += psutil.Process(one).memory_info().rss
    return total


def cpu_demand(pid: int) -> float:
    """Seconds for which the threads of a process and of its descendants have used a CPU, or have waited for one.

    A thread that computes wants a CPU all the time, however many others do; one that waits for a disk does not. 0 if the process is
    gone, or on a kernel without CONFIG_SCHED_INFO.
    """
    total = 0
    for one in (pid, *_descendants(pid)):
        for thread in Path(f"/proc/{one}/task").glob("*/schedstat"):
            with suppress(OSError, ValueError):
                running, waiting, _ = map(int, thread.read_text("ascii").split())
                total += running + waiting
    return total / 1e9


def _descendants(pid: int) -> Sequence[int]:
    """The pids of the children that the main threads of a process and of its children have started, for `DEPTH` generations.

    Empty on a kernel without CONFIG_PROC_CHILDREN.
    """
    found: list[int] = []
    parents = [pid]
    for _ in range(DEPTH):
        children: list[int] = []
        for parent in parents:
            with suppress(OSError):
                children += map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text("ascii").split())
        found += children
        parents = children
    return found
