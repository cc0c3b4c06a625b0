"""The library: finds the file on disk for a path in a URL, and lists directories.

A path consists of the name of a media root and the path below that root. It is resolved with its symbolic links, and must
then be below its root. Names that begin with a dot do not exist for clients. A path that is not allowed gives the same error
as one that does not exist.

All methods use the disk, which may not answer (network mounts). In the reactor use `AsyncLibrary`.
"""

import os
import stat
from collections.abc import Mapping, Sequence
from typing import Literal

import attrs
import msgspec

from transcoded.plan.errors import NotFound, NotMedia
from transcoded.plan.media.subtitle_argv import SIDECARS

MEDIA_SUFFIXES = frozenset(
    (
        ".3gp .aac .ac3 .aif .aiff .alac .amr .ape .asf .au .avi .dff .divx .dsf .dts .dv .eac3 .f4v .flac .flv .gif "
        ".h264 .h265 .hevc .ivf .m1v .m2ts .m2v .m4a .m4b .m4v .mka .mkv .mov .mp2 .mp3 .mp4 .mpc .mpeg .mpg .mts "
        ".mxf .nut .oga .ogg .ogm .ogv .opus .qt .ra .rm .rmvb .spx .tak .tod .ts .tta .vob .w64 .wav .weba .webm "
        ".wma .wmv .wtv .wv .y4m "
    ).split()
)
"""The suffixes of the files that a listing shows. Other files can be requested by their names, too."""

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
    """A subtitle file beside a media file. `label` is what its name adds to that of the media file (`en` in `a.en.srt`)."""

    label: str
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
class Library:
    """The roots by name, each an absolute path that is itself resolved."""

    roots: Mapping[str, str]

    def locate(self, path: str) -> MediaFile:
        """The file of a path.

        Raises `NotFound`, or `NotMedia` if it is not a regular file (to open a FIFO could block for ever).
        """
        real_path = self._resolve(path)
        try:
            found = os.stat(real_path)
        except (OSError, ValueError):
            raise NotFound(_NOTHING) from None
        if stat.S_ISDIR(found.st_mode):
            raise NotFound("This is a directory; see the library for what is in it.")
        if not stat.S_ISREG(found.st_mode):
            raise NotMedia("This is not a regular file.")
        if not os.access(real_path, os.R_OK):
            raise NotFound(_NOTHING)
        return MediaFile(path, real_path, Version.of(found))

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

    def real_path(self, path: str) -> str | None:
        """The real path for a path, whether or not it exists; None if clients may not see it."""
        try:
            return self._resolve(path)
        except NotFound:
            return None

    def sidecars(self, file: MediaFile) -> Sequence[Sidecar]:
        """The subtitle files beside a media file, ordered by name. At most 32, and no symbolic links."""
        directory, name = os.path.split(file.real_path)
        stem = os.path.splitext(name)[0]
        try:
            others = sorted(os.listdir(directory))
        except OSError:
            return []
        found = []
        for other in others:
            base, suffix = os.path.splitext(other)
            if suffix.lower() in SIDECARS and (base == stem or base.startswith(f"{stem}.")):
                path = os.path.join(directory, other)
                version = _version(path)
                if version is not None:
                    found.append(Sidecar(base[len(stem) + 1 :], path, version))
        return found[:32]

    def listing(self, path: str) -> Sequence[Entry]:
        """The entries of a directory, or the roots for an empty path: directories first, then media files, each ordered by name.

        Raises `NotFound`.
        """
        if not path:
            return [Entry(name, name, "directory", None, _mtime(root)) for name, root in sorted(self.roots.items())]
        entries = []
        try:
            with os.scandir(self._resolve(path)) as found:
                for item in found:
                    entry = self._entry(path, item)
                    if entry is not None:
                        entries.append(entry)
        except OSError:
            raise NotFound("There is no such directory in the library.") from None
        return sorted(entries, key=lambda entry: (entry.type, entry.name.casefold(), entry.name))

    def _entry(self, path: str, item: "os.DirEntry[str]") -> Entry | None:
        # A name that is not UTF-8 has no URL here.
        if item.name.startswith(".") or any("\ud800" <= character <= "\udfff" for character in item.name):
            return None
        try:
            if item.is_symlink():
                self._resolve(f"{path}/{item.name}")
            found = item.stat()
        except (NotFound, OSError):
            return None
        below = f"{path}/{item.name}"
        if stat.S_ISDIR(found.st_mode):
            return Entry(item.name, below, "directory", None, found.st_mtime)
        if stat.S_ISREG(found.st_mode) and os.path.splitext(item.name)[1].lower() in MEDIA_SUFFIXES:
            return Entry(item.name, below, "file", found.st_size, found.st_mtime)
        return None

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


def _mtime(path: str) -> float | None:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return None


def _version(path: str) -> Version | None:
    """The version of a regular file; None for a symbolic link and for anything else."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return Version.of(found) if stat.S_ISREG(found.st_mode) else None
