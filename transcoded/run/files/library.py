"""The library: finds and opens the file on disk for a path in a URL.

A path consists of the name of a media root and the path below that root. It is resolved with its symbolic links, and must
then be below its root. Hidden names (`plan.http.names`) do not exist for clients, unless the library `shows_hidden`. A path that is
not allowed gives the same error as one that does not exist. What exists and cannot be read gives an error that says so: an operator
who has forgotten a permission would otherwise look for it in vain.

Resolving is only how a file is found. What is told about it, and what is read, comes from a descriptor that was opened from
the root on without following any link (`confined`): a link that is put in place meanwhile leads nowhere.

All methods use the disk, which may not answer (network mounts). In the reactor use `AsyncLibrary` and `FileOpener`.
"""

import errno
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Protocol

import attrs

from transcoded.plan.errors import DiskFailed, NotFound, NotMedia, TranscodedError, Unavailable, Unreadable
from transcoded.plan.http.names import is_canonical, is_hidden, is_special, meanings, written
from transcoded.run.files.confined import NotRegular, open_directory, open_regular, opened_below
from transcoded.run.files.directories import DirectoryNames

_NOTHING = "There is no such file in the library."

# What the system answers where there is nothing of this name. Everything else says that there is something.
_ABSENT = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL, errno.ENXIO, errno.EILSEQ}
)
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


@attrs.frozen
class Version:
    """The version of a file. If it is equal, the content is taken to be the same. `size` in bytes, `mtime_ns` in nanoseconds."""

    device: int
    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> "Version":
        """The version of a file from the result of its stat(2)."""
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


class LibraryFile(Protocol):
    """A file that was found below a root, and can be opened: `MediaFile` or `Sidecar`."""

    @property
    def path(self) -> str:
        """Its path in the library: the name of its media root, and the path below it."""

    @property
    def real_path(self) -> str:
        """Its path on disk, without links."""

    @property
    def version(self) -> Version:
        """Its version when it was found."""


@attrs.frozen
class MediaFile:
    """A regular file below a root. `path` is its name in URLs and in the API, `real_path` its path on disk."""

    path: str
    real_path: str
    version: Version

    @property
    def size(self) -> int:
        """The size in bytes."""
        return self.version.size


@attrs.frozen
class Library:
    """The roots by name, each an absolute path that is itself resolved. `shows_hidden`: hidden names exist, too."""

    roots: Mapping[str, str]
    shows_hidden: bool = False
    _names: DirectoryNames = attrs.field(
        default=attrs.Factory(lambda library: DirectoryNames(library.hides), takes_self=True),
        init=False,
        eq=False,
        repr=False,
    )

    def hides(self, name: str) -> bool:
        """Whether a name of a file or a directory does not exist for clients."""
        return not self.shows_hidden and is_hidden(name)

    def meant(self, path: str) -> str:
        """The path that a text from JSON stands for (`plan.http.names`): that of a file that exists, if there is one."""
        possible = meanings(path)
        for one in possible:
            real_path = self.real_path(one)
            if real_path is not None and os.path.lexists(real_path):
                return one
        return possible[-1]

    def locate(self, path: str) -> MediaFile:
        """The file of a path.

        Raises `NotFound`; `Unreadable` if it may not be read; `Unavailable` if the disk fails; or `NotMedia` if it is not a regular
        file (to open a FIFO could block for ever).
        """
        real_path = self.resolve(path)
        with self.found(path, real_path) as found:
            if stat.S_ISDIR(os.fstat(found).st_mode):
                raise NotFound("This is a directory; see the library for what is in it.")
            fd = _open_regular(path, found)
            try:
                return MediaFile(path, real_path, Version.of(os.fstat(fd)))
            finally:
                os.close(fd)

    def locate_first(self, paths: Sequence[str]) -> MediaFile:
        """The file of the first of these paths at which there is a file.

        Raises `NotFound` for the first path if there is none, and what `locate` raises for one at which there is something else.
        """
        refused = NotFound(_NOTHING)
        for position, path in enumerate(paths):
            try:
                return self.locate(path)
            except NotFound as error:
                if position == 0:
                    refused = error
        raise refused

    def open(self, file: LibraryFile) -> int:
        """Open a file that was found before, for reading. Returns its descriptor, which the caller closes.

        It is the file that was found, though it may have been written since. Raises `NotFound` if it is gone, `Unavailable` if
        another file has replaced it, the disk fails or no descriptor is left, and `Unreadable`.
        """
        with self.found(file.path, file.real_path) as found:
            fd = _open_regular(file.path, found)
        version = Version.of(os.fstat(fd))
        if (version.device, version.inode) != (file.version.device, file.version.inode):
            os.close(fd)
            raise Unavailable("The file was replaced by another one while it was being opened; try again.", 1)
        return fd

    def real_path(self, path: str) -> str | None:
        """The real path for a path, whether or not it exists; None if clients may not see it."""
        try:
            return self.resolve(path)
        except NotFound:
            return None

    def directory(self, path: str) -> tuple[str, int, Sequence[str]]:
        """A directory: its path on disk, a descriptor of it, which the caller closes, and its names in order.

        Raises what `found` raises, or OSError.
        """
        real_path = self.resolve(path)
        with self.found(path, real_path) as found:
            fd = open_directory(found)
        try:
            return real_path, fd, self._names.read(fd)
        except BaseException:
            os.close(fd)
            raise

    def path_of(self, beside: str, real_path: str) -> str:
        """The path in the library for a resolved path below the root of `beside`, which is another path of the library."""
        name = beside.partition("/")[0]
        below = os.path.relpath(real_path, self.roots[name])
        return name if below == "." else f"{name}/{below}"

    @contextmanager
    def found(self, path: str, real_path: str) -> Iterator[int]:
        """A descriptor (`O_PATH`) of what is at a resolved path below the root of `path`.

        Raises `NotFound`, `Unavailable`, and `Unreadable` if a directory on the way may not be entered.
        """
        directory = self.roots[path.partition("/")[0]]
        below = os.path.relpath(real_path, directory)
        with ExitStack() as opened:
            try:
                found = opened.enter_context(opened_below(directory, [] if below == "." else below.split("/")))
            except (OSError, ValueError) as error:
                raise client_error(path, error) from None
            yield found

    def resolve(self, path: str) -> str:
        """The real path for a path, whether or not it exists. Raises `NotFound` if clients may not see it."""
        name, *below = path.split("/")
        root = self.roots.get(name)
        if root is None or not is_canonical(path) or any(is_special(part) or self.hides(part) for part in below):
            raise NotFound(_NOTHING)
        try:
            real_path = os.path.realpath(os.path.join(root, *below))
        except (OSError, ValueError):
            raise NotFound(_NOTHING) from None
        if real_path != root and not real_path.startswith(root.rstrip("/") + "/"):
            raise NotFound(_NOTHING)
        parts = os.path.relpath(real_path, root).split("/")
        if parts != ["."] and any(map(self.hides, parts)):
            raise NotFound(_NOTHING)
        return real_path


def disk_of(path: str) -> str:
    """The disk of a path, as far as it can be known without asking one: its media root."""
    return path.partition("/")[0]


def _open_regular(path: str, found: int) -> int:
    """See `open_regular`. Raises the errors of a client."""
    try:
        return open_regular(found)
    except NotRegular:
        raise NotMedia("This is not a regular file.") from None
    except OSError as error:
        raise client_error(path, error) from None


def client_error(path: str, error: OSError | ValueError) -> TranscodedError:
    """What a client gets, if the system has answered with this error to the opening of what is at `path`."""
    code = error.errno if isinstance(error, OSError) else errno.EINVAL
    if code in _ABSENT:
        return NotFound(_NOTHING)
    if code in {errno.EACCES, errno.EPERM}:
        return Unreadable(written(path))
    why = os.strerror(code or errno.EIO)
    if code in _EXHAUSTED:
        return Unavailable(f"The server cannot open more files now: {why}.")
    return DiskFailed(written(path), why)


@contextmanager
def read_only(found: int) -> Iterator[int]:
    """A directory that was found, open for reading. Raises OSError."""
    fd = open_directory(found)
    try:
        yield fd
    finally:
        os.close(fd)
