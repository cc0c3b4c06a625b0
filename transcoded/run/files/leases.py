"""Leases: which files of the library are in use, and how to make a file free.

Whatever opens a file of the library has a lease on it as long: streams, commands, direct play. A file release ends all that
have a lease on a file, or on anything below a directory. It reports when the last lease is released, and new leases are
refused until `readmit`.

A file may have several names (symbolic links), so both its path in the library and its real path are compared.
"""

from collections.abc import Callable
from typing import Self

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from transcoded.plan.errors import Unavailable
from transcoded.run.reactor import OneShot


class Lease:
    """A file in use, until `release`. Leaving the block of this context manager releases it.

    `end` is called when the file shall be released.
    """

    def __init__(self, leases: "FileLeases", path: str, real_path: str, end: Callable[[], object]) -> None:
        self._leases = leases
        self.path = path
        self.real_path = real_path
        self.end = end

    def release(self) -> None:
        """The file is not in use any more. May be repeated."""
        self._leases.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class FileRelease:
    """The release of a file, or of all files below a directory. New leases are refused until `readmit`."""

    def __init__(self, leases: "FileLeases", reactor: IReactorTime, path: str, real_path: str | None) -> None:
        self._leases = leases
        self._path = path
        self._real_path = real_path
        self._free: OneShot[None] = OneShot(reactor)

    def covers(self, path: str, real_path: str) -> bool:
        """Whether a file belongs to this release."""
        return _below(path, self._path) or (self._real_path is not None and _below(real_path, self._real_path))

    def when_free(self) -> "Deferred[None]":
        """Fires when no lease is left on its files. Cancelling stops the waiting."""
        return self._free.wait()

    def free(self) -> None:
        """No lease is left. Called by `FileLeases`."""
        self._free.succeed(None)

    def readmit(self) -> None:
        """Allow new leases again. May be repeated."""
        self._leases.readmit(self)


class FileLeases:
    """All leases, and all file releases that are in effect."""

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor
        self._leases: set[Lease] = set()
        self._releases: set[FileRelease] = set()
        self._empty: OneShot[None] = OneShot(reactor)
        self._on_release: list[Callable[[FileRelease], object]] = []

    def __len__(self) -> int:
        """The number of leases."""
        return len(self._leases)

    def take(self, path: str, real_path: str, end: Callable[[], object]) -> Lease:
        """Take a lease on a file. `end` is called if the file is released. Raises `Unavailable` while it is being released."""
        if self.is_released(path, real_path):
            raise file_being_released()
        lease = Lease(self, path, real_path, end)
        self._leases.add(lease)
        return lease

    def is_released(self, path: str, real_path: str) -> bool:
        """Whether a file is being released, or is not readmitted yet."""
        return any(release.covers(path, real_path) for release in self._releases)

    def on_release(self, callback: Callable[[FileRelease], object]) -> None:
        """Call this function at the beginning of each release: for those that use a file without a lease on it."""
        self._on_release.append(callback)

    def release_file(self, path: str, real_path: str | None) -> FileRelease:
        """Call `end` of all leases on a file or below a directory, and refuse new ones until `readmit`."""
        release = FileRelease(self, self._reactor, path, real_path)
        self._releases.add(release)
        for callback in self._on_release:
            callback(release)
        for lease in list(self._leases):
            if release.covers(lease.path, lease.real_path):
                lease.end()
        self._check()
        return release

    def when_empty(self) -> "Deferred[None]":
        """Fires when there is no lease. New leases are allowed meanwhile, and are waited for, too."""
        waiting = self._empty.wait()
        self._check()
        return waiting

    def discard(self, lease: Lease) -> None:
        """A lease is released. Called by `Lease.release`."""
        self._leases.discard(lease)
        self._check()

    def readmit(self, release: FileRelease) -> None:
        """A file release is over. Called by `FileRelease.readmit`."""
        self._releases.discard(release)

    def _check(self) -> None:
        for release in self._releases:
            if not any(release.covers(lease.path, lease.real_path) for lease in self._leases):
                release.free()
        if not self._leases and self._empty.waiting:
            empty, self._empty = self._empty, OneShot(self._reactor)
            empty.succeed(None)


def file_being_released() -> Unavailable:
    """The error for what needs a file that is being released."""
    return Unavailable("The file is being released: it is about to be moved or deleted.", 2)


def _below(path: str, above: str) -> bool:
    return path == above or path.startswith(above.rstrip("/") + "/")
