"""The library for code in the reactor: every call uses the disk in a thread."""

from collections.abc import Sequence

import attrs
from twisted.internet.defer import Deferred

from transcoded.run.files.library import Library, MediaFile, Sidecar
from transcoded.run.files.threads import Threads


@attrs.frozen
class AsyncLibrary:
    """Methods of `Library`, with the same results and errors. All may also fail as `Threads.run` does."""

    library: Library
    threads: Threads

    def locate(self, path: str) -> "Deferred[MediaFile]":
        """See `Library.locate`."""
        return self.threads.run(self.library.locate, path)

    def locate_first(self, paths: Sequence[str]) -> "Deferred[MediaFile]":
        """See `Library.locate_first`."""
        return self.threads.run(self.library.locate_first, paths)

    def sidecars(self, file: MediaFile) -> "Deferred[Sequence[Sidecar]]":
        """See `Library.sidecars`."""
        return self.threads.run(self.library.sidecars, file)
