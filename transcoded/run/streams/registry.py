"""The registry: every live stream, and how the last thousand ended.

A stream is in the registry from before its process is started until its Ending is recorded. Nobody else starts transcoders.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Protocol

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from transcoded.plan.endings import Ending, Reason
from transcoded.plan.errors import NotFound, TranscodeFailed, Unavailable
from transcoded.plan.media.launcher import Launcher
from transcoded.run.files.leases import FileLeases, Release
from transcoded.run.process.child import ExitStatus
from transcoded.run.process.ledger import Ledger
from transcoded.run.reactor import IReactor
from transcoded.run.streams.admission import Evictable, Permit
from transcoded.run.streams.stream import Stream, StreamSpec

REMEMBERED = 1000


class StreamRegistry:
    """Starts streams, knows them, ends them, remembers their ends.

    `preempt_after`: seconds without a byte taken, after which a stream gives way to a request that waits; None: never.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: IReactor,
        launcher: Launcher,
        environment: Mapping[str, str],
        grace: float,
        ledger: Ledger,
        leases: FileLeases,
        preempt_after: float | None = None,
    ) -> None:
        self._reactor = reactor
        self._launcher = launcher
        self._environment = {**environment, **ledger.environment()}
        self._grace = grace
        self._ledger = ledger
        self._leases = leases
        self._preempt_after = preempt_after
        self._live: dict[str, Stream] = {}
        self._endings: deque[Ending] = deque(maxlen=REMEMBERED)
        self._observers: list[Observer] = []
        self._stopping = False

    def remember(self, endings: Sequence[Ending]) -> None:
        """Endings of earlier daemons, oldest first."""
        self._endings.extendleft(reversed(endings))

    def observe(self, observer: "Observer") -> None:
        """Tell `observer` of every start and end from now on."""
        self._observers.append(observer)

    @property
    def stopping(self) -> bool:
        """Whether new streams are refused for good."""
        return self._stopping

    def start(
        self,
        job: StreamSpec,
        program: str,
        arguments: Sequence[str],
        permit: Permit | None = None,
        occupant: Evictable | None = None,
    ) -> Stream:
        """Start a transcoder for a job; the pass it was admitted with is given back when its process has exited.

        Raises `Unavailable` while stopping or where the system cannot start a process, `TranscodeFailed` if the program is
        gone; the Ending of the attempt is recorded.
        """
        stream = Stream(self._reactor, job, self._grace, self._over, self._opened, self._preempt_after)
        if permit is not None:
            stream.permit = permit.take(occupant or stream)
        try:
            if self._stopping:
                raise Unavailable("The server is stopping.")
            stream.hold = self._leases.hold(job.path, job.real_path, lambda: stream.end(Reason.FILE_RELEASED))
        except Unavailable:
            stream.exited()
            raise
        self._live[stream.id] = stream
        self._log.info(
            "stream {stream_id} started: {path} as {output} for {client}",
            stream_id=stream.id,
            request_id=job.request_id,
            path=job.path,
            output=job.format,
            client=job.client,
        )
        # Before the process: it may be over before it is known to run, and no end comes before its start.
        for observer in self._observers:
            observer.stream_started(stream)
        try:
            stream.child.start(self._launcher.command(program, arguments, [job.real_path]), self._environment)
        except (OSError, Unavailable) as error:
            stream.when_open().addErrback(lambda _: None)
            stream.exited()
            self._over(stream, ExitStatus(Reason.FAILED, None, None, (), None, str(error)))
            if isinstance(error, Unavailable):
                raise
            raise TranscodeFailed("The transcoder cannot be run.", str(error)) from error
        if stream.ending is None and stream.child.pid is not None:
            self._ledger.started(stream.child.pid)
        return stream

    def live(self) -> Sequence[Stream]:
        """All live streams, the oldest first."""
        return list(self._live.values())

    def get(self, stream_id: str) -> Stream:
        """A live stream; raises `NotFound`."""
        try:
            return self._live[stream_id]
        except KeyError:
            raise NotFound("There is no live stream with this id; it may have ended.") from None

    def release(self, path: str, real_path: str | None) -> "tuple[Release, Deferred[list[Ending]]]":
        """Get a file, or all below a directory, back; see `locks`. Fires with the Endings when nobody has it open any more."""
        meant = [s for s in self._live.values() if s.hold is not None]
        release = self._leases.release(path, real_path)
        ended = [s.when_ended() for s in meant if release.covers(s.job.path, s.job.real_path)]
        return release, release.freed.addCallback(lambda _: gatherResults(ended))

    def endings(self, limit: int = REMEMBERED) -> Sequence[Ending]:
        """The latest Endings, newest first."""
        newest = list(self._endings)
        newest.reverse()
        return newest[:limit]

    def end_all(self, streams: Sequence[Stream], reason: Reason) -> "Deferred[list[Ending]]":
        """End these; fires with their Endings when all are reaped."""
        return gatherResults([stream.end(reason) for stream in streams])

    def stop(self) -> "Deferred[list[Ending]]":
        """Refuse new streams and end all; fires when all are reaped."""
        self._stopping = True
        return self.end_all(self.live(), Reason.SHUTDOWN)

    def _opened(self, stream: Stream) -> None:
        for observer in self._observers:
            observer.stream_opened(stream)

    def _over(self, stream: Stream, death: ExitStatus) -> None:
        ending = stream.ending_of(death)
        del self._live[stream.id]
        if stream.child.pid is not None:
            self._ledger.ended(stream.child.pid)
        if stream.connection is not None:
            stream.connection.forget()
        self._endings.append(ending)
        self._log.info(
            "stream {ending.id} ended: {ending.reason}, {ending.path} as {ending.format}, {ending.bytes_sent} bytes",
            ending=ending,
            request_id=ending.request_id,
        )
        stream.settle(ending)
        if stream.hold is not None:
            stream.hold.free()
        for observer in self._observers:
            observer.stream_ended(ending)


class Observer(Protocol):
    """Who is told of starts and ends: the journal, metrics, events."""

    def stream_started(self, stream: Stream) -> None:
        """A process is about to be started."""

    def stream_opened(self, stream: Stream) -> None:
        """Its first byte is there."""

    def stream_ended(self, ending: Ending) -> None:
        """Its Ending was recorded."""
