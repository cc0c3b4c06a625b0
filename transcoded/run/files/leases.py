"""Who has which file open, and how to get it back.

Everything that opens a file of the library holds it here while it does: streams, probes, direct play. A release ends all
who hold a file, or anything below a directory, waits until the last has let go, and refuses newcomers meanwhile.

Two names of one file (symbolic links) are one file: a release looks at the paths of the library and at the real ones.
"""

from collections.abc import Callable, Sequence

import attrs
from twisted.internet.defer import Deferred

from transcoded.plan.errors import Unavailable


@attrs.define(eq=False)
class Lease:
    """A file in use. `end` is called to get it back; `free` is to be called when it has been let go, once or more often."""

    leases: "FileLeases"
    path: str
    real_path: str
    end: Callable[[], object]

    def free(self) -> None:
        """The file is open here no more."""
        self.leases.forget(self)


@attrs.define(eq=False)
class Release:
    """A file, or a directory, that is being got back or kept free. `over` lets newcomers in again, once or more often."""

    leases: "FileLeases"
    path: str
    real_path: str | None
    freed: "Deferred[None]" = attrs.field(factory=Deferred)

    def covers(self, path: str, real_path: str) -> bool:
        """Whether a file is meant by it."""
        return _within(path, self.path) or (self.real_path is not None and _within(real_path, self.real_path))

    def over(self) -> None:
        """Let newcomers in."""
        self.leases.readmit(self)


class FileLeases:
    """All holds and all releases under way."""

    def __init__(self) -> None:
        self._holds: set[Lease] = set()
        self._releases: set[Release] = set()
        self._waiting: list[Deferred[None]] = []

    def __len__(self) -> int:
        """How many holds there are."""
        return len(self._holds)

    def hold(self, path: str, real_path: str, end: Callable[[], object]) -> Lease:
        """Note that a file is in use from now on; raises `Unavailable` while it is being released."""
        for release in self._releases:
            if release.covers(path, real_path):
                raise Unavailable("The file is being released: it is about to be moved or deleted.", 2)
        hold = Lease(self, path, real_path, end)
        self._holds.add(hold)
        return hold

    def release(self, path: str, real_path: str | None) -> Release:
        """Get a file back: `freed` fires when nobody holds it any more. It is kept free until `over`."""
        release = Release(self, path, real_path)
        self._releases.add(release)
        for hold in self._held(release):
            hold.end()
        self._check()
        return release

    def when_empty(self) -> "Deferred[None]":
        """Fires when nobody has any file open. Whoever comes meanwhile is let in, and waited for too."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        self._check()
        return waiting

    def forget(self, hold: Lease) -> None:
        """A hold is over."""
        self._holds.discard(hold)
        self._check()

    def readmit(self, release: Release) -> None:
        """A release is over."""
        self._releases.discard(release)

    def _held(self, release: Release) -> Sequence[Lease]:
        return [hold for hold in self._holds if release.covers(hold.path, hold.real_path)]

    def _check(self) -> None:
        for release in list(self._releases):
            if not release.freed.called and not self._held(release):
                release.freed.callback(None)
        if not self._holds:
            waiting, self._waiting = self._waiting, []
            for deferred in waiting:
                deferred.callback(None)


def _within(path: str, above: str) -> bool:
    return path == above or path.startswith(above.rstrip("/") + "/")
