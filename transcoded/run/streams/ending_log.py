"""The ending log: every Ending as a line of JSON in the state directory. It survives restarts, and its size is bounded.

There are at most two files, the current one and the one before it, each of `MAX_BYTES`. If the disk is full or does not work,
lines are lost, but no stream is harmed.
"""

import os
from collections.abc import Sequence

import msgspec
from twisted.logger import Logger

from transcoded.plan.endings import Ending
from transcoded.run.files.private_directory import PrivateDirectory

MAX_BYTES = 8 << 20
"""The size of one file."""
NAME = "endings.jsonl"


class EndingLog:
    """The ending log in a state directory. It is an `Observer` of the streams."""

    _log = Logger()

    def __init__(self, directory: PrivateDirectory, max_bytes: int = MAX_BYTES) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._fd: int | None = None
        self._size = 0
        self._warned = False

    def load(self, limit: int) -> Sequence[Ending]:
        """At most `limit` latest Endings, oldest first. Damaged lines (after a power cut) are skipped."""
        endings: list[Ending] = []
        for name in (f"{NAME}.1", NAME):
            for line in (self._directory.read(name, 2 * self._max_bytes) or b"").splitlines():
                try:
                    endings.append(msgspec.json.decode(line, type=Ending))
                except msgspec.DecodeError:
                    continue
        return endings[-limit:]

    def stream_started(self, stream: object) -> None:
        """Nothing to do: only ends are logged."""

    def stream_opened(self, stream: object) -> None:
        """Nothing to do: only ends are logged."""

    def stream_ended(self, ending: Ending) -> None:
        """Add a line. An error is logged once, until a line could be written again."""
        line = msgspec.json.encode(ending) + b"\n"
        try:
            fd = self._open()
            if self._size + len(line) > self._max_bytes:
                self.close()
                self._directory.rename(NAME, f"{NAME}.1")
                fd = self._open()
            written = os.write(fd, line)
            self._size += written
            self._warned = False
            if written < len(line):
                # The disk is full. `_open` completes the cut line before the next one is written.
                self.close()
        except OSError as error:
            if not self._warned:
                self._log.warn(
                    "the ending log in {path} cannot be written: {error}",
                    path=self._directory.path,
                    error=error.strerror,
                )
            self._warned = True

    def close(self) -> None:
        """Close the file. May be repeated; the next line opens it again."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _open(self) -> int:
        """The descriptor of the current file. If its last line was cut, a line end is added when it is opened."""
        if self._fd is None:
            fd = self._directory.open_file(NAME, os.O_RDWR | os.O_APPEND | os.O_CREAT)
            try:
                size = os.fstat(fd).st_size
                if size and os.pread(fd, 1, size - 1) != b"\n":
                    size += os.write(fd, b"\n")
            except OSError:
                os.close(fd)
                raise
            self._fd, self._size = fd, size
        return self._fd
