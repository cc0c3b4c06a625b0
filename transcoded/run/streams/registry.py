"""The registry of all live streams, and of the latest `REMEMBERED` Endings.

A stream is live from the start of its process until its Ending is recorded. If its process could not be started, it has an
Ending, too. `start` takes the permit over. The permit and the lease on the file are given back on every path.
"""

from collections.abc import Sequence
from contextlib import ExitStack

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from transcoded.plan.endings import PROVEN, Ending, Reason
from transcoded.plan.errors import NotFound, TranscodeFailed, Unavailable, server_stopping
from transcoded.plan.http.names import written
from transcoded.plan.latest import Latest
from transcoded.plan.media.first_media import FirstMedia
from transcoded.run.files.leases import FileLeases, FileRelease
from transcoded.run.process.exit_status import ExitStatus
from transcoded.run.process.spawner import Spawner
from transcoded.run.reactor import IReactor
from transcoded.run.streams.admission import Evictable, Permit
from transcoded.run.streams.observers import Observer, Observers
from transcoded.run.streams.stream import Stream
from transcoded.run.streams.stream_info import StreamSpec

REMEMBERED = 1000
"""Endings that are kept in memory."""

REMEMBERED_BYTES = 8 << 20
"""Bytes of them. An Ending usually takes less than 2,000; with all that a process may say on stderr, 40,000."""

HASTY_GRACE = 0.02
"""Seconds of grace of a stream whose `StreamSpec.hasty` is set."""


class StreamRegistry:
    """Starts and ends streams, lists the live ones, and keeps the latest Endings.

    `grace`: seconds from SIGTERM to SIGKILL. `preempt_after`: a stream whose client has taken no byte for so many seconds may
    be evicted for a request that waits; None: never.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: IReactor,
        spawner: Spawner,
        grace: float,
        leases: FileLeases,
        preempt_after: float | None = None,
    ) -> None:
        self._reactor = reactor
        self._spawner = spawner
        self._grace = grace
        self._leases = leases
        self._preempt_after = preempt_after
        self._live: dict[str, Stream] = {}
        self._endings = _latest()
        self._observers = Observers()
        self._stopping = False

    def remember(self, endings: Sequence[Ending]) -> None:
        """Add the Endings of earlier daemons, given oldest first."""
        later, self._endings = self._endings, _latest()
        for ending in (*endings, *later):
            self._endings.append(ending)

    def observe(self, observer: Observer) -> None:
        """Inform `observer` of all streams from now on."""
        self._observers.add(observer)

    def start(
        self,
        spec: StreamSpec,
        program: str,
        arguments: Sequence[str],
        input_file: int,
        permit: Permit | None = None,
        occupant: Evictable | None = None,
        subtitles: int | None = None,
    ) -> Stream:
        """Start a transcoder. The permit is taken over, and released when the process has exited.

        `input_file` is the descriptor of the open file that it reads, and `subtitles` that of what it draws; the caller keeps them.

        `occupant` decides whether the slots can be taken for another request; by default the stream itself does.

        Raises `Unavailable` while the server is stopping, while the file is being released, or if the system cannot start a
        process; `TranscodeFailed` if the program does not exist. If the start of the process failed, an Ending is recorded.
        """
        owned = permit.take() if permit is not None else None
        with ExitStack() as undo:
            if owned is not None:
                undo.enter_context(owned)
            if self._stopping:
                raise server_stopping()
            stream = Stream(self._reactor, spec, self._on_reaped, self._observers.opened, owned, self._preempt_after)
            stream.lease = self._leases.take(spec.path, spec.real_path, lambda: stream.end(Reason.FILE_RELEASED))
            undo.enter_context(stream.lease)
            grace = min(self._grace, HASTY_GRACE) if spec.hasty else self._grace
            first_media = None if spec.muxer is None else FirstMedia(spec.muxer)
            try:
                stream.child = self._spawner.spawn(
                    stream,
                    program,
                    arguments,
                    input_file,
                    grace,
                    first_media=first_media,
                    subtitles=subtitles,
                    pipe=spec.pipe,
                    background=spec.background,
                    hardware=spec.hardware,
                )
            except (TranscodeFailed, Unavailable) as error:
                detail = error.stderr_tail if isinstance(error, TranscodeFailed) else str(error)
                self._report_start(stream)
                self._record(stream, ExitStatus(Reason.FAILED, None, None, (), None, detail, PROVEN))
                raise
            if owned is not None:
                owned.occupy(occupant or stream)
            self._live[stream.id] = stream
            undo.pop_all()
        self._report_start(stream)
        return stream

    @staticmethod
    def adopt(stream: Stream, permit: Permit) -> None:
        """A stream that was started without a permit takes over the one that was kept for it. Does nothing if it has one."""
        if stream.permit is None and permit.is_held:
            stream.permit = permit.take()
            stream.permit.occupy(stream)
            if stream.has_exited:
                stream.permit.release()

    def live(self) -> Sequence[Stream]:
        """All live streams, the oldest first."""
        return list(self._live.values())

    def get(self, stream_id: str) -> Stream:
        """A live stream; raises `NotFound`."""
        try:
            return self._live[stream_id]
        except KeyError:
            raise NotFound("There is no live stream with this id; it may have ended.") from None

    def release_file(self, path: str, real_path: str | None) -> "tuple[FileRelease, Deferred[list[Ending]]]":
        """Release a file, or all files below a directory; see `leases`.

        The Deferred fires with the Endings of the streams when nothing has a lease on it any more.
        """
        live = self.live()
        release = self._leases.release_file(path, real_path)
        ended = [stream.when_ended() for stream in live if release.covers(stream.spec.path, stream.spec.real_path)]
        return release, release.when_free().addCallback(lambda _: gatherResults(ended))

    def endings(self, limit: int = REMEMBERED) -> Sequence[Ending]:
        """At most `limit` latest Endings, newest first."""
        newest = list(self._endings)
        newest.reverse()
        return newest[:limit]

    def end_all(self, streams: Sequence[Stream], reason: Reason) -> "Deferred[list[Ending]]":
        """End these streams. Fires with their Endings when all are proven gone."""
        return gatherResults([stream.end(reason) for stream in streams])

    def stop(self) -> "Deferred[list[Ending]]":
        """Refuse new streams and end all. Fires with the Endings when all are proven gone."""
        self._stopping = True
        return self.end_all(self.live(), Reason.SHUTDOWN)

    def _report_start(self, stream: Stream) -> None:
        self._log.info(
            "stream {stream_id} started: {path} as {output} for {client}",
            stream_id=stream.id,
            request_id=stream.spec.request_id,
            path=written(stream.spec.path),
            output=stream.spec.format,
            client=stream.spec.client,
        )
        self._observers.started(stream)

    def _on_reaped(self, stream: Stream, status: ExitStatus) -> None:
        """The end of a process is proven: give back what the stream owns, and record its Ending."""
        with ExitStack() as owned:
            if stream.permit is not None:
                owned.enter_context(stream.permit)
            if stream.lease is not None:
                owned.enter_context(stream.lease)
            if stream.connection is not None:
                owned.callback(stream.connection.forget)
            del self._live[stream.id]
            self._record(stream, status)

    def _record(self, stream: Stream, status: ExitStatus) -> None:
        ending = stream.settle(status)
        self._endings.append(ending)
        self._log.info(
            "stream {ending.id} ended: {ending.reason}, {ending.path} as {ending.format}, {ending.bytes_sent} bytes",
            ending=ending,
            request_id=ending.request_id,
        )
        self._observers.ended(ending)


def _latest() -> Latest[Ending]:
    return Latest(REMEMBERED, REMEMBERED_BYTES, lambda ending: ending.weight)
