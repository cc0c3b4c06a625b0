"""The media roots: from a path in a URL to a file on disk, and what lies in a directory.

A URL's path is the root's name and the path below it. It is resolved, symbolic links too, and must stay below its root;
what begins with a dot is not there. A path that fails any test and one that does not exist look alike from outside.

Everything here touches the disk, which may hang (network mounts): `AsyncLibrary` asks it in threads.
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
"""What a listing shows as media. Any other file can still be asked for by its name."""

_NOTHING = "There is no such file in the library."


@attrs.frozen
class Version:
    """Which file it was: two equal versions of a path have the same content. Times in nanoseconds."""

    device: int
    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> "Version":
        """The version that a stat shows."""
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


@attrs.frozen
class MediaFile:
    """A regular file below a root. `path` is its name in URLs and in the API, `real_path` where it is on disk."""

    path: str
    real_path: str
    version: Version

    @property
    def size(self) -> int:
        """Bytes."""
        return self.version.size


@attrs.frozen
class Sidecar:
    """A subtitle file beside a film: `label` is what its name adds to the film's (`en` in `film.en.srt`)."""

    label: str
    real_path: str
    version: Version


class Entry(msgspec.Struct, frozen=True):
    """A line of a listing: `size` in bytes and `mtime` in seconds since the epoch, both None for a directory's size."""

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
        """The file of a URL's path.

        Raises `NotFound`, or `NotMedia` if something other than a regular file is there (a FIFO would never answer).
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
        """The file of the first of these paths that leads to one.

        Raises `NotFound` for the first path if none does, or `NotMedia` if what is there is not a regular file.
        """
        refused = NotFound(_NOTHING)
        for place, path in enumerate(paths):
            try:
                return self.locate(path)
            except NotFound as error:
                if not place:
                    refused = error
        raise refused

    def real_path(self, path: str) -> str | None:
        """Where a URL's path leads, whether or not anything is there; None where it may not be seen."""
        try:
            return self._resolve(path)
        except NotFound:
            return None

    def sidecars(self, file: MediaFile) -> Sequence[Sidecar]:
        """Subtitle files beside a film, in the order of names; at most 32, and no links."""
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
        """What is in a directory ('' for the roots): directories first, then media files, each in the order of names.

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
        """The real path of a URL's path, which may not exist; raises `NotFound` where it may not be seen."""
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
    """Which regular file is there; None for a link and for everything else."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return Version.of(found) if stat.S_ISREG(found.st_mode) else None
