"""Getting a file back, for whoever needs to move or delete it: by the API, or from an embedding application."""

import attrs

from transcoded.plan.endings import Ending
from transcoded.plan.errors import Unavailable
from transcoded.run.files.leases import FileRelease
from transcoded.run.files.library import Library
from transcoded.run.files.threads import Threads
from transcoded.run.reactor import IReactor, within
from transcoded.run.streams.registry import StreamRegistry

KILL_MARGIN = 10.0
"""Seconds beyond `grace` until a process that does not die (a disk that hangs) is told about."""


@attrs.frozen
class ReleasedFile:
    """A file, or a directory, that nobody has open, and nobody can open before `readmit` is called."""

    endings: list[Ending]
    release: FileRelease

    def readmit(self) -> None:
        """Let newcomers in again. May be repeated."""
        self.release.readmit()


@attrs.frozen
class FileReleaser:
    """Gets files back. `grace`: seconds that a transcoder has to end by itself."""

    reactor: IReactor
    library: Library
    threads: Threads
    streams: StreamRegistry
    grace: float

    async def release(self, path: str) -> ReleasedFile:
        """End every stream on a file, or below a directory; returns when they are reaped and no descriptor is left.

        Raises `Unavailable` if something does not end in time; newcomers are let in again then.
        """
        real_path = await self.threads.run(self.library.real_path, path)
        release, endings = self.streams.release_file(path, real_path)
        try:
            return ReleasedFile(await within(self.reactor, self.grace + KILL_MARGIN, endings, self._immortal), release)
        except BaseException:
            release.readmit()
            raise

    def _immortal(self) -> Exception:
        return Unavailable(f"Something has the file open and did not end within {self.grace + KILL_MARGIN:g} s.")
