"""Lists the directories of the library, page by page.

All methods use the disk, which may not answer (network mounts). In the reactor use `Listings`.
"""

import os
import stat
from bisect import bisect_right
from collections.abc import Sequence
from typing import Literal

import attrs
import msgspec

from transcoded.plan.errors import NotFound, TranscodedError, Unreadable
from transcoded.plan.http.cursors import cursor_of, is_directory_at, name_of, sort_key
from transcoded.plan.http.names import shown, written
from transcoded.plan.media.media_types import is_media
from transcoded.run.files.directories import DirectoryEntries
from transcoded.run.files.library import Library, client_error, read_only

NAME_MAX = 255
"""Bytes of the longest name of a file."""

MAX_PAGE = 1 << 20
"""Bytes of a page of a listing, about: each entry has the path of its directory and its own name twice."""

_NO_DIRECTORY = "There is no such directory in the library."


class Entry(msgspec.Struct, frozen=True):
    """An entry of a listing. `size` in bytes, None for a directory; `mtime` in seconds since the epoch. Both are None if unknown.

    `name` is for people, `path` for requests (`plan.http.names`). `readable`: whether this process may read it.
    """

    name: str
    path: str
    type: Literal["directory", "file"]
    size: int | None
    mtime: float | None
    readable: bool = True


@attrs.frozen
class Page:
    """Some entries of a listing, in order. `cursor` leads to the next page; None if this is the last one."""

    entries: Sequence[Entry]
    cursor: str | None


@attrs.frozen
class Folders:
    """Lists directories of a library."""

    library: Library
    _entries: DirectoryEntries = attrs.field(
        default=attrs.Factory(lambda folders: DirectoryEntries(folders.library.hides), takes_self=True),
        init=False,
        eq=False,
        repr=False,
    )

    def page(self, path: str, limit: int, after: str = "") -> Page:
        """At most `limit` directories and media files of a directory; for an empty path the roots. Directories come first.

        `after` is a position (`plan.http.cursors`): what comes after it is listed, from the beginning on by default. Only the
        entries of the page are looked at. One that has just gone is left out, so a page can have fewer than `limit` of them; so can
        one of a very deep directory (`MAX_PAGE`).

        Raises `NotFound`, and what `Library.found` raises.
        """
        if not path:
            keys: Sequence[str] = sorted(sort_key(name, is_directory=True) for name in self.library.roots)
            names, cursor = _part(keys, limit, after)
            return Page([self._root(name_of(key)) for key in names], cursor)
        path = self.library.meant(path)
        limit = min(limit, max(1, MAX_PAGE // (len(written(path).encode()) + 2 * NAME_MAX + 2)))
        with self.library.found(path, self.library.resolve(path)) as found:
            try:
                if not stat.S_ISDIR(os.fstat(found).st_mode):
                    raise NotFound(_NO_DIRECTORY)
                with read_only(found) as fd:
                    keys = self._entries.read(fd, is_media, lambda name: self._leads_to_directory(path, name))
                    names, cursor = _part(keys, limit, after)
                    entries = [self._entry(path, key, fd) for key in names]
            except OSError as error:
                raise client_error(path, error) from None
        return Page([entry for entry in entries if entry is not None], cursor)

    def _root(self, name: str) -> Entry:
        directory = self.library.roots[name]
        try:
            mtime = os.stat(directory).st_mtime
        except OSError:
            mtime = None
        return Entry(
            shown(name), written(name), "directory", None, mtime, _may_read(directory, None, os.R_OK | os.X_OK)
        )

    def _entry(self, path: str, key: str, directory: int) -> Entry | None:
        """The entry for a position in an open directory; None if a listing does not show it."""
        name = name_of(key)
        below = f"{path}/{name}"
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if stat.S_ISLNK(status.st_mode):
                with self.library.found(below, self.library.resolve(below)) as found:
                    return self._look(below, os.fstat(found), f"/proc/self/fd/{found}", None)
            return self._look(below, status, name, directory)
        except (PermissionError, Unreadable):
            # There is an entry of this name, of which nothing can be found out.
            kind: Literal["directory", "file"] = "directory" if is_directory_at(key) else "file"
            return Entry(shown(name), written(below), kind, None, None, readable=False)
        except (TranscodedError, OSError):
            return None

    @staticmethod
    def _look(path: str, status: os.stat_result, place: str, directory: int | None) -> Entry | None:
        """The entry for what `os.stat` has found at `place`, relative to a directory."""
        name = path.rpartition("/")[2]
        if stat.S_ISDIR(status.st_mode):
            readable = _may_read(place, directory, os.R_OK | os.X_OK)
            return Entry(shown(name), written(path), "directory", None, status.st_mtime, readable)
        if stat.S_ISREG(status.st_mode) and is_media(name):
            readable = _may_read(place, directory, os.R_OK)
            return Entry(shown(name), written(path), "file", status.st_size, status.st_mtime, readable)
        return None

    def _leads_to_directory(self, path: str, name: str) -> bool | None:
        """Whether a link leads to a directory below its root, or to a regular file; None if to neither."""
        below = f"{path}/{name}"
        try:
            with self.library.found(below, self.library.resolve(below)) as found:
                mode = os.fstat(found).st_mode
        except Unreadable:
            # To something below a directory that may not be entered. The name says what it was meant to be.
            return False
        except (TranscodedError, OSError):
            return None
        return True if stat.S_ISDIR(mode) else False if stat.S_ISREG(mode) else None


def _part(keys: Sequence[str], limit: int, after: str) -> tuple[Sequence[str], str | None]:
    """The `limit` sorted positions behind `after`, and the cursor of the last one if there are more."""
    start = bisect_right(keys, after)
    page = keys[start : start + limit]
    return page, cursor_of(page[-1]) if page and start + limit < len(keys) else None


def _may_read(place: str, directory: int | None, how: int) -> bool:
    """Whether this process has these permissions (access(2), with the effective user)."""
    return os.access(place, how, dir_fd=directory, effective_ids=os.access in os.supports_effective_ids)
