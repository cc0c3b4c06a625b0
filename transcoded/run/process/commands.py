"""Short-lived helpers of a request (ffprobe and its like): run to the end, output taken whole, under a deadline.

They live the same life as a transcoder and are ended in the same proven way; only their output is collected, not relayed.
A place among those that run at once, the lease on the file and the process have one owner, the command, until it is over:
that nobody waits for its output any more ends it, and gives nothing back before it is gone.
"""

from collections.abc import Sequence
from contextlib import ExitStack

import attrs
from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults
from twisted.internet.interfaces import IConsumer, IProducer
from zope.interface import implementer

from transcoded.plan.endings import Reason
from transcoded.plan.errors import TimedOut, TranscodeFailed, Unavailable
from transcoded.run.files.leases import FileLeases
from transcoded.run.files.library import MediaFile
from transcoded.run.process.child import ChildProcess
from transcoded.run.process.exit_status import ExitStatus
from transcoded.run.process.spawner import Spawner
from transcoded.run.reactor import IReactor, OneShot, within

MAX_AT_ONCE = 8
"""How many run at the same time; more wait."""


@attrs.frozen
class Output:
    """What a command wrote on stdout, and how it ended."""

    data: bytes
    status: ExitStatus


class Commands:
    """Runs commands and knows those that run."""

    def __init__(self, reactor: IReactor, spawner: Spawner, grace: float, leases: FileLeases) -> None:
        self._reactor = reactor
        self._spawner = spawner
        self._grace = grace
        self._leases = leases
        self._places = DeferredSemaphore(MAX_AT_ONCE)
        self._running: set[_Command] = set()
        self._stopping = False

    async def run(
        self,
        program: str,
        arguments: Sequence[str],
        file: MediaFile,
        deadline: float,
        max_bytes: int,
        beside: Sequence[str] = (),
    ) -> Output:
        """Run to the end on a file (and those `beside` it), when fewer than `MAX_AT_ONCE` others run. Cancelling ends it.

        Raises `TimedOut` after `deadline` seconds (at once then, even if the process cannot be ended for a while),
        `TranscodeFailed` if it writes more than `max_bytes` or the program is gone, `Unavailable` if nothing can be started
        or the file is being released.
        """
        await within(self._reactor, deadline, self._places.acquire(), _crowded)
        with ExitStack() as owned:
            owned.callback(self._places.release)
            if self._stopping:
                raise Unavailable("The server is stopping.")
            command = _Command(self._reactor, max_bytes)
            owned.enter_context(self._leases.take(file.path, file.real_path, command.release_file))
            reads = [file.real_path, *beside]
            command.child = self._spawner.spawn(command, program, arguments, reads, self._grace)
            self._running.add(command)
            owned.callback(self._running.discard, command)
            command.owned = owned.pop_all()
        return await within(self._reactor, deadline, command.output.wait(), lambda: _late(deadline))

    def stop(self) -> "Deferred[list[None]]":
        """Start no more, and end all; fires when all are gone."""
        self._stopping = True
        gone = [command.gone.wait() for command in self._running]
        for command in list(self._running):
            command.child.end(Reason.SHUTDOWN)
        return gatherResults(gone)


@implementer(IConsumer)
class _Command:
    """One run: the listener of its process and the consumer of its output."""

    child: ChildProcess

    def __init__(self, reactor: IReactor, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._data: list[bytes] = []
        self._size = 0
        self.owned = ExitStack()
        self.output: OneShot[Output] = OneShot(reactor, on_abandoned=lambda: self.child.end(Reason.CLIENT_GONE))
        self.gone: OneShot[None] = OneShot(reactor)

    def release_file(self) -> None:
        """Somebody needs the file: who waits is told at once."""
        self.output.fail(Unavailable("The file is being released: it is about to be moved or deleted.", 2))
        self.child.end(Reason.FILE_RELEASED)

    def opened(self) -> None:
        """There is output: collect it."""
        self.child.relay.attach(self)

    def exited(self) -> None:
        """It is gone; what it wrote comes."""

    def reaped(self, status: ExitStatus) -> None:
        """Give the result, and only now the place to another."""
        self.output.succeed(Output(b"".join(self._data), status))
        self.gone.succeed(None)
        self.owned.close()

    def write(self, data: bytes) -> None:
        """Keep what it writes, up to the limit."""
        self._size += len(data)
        if self._size <= self._max_bytes:
            self._data.append(data)
        else:
            self.output.fail(TranscodeFailed(f"More than {self._max_bytes} bytes of output where a few were expected."))
            self.child.end(Reason.FAILED)

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Nothing to do: it is never full."""

    def unregisterProducer(self) -> None:
        """Nothing to do."""


def _crowded() -> Exception:
    return TimedOut(f"{MAX_AT_ONCE} files are being looked at, and none of them answers.")


def _late(deadline: float) -> Exception:
    return TimedOut(f"The file could not be read within {deadline:g} s.")
