"""Who has which file open, and how to get it back.

Everything that opens a file of the library takes a lease on it while it does: streams, probes, direct play. A file release
asks all who have a lease on a file, or on anything below a directory, to end; it tells when the last lease is released, and
refuses newcomers until `readmit`.

Two names of one file (symbolic links) are one file: a file release looks at the paths of the library and at the real ones.
"""

from collections.abc import Callable
from typing import Self

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from transcoded.plan.errors import Unavailable
from transcoded.run.reactor import OneShot


class Lease:
    """A file in use, until `release`; a context manager. `end` is called to get the file back."""

    def __init__(self, leases: "FileLeases", path: str, real_path: str, end: Callable[[], object]) -> None:
        self._leases = leases
        self.path = path
        self.real_path = real_path
        self.end = end

    def release(self) -> None:
        """The file is open here no more. May be repeated."""
        self._leases.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class FileRelease:
    """A file, or all below a directory, that is being got back or kept free, until `readmit`."""

    def __init__(self, leases: "FileLeases", reactor: IReactorTime, path: str, real_path: str | None) -> None:
        self._leases = leases
        self._path = path
        self._real_path = real_path
        self._free: OneShot[None] = OneShot(reactor)

    def covers(self, path: str, real_path: str) -> bool:
        """Whether a file is meant by it."""
        return _below(path, self._path) or (self._real_path is not None and _below(real_path, self._real_path))

    def when_free(self) -> "Deferred[None]":
        """Fires when no lease is left on what it means. Cancelling stops the waiting."""
        return self._free.wait()

    def free(self) -> None:
        """Tell that no lease is left; called by `FileLeases`."""
        self._free.succeed(None)

    def readmit(self) -> None:
        """Let newcomers in again. May be repeated."""
        self._leases.readmit(self)


class FileLeases:
    """All leases, and all file releases under way."""

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor
        self._leases: set[Lease] = set()
        self._releases: set[FileRelease] = set()
        self._empty: OneShot[None] = OneShot(reactor)

    def __len__(self) -> int:
        """How many leases there are."""
        return len(self._leases)

    def take(self, path: str, real_path: str, end: Callable[[], object]) -> Lease:
        """Note that a file is in use from now on; raises `Unavailable` while it is being released."""
        if any(release.covers(path, real_path) for release in self._releases):
            raise Unavailable("The file is being released: it is about to be moved or deleted.", 2)
        lease = Lease(self, path, real_path, end)
        self._leases.add(lease)
        return lease

    def release_file(self, path: str, real_path: str | None) -> FileRelease:
        """Ask all who have a lease on it to end, and keep newcomers out until `readmit`."""
        release = FileRelease(self, self._reactor, path, real_path)
        self._releases.add(release)
        for lease in list(self._leases):
            if release.covers(lease.path, lease.real_path):
                lease.end()
        self._check()
        return release

    def when_empty(self) -> "Deferred[None]":
        """Fires when nobody has any file open. Whoever comes meanwhile is let in, and waited for too."""
        waiting = self._empty.wait()
        self._check()
        return waiting

    def discard(self, lease: Lease) -> None:
        """A lease is over; called by `Lease.release`."""
        self._leases.discard(lease)
        self._check()

    def readmit(self, release: FileRelease) -> None:
        """A file release is over; called by `FileRelease.readmit`."""
        self._releases.discard(release)

    def _check(self) -> None:
        for release in self._releases:
            if not any(release.covers(lease.path, lease.real_path) for lease in self._leases):
                release.free()
        if not self._leases and self._empty.waiting:
            empty, self._empty = self._empty, OneShot(self._reactor)
            empty.succeed(None)


def _below(path: str, above: str) -> bool:
    return path == above or path.startswith(above.rstrip("/") + "/")
