"""Segments in files: one file for each, in a private directory that no other daemon uses at the same time. All calls block.

    {cache_dir}/segments/lock            locked (flock) as long as the daemon lives; contains its pid
    {cache_dir}/segments/{digest}.seg    one segment, behind a header with its length and checksum
    {cache_dir}/segments/{digest}.new    one that is being written; after a crash, a leftover

* A name is a digest of everything that the bytes depend on. It says nothing about the film to who reads the directory.
* A file gets its name when it is complete (rename(2)), so a crash of the daemon leaves no part of one under that name. Nothing is
  flushed to the disk (fsync(2)): after a power failure a file may be cut short or be full of zeros all the same, but what makes it
  valid is its checksum, which is compared whenever it is read. What does not match is removed, and made anew.
* A file that is read gets the current time, so that the order of use outlasts the daemon.
* Files with other names are never touched.
"""

import fcntl
import hashlib
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice
from threading import Lock
from typing import Self

import attrs

from transcoded.run.files.private_directory import PrivateDirectory, UntrustedFile
from transcoded.run.process.ledger import InUse

NAME = 20
"""Bytes of the digest that names a segment."""

MAX_SEGMENT = 256 << 20
"""Bytes. A longer one is not kept."""

_BLOCK = 4096
"""Bytes in which a file system gives out its room, as most have it; and about what the directory's entry and the inode take."""

_MAGIC = b"transcoded segment 1\n"
_CHECKSUM = 16
_HEADER = len(_MAGIC) + NAME + 8 + _CHECKSUM

_ENTRY = re.compile("([0-9a-f]{40})\\.seg")
_LEFTOVER = re.compile("[0-9a-f]{40}\\.new")

_FRESH = 60.0
"""Seconds for which the time of a file is not set again, however often it is read."""

_STEP = 2000
"""Files that one call of `Scan.step` looks at."""


def cost(length: int) -> int:
    """The bytes of the disk that a segment of so many bytes takes."""
    return _BLOCK + -(-(_HEADER + length) // _BLOCK) * _BLOCK


@attrs.frozen
class Reading:
    """What was read. `data` is None if there is nothing valid; `damaged`: there was a file, and it was removed."""

    data: bytes | None
    damaged: bool = False


@attrs.frozen
class Outcome:
    """What came of a change: the names that could not be removed, and the error that has stopped it."""

    kept: Sequence[bytes] = ()
    error: OSError | None = None


class DiskFiles:
    """The open directory. Every method but `close` may be called from any thread, and blocks as long as the disk does."""

    def __init__(self, directory: PrivateDirectory, lock: int) -> None:
        self._directory = directory
        self._lock = lock
        # A thread may hang in a call when the daemon stops. The directory is closed when the last one has left it.
        self._mutex = Lock()
        self._calls = 0
        self._closing = False

    @classmethod
    def open(cls, path: str) -> Self:
        """Open and lock a directory, an absolute path. It is created if it is missing.

        Raises `InUse` if another daemon uses it, `UntrustedFile` if somebody else could write in it, and other OSErrors.
        """
        with ExitStack() as opened:
            directory = PrivateDirectory.open(path)
            opened.callback(directory.close)
            # For reading: the file system can be made read-only while the lock is held.
            lock = directory.open_file("lock", os.O_RDONLY | os.O_CREAT)
            opened.callback(os.close, lock)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                owner = os.pread(lock, 20, 0).decode("ascii", "replace").strip()
                raise InUse(f"{path} is in use by another daemon" + (f" (pid {owner})" if owner else "")) from None
            with open(directory.open_file("lock", os.O_WRONLY | os.O_TRUNC), "wb") as file:
                file.write(str(os.getpid()).encode("ascii"))
            opened.pop_all()
            return cls(directory, lock)
        raise AssertionError("not reached: the block above does not swallow exceptions")

    @property
    def path(self) -> str:
        """The path of the directory, for messages to the operator."""
        return self._directory.path

    def close(self) -> None:
        """Refuse further calls, and unlock the directory when the last one has returned. May be repeated."""
        with self._mutex:
            closing, self._closing = not self._closing, True
            if closing and not self._calls:
                self._release()

    def scan(self) -> "Scan":
        """Look at what is there. Removes what a crash has left."""
        return Scan(self)

    def read(self, name: bytes) -> Reading:
        """The segment with this name. Raises OSError if the disk fails."""
        with self._in_use() as directory:
            try:
                fd = directory.open_file(_file(name), os.O_RDONLY)
            except FileNotFoundError:
                return Reading(None)
            except UntrustedFile:
                return Reading(None, damaged=True)
            with open(fd, "rb", buffering=0) as file:
                length = os.fstat(fd).st_size
                data = _unwrapped(name, file.readall() or b"") if length <= _HEADER + MAX_SEGMENT else None
                if data is not None:
                    with suppress(OSError):
                        _touch(fd)
                    return Reading(data)
            directory.remove(_file(name))
            return Reading(None, damaged=True)

    def change(self, removed: Iterable[bytes], name: bytes | None = None, data: bytes = b"") -> Outcome:
        """Remove segments, and then write one, unless `name` is None. Raises nothing."""
        left = list(removed)
        try:
            with self._in_use() as directory:
                while left:
                    with suppress(FileNotFoundError):
                        os.unlink(_file(left[-1]), dir_fd=directory.fd)
                    left.pop()
                if name is not None:
                    self._write(directory, name, data)
        except (OSError, ValueError) as error:
            # ValueError: the directory was closed meanwhile.
            return Outcome(left, error if isinstance(error, OSError) else OSError(str(error)))
        return Outcome()

    def _write(self, directory: PrivateDirectory, name: bytes, data: bytes) -> None:
        leftover = f"{name.hex()}.new"
        try:
            directory.create(leftover, _header(name, data) + data)
            directory.rename(leftover, _file(name))
        except BaseException:
            directory.remove(leftover)
            raise

    @contextmanager
    def _in_use(self) -> Iterator[PrivateDirectory]:
        with self._mutex:
            if self._closing:
                raise OSError("the directory is closed")
            self._calls += 1
        try:
            yield self._directory
        finally:
            with self._mutex:
                self._calls -= 1
                if self._closing and not self._calls:
                    self._release()

    def _release(self) -> None:
        os.close(self._lock)
        self._directory.close()


class Scan:
    """What is in the directory, step by step: a large one on a slow disk takes longer than one call may."""

    def __init__(self, files: DiskFiles) -> None:
        self._files = files
        self._found: list[tuple[int, bytes, int]] = []
        self._names: Iterator[str] | None = None

    def step(self) -> bool:
        """Look at the next files. Returns whether there may be more. Raises OSError."""
        with self._files._in_use() as directory:  # noqa: SLF001 - a part of the same module
            if self._names is None:
                self._names = iter(directory.names())
            names = list(islice(self._names, _STEP))
            for name in names:
                self._look_at(directory, name)
        return len(names) == _STEP

    def entries(self) -> Mapping[bytes, int]:
        """The cost of each segment by its name, the least recently used first."""
        self._found.sort()
        return {name: taken for _, name, taken in self._found}

    def _look_at(self, directory: PrivateDirectory, name: str) -> None:
        if _LEFTOVER.fullmatch(name):
            directory.remove(name)
        elif matched := _ENTRY.fullmatch(name):
            with suppress(FileNotFoundError):
                found = os.stat(name, dir_fd=directory.fd, follow_symlinks=False)
                if stat.S_ISREG(found.st_mode):
                    length = max(0, found.st_size - _HEADER)
                    self._found.append((found.st_mtime_ns, bytes.fromhex(matched[1]), cost(length)))


def _file(name: bytes) -> str:
    return f"{name.hex()}.seg"


def _touch(fd: int) -> None:
    now = time.time()
    if now - os.fstat(fd).st_mtime > _FRESH:
        os.utime(fd, (now, now))


def _header(name: bytes, data: bytes) -> bytes:
    """What stands before a segment in its file."""
    checksum = hashlib.blake2b(data, digest_size=_CHECKSUM, key=name).digest()
    return b"".join((_MAGIC, name, len(data).to_bytes(8, "big"), checksum))


def _unwrapped(name: bytes, written: bytes) -> bytes | None:
    """The segment in what is in its file; None if that is not what was written there."""
    data = written[_HEADER:]
    return data if written[:_HEADER] == _header(name, data) else None
