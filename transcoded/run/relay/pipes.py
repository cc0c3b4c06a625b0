"""Pipes of ours between a child process and the reactor.

The children's output goes through pipes that Twisted's process transport does not know: so reads are as large as we want,
one pipe is paused without the others, and the news of an exit never waits for the end of a pipe.

* A reader is in the reactor only between `start` and `close`, except while paused.
* After `close` nothing is called any more.
* The number of a closed descriptor is not given away in the same turn of the reactor (`close_later`).
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
"""Bytes in a media pipe and in one read of it; measured best (docs/benchmarks.md)."""

SMALL = 4096
"""Bytes in a pipe for `-progress` and stderr, which are read at once."""

_F_SETPIPE_SZ = getattr(fcntl, "F_SETPIPE_SZ", None)


def open_pipe(size: int) -> tuple[int, int]:
    """A pipe as (read end, write end), both close-on-exec, the read end non-blocking; raises OSError.

    Its capacity is `size` bytes where the kernel allows that: an unprivileged user has a budget of pipe pages
    (/proc/sys/fs/pipe-user-pages-soft), beyond which pipes keep the size they were born with.
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
    """Close a descriptor that the reactor has watched; its number stays taken until the next turn.

    What the kernel has told the reactor in this turn goes by numbers. Were the number free, a new pipe or connection could
    get it at once, and then the old one's news: that it was hung up.
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
    """How many bytes are in a pipe now."""
    count = array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, count)
    return count[0]


def pipe_capacity(fd: int) -> int:
    """How many bytes a pipe holds at the most: less than was asked for where the user's budget of pipe pages is spent."""
    return fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ) if hasattr(fcntl, "F_GETPIPE_SZ") else SMALL


def hung_up(fd: int) -> bool:
    """Whether nobody writes into a pipe any more."""
    poll = select.poll()
    poll.register(fd, 0)
    return any(event & select.POLLHUP for _, event in poll.poll(0))


@implementer(IReadDescriptor)
class PipeReader:
    """Watches one pipe from the reactor: `readable(fd)` is called while there is something in it, and `ended()` once at its end.

    `readable` returns how many bytes it took, 0 at the end, and raises BlockingIOError if there are none now. `failed()` is
    called instead if it, or anything behind it, raised: the reactor has logged that.
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
        """Whether the descriptor is ours no more."""
        return self._fd < 0

    def start(self) -> None:
        """Read, or go on reading."""
        if not self.is_closed:
            self._reading = True
            self._reactor.addReader(self)

    def pause(self) -> None:
        """Leave what comes in the pipe, where it holds up the writer."""
        self._reading = False
        if not self.is_closed:
            self._reactor.removeReader(self)

    def close(self) -> None:
        """Stop reading and close; a writer gets SIGPIPE or EPIPE from now on. May be repeated."""
        if not self.is_closed:
            self._reactor.removeReader(self)
            fd, self._fd = self._fd, -1
            close_later(self._reactor, fd)

    def drain(self, max_bytes: int = 1 << 20) -> None:
        """Read what is in the pipe now, without waiting for more; stop when `max_bytes` or a little more have been read."""
        left = max_bytes
        while left > 0 and not self.is_closed:
            got = self._read()
            if not got:
                return
            left -= got

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
        """Called by the reactor when the writer hung up and nothing is left to read, when reading raised, or when it stops."""
        if self.is_closed:
            return
        if reason.check(ConnectionDone):
            # Not to be believed unseen: the news may be of another pipe, which had this number before in the same turn.
            if self._reading:
                self._read()
            if self._reading and not self.is_closed:
                self._reactor.addReader(self)
            return
        self.close()
        self._failed()

    def _read(self) -> int:
        """One read; the number of bytes, 0 where there is nothing now or ever."""
        try:
            taken = self._readable(self._fd)
        except BlockingIOError:
            return 0
        if not taken and not self.is_closed:
            self.close()
            self._ended()
        return taken


def read_into(received: Callable[[bytes], None], max_bytes: int = 65536) -> Callable[[int], int]:
    """A `readable` for `PipeReader` that hands what it reads to `received`."""

    def readable(fd: int) -> int:
        data = os.read(fd, max_bytes)
        if data:
            received(data)
        return len(data)

    return readable
