"""The resources that a process uses: CPU and resident memory, as the kernel counts them."""

from collections.abc import Callable

import psutil


class ResourceUsage:
    """Measures one process. `uptime` gives the seconds since it was started."""

    def __init__(self, pid: int, uptime: Callable[[], float]) -> None:
        self._pid = pid
        self._uptime = uptime
        self._process: psutil.Process | None = None

    def measure(self) -> tuple[float | None, int | None]:
        """The CPU in percent of one core since the last measurement (at first: since the start), and the resident bytes.

        Both are None if the process is gone.
        """
        try:
            if self._process is None:
                return self._first_measure()
            with self._process.oneshot():
                return self._process.cpu_percent(), self._process.memory_info().rss
        except psutil.Error:
            return None, None

    def _first_measure(self) -> tuple[float, int]:
        process = psutil.Process(self._pid)
        with process.oneshot():
            process.cpu_percent()
            used = process.cpu_times()
            percent = round(100 * (used.user + used.system) / max(self._uptime(), 0.01), 1)
            rss = process.memory_info().rss
        self._process = process
        return percent, rss
