"""The pipes between a child process and the reactor.

They are our own and not those of Twisted's process transport. So reads can be larger, one pipe can be paused without the
others, and an exit is reported without waiting for the end of every pipe.

* A reader is in the reactor only between `start` and `close`, and not while it is paused.
* After `close` it calls nothing any more.
* The number of a closed descriptor is not used again in the same turn of the reactor (`close_later`).
"""

import errno
import fcntl
import os
import select
import termios
from array import array
from collections.abc import Callable

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReactorTime, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from transcoded.run.reactor import IReactor

BIG = 256 * 1024
"""The size in bytes of a media pipe, and of one read from it. Measured to be the best (docs/benchmarks.md)."""

SMALL = 4096
"""The size in bytes of a pipe for `-progress` or stderr. Small, since these are always read at once."""

_F_SETPIPE_SZ = getattr(fcntl, "F_SETPIPE_SZ", None)


def open_pipe(size: int) -> tuple[int, int]:
    """Open a pipe: (read end, write end), both close-on-exec, the read end non-blocking. Raises OSError.

    Its capacity is `size` bytes if the kernel allows that. An unprivileged user has a limit of pipe pages
    (/proc/sys/fs/pipe-user-pages-soft); above it pipes keep their initial size.
    """
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    if _F_SETPIPE_SZ is not None:
        try:
            fcntl.fcntl(read_end, _F_SETPIPE_SZ, size)
        except OSError as error:
            if error.errno not in {errno.EPERM, errno.EBUSY, errno.EINVAL}:
                os.close(read_end)
                os.close(write_end)
                raise
    return read_end, write_end


def close_later(reactor: IReactorTime, fd: int) -> None:
    """Close a descriptor that the reactor has watched, but keep its number in use until the next turn.

    The events that the reactor handles in this turn name descriptors by number. If the number were free, a new pipe or
    connection could get it at once, and then an event of the old one: that its writer hung up.
    """
    try:
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        os.close(fd)
        return
    os.dup2(null, fd, inheritable=False)
    os.close(null)
    reactor.callLater(0, os.close, fd)


def bytes_waiting(fd: int) -> int:
    """The number of bytes that are in a pipe now."""
    count = array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, count)
    return count[0]


def pipe_capacity(fd: int) -> int:
    """The capacity of a pipe in bytes. Less than requested if the user's limit of pipe pages is reached."""
    return fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ) if hasattr(fcntl, "F_GETPIPE_SZ") else SMALL


def hung_up(fd: int) -> bool:
    """Whether all write ends of a pipe are closed."""
    poll = select.poll()
    poll.register(fd, 0)
    return any(event & select.POLLHUP for _, event in poll.poll(0))


@implementer(IReadDescriptor)
class PipeReader:
    """Reads one pipe in the reactor: calls `readable(fd)` while there is something in it, and `ended()` once, at its end.

    `readable` returns the number of bytes that it took, 0 at the end of the pipe, and raises BlockingIOError if there are none
    now. If it raises anything else, the reactor logs that, and `failed()` is called once instead of `ended()`.
    """

    def __init__(
        self,
        reactor: IReactor,
        fd: int,
        readable: Callable[[int], int],
        ended: Callable[[], None],
        failed: Callable[[], None],
    ) -> None:
        self._reactor = reactor
        self._fd = fd
        self._readable = readable
        self._ended = ended
        self._failed = failed
        self._reading = False

    @property
    def is_closed(self) -> bool:
        """Whether the descriptor is closed."""
        return self._fd < 0

    def start(self) -> None:
        """Start to read, or resume."""
        if not self.is_closed:
            self._reading = True
            self._reactor.addReader(self)

    def pause(self) -> None:
        """Stop reading. When the pipe is full, its writer is blocked."""
        self._reading = False
        if not self.is_closed:
            self._reactor.removeReader(self)

    def close(self) -> None:
        """Stop reading and close the pipe. A writer gets SIGPIPE or EPIPE from now on. May be repeated."""
        if not self.is_closed:
            self._reactor.removeReader(self)
            fd, self._fd = self._fd, -1
            close_later(self._reactor, fd)

    def drain(self, max_bytes: int = 1 << 20) -> None:
        """Read what is in the pipe now, without waiting for more. Stops after `max_bytes`, or a little more."""
        remaining = max_bytes
        while remaining > 0 and not self.is_closed:
            taken = self._read()
            if not taken:
                return
            remaining -= taken

    def fileno(self) -> int:
        """The descriptor, for the reactor."""
        return self._fd

    def logPrefix(self) -> str:
        """The name under which the reactor logs."""
        return "pipe"

    def doRead(self) -> None:
        """Called by the reactor when there is something to read."""
        if not self.is_closed:
            self._read()

    def connectionLost(self, reason: Failure) -> None:
        """Called by the reactor when the writer hung up and the pipe is empty, when reading raised, or when the reactor stops."""
        if self.is_closed:
            return
        if reason.check(ConnectionDone):
            # Read to check it: the event may be that of another pipe, which had this number earlier in the same turn.
            if self._reading:
                self._read()
            if self._reading and not self.is_closed:
                self._reactor.addReader(self)
            return
        self.close()
        self._failed()

    def _read(self) -> int:
        """One read. Returns the number of bytes; 0 if there are none now, or no more at all."""
        try:
            taken = self._readable(self._fd)
        except BlockingIOError:
            return 0
        if not taken and not self.is_closed:
            self.close()
            self._ended()
        return taken


def read_into(received: Callable[[bytes], None], max_bytes: int = 65536) -> Callable[[int], int]:
    """A `readable` for `PipeReader` that calls `received` with the bytes of each read, at most `max_bytes`."""

    def readable(fd: int) -> int:
        data = os.read(fd, max_bytes)
        if data:
            received(data)
        return len(data)

    return readable
