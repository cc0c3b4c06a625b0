"""Releases a file, so that it can be moved or deleted: for the API, and for an embedding application."""

import attrs

from transcoded.plan.endings import Ending
from transcoded.plan.errors import Unavailable
from transcoded.run.files.leases import FileRelease
from transcoded.run.files.library import Library, disk_of
from transcoded.run.files.threads import Threads
from transcoded.run.reactor import IReactor, within
from transcoded.run.streams.registry import StreamRegistry

KILL_MARGIN = 10.0
"""Seconds beyond `grace` after which a release fails, because a process does not end (its disk hangs)."""


@attrs.frozen
class ReleasedFile:
    """A file or a directory that is not in use, and cannot be opened before `readmit` is called.

    `endings`: of the streams that were ended for it.
    """

    endings: list[Ending]
    release: FileRelease

    def readmit(self) -> None:
        """Allow it to be opened again. May be repeated."""
        self.release.readmit()


@attrs.frozen
class FileReleaser:
    """Releases files. `grace`: seconds from SIGTERM to SIGKILL."""

    reactor: IReactor
    library: Library
    threads: Threads
    streams: StreamRegistry
    grace: float

    async def release(self, path: str) -> ReleasedFile:
        """End every stream of a file, or of all files below a directory, by its path as JSON writes it. Returns when nothing has them open any more.

        Raises `Unavailable` if something does not end in time. New streams are then allowed again.
        """
        path, real_path = await self.threads.of_disk(disk_of(path)).run(self._find, path)
        release, endings = self.streams.release_file(path, real_path)
        try:
            return ReleasedFile(
                await within(self.reactor, self.grace + KILL_MARGIN, endings, self._not_released), release
            )
        except BaseException:
            release.readmit()
            raise

    def _find(self, path: str) -> tuple[str, str | None]:
        """The path that is meant, and the path on disk."""
        path = self.library.meant(path)
        return path, self.library.real_path(path)

    def _not_released(self) -> Exception:
        return Unavailable(f"Something has the file open and did not end within {self.grace + KILL_MARGIN:g} s.")
