"""Getting a file back, for whoever needs to move or delete it: by the API, or from an embedding application."""

import attrs
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from transcoded.plan.endings import Ending
from transcoded.plan.errors import Unavailable
from transcoded.run.files.leases import Release
from transcoded.run.files.library import Library
from transcoded.run.files.threads import Threads
from transcoded.run.reactor import IReactor
from transcoded.run.streams.registry import StreamRegistry

PATIENCE = 10.0
"""Seconds beyond `grace` until a process that does not die (a disk that hangs) is told about."""


@attrs.frozen
class ReleasedFile:
    """A file, or a directory, that nobody has open, and nobody can open before `let_in` is called."""

    endings: list[Ending]
    release: Release

    def readmit(self) -> None:
        """StreamRegistry of it may be started again. May be repeated."""
        self.release.over()


@attrs.frozen
class FileReleaser:
    """Gets files back. `grace`: seconds that a transcoder has to end by itself."""

    reactor: IReactor
    library: Library
    threads: Threads
    streams: StreamRegistry
    grace: float

    async def free(self, path: str) -> ReleasedFile:
        """End every stream on a file, or below a directory; returns when they are reaped and no descriptor is left.

        Raises `Unavailable` if something does not end in time; newcomers are let in again then.
        """
        real_path = await self.threads.run(self.library.real_path, path)
        release, endings = self.streams.release(path, real_path)
        try:
            return ReleasedFile(await _within(self.reactor, endings, self.grace + PATIENCE), release)
        except BaseException:
            release.over()
            raise


def _within(reactor: IReactor, endings: "Deferred[list[Ending]]", seconds: float) -> "Deferred[list[Ending]]":
    """The same result, or `Unavailable` after so many seconds; what is waited for goes on."""
    answer: Deferred[list[Ending]] = Deferred(lambda _: timer.cancel())

    def immortal() -> None:
        answer.errback(Unavailable(f"Something has the file open and did not end within {seconds:g} s."))

    timer = reactor.callLater(seconds, immortal)

    def freed(result: "list[Ending] | Failure") -> None:
        if timer.active():
            timer.cancel()
            answer.callback(result)

    endings.addBoth(freed)
    return answer
