"""Extracts: small things that a command makes from a media file, such as an image or subtitles. They are kept in the cache."""

from collections.abc import Callable, Hashable, Sequence

from transcoded.plan.errors import TranscodeFailed
from transcoded.plan.lru import LRU
from transcoded.plan.media.program_failure import program_failure
from transcoded.run.files.library import MediaFile
from transcoded.run.process.commands import Commands, Owned, Reader
from transcoded.run.process.exit_status import ExitStatus

DEADLINE = 30.0
"""Seconds that a command may take."""

MAX_KEPT = 16 << 20
"""Bytes of an extract that is kept. A larger one would drive segments out of the cache."""


class Extracts:
    """Makes extracts. `ffmpeg` is the path of the program."""

    def __init__(self, commands: Commands, cache: LRU[Hashable, bytes], ffmpeg: str) -> None:
        self._commands = commands
        self._cache = cache
        self._ffmpeg = ffmpeg

    def kept(self, file: MediaFile, name: str) -> bytes | None:
        """The extract of this version of the file with this name; None if it is not in the cache."""
        return self._cache.get((file.real_path, file.version, name))

    async def make(
        self,
        file: MediaFile,
        name: str,
        arguments: Sequence[str],
        max_bytes: int,
        permit: Owned | None = None,
        *,
        deadline: float = DEADLINE,
        check: Callable[[bytes, str], None] = lambda _data, _stderr: None,
        client: str = "",
        background: bool = False,
    ) -> bytes:
        """Run ffmpeg on the file, and keep its output in the cache under `name`, unless it is longer than `MAX_KEPT`.

        `client` is the unit of fairness for which it runs. `background` is that of `Commands.run`. `check` gets what a run has written that has succeeded, and its stderr;
        it raises an error if that is not the whole. Raises `NotMedia` or `Unavailable` as `program_failure` decides,
        `TranscodeFailed` if ffmpeg ends with another error, and what `Commands.run` and `check` raise.
        """
        output = await self._commands.run(
            self._ffmpeg, arguments, file, deadline, max_bytes, permit, client=client, background=background
        )
        _check_status(output.status)
        check(output.data, output.status.stderr_tail)
        if len(output.data) <= MAX_KEPT:
            self._cache.put((file.real_path, file.version, name), output.data)
        return output.data

    async def read(
        self, file: MediaFile, arguments: Sequence[str], reader: Reader, *, deadline: float = DEADLINE, client: str = ""
    ) -> str:
        """Run ffmpeg on the file until the reader has enough, or to its end. Returns its stderr, empty if the reader had enough. Raises as `make` does."""
        status = await self._commands.read(self._ffmpeg, arguments, file, deadline, reader, client)
        if status is None:
            return ""
        _check_status(status)
        return status.stderr_tail


def _check_status(status: ExitStatus) -> None:
    failure = program_failure("ffmpeg", status.exit_code, status.signal, status.stderr_tail)
    if failure is not None:
        raise failure
    if status.exit_code != 0:
        raise TranscodeFailed("This could not be made of the file.", status.stderr_tail)
