"""Short-lived helpers of a request (ffprobe and its like): run to the end, output taken whole, under a deadline.

They live the same life as a transcoder and are ended in the same proven way; only their output is collected, not relayed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

import attrs
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore, gatherResults
from twisted.internet.interfaces import IConsumer, IDelayedCall, IProducer
from zope.interface import implementer

from transcoded.plan.endings import PROVEN, Reason
from transcoded.plan.errors import TimedOut, TranscodeFailed, Unavailable
from transcoded.plan.media.launcher import Launcher
from transcoded.run.files.leases import FileLeases, Lease
from transcoded.run.files.library import MediaFile
from transcoded.run.process.child import ChildProcess, ExitStatus
from transcoded.run.process.ledger import Ledger
from transcoded.run.reactor import IReactor

AT_ONCE = 8
"""How many run at the same time; more wait."""


@attrs.frozen
class Output:
    """What a command wrote on stdout, and how it ended."""

    data: bytes
    death: ExitStatus


class Commands:
    """Runs commands and knows those that run."""

    def __init__(
        self,
        reactor: IReactor,
        launcher: Launcher,
        environment: Mapping[str, str],
        grace: float,
        ledger: Ledger,
        leases: FileLeases,
    ) -> None:
        self._reactor = reactor
        self._launcher = launcher
        self._environment = {**environment, **ledger.environment()}
        self._grace = grace
        self._ledger = ledger
        self._leases = leases
        self._places = DeferredSemaphore(AT_ONCE)
        self._running: set[_Command] = set()
        self._stopping = False

    async def run(
        self,
        program: str,
        arguments: Sequence[str],
        file: MediaFile,
        deadline: float,
        most: int,
        beside: Sequence[str] = (),
    ) -> Output:
        """Run to the end on a file (and those `beside` it), as soon as fewer than `AT_ONCE` others run. Cancelling ends it.

        Raises `TimedOut` after `deadline` seconds (at once then, even if the process cannot be ended for a while),
        `TranscodeFailed` if it writes more than `most` bytes or the program is gone, `Unavailable` if nothing can be started
        or the file is being released.
        """
        await self._places.acquire().addTimeout(deadline, self._reactor, _crowded)
        command = _Command(self._reactor, self._grace, most, self._over)
        self._running.add(command)
        try:
            if self._stopping:
                raise Unavailable("The server is stopping.")
            command.hold = self._leases.hold(file.path, file.real_path, command.released)
            command.child.start(
                self._launcher.command(program, arguments, [file.real_path, *beside]), self._environment
            )
        except (OSError, Unavailable) as error:
            self._over(command, PROVEN)
            if isinstance(error, Unavailable):
                raise
            raise TranscodeFailed(f"{program} cannot be run: {error.strerror}.") from error
        if not command.finished and command.child.pid is not None:
            self._ledger.started(command.child.pid)
            command.limit(deadline)
        return await command.result

    def _over(self, command: "_Command", proof: str) -> None:
        """A command is gone for good: only now another may take its place."""
        self._running.discard(command)
        self._places.release()
        if command.hold is not None:
            command.hold.free()
        if command.child.pid is not None and proof == PROVEN:
            self._ledger.ended(command.child.pid)

    def pids(self) -> Sequence[int]:
        """Those that run."""
        return [command.child.pid for command in self._running if command.child.pid is not None]

    def stop(self) -> "Deferred[list[None]]":
        """End all; fires when all are gone."""
        self._stopping = True
        gone = [command.gone for command in self._running]
        for command in list(self._running):
            command.child.end(Reason.SHUTDOWN)
        return gatherResults(gone)


@implementer(IConsumer)
class _Command:
    """One run: the watcher of its process and the consumer of its output."""

    def __init__(self, reactor: IReactor, grace: float, most: int, forget: "Callable[[_Command, str], None]") -> None:
        self._reactor = reactor
        self._most = most
        self._forget = forget
        self._data: list[bytes] = []
        self._size = 0
        self._timer: IDelayedCall | None = None
        self._problem: Exception | None = None
        self.finished = False
        self.hold: Lease | None = None
        self.child = ChildProcess(reactor, self, grace)
        self.result: Deferred[Output] = Deferred(self._cancelled)
        self.gone: Deferred[None] = Deferred()

    def limit(self, deadline: float) -> None:
        """Start the clock."""
        self._timer = self._reactor.callLater(deadline, self._too_late, deadline)

    def opened(self) -> None:
        """There is output: collect it."""
        self.child.relay.attach(self)

    def exited(self) -> None:
        """It is gone; what it wrote comes."""

    def over(self, death: ExitStatus) -> None:
        """Give the result."""
        self.finished = True
        self._forget(self, death.proof)
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self.gone.callback(None)
        if self.result.called:
            return
        if self._problem is not None:
            self.result.errback(self._problem)
        else:
            self.result.callback(Output(b"".join(self._data), death))

    def write(self, data: bytes) -> None:
        """More output, as a consumer."""
        self._size += len(data)
        if self._size > self._most:
            self._problem = TranscodeFailed(f"More than {self._most} bytes of output where a few were expected.")
            self.child.end(Reason.FAILED)
        else:
            self._data.append(data)

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Nothing to do: it is never full."""

    def unregisterProducer(self) -> None:
        """Nothing to do."""

    def released(self) -> None:
        """Somebody needs the file."""
        if not self.result.called:
            self.result.errback(Unavailable("The file is being released: it is about to be moved or deleted.", 2))
        self.child.end(Reason.FILE_RELEASED)

    def _too_late(self, deadline: float) -> None:
        self.child.end(Reason.HUNG)
        if not self.result.called:
            self.result.errback(TimedOut(f"The file could not be read within {deadline:g} s."))

    def _cancelled(self, result: "Deferred[Output]") -> None:
        result.errback(CancelledError())
        self.child.end(Reason.CLIENT_GONE)


def _crowded(result: object, timeout: float) -> NoReturn:
    raise TimedOut(f"{AT_ONCE} files are being looked at, and none of them answers.")
