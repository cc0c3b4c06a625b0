"""The registry. A stream that is missing from it cannot be ended; one without an Ending was never accounted for."""

import errno
import signal
from typing import Any

import msgspec
import pytest
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import implementer

from tests.conftest import Errors
from tests.run.fakes import (
    ENVIRONMENT,
    GRACE,
    KILLED,
    PROGRAM,
    TOKEN,
    Machine,
    give_output,
    new_leases,
    new_spec,
    new_streams,
    result_after_turn,
    start_stream,
)
from transcoded.plan.endings import Ending, Reason
from transcoded.plan.errors import NotFound, TranscodeFailed, Unavailable
from transcoded.plan.media.launcher import Launcher
from transcoded.plan.policy.admission import TRANSCODE, Admission
from transcoded.run.files.leases import FileLeases
from transcoded.run.reactor import as_reactor
from transcoded.run.streams.admission import AdmissionQueue, Permit
from transcoded.run.streams.registry import REMEMBERED, REMEMBERED_BYTES, StreamRegistry
from transcoded.run.streams.stream import Stream


class Diary:
    """An observer that notes what it is told."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def stream_started(self, stream: Stream) -> None:
        self.events.append(f"{stream.spec.path} started")

    def stream_opened(self, stream: Stream) -> None:
        self.events.append(f"{stream.spec.path} opened")

    def stream_ended(self, ending: Ending) -> None:
        self.events.append(f"{ending.path} ended: {ending.reason.value}")


@pytest.fixture
def leases(machine: Machine) -> FileLeases:
    return new_leases(machine)


@pytest.fixture
def streams(machine: Machine, leases: FileLeases) -> StreamRegistry:
    return new_streams(machine, Launcher(setsid="/usr/bin/setsid"), leases)


@pytest.fixture
def diary(streams: StreamRegistry) -> Diary:
    diary = Diary()
    streams.observe(diary)
    return diary


# A stream from its start to its Ending.


def test_a_stream_is_started_as_it_should_be(machine: Machine, streams: StreamRegistry) -> None:
    stream = start_stream(streams)
    assert machine.last.argv == ["/usr/bin/setsid", PROGRAM, "-i", "file:/proc/self/fd/4"]
    assert machine.last.environment == {**ENVIRONMENT, "TRANSCODED_TOKEN": TOKEN}
    assert list(streams.live()) == [stream]
    assert streams.get(stream.id) is stream
    machine.last.exit(1)


def test_a_stream_that_is_seen_to_its_end(
    machine: Machine, streams: StreamRegistry, leases: FileLeases, diary: Diary
) -> None:
    stream = start_stream(streams, new_spec(request_id="r7"))
    machine.advance(0.5)
    viewer = give_output(machine, stream)
    machine.advance(1)
    machine.last.write(b"moov")
    ended = stream.when_ended()
    machine.last.exit()
    assert not ended.called
    machine.turn()
    ending = result_after_turn(machine, ended)
    assert stream.ending is ending
    assert result_after_turn(machine, stream.when_ended()) is ending
    assert (ending.id, ending.request_id, ending.path, ending.format) == (stream.id, "r7", "films/a.mkv", "mp4")
    assert (ending.reason, ending.exit_code, ending.signal) == (Reason.FINISHED, 0, None)
    assert (ending.signals_sent, ending.kill_ms) == ((), None)
    assert (ending.duration_s, ending.bytes_sent, ending.client) == (1.5, 8, "192.0.2.7")
    assert ending.started.endswith("Z")
    assert ending.started <= ending.ended
    assert viewer.data == b"ftypmoov"
    assert list(streams.live()) == []
    assert list(streams.endings()) == [ending]
    assert len(leases) == 0
    assert diary.events == ["films/a.mkv started", "films/a.mkv opened", "films/a.mkv ended: finished"]
    with pytest.raises(NotFound):
        streams.get(stream.id)


# A stream that does not start.


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), TranscodeFailed),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), Unavailable),
        (MemoryError(), Unavailable),
        (ValueError("embedded null byte"), TranscodeFailed),
    ],
)
def test_a_start_that_fails_is_an_ending_too(
    machine: Machine,
    streams: StreamRegistry,
    leases: FileLeases,
    diary: Diary,
    problem: Exception,
    kind: type[Exception],
) -> None:
    """And leaves neither a stream that can never be ended, nor a file that can never be moved."""
    machine.refuse = problem
    with pytest.raises(kind):
        start_stream(streams)
    assert list(streams.live()) == []
    assert len(leases) == 0
    (ending,) = streams.endings()
    assert (ending.reason, ending.exit_code, ending.signal, ending.bytes_sent) == (Reason.FAILED, None, None, 0)
    assert ending.stderr_tail
    assert diary.events == ["films/a.mkv started", "films/a.mkv ended: failed"]


def test_one_that_is_gone_before_it_was_started_has_one_ending(machine: Machine, streams: StreamRegistry) -> None:
    machine.on_spawn = lambda child: child.exit(1)
    stream = start_stream(streams)
    assert list(streams.live()) == [stream], "nothing is told before the start has returned"
    machine.turn()
    assert list(streams.live()) == []
    assert [ending.id for ending in streams.endings()] == [stream.id]
    assert result_after_turn(machine, stream.when_ended()) is stream.ending


def test_a_start_is_told_before_its_end(machine: Machine, streams: StreamRegistry, diary: Diary) -> None:
    """Else the dashboard shows a stream for ever that has ended already."""
    machine.on_spawn = lambda child: child.exit(1)
    start_stream(streams)
    machine.turn()
    assert diary.events == ["films/a.mkv started", "films/a.mkv ended: failed"]


# Nothing is lost at a start.


class Broken(Diary):
    """An observer with a fault in one of its methods."""

    def __init__(self, at: str) -> None:
        super().__init__()
        self._at = at

    def stream_started(self, stream: Stream) -> None:
        super().stream_started(stream)
        self._break("started")

    def stream_opened(self, stream: Stream) -> None:
        super().stream_opened(stream)
        self._break("opened")

    def stream_ended(self, ending: Ending) -> None:
        super().stream_ended(ending)
        self._break("ended")

    def _break(self, at: str) -> None:
        if at == self._at:
            raise ZeroDivisionError(at)


@pytest.fixture
def gate(machine: Machine) -> AdmissionQueue:
    return AdmissionQueue(as_reactor(machine), Admission(2 * TRANSCODE, 0), 1.0)


def admit(machine: Machine, gate: AdmissionQueue) -> Permit:
    permit = result_after_turn(machine, gate.ask("192.0.2.7", TRANSCODE))
    assert isinstance(permit, Permit)
    return permit


@pytest.mark.parametrize("at", ["started", "opened", "ended"])
def test_an_observer_that_fails_costs_neither_a_stream_nor_another_observer_its_news(
    machine: Machine,
    streams: StreamRegistry,
    leases: FileLeases,
    gate: AdmissionQueue,
    logged_errors: Errors,
    at: str,
) -> None:
    """It left a live stream without a process, which held two units and the file for ever."""
    broken, diary = Broken(at), Diary()
    streams.observe(broken)
    streams.observe(diary)
    stream = start_stream(streams, permit=admit(machine, gate))
    give_output(machine, stream)
    machine.last.exit()
    assert result_after_turn(machine, stream.when_ended()).reason is Reason.FINISHED
    assert broken.events == diary.events
    assert len(diary.events) == 3
    assert (list(streams.live()), len(leases), gate.state.used) == ([], 0, 0)
    (error,) = logged_errors.flush()
    assert error["log_failure"].check(ZeroDivisionError)


@pytest.mark.parametrize(
    "obstacle", ["the program is gone", "the file is being released", "the registry has stopped", "a fault of ours"]
)
def test_a_permit_and_a_lease_come_back_from_every_start_that_fails(
    machine: Machine, streams: StreamRegistry, leases: FileLeases, gate: AdmissionQueue, obstacle: str
) -> None:
    """Two units that are lost are a place that nobody gets until the daemon is restarted."""
    permit = admit(machine, gate)
    arguments: Any = []
    match obstacle:
        case "the program is gone":
            machine.refuse = FileNotFoundError(errno.ENOENT, "gone")
        case "the file is being released":
            leases.release_file("films", None)
        case "the registry has stopped":
            streams.stop()
        case _:
            arguments = None
    with pytest.raises((TranscodeFailed, Unavailable, TypeError)):
        start_stream(streams, permit=permit, arguments=arguments)
    assert (list(streams.live()), len(leases), gate.state.used) == ([], 0, 0)
    assert not permit.is_held


def test_a_permit_has_one_owner(machine: Machine, streams: StreamRegistry, gate: AdmissionQueue) -> None:
    """Who waited for it can leave its block: it is the stream's now, until its process has exited."""
    with admit(machine, gate) as permit:
        start_stream(streams, permit=permit)
        with pytest.raises(RuntimeError):
            start_stream(streams, permit=permit)
    assert gate.state.used == TRANSCODE
    machine.last.exit(1)
    assert gate.state.used == 0


# The end.


def test_an_end_is_told_when_it_is_proven(machine: Machine, streams: StreamRegistry) -> None:
    stream = start_stream(streams)
    give_output(machine, stream)
    first, second = stream.end(Reason.STOPPED), stream.end(Reason.FILE_RELEASED)
    machine.advance(GRACE)
    assert not first.called
    assert list(streams.live()) == [stream]
    machine.last.die(signal.SIGKILL)
    ending = result_after_turn(machine, first)
    assert ending is result_after_turn(machine, second)
    assert (ending.reason, ending.signal) == (Reason.STOPPED, "SIGKILL")
    assert list(ending.signals_sent) == KILLED
    assert ending.kill_ms == GRACE * 1000
    assert result_after_turn(machine, stream.end(Reason.SHUTDOWN)) is ending
    assert len(streams.endings()) == 1


def test_some_are_ended_and_the_others_play_on(machine: Machine, streams: StreamRegistry) -> None:
    found = [start_stream(streams, new_spec(f"films/{name}.mkv")) for name in "abc"]
    for stream, child in zip(found, machine.children, strict=True):
        give_output(machine, stream, child)
    ended = streams.end_all(found[:2], Reason.STOPPED)
    machine.children[1].exit(255)
    assert not ended.called
    machine.children[0].exit(255)
    assert [ending.path for ending in result_after_turn(machine, ended)] == ["films/a.mkv", "films/b.mkv"]
    assert list(streams.live()) == [found[2]]
    machine.children[2].exit()
    machine.turn()
    assert streams.endings(1)[0].reason is Reason.FINISHED


def test_nobody_to_end_is_ended_at_once(machine: Machine, streams: StreamRegistry) -> None:
    assert result_after_turn(machine, streams.end_all([], Reason.STOPPED)) == []


def test_a_stop_refuses_new_ones_ends_all_and_waits(
    machine: Machine, streams: StreamRegistry, leases: FileLeases
) -> None:
    found = [start_stream(streams) for _ in range(2)]
    for stream, child in zip(found, machine.children, strict=True):
        give_output(machine, stream, child)
    stopped = streams.stop()
    with pytest.raises(Unavailable, match="stopping"):
        start_stream(streams)
    assert len(machine.children) == 2
    machine.children[0].exit(255)
    assert not stopped.called
    machine.advance(GRACE)
    machine.children[1].die(signal.SIGKILL)
    assert [ending.reason for ending in result_after_turn(machine, stopped)] == [Reason.SHUTDOWN] * 2
    assert len(leases) == 0


def test_a_stop_waits_for_one_that_was_is_ending(machine: Machine, streams: StreamRegistry) -> None:
    stream = start_stream(streams)
    give_output(machine, stream)
    first = stream.end(Reason.CLIENT_GONE)
    stopped = streams.stop()
    assert not stopped.called
    machine.last.exit(255)
    assert result_after_turn(machine, stopped) == [result_after_turn(machine, first)]
    assert result_after_turn(machine, first).reason is Reason.CLIENT_GONE


# Files that are released.


def test_a_release_ends_all_on_the_file_and_keeps_newcomers_out(machine: Machine, streams: StreamRegistry) -> None:
    """Only when the Endings are told may the file be moved, and it must not be opened again meanwhile."""
    paths = ["films/a.mkv", "films/a.mkv", "films/ab.mkv"]
    found = [start_stream(streams, new_spec(path)) for path in paths]
    for stream, child in zip(found, machine.children, strict=True):
        give_output(machine, stream, child)
    release, endings = streams.release_file("films/a.mkv", "/srv/films/a.mkv")
    with pytest.raises(Unavailable, match="released"):
        start_stream(streams)
    machine.children[0].exit(255)
    assert not endings.called
    machine.children[1].exit(255)
    assert [(ending.path, ending.reason) for ending in result_after_turn(machine, endings)] == [
        ("films/a.mkv", Reason.FILE_RELEASED),
        ("films/a.mkv", Reason.FILE_RELEASED),
    ]
    assert list(streams.live()) == [found[2]]
    release.readmit()
    start_stream(streams)
    for child in machine.children[2:]:
        child.exit(1)


def test_a_directory_is_released_with_all_below(machine: Machine, streams: StreamRegistry) -> None:
    for path in ("films/series/1.mkv", "films/series2/1.mkv"):
        start_stream(streams, new_spec(path))
    release, endings = streams.release_file("films/series", "/srv/films/series")
    machine.children[0].exit(255)
    assert [ending.path for ending in result_after_turn(machine, endings)] == ["films/series/1.mkv"]
    release.readmit()
    machine.children[1].exit(1)


def test_a_file_that_nobody_has_is_released_at_once(machine: Machine, streams: StreamRegistry) -> None:
    release, endings = streams.release_file("films/a.mkv", None)
    assert result_after_turn(machine, endings) == []
    release.readmit()


# What is remembered.


def test_the_latest_endings_are_told_newest_first(machine: Machine, streams: StreamRegistry) -> None:
    for number in range(4):
        start_stream(streams, new_spec(request_id=f"r{number}"))
        machine.last.exit(1)
    assert [ending.request_id for ending in streams.endings()] == ["r3", "r2", "r1", "r0"]
    assert [ending.request_id for ending in streams.endings(2)] == ["r3", "r2"]
    assert list(streams.endings(0)) == []


def test_only_so_many_endings_are_remembered(machine: Machine, streams: StreamRegistry) -> None:
    """A daemon that runs for a year must not grow with every viewer it had."""
    machine.refuse = FileNotFoundError(errno.ENOENT, "gone")
    for number in range(REMEMBERED + 5):
        with pytest.raises(TranscodeFailed):
            start_stream(streams, new_spec(request_id=f"r{number}"))
    endings = streams.endings(2 * REMEMBERED)
    assert REMEMBERED == len(endings) == 1000
    assert (endings[0].request_id, endings[-1].request_id) == (f"r{REMEMBERED + 4}", "r5")


def test_endings_with_much_stderr_are_remembered_in_a_bounded_number_of_bytes(
    machine: Machine, streams: StreamRegistry
) -> None:
    """A file decides what ffmpeg says about it, and a name can have thousands of characters."""
    start_stream(streams)
    machine.last.exit(1)
    (example,) = streams.endings()
    streams.remember([msgspec.structs.replace(example, stderr_tail="\U0001f600" * 8192)] * REMEMBERED)
    kept = streams.endings()
    assert kept[0] is example
    assert REMEMBERED_BYTES // 2 < sum(4 * len(ending.stderr_tail) for ending in kept) < REMEMBERED_BYTES


def test_endings_of_an_earlier_daemon_come_after_ours(machine: Machine, streams: StreamRegistry) -> None:
    start_stream(streams, new_spec(request_id="mine"))
    machine.last.exit(1)
    (mine,) = streams.endings()
    other = new_streams(machine)
    other.remember([mine])
    start_stream(other, new_spec(request_id="later"))
    machine.last.exit(1)
    assert [ending.request_id for ending in other.endings()] == ["later", "mine"]


def test_an_end_is_one_structured_event(machine: Machine, streams: StreamRegistry) -> None:
    """An operator counts Endings in the log; two lines for one stream, or none, and the count is a lie."""
    events: list[LogEvent] = []

    @implementer(ILogObserver)
    def observer(event: LogEvent) -> None:
        events.append(event)

    globalLogPublisher.addObserver(observer)
    try:
        stream = start_stream(streams)
        machine.last.exit(1)
    finally:
        globalLogPublisher.removeObserver(observer)
    (event,) = [event for event in events if "ending" in event]
    assert event["ending"] is stream.ending
    assert event["request_id"] == "r1"
