"""Opens what is below a directory, by descriptor, and follows no link on the way.

A path that was checked can lead elsewhere by the time it is opened: somebody who may write below the directory replaces a
part of it by a symbolic link. So nothing is checked and then opened by its path. Each part of the path is opened relative to
the descriptor of the part before it, with `O_NOFOLLOW`, and what was opened is what is checked (`fstat`) and used. A path that
contains no `..` and no link cannot lead out of the directory, on any kernel; openat2(2) with `RESOLVE_BENEATH` would add
nothing.

The last part is opened with `O_PATH` first, because opening a FIFO or a device for reading can block or have effects.
"""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_PART = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def opened_below(directory: str, parts: Sequence[str]) -> Iterator[int]:
    """A descriptor (`O_PATH`) of what these names lead to, from a directory on. It can be of any type but a symbolic link.

    Without names it is the directory itself, whose own path may contain links. Raises OSError, or ValueError for a name that
    no file can have.
    """
    found = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for place, part in enumerate(parts, 1):
            kind = os.O_DIRECTORY if place < len(parts) else 0
            last, found = found, os.open(part, _PART | kind, dir_fd=found)
            os.close(last)
        if stat.S_ISLNK(os.fstat(found).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        yield found
    finally:
        os.close(found)


def open_regular(found: int) -> int:
    """Open the regular file for reading that a descriptor of `opened_below` stands for. The caller closes the result.

    Raises `NotRegular` if it is something else, OSError if it may not be read.
    """
    if not stat.S_ISREG(os.fstat(found).st_mode):
        raise NotRegular
    return os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_CLOEXEC)


def open_directory(found: int) -> int:
    """Open the directory for reading that a descriptor of `opened_below` stands for. The caller closes the result."""
    return os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


class NotRegular(OSError):
    """What was found is not a regular file."""
