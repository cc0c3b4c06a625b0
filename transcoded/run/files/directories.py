"""What is in directories, kept for a short while: to read a folder of 100,000 files takes some tens of milliseconds.

It is kept for one state of a directory: its device, inode and modification time. A directory that has changed within the
last `SETTLED` seconds is not kept: it can change again without another time, because a file system counts in ticks.
"""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from threading import Lock

from transcoded.plan.http.cursors import sort_key
from transcoded.plan.http.names import is_hidden
from transcoded.plan.lru import LRU

SETTLED = 2.0
"""Seconds."""

KEPT = 32 << 20
"""Bytes of names that are kept, estimated; as much again of sorted entries."""

PORTION = 5000
"""Names that are sorted at a time. No other thread runs during a sort, not even the reactor's."""

_State = tuple[int, int, int]


class _Kept:
    """Texts by the state of a directory. Used by several threads."""

    def __init__(self) -> None:
        self._texts: LRU[_State, Sequence[str]] = LRU(KEPT, _weigh)
        self._lock = Lock()

    def get(self, directory: int, read: Callable[[], Iterable[str]]) -> Sequence[str]:
        """What `read` finds in an open directory, sorted. Raises OSError."""
        found = os.fstat(directory)
        state = (found.st_dev, found.st_ino, found.st_mtime_ns)
        with self._lock:
            texts = self._texts.get(state)
        if texts is None:
            texts = _sorted(read())
            if time.time() - found.st_mtime > SETTLED:
                with self._lock:
                    self._texts.put(state, texts)
        return texts


class DirectoryNames:
    """Reads the names in directories, but not those that are `hidden`."""

    def __init__(self, hidden: Callable[[str], bool] = is_hidden) -> None:
        self._hidden = hidden
        self._kept = _Kept()

    def read(self, directory: int) -> Sequence[str]:
        """All names in the open directory `directory`, sorted. Raises OSError."""
        return self._kept.get(directory, lambda: (name for name in os.listdir(directory) if not self._hidden(name)))


class DirectoryEntries:
    """Reads which directories and files are in a directory, in the order of a listing, but not those that are `hidden`."""

    def __init__(self, hidden: Callable[[str], bool] = is_hidden) -> None:
        self._hidden = hidden
        self._kept = _Kept()

    def read(
        self, directory: int, shows: Callable[[str], bool], is_directory: Callable[[str], bool | None]
    ) -> Sequence[str]:
        """The positions (`plan.http.cursors`) of the entries of an open directory, sorted. Raises OSError.

        `shows` says whether a listing shows a file of this name. `is_directory` says whether a symbolic link of this name leads
        to a directory; None if a listing shows neither the link nor what it leads to.
        """

        def keys() -> Iterable[str]:
            with os.scandir(directory) as entries:
                for entry in entries:
                    name = entry.name
                    if self._hidden(name):
                        continue
                    found = is_directory(name) if entry.is_symlink() else _is_directory(entry)
                    if found or (found is False and shows(name)):
                        yield sort_key(name, is_directory=found)

        return self._kept.get(directory, keys)


def _is_directory(entry: "os.DirEntry[str]") -> bool | None:
    """Whether it is a directory or a regular file; None if it is neither. In most file systems this takes no look at the file."""
    try:
        if entry.is_dir(follow_symlinks=False):
            return True
        return False if entry.is_file(follow_symlinks=False) else None
    except OSError:
        return None


def _sorted(texts: Iterable[str]) -> Sequence[str]:
    """Sort in portions, so that other threads run in between. The last sort only merges what is sorted."""
    found = list(texts)
    for start in range(0, len(found), PORTION):
        found[start : start + PORTION] = sorted(found[start : start + PORTION])
    return sorted(found)


def _weigh(texts: Sequence[str]) -> int:
    # An object of Python's text has 49 bytes besides its characters, and the list has 8 for it.
    return 200 + sum(map(len, texts)) + 57 * len(texts)
