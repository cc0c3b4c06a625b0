"""The library: finds and opens the file on disk for a path in a URL, and lists directories.

A path consists of the name of a media root and the path below that root. It is resolved with its symbolic links, and must
then be below its root. Names that begin with a dot do not exist for clients. A path that is not allowed gives the same error
as one that does not exist.

Resolving is only how a file is found. What is told about it, and what is read, comes from a descriptor that was opened from
the root on without following any link (`confined`): a link that is put in place meanwhile leads nowhere.

All methods use the disk, which may not answer (network mounts). In the reactor use `AsyncLibrary` and `FileOpener`.
"""

import errno
import os
import stat
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Literal, Protocol

import attrs
import msgspec

from transcoded.plan.errors import NotFound, NotMedia, Unavailable
from transcoded.plan.http.cursors import cursor_of, name_of, sort_key
from transcoded.plan.media.subtitle_argv import SIDECARS
from transcoded.run.files.confined import NotRegular, open_directory, open_regular, opened_below
from transcoded.run.files.directories import DirectoryEntries, DirectoryNames

MEDIA_SUFFIXES = frozenset(
    (
        ".3gp .aac .ac3 .aif .aiff .alac .amr .ape .asf .au .avi .dff .divx .dsf .dts .dv .eac3 .f4v .flac .flv .gif "
        ".h264 .h265 .hevc .ivf .m1v .m2ts .m2v .m4a .m4b .m4v .mka .mkv .mov .mp2 .mp3 .mp4 .mpc .mpeg .mpg .mts "
        ".mxf .nut .oga .ogg .ogm .ogv .opus .qt .ra .rm .rmvb .spx .tak .tod .ts .tta .vob .w64 .wav .weba .webm "
        ".wma .wmv .wtv .wv .y4m "
    ).split()
)
"""The suffixes of the files that a listing shows. Other files can be requested by their names, too."""

MAX_SIDECAR = 16 << 20
"""Bytes: a longer subtitle file is left out. ffmpeg reads one as a whole, and takes many times its size for it."""

MAX_SIDECARS = 32
"""Subtitle files beside one media file; others are left out."""

NAME_MAX = 255
"""Bytes of the longest name of a file."""

MAX_PAGE = 1 << 20
"""Bytes of a page of a listing, about: each entry has the path of its directory and its own name twice."""

_NOTHING = "There is no such file in the library."


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
class Sidecar:
    """A subtitle file beside a media file. `label` is what its name adds to that of the media file (`en` in `a.en.srt`).

    `path` is its path in the library, without links.
    """

    label: str
    path: str
    real_path: str
    version: Version


class Entry(msgspec.Struct, frozen=True):
    """An entry of a listing. `size` in bytes, None for a directory; `mtime` in seconds since the epoch, None if unknown."""

    name: str
    path: str
    type: Literal["directory", "file"]
    size: int | None
    mtime: float | None


@attrs.frozen
class Page:
    """Some entries of a listing, in order. `cursor` leads to the next page; None if this is the last one."""

    entries: Sequence[Entry]
    cursor: str | None


@attrs.frozen
class Library:
    """The roots by name, each an absolute path that is itself resolved."""

    roots: Mapping[str, str]
    _names: DirectoryNames = attrs.field(factory=DirectoryNames, eq=False, repr=False)
    _entries: DirectoryEntries = attrs.field(factory=DirectoryEntries, eq=False, repr=False)

    def locate(self, path: str) -> MediaFile:
        """The file of a path.

        Raises `NotFound`, or `NotMedia` if it is not a regular file (to open a FIFO could block for ever).
        """
        real_path = self._resolve(path)
        with self._found(path, real_path) as found:
            if stat.S_ISDIR(os.fstat(found).st_mode):
                raise NotFound("This is a directory; see the library for what is in it.")
            fd = _open_regular(found)
            try:
                return MediaFile(path, real_path, Version.of(os.fstat(fd)))
            finally:
                os.close(fd)

    def locate_first(self, paths: Sequence[str]) -> MediaFile:
        """The file of the first of these paths at which there is a file.

        Raises `NotFound` for the first path if there is none, or `NotMedia` if there is something else than a regular file.
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
        another file has replaced it or no descriptor is left.
        """
        with self._found(file.path, file.real_path) as found:
            fd = _open_regular(found)
        version = Version.of(os.fstat(fd))
        if (version.device, version.inode) != (file.version.device, file.version.inode):
            os.close(fd)
            raise Unavailable("The file was replaced by another one while it was being opened; try again.", 1)
        return fd

    def real_path(self, path: str) -> str | None:
        """The real path for a path, whether or not it exists; None if clients may not see it."""
        try:
            return self._resolve(path)
        except NotFound:
            return None

    def sidecars(self, file: MediaFile) -> Sequence[Sidecar]:
        """The subtitle files beside a media file, ordered by name. At most `MAX_SIDECARS`, and no symbolic links."""
        directory, name = os.path.split(file.real_path)
        stem = os.path.splitext(name)[0]
        try:
            with self._found(file.path, directory) as found, _read_only(found) as fd:
                names = self._names.read(fd)
                sidecars: list[Sidecar] = []
                for place in range(bisect_left(names, stem), len(names)):
                    if not names[place].startswith(stem) or len(sidecars) == MAX_SIDECARS:
                        break
                    base, suffix = os.path.splitext(names[place])
                    if suffix.lower() in SIDECARS and (base == stem or base.startswith(f"{stem}.")):
                        version = _sidecar_version(names[place], fd)
                        if version is not None:
                            real_path = os.path.join(directory, names[place])
                            path = self._path(file.path, real_path)
                            sidecars.append(Sidecar(base[len(stem) + 1 :], path, real_path, version))
                return sidecars
        except (NotFound, OSError):
            return []

    def listing(self, path: str, limit: int, after: str = "") -> Page:
        """At most `limit` directories and media files of a directory; for an empty path the roots. Directories come first.

        `after` is a position (`plan.http.cursors`): what comes after it is listed, from the beginning on by default. Only the
        entries of the page are looked at. One that has just gone is left out, so a page can have fewer than `limit` of them; so can
        one of a very deep directory (`MAX_PAGE`).

        Raises `NotFound`.
        """
        if not path:
            roots = sorted(sort_key(name, is_directory=True) for name in self.roots)
            page, cursor = _page(roots, limit, after)
            return Page([Entry(name, name, "directory", None, _mtime(self.roots[name])) for name in page], cursor)
        limit = min(limit, max(1, MAX_PAGE // (len(path.encode()) + 2 * NAME_MAX + 2)))
        try:
            with self._found(path, self._resolve(path)) as found, _read_only(found) as fd:
                keys = self._entries.read(fd, _is_media, lambda name: self._leads_to_directory(f"{path}/{name}"))
                page, cursor = _page(keys, limit, after)
                entries = [self._entry(path, name, fd) for name in page]
        except OSError:
            raise NotFound("There is no such directory in the library.") from None
        return Page([entry for entry in entries if entry is not None], cursor)

    def _entry(self, path: str, name: str, directory: int) -> Entry | None:
        """The entry for a name in an open directory; None if a listing does not show it."""
        below = f"{path}/{name}"
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                with self._found(below, self._resolve(below)) as found:
                    status = os.fstat(found)
        except (NotFound, OSError):
            return None
        if stat.S_ISDIR(status.st_mode):
            return Entry(name, below, "directory", None, status.st_mtime)
        if stat.S_ISREG(status.st_mode) and _is_media(name):
            return Entry(name, below, "file", status.st_size, status.st_mtime)
        return None

    def _leads_to_directory(self, path: str) -> bool | None:
        """Whether a link leads to a directory below its root, or to a regular file; None if to neither."""
        try:
            with self._found(path, self._resolve(path)) as found:
                mode = os.fstat(found).st_mode
        except (NotFound, OSError):
            return None
        return True if stat.S_ISDIR(mode) else False if stat.S_ISREG(mode) else None

    @contextmanager
    def _found(self, path: str, real_path: str) -> Iterator[int]:
        """A descriptor (`O_PATH`) of what is at a resolved path below the root of `path`. Raises `NotFound`, `Unavailable`."""
        directory = self.roots[path.partition("/")[0]]
        below = os.path.relpath(real_path, directory)
        with ExitStack() as opened:
            try:
                found = opened.enter_context(opened_below(directory, [] if below == "." else below.split("/")))
            except (OSError, ValueError) as error:
                raise _client_error(error) from None
            yield found

    def _path(self, beside: str, real_path: str) -> str:
        """The path in the library for a resolved path below the root of `beside`."""
        name = beside.partition("/")[0]
        return f"{name}/{os.path.relpath(real_path, self.roots[name])}"

    def _resolve(self, path: str) -> str:
        """The real path for a path, whether or not it exists. Raises `NotFound` if clients may not see it."""
        name, *below = path.split("/")
        root = self.roots.get(name)
        if root is None or any(not part or part.startswith(".") or "\0" in part for part in below):
            raise NotFound(_NOTHING)
        try:
            real_path = os.path.realpath(os.path.join(root, *below))
        except (OSError, ValueError):
            raise NotFound(_NOTHING) from None
        if real_path != root and not real_path.startswith(root.rstrip("/") + "/"):
            raise NotFound(_NOTHING)
        hidden = os.path.relpath(real_path, root).split("/")
        if hidden != ["."] and any(part.startswith(".") for part in hidden):
            raise NotFound(_NOTHING)
        return real_path


def _page(keys: Sequence[str], limit: int, after: str) -> tuple[list[str], str | None]:
    """The names at the `limit` sorted positions behind `after`, and the cursor of the last one if there are more."""
    start = bisect_right(keys, after)
    page = keys[start : start + limit]
    return [name_of(key) for key in page], cursor_of(page[-1]) if page and start + limit < len(keys) else None


def _is_media(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in MEDIA_SUFFIXES


def _open_regular(found: int) -> int:
    """See `open_regular`. Raises the errors of a client."""
    try:
        return open_regular(found)
    except NotRegular:
        raise NotMedia("This is not a regular file.") from None
    except OSError as error:
        raise _client_error(error) from None


def _client_error(error: OSError | ValueError) -> NotFound | Unavailable:
    """What a client gets: that there is no such file, unless the server is to blame."""
    if isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOMEM}:
        return Unavailable(f"The server cannot open more files now: {error.strerror}.")
    return NotFound(_NOTHING)


@contextmanager
def _read_only(found: int) -> Iterator[int]:
    """A directory that was found, open for reading."""
    fd = open_directory(found)
    try:
        yield fd
    finally:
        os.close(fd)


def _mtime(path: str) -> float | None:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return None


def _sidecar_version(name: str, directory: int) -> Version | None:
    """The version of a subtitle file in an open directory; None for a link, what is no regular file, and one that is too long."""
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return None
    return Version.of(found) if stat.S_ISREG(found.st_mode) and found.st_size <= MAX_SIDECAR else None
