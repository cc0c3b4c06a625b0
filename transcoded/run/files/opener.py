"""Opens files of the library for code in the reactor. An open file has a lease until it is closed.

The descriptor of an open file is read by direct play, or given to a child process, which sees it as `/proc/self/fd/4`
(`run.process.stdio`). No path is given to a child: what a path leads to can change after it was checked.
"""

import os
from collections.abc import Callable
from typing import Self

import attrs

from transcoded.run.files.leases import FileLeases, Lease, file_being_released
from transcoded.run.files.library import Library, LibraryFile, disk_of
from transcoded.run.files.threads import DiskThreads, Threads


class OpenFile:
    """A file that is open for reading, with a lease on it, until `close`. Leaving the block of this context manager closes it."""

    def __init__(self, fd: int, lease: Lease) -> None:
        self.fd = fd
        self.lease = lease

    def close(self) -> None:
        """Close the descriptor, then give the lease back. May be repeated."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)
            self.lease.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@attrs.frozen
class FileOpener:
    """Opens files in threads."""

    library: Library
    threads: Threads
    leases: FileLeases

    def threads_for(self, file: LibraryFile) -> DiskThreads:
        """The threads in which this file is read."""
        return self.threads.of_disk(disk_of(file.path))

    async def open(self, file: LibraryFile, end: Callable[[], object] = lambda: None) -> OpenFile:
        """Open a file that was found in the library. `end` is called if it is being released while it is open.

        Raises `Unavailable` while it is being released, and what `Library.open` and `Threads.run` raise.
        """
        released: list[bool] = []
        lease = self.leases.take(file.path, file.real_path, lambda: released.append(True))
        try:
            fd = await self.threads_for(file).acquire(os.close, self.library.open, file)
        except BaseException:
            lease.release()
            raise
        opened = OpenFile(fd, lease)
        if released:
            opened.close()
            raise file_being_released()
        lease.end = end
        return opened
