"""The names in directories, kept for a short while: to read a folder of 100,000 files takes some tens of milliseconds.

Names are kept for one state of a directory: its device, inode and modification time. A directory that has changed within the
last `SETTLED` seconds is not kept: it can change again without another time, because a file system counts in ticks.
"""

import os
import time
from collections.abc import Sequence
from threading import Lock

from transcoded.plan.lru import LRU

SETTLED = 2.0
"""Seconds."""

KEPT = 32 << 20
"""Bytes of names that are kept, estimated."""

_State = tuple[int, int, int]


class DirectoryNames:
    """Reads the names in directories. Used by several threads."""

    def __init__(self) -> None:
        self._names: LRU[_State, Sequence[str]] = LRU(KEPT, _weigh)
        self._lock = Lock()

    def read(self, directory: int) -> Sequence[str]:
        """All names in the open directory `directory`, sorted, without those that begin with a dot. Raises OSError."""
        found = os.fstat(directory)
        state = (found.st_dev, found.st_ino, found.st_mtime_ns)
        with self._lock:
            names = self._names.get(state)
        if names is None:
            names = sorted(name for name in os.listdir(directory) if not name.startswith("."))
            if time.time() - found.st_mtime > SETTLED:
                with self._lock:
                    self._names.put(state, names)
        return names


def _weigh(names: Sequence[str]) -> int:
    # An object of Python's text has 49 bytes besides its characters, and the list has 8 for it.
    return 200 + sum(map(len, names)) + 57 * len(names)
