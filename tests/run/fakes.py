"""A machine for the tests of `run`: a reactor whose time stands still, processes that only pretend, and pipes that are real.

Nothing is ever signalled: process groups are fake too, and pids lie beyond every kernel's limit. The parts under test
are built in the factories at the end of this file, and only there.
"""

import os
import select
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from queue import Queue
from typing import Any, cast

import attrs
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import ConnectionDone, ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IConsumer, IProcessTransport, IReadDescriptor, IWriteDescriptor
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from transcoded.plan.errors import TranscodedError
from transcoded.plan.media.argv import INPUT_PATH
from transcoded.plan.media.first_media import FirstMedia
from transcoded.plan.media.launcher import Launcher
from transcoded.run.files.body import FileBody
from transcoded.run.files.leases import FileLeases
from transcoded.run.files.library import Library, LibraryFile, MediaFile, Version
from transcoded.run.files.opener import FileOpener, OpenFile
from transcoded.run.files.threads import Threads
from transcoded.run.media.prober import REMEMBERED, Prober
from transcoded.run.process.child import SIGTERM_REPEATS, ChildProcess
from transcoded.run.process.commands import Commands, Output, Owned
from transcoded.run.process.exit_status import ExitStatus
from transcoded.run.process.groups import Member
from transcoded.run.process.ledger import Ledger
from transcoded.run.process.spawner import Spawner
from transcoded.run.reactor import as_reactor
from transcoded.run.relay.pipes import PipeReader, read_into
from transcoded.run.relay.relay import Relay
from transcoded.run.streams.admission import Permit
from transcoded.run.streams.registry import StreamRegistry
from transcoded.run.streams.stream import Stream
from transcoded.run.streams.stream_info import StreamSpec

GRACE = 5.0
FIRST_PID = 100_000_000
ENVIRONMENT = {"LC_ALL": "C"}
PROGRAM = "/nowhere/ffmpeg"
TOKEN = "0" * 32
TERM_ONCE = ["SIGTERM", "SIGCONT"]
TERM_REPEATED = [*TERM_ONCE, *["SIGTERM"] * SIGTERM_REPEATS]
KILLED = [*TERM_REPEATED, "SIGKILL"]


class Child:
    """A pretended process. It holds real ends of our pipes."""

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
        """Tell the protocol as Twisted does, and go on to the next turn, unless `spawnProcess` is still at work."""
        self._protocol.processExited(Failure(how))
        if not self._machine.spawning:
            self._machine.advance(0)

    def signalProcess(self, signalID: str | int) -> None:
        if self.gone:
            raise ProcessExitedAlready
        self.signalled.append(int(signalID))


@attrs.frozen
class Transport:
    """What Twisted gives to the protocol: it knows no pid any more when the process was reaped."""

    _child: Child

    @property
    def pid(self) -> int | None:
        return None if self._child.gone else self._child.pid

    def signalProcess(self, number: str | int) -> None:
        self._child.signalProcess(number)


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

    def signal(self, pgid: int, number: signal.Signals, leader: int | None = None) -> bool:
        """Stands for `groups.signal_group`."""
        if pgid not in self._there:
            return False
        child = self.machine.child(pgid)
        self.sent.append(Sent(pgid, number.name, reader_closed=child.gone or not child.output_is_open))
        return True

    def members(self, pgid: int, leader: int | None = None) -> Sequence[Member]:
        """Stands for `groups.group_members`: what stays is a grandchild whose number is one higher."""
        self.looks += 1
        if self.looks >= self.stays:
            self._there.discard(pgid)
        return [Member(pgid + 1, "grandchild")] if pgid in self._there else []

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
        self.on_spawn: Callable[[Child], None] | None = None
        """What a child does before `spawnProcess` returns."""
        self.spawning = False
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
        processProtocol.makeConnection(cast(IProcessTransport, Transport(child)))
        if self.on_spawn is not None:
            self.spawning = True
            self.on_spawn(child)
            self.spawning = False
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
        """Do what is due now, and give every pipe that is ready to its reader, until there is no more: as Twisted's reactor."""
        for _ in range(1000):
            self.advance(0)
            poller = select.poll()
            for reader in self._readers:
                poller.register(reader.fileno(), select.POLLIN)
            ready = {fd: event for fd, event in poller.poll(0) if event}
            if not ready:
                return  # what was due is done, and nothing new came of it
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

    def run_thread_call(self) -> None:
        """Wait for the next call from a thread, and make it."""
        self._from_threads.get(timeout=30)()

    def release(self) -> None:
        """What is left of the pretended processes at the end of a test."""
        for child in self.children:
            if not child.gone:
                child.vanish()


class ProcessListener:
    """Who had a process started: notes everything, in order."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.statuses: list[ExitStatus] = []
        self.on_open: Callable[[], None] | None = None

    @property
    def status(self) -> ExitStatus:
        """The one that was told."""
        (status,) = self.statuses
        return status

    def opened(self) -> None:
        self.events.append("opened")
        if self.on_open is not None:
            self.on_open()

    def exited(self) -> None:
        self.events.append("exited")

    def reaped(self, status: ExitStatus) -> None:
        self.events.append("reaped")
        self.statuses.append(status)


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

    def failed(self) -> None:
        self.events.append("failed")

    def received(self, data: bytes) -> None:
        self.blocks.append(data)


class StillThreads(Threads):
    """Threads that do nothing until they are told to: `step` does the oldest call, `fail` has it fail."""

    def __init__(self) -> None:
        super().__init__(as_reactor(Machine()))
        self.calls: list[tuple[Callable[[], Any], Deferred[Any]]] = []

    def of_disk(self, disk: str) -> "StillThreads":
        return self

    def run(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> "Deferred[Any]":
        deferred: Deferred[Any] = Deferred()
        self.calls.append((lambda: call(*args, **kwargs), deferred))
        return deferred

    def step(self) -> None:
        """Do the oldest call and tell what came of it."""
        call, deferred = self.calls.pop(0)
        try:
            result = call()
        except (OSError, TranscodedError) as error:
            deferred.errback(error)
        else:
            deferred.callback(result)

    def fail(self, problem: Exception) -> None:
        """Have the oldest call fail."""
        self.calls.pop(0)[1].errback(problem)


class PromptThreads(StillThreads):
    """Threads that do each call at once."""

    def run(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> "Deferred[Any]":
        deferred = super().run(call, *args, **kwargs)
        self.step()
        return deferred


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


def result_after_turn(machine: Machine, deferred: "Deferred[Any]") -> Any:
    """The same in the next turn of the reactor, which is when results are delivered that many may wait for."""
    machine.turn()
    return result_of(deferred)


# The factories: what a constructor asks for is known here and nowhere else in these tests.


def new_spawner(machine: Machine, launcher: Launcher | None = None, ledger: Ledger | None = None) -> Spawner:
    return Spawner(as_reactor(machine), launcher or Launcher(), ENVIRONMENT, ledger or Ledger(TOKEN))


def start_child(
    spawner: Spawner, listener: ProcessListener, grace: float = GRACE, first_media: FirstMedia | None = None
) -> ChildProcess:
    with open(os.devnull, "rb") as file:
        return spawner.spawn(
            listener, PROGRAM, ["-i", f"file:{INPUT_PATH}"], file.fileno(), grace, first_media=first_media
        )


def new_leases(machine: Machine) -> FileLeases:
    return FileLeases(as_reactor(machine))


def new_relay(machine: Machine, fd: int, listener: "Notes", first_media: FirstMedia | None = None) -> Relay:
    return Relay(as_reactor(machine), fd, listener, listener.failed, first_media)


def new_reader(machine: Machine, fd: int, listener: "Notes", max_bytes: int = 65536) -> PipeReader:
    readable = read_into(listener.received, max_bytes)
    return PipeReader(as_reactor(machine), fd, readable, listener.output_ended, listener.failed)


class NoDisk(Threads):
    """Threads whose calls are done at once."""

    def __init__(self) -> None:
        super().__init__(as_reactor(Machine()))

    def of_disk(self, disk: str) -> "NoDisk":
        return self

    def acquire(self, discard: object, call: Callable[..., Any], *args: Any, **kwargs: Any) -> "Deferred[Any]":
        return maybeDeferred(call, *args, **kwargs)


class EveryFile(Library):
    """A library in which every file can be opened, and is empty."""

    def open(self, file: LibraryFile) -> int:
        return os.open(os.devnull, os.O_RDONLY)


def new_opener(machine: Machine, leases: FileLeases | None = None, threads: Threads | None = None) -> FileOpener:
    return FileOpener(EveryFile({}), threads or NoDisk(), new_leases(machine) if leases is None else leases)


def new_body(threads: Threads, file: OpenFile, first: int, length: int) -> FileBody:
    return FileBody(threads, file, first, length)


def new_commands(machine: Machine, launcher: Launcher | None = None, leases: FileLeases | None = None) -> Commands:
    return Commands(as_reactor(machine), new_spawner(machine, launcher), GRACE, new_opener(machine, leases))


def run_command(
    commands: Commands,
    deadline: float = 30.0,
    max_bytes: int = 100,
    permit: Owned | None = None,
    client: str = "192.0.2.1",
) -> "Deferred[Output]":
    running = commands.run(
        "/nowhere/ffprobe", ["-i", "file:a"], new_file(), deadline, max_bytes, permit=permit, client=client
    )
    return Deferred.fromCoroutine(running)


def new_prober(
    machine: Machine,
    commands: Commands,
    deadline: float = 30.0,
    threads: Threads | None = None,
    remembered: int = REMEMBERED,
) -> Prober:
    opener = new_opener(machine, threads=threads)
    return Prober(as_reactor(machine), commands, opener, "/nowhere/ffprobe", deadline, remembered)


def new_streams(
    machine: Machine,
    launcher: Launcher | None = None,
    leases: FileLeases | None = None,
    ledger: Ledger | None = None,
) -> StreamRegistry:
    found = new_leases(machine) if leases is None else leases
    return StreamRegistry(as_reactor(machine), new_spawner(machine, launcher, ledger), GRACE, found)


def new_spec(
    path: str = "films/a.mkv",
    format_: str = "mp4",
    request_id: str = "r1",
    start_s: float = 0.0,
    muxer: str | None = None,
) -> StreamSpec:
    return StreamSpec(
        path=path,
        format=format_,
        client="192.0.2.7",
        request_id=request_id,
        real_path=f"/srv/{path}",
        start_s=start_s,
        muxer=muxer,
    )


def start_stream(
    streams: StreamRegistry,
    spec: StreamSpec | None = None,
    permit: Permit | None = None,
    arguments: Sequence[str] = ("-i", f"file:{INPUT_PATH}"),
) -> Stream:
    with open(os.devnull, "rb") as file:
        return streams.start(spec or new_spec(), PROGRAM, arguments, file.fileno(), permit)


def give_output(machine: Machine, stream: Stream, child: Child | None = None) -> Viewer:
    """The first byte comes and is given to somebody."""
    (child or machine.last).write(b"ftyp")
    machine.turn()
    viewer = Viewer()
    result_after_turn(machine, stream.when_open()).attach(viewer)
    machine.turn()
    return viewer


def new_threads(machine: Machine, max_threads: int = 4) -> Threads:
    return Threads(as_reactor(machine), max_threads)


def new_file(name: str = "a.mkv", inode: int = 1, size: int = 1000) -> MediaFile:
    return MediaFile(f"films/{name}", f"/srv/films/{name}", Version(1, inode, size, 1))
