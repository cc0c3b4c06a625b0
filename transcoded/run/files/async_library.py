"""The library as the reactor may ask it: every call looks at the disk in a thread."""

from collections.abc import Sequence

import attrs
from twisted.internet.defer import Deferred

from transcoded.run.files.library import Entry, Library, MediaFile, Sidecar
from transcoded.run.files.threads import Threads


@attrs.frozen
class AsyncLibrary:
    """See `Library` for what is given and raised; all may fail with `TimedOut` or `Unavailable` (`Threads.run`)."""

    library: Library
    threads: Threads

    def locate(self, path: str) -> "Deferred[MediaFile]":
        """The file of a URL's path."""
        return self.threads.run(self.library.locate, path)

    def locate_first(self, paths: Sequence[str]) -> "Deferred[MediaFile]":
        """The file of the first of these paths that leads to one."""
        return self.threads.run(self.library.locate_first, paths)

    def sidecars(self, file: MediaFile) -> "Deferred[Sequence[Sidecar]]":
        """Subtitle files beside a film."""
        return self.threads.run(self.library.sidecars, file)

    def listing(self, path: str) -> "Deferred[Sequence[Entry]]":
        """What is in a directory."""
        return self.threads.run(self.library.listing, path)
