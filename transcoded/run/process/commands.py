"""Commands: short-lived child processes, such as ffprobe, whose output is collected as a whole, under a deadline.

They have the same lifecycle as a transcoder, and their end is proven in the same way; but their output is collected and not
relayed. A command owns three things until it is proven gone: one of the `MAX_AT_ONCE` places, the lease on the file, and the
process. If nobody waits for its output any more it is ended, and gives all three back when it is gone, not before.

A command that takes longer than usual steps aside (`plan.policy.turns`), so that files on a disk that sleeps hold nobody up. One that
computes all the time, or takes much memory, keeps its place, because a machine has few CPUs and little memory: it may be ended for
others that wait.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from io import BytesIO
from typing import Protocol, cast

import attrs
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IConsumer, IDelayedCall, IProducer
from zope.interface import implementer

from transcoded.plan.endings import Reason
from transcoded.plan.errors import TimedOut, TooMuchOutput, TranscodedError, Unavailable, server_stopping
from transcoded.run.files.leases import file_being_released
from transcoded.run.files.library import LibraryFile
from transcoded.run.files.opener import FileOpener
from transcoded.run.places import FairPlaces, Place
from transcoded.run.process.child import ChildProcess
from transcoded.run.process.exit_status import ExitStatus
from transcoded.run.process.spawner import Spawner
from transcoded.run.process.usage import cpu_demand, resident_bytes
from transcoded.run.reactor import IReactor, OneShot, within

MAX_AT_ONCE = 8
"""Commands that run at the same time; others wait for a place."""

MAX_PER_CLIENT = 6
"""Those of one client. Slow files of one client leave room for the others."""

MAX_ASIDE = 40
MAX_ASIDE_PER_CLIENT = 24
"""Commands besides these that are slow and wait for a disk, in all and for one client."""

SLOW = 0.5
"""Seconds after which a command is slow. ffprobe usually takes a tenth of that."""

LATE = 5.0
"""Seconds after which a command may be ended for others that wait."""

PATIENCE = 20.0
"""Seconds that a request waits for a place."""

LARGE = 128 << 20
"""Bytes of resident memory: a command that has more does not step aside."""


@attrs.frozen
class Output:
    """The bytes that a command wrote on stdout, and how it ended."""

    data: bytes
    status: ExitStatus


class Reader(Protocol):
    """Reads what a command writes, as it comes."""

    def feed(self, data: bytes) -> bool:
        """Read on. Returns whether it was enough: the command is then ended. Raises a `TranscodedError` for what is not as it should be."""


class Owned(Protocol):
    """What has one owner and is given back by leaving its block, such as a permit."""

    def take(self) -> AbstractContextManager[object]:
        """Take it over from its owner."""


class Commands:
    """Runs commands, and can end all that run. `grace`: seconds from SIGTERM to SIGKILL."""

    def __init__(self, reactor: IReactor, spawner: Spawner, grace: float, opener: FileOpener) -> None:
        self._reactor = reactor
        self._spawner = spawner
        self._grace = grace
        self._opener = opener
        self._places = FairPlaces(
            reactor, MAX_AT_ONCE, MAX_PER_CLIENT, aside=MAX_ASIDE, aside_per_client=MAX_ASIDE_PER_CLIENT
        )
        # A dict for its order.
        self._running: dict[Command, None] = {}
        self._stopping = False

    async def run(
        self,
        program: str,
        arguments: Sequence[str],
        file: LibraryFile,
        deadline: float,
        max_bytes: int,
        permit: Owned | None = None,
        *,
        client: str = "",
        background: bool = False,
    ) -> Output:
        """Run a program on a file, as soon as fewer than `MAX_AT_ONCE` commands run. Cancelling ends the program.

        The program has `file` open, and the arguments name it by `INPUT_PATH`. An exit status other than 0 is no error here.
        `client` is the unit of fairness for which it runs: clients take turns. `background`: it gets what others leave of the CPU.

        Raises `TimedOut` after `deadline` seconds, which it does not delay if the process takes longer to end;
        `TooMuchOutput` if it writes more than `max_bytes`; `NotMedia` if it is ended because of its memory; `TranscodeFailed` if
        the program does not exist; `Unavailable` if no process can be started, too many commands wait, it got no place within
        `PATIENCE` or was ended for others, the file is being released, memory is short, or the server is stopping; and what
        `FileOpener.open` raises.

        A `permit` is taken over, and given back when the process is gone, which may be after the request has ended.
        """
        command = Command(self._reactor, max_bytes)
        status = await self._run(command, program, arguments, file, deadline, permit, client, background)
        # Only a reader has enough before the end.
        return Output(command.data, cast(ExitStatus, status))

    async def read(
        self, program: str, arguments: Sequence[str], file: LibraryFile, deadline: float, reader: Reader, client: str
    ) -> ExitStatus | None:
        """As `run`, but `reader` gets what the program writes, and nothing is kept of it.

        When the reader has enough, the program is ended, and the answer is None: its end is not waited for. It has its place until then. Raises also
        what the reader raises.
        """
        return await self._run(Command(self._reactor, 0, reader), program, arguments, file, deadline, None, client)

    async def _run(
        self,
        command: "Command",
        program: str,
        arguments: Sequence[str],
        file: LibraryFile,
        deadline: float,
        permit: Owned | None,
        client: str,
        background: bool = False,
    ) -> ExitStatus | None:
        with ExitStack() as owned:
            if permit is not None:
                owned.enter_context(permit.take())
            place = await within(self._reactor, min(deadline, PATIENCE), self._places.ask(client), _crowded)
            owned.enter_context(place)
            with await self._opener.open(file) as opened:
                if self._stopping:
                    raise server_stopping()
                owned.enter_context(self._opener.leases.take(file.path, file.real_path, command.release_file))
                command.child = self._spawner.spawn(
                    command, program, arguments, opened.fd, self._grace, helper=True, background=background
                )
            self._running[command] = None
            owned.callback(self._running.pop, command, None)
            place.end = command.give_way
            command.watch(place)
            command.owned = owned.pop_all()
        return await within(self._reactor, deadline, command.output.wait(), lambda: _late(deadline))

    def live(self) -> "Sequence[Command]":
        """The commands that run, the oldest first."""
        return list(self._running)

    def stop(self) -> "Deferred[list[None]]":
        """Start no more commands and end all that run. Fires when all are proven gone."""
        self._stopping = True
        gone = [command.gone.wait() for command in self._running]
        for command in list(self._running):
            command.child.end(Reason.SHUTDOWN)
        return gatherResults(gone)


@implementer(IConsumer)
class Command:
    """One command: the listener of its process, and the consumer of its output."""

    child: ChildProcess

    def __init__(self, reactor: IReactor, max_bytes: int, reader: Reader | None = None) -> None:
        self._reactor = reactor
        self._max_bytes = max_bytes
        self._reader = reader
        self._timers: list[IDelayedCall] = []
        # What it had wanted of the CPU when it was last looked at.
        self._demand = 0.0
        # Not a list of blocks: joining them would need the memory twice.
        self._data = BytesIO()
        self.owned = ExitStack()
        # None: the reader has had enough, before it had ended.
        self.output: OneShot[ExitStatus | None] = OneShot(
            reactor, on_abandoned=lambda: self.child.end(Reason.CLIENT_GONE)
        )
        self.gone: OneShot[None] = OneShot(reactor)

    @property
    def data(self) -> bytes:
        """What it has written, without a reader."""
        return self._data.getvalue()

    @property
    def is_ending(self) -> bool:
        """Whether its end is decided."""
        return self.child.is_ending

    def rss_bytes(self) -> int | None:
        """The resident memory of its process; None if it is gone."""
        return None if self.child.pid is None else resident_bytes(self.child.pid)

    def end(self, reason: Reason, error: TranscodedError) -> None:
        """End it. Its waiters get the error at once."""
        self.output.fail(error)
        self.child.end(reason)

    def watch(self, place: Place) -> None:
        """Tell its place when it is slow and when it is late, from now on until it is gone."""
        self._timers = [
            self._reactor.callLater(SLOW, self._slow, place),
            self._reactor.callLater(LATE, place.late),
        ]

    def _slow(self, place: Place) -> None:
        if self.is_ending:
            return
        before, self._demand = self._demand, 0.0 if self.child.pid is None else cpu_demand(self.child.pid)
        waits = self._demand - before < SLOW / 2 and (self.rss_bytes() or 0) <= LARGE
        place.slow(steps_aside=waits)
        if not waits:
            self._timers[0] = self._reactor.callLater(SLOW, self._slow, place)

    def give_way(self) -> None:
        """End it for another client's."""
        self.end(Reason.PREEMPTED, Unavailable("The file takes long to read, and others are waiting; try again.", 10))

    def release_file(self) -> None:
        """End it because the file is being released."""
        self.end(Reason.FILE_RELEASED, file_being_released())

    def opened(self) -> None:
        """Start to collect the output."""
        self.child.relay.attach(self)

    def exited(self) -> None:
        """Nothing to do: the result is given when all output is read and the end is proven."""

    def reaped(self, status: ExitStatus) -> None:
        """Give the result, and then the place, the lease and the process back."""
        for timer in self._timers:
            if timer.active():
                timer.cancel()
        self.output.succeed(status)
        self.gone.succeed(None)
        self.owned.close()

    def write(self, data: bytes) -> None:
        """Keep what it writes, or give it to the reader. Above the limit, forget all, fail, and end it."""
        if self._reader is not None:
            self._read(self._reader, data)
        elif self._data.tell() + len(data) <= self._max_bytes:
            self._data.write(data)
        else:
            self._data = BytesIO()
            what = f"The file cannot be read: more than {self._max_bytes} bytes came of it where a few were expected."
            self.end(Reason.FAILED, TooMuchOutput(what))

    def _read(self, reader: Reader, data: bytes) -> None:
        if self.is_ending:
            return
        try:
            enough = reader.feed(data)
        except TranscodedError as problem:
            self.end(Reason.FAILED, problem)
            return
        if enough:
            self.output.succeed(None)
            self.child.end(Reason.FINISHED)

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Nothing to do: this consumer is never full, so it never pauses its producer."""

    def unregisterProducer(self) -> None:
        """Nothing to do: the producer was not kept."""


def _crowded() -> Exception:
    return Unavailable("Other files are being looked at, and they answer slowly; try again.", 10)


def _late(deadline: float) -> Exception:
    return TimedOut(f"The file could not be read within {deadline:g} s.")
