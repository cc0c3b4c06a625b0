"""The library for code in the reactor: every call uses the disk in a thread."""

from collections.abc import Sequence

import attrs
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from transcoded.run.files.complaints import Complaints
from transcoded.run.files.library import Library, MediaFile, disk_of
from transcoded.run.files.sidecars import Sidecar, find_sidecars
from transcoded.run.files.threads import DiskThreads, Threads


@attrs.frozen
class AsyncLibrary:
    """Methods of `Library`, with the same results and errors. All may also fail as `Threads.run` does.

    `complaints` tells the operator of a file that cannot be read.
    """

    library: Library
    threads: Threads
    complaints: Complaints | None = None

    def locate(self, path: str) -> "Deferred[MediaFile]":
        """See `Library.locate`."""
        return self._of(path).run(self.library.locate, path).addErrback(self._complain)

    def locate_meant(self, path: str) -> "Deferred[MediaFile]":
        """The file of a path that JSON has written: see `Library.meant` and `Library.locate`."""
        return self._of(path).run(lambda: self.library.locate(self.library.meant(path))).addErrback(self._complain)

    def locate_first(self, paths: Sequence[str]) -> "Deferred[MediaFile]":
        """See `Library.locate_first`."""
        return self._of(paths[0]).run(self.library.locate_first, paths).addErrback(self._complain)

    def sidecars(self, file: MediaFile) -> "Deferred[Sequence[Sidecar]]":
        """See `find_sidecars`."""
        return self._of(file.path).run(find_sidecars, self.library, file)

    def _of(self, path: str) -> DiskThreads:
        return self.threads.of_disk(disk_of(path))

    def _complain(self, failure: Failure) -> Failure:
        if self.complaints is not None:
            self.complaints.note(failure.value)
        return failure
