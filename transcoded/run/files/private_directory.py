"""A directory that belongs to this daemon alone: its state, and the clips of the demo.

What is in it decides which processes the next start kills, and where the daemon writes. So nobody else may have put it there:

* The directory belongs to this user, and nobody else may write in it. It gets mode 0700.
* A symbolic link on the way to it is followed only if it belongs to this user or to root. systemd makes such a link for a
  `StateDirectory=`.
* It is opened once. Everything in it is reached from its descriptor, so nothing changes if somebody moves or replaces it.
* A file in it is opened only if it is a regular file of this user, with one name: never through a link, never a FIFO.
  It is created with mode 0600, and read up to a limit.
"""

import errno
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

from twisted.logger import Logger

_MAX_LINKS = 40
"""Symbolic links on the way to a directory: as many as the kernel follows (path_resolution(7))."""

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PASSAGE = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""For a directory on the way: it need not be readable, as a home directory of mode 0711."""
_FILE = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH

_log = Logger()


class UntrustedFile(OSError):
    """A file or directory that somebody else could have put there, or has. `strerror` says what it is, and what to do."""

    def __init__(self, detail: str) -> None:
        super().__init__(errno.EPERM, detail)


class PrivateDirectory:
    """An open directory. `path` is its path as it was given; it is for messages only."""

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self._fd: int | None = fd

    @classmethod
    def open(cls, path: str) -> Self:
        """Open an absolute path. What is missing is created, with mode 0700.

        Raises `UntrustedFile`, and other OSErrors if it cannot be created or opened.
        """
        fd = _open_resolved(path)
        _make_private(path, fd)
        return cls(path, fd)

    def subdirectory(self, name: str) -> "PrivateDirectory":
        """Open a directory in it, under the same rules. No link is followed."""
        path = f"{self.path}/{name}"
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=self.fd)
        try:
            fd = os.open(name, _DIRECTORY, dir_fd=self.fd)
        except NotADirectoryError:
            raise UntrustedFile(f"{path} is a link or a file, not a directory; remove it") from None
        _make_private(path, fd)
        return PrivateDirectory(path, fd)

    @property
    def fd(self) -> int:
        """Its descriptor, which this object owns. Raises ValueError if it is closed."""
        if self._fd is None:
            raise ValueError(f"{self.path} is closed")
        return self._fd

    def close(self) -> None:
        """Close it. May be repeated."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def names(self) -> Sequence[str]:
        """The names of what is in it."""
        return os.listdir(self.fd)

    def open_file(self, name: str, flags: int) -> int:
        """A descriptor of a file in it; `flags` are those of open(2). The caller owns it.

        Raises `UntrustedFile`, or another OSError.
        """
        try:
            fd = os.open(name, flags | _FILE, 0o600, dir_fd=self.fd)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise UntrustedFile(f"{self.path}/{name} is a symbolic link; remove it") from error
            raise
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise UntrustedFile(f"{self.path}/{name} is not a regular file; remove it")
            if found.st_uid != os.geteuid() or found.st_nlink > 1:
                whose = f"belongs to user {found.st_uid}" if found.st_uid != os.geteuid() else "has a second name"
                raise UntrustedFile(f"{self.path}/{name} {whose}; remove it")
            if found.st_mode & 0o077:
                os.fchmod(fd, 0o600)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def read(self, name: str, max_bytes: int) -> bytes | None:
        """What is in a file; None if it does not exist. A file that cannot be used is skipped, with a line in the log."""
        try:
            fd = self.open_file(name, os.O_RDONLY)
            try:
                if os.fstat(fd).st_size > max_bytes:
                    raise UntrustedFile(f"{self.path}/{name} is longer than {max_bytes} bytes")
                data = b""
                while block := os.read(fd, max_bytes - len(data)):
                    data += block
            finally:
                os.close(fd)
        except FileNotFoundError:
            return None
        except OSError as error:
            why = error.strerror if isinstance(error, UntrustedFile) else f"{self.path}/{name}: {error.strerror}"
            _log.warn("skipped a file: {why}", why=why)
            return None
        return data

    def create(self, name: str, data: bytes) -> None:
        """Write a file. What had the name before is removed, and not written to."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        try:
            fd = self.open_file(name, flags)
        except FileExistsError:
            os.unlink(name, dir_fd=self.fd)
            fd = self.open_file(name, flags)
        with open(fd, "wb") as file:
            file.write(data)

    def replace(self, name: str, data: bytes) -> None:
        """Write a file in one step: a crash leaves either the old one or the new one."""
        self.create(f"{name}.new", data)
        self.rename(f"{name}.new", name)

    def rename(self, name: str, new_name: str) -> None:
        """Give a file another name. What had that name before is removed."""
        os.replace(name, new_name, src_dir_fd=self.fd, dst_dir_fd=self.fd)

    def remove(self, name: str) -> None:
        """Remove a file. It is no error if it does not exist or cannot be removed."""
        with suppress(OSError):
            os.unlink(name, dir_fd=self.fd)


def _make_private(path: str, fd: int) -> None:
    """Check who owns an open directory, and who may write in it; take the rights of all others away. On an error, close it."""
    try:
        found = os.fstat(fd)
        if found.st_uid != os.geteuid():
            raise UntrustedFile(
                f"{path} belongs to user {found.st_uid}, not to user {os.geteuid()}; name another directory"
            )
        if found.st_mode & _OTHERS_WRITE:
            raise UntrustedFile(f"other users may write in {path}; look at what is in it, then chmod 700 {path}")
        if found.st_mode & 0o077:
            os.fchmod(fd, 0o700)
    except BaseException:
        os.close(fd)
        raise


def _open_resolved(path: str) -> int:
    """Open a directory, part by part, and create the parts that are missing. Returns its descriptor."""
    parts = _parts(path)
    links = 0
    here, fd = "/", os.open("/", _PASSAGE)
    open_to_all = ""
    try:
        while parts:
            part = parts.pop()
            mode = os.fstat(fd).st_mode
            if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
                open_to_all = here
            target = _link_target(here, part, fd)
            if target is None:
                following, here = _enter(part, fd), os.path.join(here, part)
            else:
                links += 1
                if links > _MAX_LINKS:
                    raise UntrustedFile(f"{path} has too many symbolic links")
                parts += _parts(target)
                if not target.startswith("/"):
                    continue
                following, here = os.open("/", _PASSAGE), "/"
            os.close(fd)
            fd = following
        opened = os.open(".", _DIRECTORY, dir_fd=fd)
    finally:
        os.close(fd)
    if open_to_all:
        _log.warn(
            "{path} is below {above}, where every user may replace it: choose another place, or chmod +t {above}",
            path=path,
            above=open_to_all,
        )
    return opened


def _parts(path: str) -> list[str]:
    """The names in a path, the last one first."""
    return [part for part in reversed(path.split("/")) if part not in {"", "."}]


def _link_target(above: str, name: str, fd: int) -> str | None:
    """Where a symbolic link leads; None if it is none. Raises `UntrustedFile` if somebody else has made it."""
    try:
        found = os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISLNK(found.st_mode):
        return None
    if found.st_uid not in {0, os.geteuid()}:
        path = os.path.join(above, name)
        raise UntrustedFile(f"{path} is a symbolic link of user {found.st_uid}; remove it, or name another directory")
    return os.readlink(name, dir_fd=fd)


def _enter(name: str, fd: int) -> int:
    """Open a directory in another one. It is created if it is missing."""
    if not _mode(name, fd):
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=fd)
    return os.open(name, _PASSAGE, dir_fd=fd)


def _mode(name: str, fd: int) -> int:
    """The mode of what has a name in a directory, links not followed; 0 if there is nothing."""
    try:
        return os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
    except OSError:
        return 0
