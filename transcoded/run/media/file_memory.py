"""What was found out about media files, remembered in the state directory: after a restart it is there without a process.

An entry is a file of its own, found again only for the same version of the same file, the same ffprobe and the same version of this program.
Its name is a digest, so no path is written, but titles are. It is written in a thread and put in place in one step. Whatever is in it that this
program would not have written makes it count as missing, and its bytes are checked by a digest: a crash can leave anything.

The entries are bounded in number and in bytes. Those that were not used for the longest time are removed.
"""

import hashlib
import os
import sys
from array import array
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from fractions import Fraction
from threading import Lock
from typing import Annotated, Any, ParamSpec, TypeVar

import attrs
import msgspec
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from transcoded.plan.errors import TimedOut
from transcoded.plan.media.probe import Media
from transcoded.plan.media.timeline.packets import MAX_LENGTH, MAX_REORDER, PacketScan
from transcoded.run.files.library import MediaFile
from transcoded.run.files.private_directory import PrivateDirectory
from transcoded.run.files.threads import Threads
from transcoded.run.reactor import IReactor, within
from transcoded.version import VERSION

NAME = "media"
"""The directory in the state directory."""

FORM = 4
"""Counts up when what is written changes its form or its meaning."""

MAX_ENTRY = 512 << 10
"""Bytes of an entry. A film takes 1,500 for its streams, and 16 for each second that has a keyframe; what is longer is not kept."""

MAX_BYTES = 64 << 20
MAX_ENTRIES = 10_000

PATIENCE = 1.0
"""Seconds. What takes longer than ffprobe is no use."""

_ARRAYS = ("keyframes", "offsets")
_DIGEST = 16
_UNFINISHED = ".new"
_DISK = "the state directory"

P = ParamSpec("P")
T = TypeVar("T")


class _Scan(msgspec.Struct, forbid_unknown_fields=True):
    """A `PacketScan`. `keyframes` and `offsets` are of 8 bytes each, little-endian."""

    start: Fraction
    keyframes: bytes
    offsets: bytes
    reorder: Annotated[int, msgspec.Meta(ge=0, le=MAX_REORDER)]
    end: Annotated[float, msgspec.Meta(gt=0, le=MAX_LENGTH)] | None
    restarts: bool
    delay: Annotated[int, msgspec.Meta(ge=0)] | None
    leading: bool | None


class FileMemory:
    """The entries in the directory `NAME` of the state directory; None: nothing is remembered. `made_with` says by which ffprobe.

    A memory that fails, or does not answer within `PATIENCE` seconds, is given up until the next start, with a line in the log.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: IReactor,
        state: PrivateDirectory | None,
        threads: Threads,
        made_with: Sequence[object] = (),
        max_bytes: int = MAX_BYTES,
        max_entries: int = MAX_ENTRIES,
    ) -> None:
        self._reactor = reactor
        self._state = state
        self._threads = threads.of_disk(_DISK)
        self._made_with = tuple(made_with)
        self._limits = max_bytes, max_entries
        self._lock = Lock()
        # Used in threads, under the lock: the sizes of the entries, the least recently used first; None before they were listed.
        self._sizes: OrderedDict[str, int] | None = None

    async def media(self, file: MediaFile) -> Media | None:
        """What a file contains, as ffprobe has said; None if that is not known."""
        found = await self._find(file, Media)
        return found if found is not None and found.size == file.size else None

    async def scan(self, file: MediaFile) -> PacketScan | None:
        """The scan of its packets or of its index; None if that is not known."""
        found = await self._find(file, _Scan)
        return None if found is None else _from_written(found)

    def keep(self, file: MediaFile, value: Media | PacketScan) -> None:
        """Remember it. This only begins to: it is written in a thread, and nobody waits for it."""
        if self._state is None:
            return
        written: Media | _Scan = value if isinstance(value, Media) else _to_written(value)
        self._within(self._write, self._state, self._name(file, type(written)), written).addErrback(self._give_up)

    async def _find(self, file: MediaFile, kind: type[T]) -> T | None:
        if self._state is None:
            return None
        found = self._within(self._read, self._state, self._name(file, kind), kind)
        return await found.addErrback(self._give_up)

    def _within(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "Deferred[T]":
        return within(self._reactor, PATIENCE, self._threads.run(call, *args, **kwargs), _late)

    def _give_up(self, failure: Failure) -> None:
        if failure.check(CancelledError):
            # Who asked has left.
            failure.raiseException()
        if self._state is not None:
            self._log.warn("what is in files is not remembered: {why}", why=failure.getErrorMessage())
        self._state = None

    def _name(self, file: MediaFile, kind: type) -> str:
        parts = FORM, VERSION, self._made_with, kind.__name__, file.real_path, attrs.astuple(file.version)
        return hashlib.blake2b(repr(parts).encode("utf-8", "surrogateescape"), digest_size=_DIGEST).hexdigest()

    def _read(self, state: PrivateDirectory, name: str, kind: type[T]) -> T | None:
        with self._lock, closing(state.subdirectory(NAME)) as directory:
            sizes = self._listed(directory)
            if name not in sizes:
                return None
            sizes.move_to_end(name)
            data = directory.read(name, MAX_ENTRY)
            with suppress(OSError):
                # For the order after the next start.
                os.utime(name, dir_fd=directory.fd, follow_symlinks=False)
        return None if data is None else _unpacked(data, kind)

    def _write(self, state: PrivateDirectory, name: str, value: object) -> None:
        data = _packed(value)
        if len(data) > MAX_ENTRY:
            return
        with self._lock, closing(state.subdirectory(NAME)) as directory:
            sizes = self._listed(directory)
            directory.replace(name, data)
            sizes.pop(name, None)
            sizes[name] = len(data)
            self._forget(directory, sizes)

    def _listed(self, directory: PrivateDirectory) -> "OrderedDict[str, int]":
        """The sizes of the entries. The first time they are listed, and what a crash has left unfinished is removed."""
        if self._sizes is None:
            found = []
            for name in directory.names():
                if name.endswith(_UNFINISHED):
                    directory.remove(name)
                    continue
                with suppress(OSError):
                    status = os.stat(name, dir_fd=directory.fd, follow_symlinks=False)
                    found.append((status.st_mtime_ns, name, status.st_size))
            self._sizes = OrderedDict((name, size) for _, name, size in sorted(found))
            self._forget(directory, self._sizes)
        return self._sizes

    def _forget(self, directory: PrivateDirectory, sizes: "OrderedDict[str, int]") -> None:
        max_bytes, max_entries = self._limits
        total = sum(sizes.values())
        while sizes and (total > max_bytes or len(sizes) > max_entries):
            name, size = sizes.popitem(last=False)
            total -= size
            directory.remove(name)


def _late() -> Exception:
    return TimedOut("The state directory does not answer.")


def _packed(value: object) -> bytes:
    data = msgspec.msgpack.encode(value, enc_hook=_encoded)
    return _digest(data) + data


def _unpacked(data: bytes, kind: type[T]) -> T | None:
    """What was packed; None if it was not."""
    if _digest(data[_DIGEST:]) != data[:_DIGEST]:
        return None
    try:
        return msgspec.msgpack.decode(data[_DIGEST:], type=kind, dec_hook=_decoded)
    except (msgspec.DecodeError, ValueError, ZeroDivisionError, RecursionError):
        return None


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST).digest()


def _encoded(value: object) -> object:
    if isinstance(value, Fraction):
        return (value.numerator, value.denominator)
    raise NotImplementedError


def _decoded(kind: type, value: Any) -> object:
    if kind is Fraction:
        numerator, denominator = value
        return Fraction(numerator, denominator)
    raise NotImplementedError


def _to_written(scan: PacketScan) -> _Scan:
    arrays = {name: _bytes_of(getattr(scan, name)) for name in _ARRAYS}
    return _Scan(**{**attrs.asdict(scan, recurse=False), **arrays})


def _from_written(written: _Scan) -> PacketScan | None:
    values = msgspec.structs.asdict(written)
    try:
        arrays = {name: _array_of(values[name]) for name in _ARRAYS}
    except ValueError:
        return None
    return PacketScan(**{**values, **arrays})


def _bytes_of(values: Sequence[int]) -> bytes:
    found = array("q", values)
    if sys.byteorder == "big":
        found.byteswap()
    return found.tobytes()


def _array_of(data: bytes) -> Sequence[int]:
    found = array("q")
    found.frombytes(data)
    if sys.byteorder == "big":
        found.byteswap()
    return found
