"""A machine for the tests of `run`: a reactor whose time stands still, processes that only pretend, and pipes that are real.

Nothing is ever signalled: process groups are fake too, and pids lie beyond every kernel's limit. The parts under test
are built in the factories at the end of this file, and only there.
"""

import os
import select
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from queue import Queue
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IAddress, IConsumer, IProcessTransport, IReadDescriptor, IWriteDescriptor
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from transcoded.plan.media.launcher import Launcher
from transcoded.run.files.body import FileBody
from transcoded.run.files.leases import FileLeases
from transcoded.run.files.library import MediaFile, Version
from transcoded.run.files.threads import Threads
from transcoded.run.media.prober import Prober
from transcoded.run.process.child import INSIST_TIMES, ChildProcess, ExitStatus
from transcoded.run.process.commands import Commands, Output
from transcoded.run.process.ledger import Ledger
from transcoded.run.reactor import as_reactor
from transcoded.run.relay.pipes import PipeReader, taking
from transcoded.run.relay.relay import Relay
from transcoded.run.streams.registry import StreamRegistry
from transcoded.run.streams.stream import Stream, StreamSpec

GRACE = 5.0
FIRST_PID = 100_000_000
ENVIRONMENT = {"LC_ALL": "C"}
PROGRAM = "/nowhere/ffmpeg"
TOKEN = "0" * 32
ASKED = ["SIGTERM", "SIGCONT"]
INSISTED = [*ASKED, *["SIGTERM"] * INSIST_TIMES]
KILLED = [*INSISTED, "SIGKILL"]


@implementer(IProcessTransport)
class Child:
    """A pretended process, and the transport through which Twisted would reach it. It holds real ends of our pipes."""

    def __init__(self, machine: "Machine", protocol: ProcessProtocol, pid: int, fds: Mapping[int, int]) -> None:
        self.pid = pid
        self.argv: Sequence[str] = ()
        self.environment: Mapping[str, str] = {}
        self.gone = False
        self.signalled: list[int] = []
        self._machine = machine
        self._protocol = protocol
        self._fds = dict(fds)

    @property
    def descriptors(self) -> Sequence[int]:
        """The numbers that it sees."""
        return sorted(self._fds)

    @property
    def output_is_open(self) -> bool:
        """Whether somebody could still read its stdout."""
        if 1 not in self._fds:
            return False
        poller = select.poll()
        poller.register(self._fds[1], select.POLLOUT)
        return not any(event & select.POLLERR for _, event in poller.poll(0))

    def write(self, data: bytes, fd: int = 1) -> None:
        """Write, as the process; must fit into the pipe."""
        assert os.write(self._fds[fd], data) == len(data)

    def fill(self) -> int:
        """Write on stdout until the pipe is full, as a process that is then blocked in write(2)."""
        os.set_blocking(self._fds[1], False)
        written = 0
        with suppress(BlockingIOError):
            while True:
                written += os.write(self._fds[1], bytes(4096))
        return written

    def close(self, fd: int = 1) -> None:
        """Close a descriptor, as the process."""
        os.close(self._fds.pop(fd))

    def inherit(self, fd: int) -> int:
        """What a process that this one has started holds; for the caller to close."""
        return os.dup(self._fds[fd])

    def vanish(self) -> None:
        """Let go of everything, as the kernel does at an exit."""
        for fd in list(self._fds):
            self.close(fd)
        self.gone = True
        self._machine.groups.leader_exited(self.pid)

    def exit(self, code: int = 0) -> None:
        """Exit with a status, and have it told."""
        self.vanish()
        self.tell(ProcessDone(0) if code == 0 else ProcessTerminated(code, None, code << 8))

    def die(self, number: signal.Signals | int) -> None:
        """Be ended by a signal, and have it told."""
        self.vanish()
        self.tell(ProcessTerminated(None, int(number), int(number)))

    def tell(self, how: Exception) -> None:
        """Tell the protocol as Twisted does."""
        self._protocol.processExited(Failure(how))

    def signalProcess(self, signalID: str | int) -> None:
        if self.gone:
            raise ProcessExitedAlready
        self.signalled.append(int(signalID))

    def closeStdin(self) -> None:
        raise NotImplementedError

    def closeStdout(self) -> None:
        raise NotImplementedError

    def closeStderr(self) -> None:
        raise NotImplementedError

    def closeChildFD(self, descriptor: int) -> None:
        raise NotImplementedError

    def writeToChild(self, childFD: int, data: bytes) -> None:
        raise NotImplementedError

    def writeSequence(self, data: Iterable[bytes]) -> None:
        raise NotImplementedError

    def loseConnection(self) -> None:
        raise NotImplementedError

    def getPeer(self) -> IAddress:
        raise NotImplementedError

    def getHost(self) -> IAddress:
        raise NotImplementedError


@attrs.frozen
class Sent:
    """A signal to a group, and whether our end of the child's stdout was closed when it was sent."""

    pgid: int
    name: str
    reader_closed: bool


@attrs.define
class Groups:
    """The process groups of the machine. A child leads one unless `launched` is false (its launcher is still at work)."""

    machine: "Machine"
    launched: bool = True
    stays: int = 0
    """How many looks it takes until what a leader left behind is gone; 0: it leaves nothing."""
    sent: list[Sent] = attrs.Factory(list)
    looks: int = 0
    _there: set[int] = attrs.Factory(set)

    def add(self, pgid: int) -> None:
        if self.launched:
            self._there.add(pgid)

    def leader_exited(self, pgid: int) -> None:
        if not self.stays:
            self._there.discard(pgid)

    def signal(self, pgid: int, number: signal.Signals) -> bool:
        """Stands for `groups.signal_group`."""
        if pgid not in self._there:
            return False
        child = self.machine.child(pgid)
        self.sent.append(Sent(pgid, number.name, reader_closed=child.gone or not child.output_is_open))
        return True

    def is_empty(self, pgid: int) -> bool:
        """Stands for `groups.group_is_empty`."""
        self.looks += 1
        if self.looks >= self.stays:
            self._there.discard(pgid)
        return pgid not in self._there

    def names(self) -> list[str]:
        """The signals that were sent, in order."""
        return [sent.name for sent in self.sent]


class Machine(Clock):
    """A reactor: time by `advance`, pipes by `turn`, processes by its `children`."""

    def __init__(self) -> None:
        super().__init__()
        self.groups = Groups(self)
        self.children: list[Child] = []
        self.refuse: Exception | None = None
        """What `spawnProcess` raises."""
        self.at_birth: Callable[[Child], None] | None = None
        """What a child does before `spawnProcess` returns."""
        self._readers: list[IReadDescriptor] = []
        self._writers: list[IWriteDescriptor] = []
        self._from_threads: Queue[Callable[[], object]] = Queue()

    def child(self, pid: int) -> Child:
        """By its pid."""
        return self.children[pid - FIRST_PID]

    @property
    def last(self) -> Child:
        """The child that was started last."""
        return self.children[-1]

    def advance(self, amount: float) -> None:
        """Let time pass, and all that falls due in it happen in its order: `Clock` takes the whole way in one step."""
        until = self.seconds() + amount
        while due := [call.getTime() for call in self.getDelayedCalls() if call.getTime() <= until]:
            super().advance(max(min(due) - self.seconds(), 0))
        super().advance(max(until - self.seconds(), 0))

    @property
    def timers(self) -> list[float]:
        """The times of what is due later. What is due in the next turn is none: descriptors are closed there."""
        return [call.getTime() for call in self.getDelayedCalls() if call.getTime() > self.seconds()]

    def spawnProcess(
        self,
        processProtocol: ProcessProtocol,
        executable: str,
        args: Sequence[str],
        env: Mapping[str, str],
        *,
        childFDs: Mapping[int, int],
    ) -> Child:
        if self.refuse is not None:
            raise self.refuse
        assert executable == args[0]
        pid = FIRST_PID + len(self.children)
        child = Child(self, processProtocol, pid, {number: os.dup(fd) for number, fd in childFDs.items()})
        child.argv, child.environment = list(args), dict(env)
        self.children.append(child)
        self.groups.add(pid)
        processProtocol.makeConnection(child)
        if self.at_birth is not None:
            self.at_birth(child)
        return child

    def addReader(self, reader: IReadDescriptor) -> None:
        if reader not in self._readers:
            assert reader.fileno() >= 0, "a closed descriptor in the reactor"
            self._readers.append(reader)

    def removeReader(self, reader: IReadDescriptor) -> None:
        if reader in self._readers:
            assert reader.fileno() >= 0, "closed before it was taken out of the reactor"
            self._readers.remove(reader)

    def getReaders(self) -> list[IReadDescriptor]:
        return list(self._readers)

    def addWriter(self, writer: IWriteDescriptor) -> None:
        if writer not in self._writers:
            assert writer.fileno() >= 0, "a closed descriptor in the reactor"
            self._writers.append(writer)

    def removeWriter(self, writer: IWriteDescriptor) -> None:
        if writer in self._writers:
            assert writer.fileno() >= 0, "closed before it was taken out of the reactor"
            self._writers.remove(writer)

    def getWriters(self) -> list[IWriteDescriptor]:
        return list(self._writers)

    def turn(self) -> None:
        """Turn until nothing is due now and no pipe is ready: calls first, then pipes, as Twisted's poll reactor does."""
        for _ in range(1000):
            self.advance(0)
            poller = select.poll()
            for reader in self._readers:
                poller.register(reader.fileno(), select.POLLIN)
            ready = {fd: event for fd, event in poller.poll(0) if event}
            if not ready:
                return
            for reader in self.getReaders():
                event = ready.get(reader.fileno())
                if event is None or reader not in self._readers:
                    continue
                if event & select.POLLIN:
                    try:
                        reader.doRead()
                    except Exception:  # noqa: BLE001 - as the reactor, but that logs it
                        self.removeReader(reader)
                        reader.connectionLost(Failure())
                else:
                    self.removeReader(reader)
                    reader.connectionLost(Failure(ConnectionDone()))
        raise AssertionError("a pipe never runs dry")

    def callFromThread(self, call: Callable[..., object], *args: Any, **kwargs: Any) -> None:
        self._from_threads.put(lambda: call(*args, **kwargs))

    def hear_thread(self) -> None:
        """Wait for the next call from a thread, and make it."""
        self._from_threads.get(timeout=30)()

    def release(self) -> None:
        """What is left of the pretended processes at the end of a test."""
        for child in self.children:
            if not child.gone:
                child.vanish()


class ProcessListener:
    """Who watches a transcoder: notes everything, in order."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.deaths: list[ExitStatus] = []
        self.on_open: Callable[[], None] | None = None

    @property
    def death(self) -> ExitStatus:
        """The one that was told."""
        (death,) = self.deaths
        return death

    def opened(self) -> None:
        self.events.append("opened")
        if self.on_open is not None:
            self.on_open()

    def exited(self) -> None:
        self.events.append("exited")

    def over(self, death: ExitStatus) -> None:
        self.events.append("over")
        self.deaths.append(death)


@implementer(IConsumer)
class Viewer:
    """A client that takes `room` bytes before it says that it is full, as a transport does: with every write from then on."""

    def __init__(self, room: int = 1 << 30) -> None:
        self.room = room
        self.blocks: list[bytes] = []
        self.producer: Any = None
        self.unregistered = 0
        self.on_write: Callable[[], object] | None = None
        self._waiting = 0

    @property
    def data(self) -> bytes:
        """All that came."""
        return b"".join(self.blocks)

    def registerProducer(self, producer: object, streaming: bool) -> None:
        assert self.producer is None
        assert streaming
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None
        self.unregistered += 1

    def write(self, data: bytes) -> None:
        self.blocks.append(data)
        self._waiting += len(data)
        if self._waiting >= self.room and self.producer is not None:
            self.producer.pauseProducing()
        if self.on_write is not None:
            self.on_write()

    def take(self) -> None:
        """Take all that waits, and ask for more."""
        self._waiting = 0
        self.producer.resumeProducing()


class Notes:
    """The listener of a relay or of a pipe."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.blocks: list[bytes] = []

    def first_byte(self) -> None:
        self.events.append("first byte")

    def output_ended(self) -> None:
        self.events.append("output ended")

    def broke(self) -> None:
        self.events.append("broke")

    def received(self, data: bytes) -> None:
        self.blocks.append(data)


class StillThreads(Threads):
    """Threads that do nothing until they are told to: `step` does the oldest call, `fail` has it fail."""

    def __init__(self) -> None:
        super().__init__(as_reactor(Machine()))
        self.calls: list[tuple[Callable[[], Any], Deferred[Any]]] = []

    def run(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> "Deferred[Any]":
        deferred: Deferred[Any] = Deferred()
        self.calls.append((lambda: call(*args, **kwargs), deferred))
        return deferred

    def step(self) -> None:
        """Do the oldest call and tell what came of it."""
        call, deferred = self.calls.pop(0)
        try:
            result = call()
        except OSError as error:
            deferred.errback(error)
        else:
            deferred.callback(result)

    def fail(self, problem: Exception) -> None:
        """Have the oldest call fail."""
        self.calls.pop(0)[1].errback(problem)


def open_descriptors() -> set[tuple[int, str]]:
    """The descriptors of this process, with what they are."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            found.add((int(name), os.readlink(f"/proc/self/fd/{name}")))
    return found


def results(deferred: "Deferred[Any]") -> Iterator[Any]:
    """What a Deferred has fired with, if it has. A failure is taken away, a result stays."""
    fired: list[Any] = []

    def note(result: Any) -> Any:
        fired.append(result)
        return None if isinstance(result, Failure) else result

    deferred.addBoth(note)
    return iter(fired)


def result_of(deferred: "Deferred[Any]") -> Any:
    """What a Deferred has fired with; it must have. An exception is returned, not raised."""
    fired = list(results(deferred))
    assert fired, "nothing was told yet"
    return fired[0].value if isinstance(fired[0], Failure) else fired[0]


# The factories: what a constructor asks for is known here and nowhere else in these tests.


def new_transcoder(machine: Machine, watcher: ProcessListener, grace: float = GRACE) -> ChildProcess:
    return ChildProcess(as_reactor(machine), watcher, grace)


def start_transcoder(child: ChildProcess) -> None:
    child.start([PROGRAM, "-i", "file:a film.mkv"], ENVIRONMENT)


def new_relay(machine: Machine, fd: int, listener: "Notes") -> Relay:
    return Relay(as_reactor(machine), fd, listener, listener.broke)


def new_reader(machine: Machine, fd: int, listener: "Notes", most: int = 65536) -> PipeReader:
    readable = taking(listener.received, most)
    return PipeReader(as_reactor(machine), fd, readable, listener.output_ended, listener.broke)


def new_body(threads: Threads, fd: int, first: int, length: int, closed: Callable[[], None] = lambda: None) -> FileBody:
    return FileBody(threads, fd, first, length, closed)


def new_commands(machine: Machine, launcher: Launcher | None = None, leases: FileLeases | None = None) -> Commands:
    ledger = Ledger(None, TOKEN)
    return Commands(
        as_reactor(machine),
        launcher or Launcher(),
        ENVIRONMENT,
        GRACE,
        ledger,
        FileLeases() if leases is None else leases,
    )


def run_command(commands: Commands, deadline: float = 30.0, most: int = 100) -> "Deferred[Output]":
    return Deferred.fromCoroutine(commands.run("/nowhere/ffprobe", ["-i", "file:a"], new_file(), deadline, most))


def new_prober(machine: Machine, commands: Commands, deadline: float = 30.0, threads: Threads | None = None) -> Prober:
    return Prober(as_reactor(machine), commands, threads or StillThreads(), "/nowhere/ffprobe", deadline)


def new_streams(machine: Machine, launcher: Launcher | None = None, leases: FileLeases | None = None) -> StreamRegistry:
    ledger = Ledger(None, TOKEN)
    return StreamRegistry(
        as_reactor(machine),
        launcher or Launcher(),
        ENVIRONMENT,
        GRACE,
        ledger,
        FileLeases() if leases is None else leases,
    )


def new_spec(
    path: str = "films/a.mkv", format_: str = "mp4", request_id: str = "r1", start_s: float = 0.0
) -> StreamSpec:
    return StreamSpec(
        path=path,
        format=format_,
        client="192.0.2.7",
        request_id=request_id,
        real_path=f"/srv/{path}",
        start_s=start_s,
    )


def start_stream(streams: StreamRegistry, job: StreamSpec | None = None) -> Stream:
    return streams.start(job or new_spec(), PROGRAM, ["-i", "file:a.mkv"])


def new_threads(machine: Machine, most: int = 4) -> Threads:
    return Threads(as_reactor(machine), most)


def new_file(name: str = "a.mkv", inode: int = 1, size: int = 1000) -> MediaFile:
    return MediaFile(f"films/{name}", f"/srv/films/{name}", Version(1, inode, size, 1))
