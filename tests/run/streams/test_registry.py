"""The registry. A stream that is missing from it cannot be ended; one without an Ending was never accounted for."""

import errno
import os
import signal
from collections.abc import Callable

import pytest
from twisted.internet.defer import CancelledError
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import implementer

from tests.run.fakes import (
    ENVIRONMENT,
    FIRST_PID,
    GRACE,
    KILLED,
    PROGRAM,
    TOKEN,
    Child,
    Machine,
    Viewer,
    new_spec,
    new_streams,
    result_of,
    results,
    start_stream,
)
from transcoded.plan.endings import Ending, Reason
from transcoded.plan.errors import NoOutput, NotFound, TranscodeFailed, Unavailable
from transcoded.plan.media.launcher import Launcher
from transcoded.run.files.leases import FileLeases
from transcoded.run.process.lifecycle import State
from transcoded.run.streams.registry import REMEMBERED, StreamRegistry
from transcoded.run.streams.stream import Stream


class Diary:
    """An observer that notes what it is told."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def stream_started(self, stream: Stream) -> None:
        self.events.append(f"{stream.job.path} started")

    def stream_opened(self, stream: Stream) -> None:
        self.events.append(f"{stream.job.path} opened")

    def stream_ended(self, ending: Ending) -> None:
        self.events.append(f"{ending.path} ended: {ending.reason.value}")


@pytest.fixture
def leases() -> FileLeases:
    return FileLeases()


@pytest.fixture
def streams(machine: Machine, leases: FileLeases) -> StreamRegistry:
    return new_streams(machine, Launcher(setsid="/usr/bin/setsid"), leases)


@pytest.fixture
def diary(streams: StreamRegistry) -> Diary:
    diary = Diary()
    streams.observe(diary)
    return diary


def give(machine: Machine, stream: Stream, child: Child | None = None) -> Viewer:
    """The first byte comes and is given to somebody."""
    (child or machine.last).write(b"ftyp")
    machine.turn()
    viewer = Viewer()
    result_of(stream.when_open()).attach(viewer)
    machine.turn()
    return viewer


def expect_no_output(stream: Stream) -> None:
    """Take away the failure that nobody waits for."""
    stream.when_open().addErrback(lambda _: None)


# A stream from its start to its Ending.


def test_a_stream_is_started_as_it_should_be(machine: Machine, streams: StreamRegistry) -> None:
    stream = start_stream(streams)
    assert machine.last.argv == ["/usr/bin/setsid", PROGRAM, "-i", "file:a.mkv"]
    assert machine.last.environment == {**ENVIRONMENT, "TRANSCODED_TOKEN": TOKEN}
    assert list(streams.live()) == [stream]
    assert streams.get(stream.id) is stream
    expect_no_output(stream)
    machine.last.exit(1)


def test_a_stream_that_is_seen_to_its_end(
    machine: Machine, streams: StreamRegistry, leases: FileLeases, diary: Diary
) -> None:
    stream = start_stream(streams, new_spec(request_id="r7"))
    machine.advance(0.5)
    viewer = give(machine, stream)
    machine.advance(1)
    machine.last.write(b"moov")
    ended = stream.when_ended()
    machine.last.exit()
    assert not ended.called
    machine.turn()
    ending = result_of(ended)
    assert stream.ending is ending
    assert result_of(stream.when_ended()) is ending
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


def test_how_a_stream_stands_is_told(machine: Machine, streams: StreamRegistry) -> None:
    stream = start_stream(streams, new_spec(start_s=60.0))
    info = stream.info()
    assert (info.state, info.pid, info.bytes_sent, info.position_s) == (State.STARTING, FIRST_PID, 0, None)
    assert (info.backpressured, info.cpu_percent, info.rss_bytes) == (False, None, None)
    machine.advance(2)
    viewer = give(machine, stream)
    machine.last.write(b"out_time_us=1500000\nspeed=2x\nfps=50\nprogress=continue\n", 3)
    machine.turn()
    viewer.producer.pauseProducing()
    info = stream.info()
    assert (info.state, info.uptime_s, info.bytes_sent) == (State.RUNNING, 2, 4)
    assert (info.position_s, info.speed, info.fps) == (61.5, 2, 50)
    assert info.backpressured
    machine.last.exit()
    assert stream.info().state is State.DRAINING
    assert result_of(stream.end(Reason.CLIENT_GONE)).reason is Reason.CLIENT_GONE


def test_what_a_process_uses_is_told(machine: Machine, streams: StreamRegistry) -> None:
    """Of a real one: this."""
    stream = start_stream(streams)
    stream.child.pid = os.getpid()
    info = stream.info()
    assert info.rss_bytes is not None
    assert info.rss_bytes > 1 << 20
    assert info.cpu_percent is not None
    assert stream.info().cpu_percent is not None
    stream.child.pid = FIRST_PID
    expect_no_output(stream)
    machine.last.exit(1)


# A stream that does not open.


@pytest.mark.parametrize(
    ("how", "kind", "said"),
    [
        (lambda child: child.exit(1), TranscodeFailed, "with status 1"),
        (lambda child: child.die(signal.SIGSEGV), TranscodeFailed, "with signal SIGSEGV"),
        (lambda child: child.exit(0), NoOutput, "nothing to play"),
    ],
)
def test_a_stream_without_a_byte_says_why(
    machine: Machine, streams: StreamRegistry, how: Callable[[Child], None], kind: type[Exception], said: str
) -> None:
    stream = start_stream(streams)
    machine.last.write(b"Unknown encoder\n", 2)
    how(machine.last)
    problem = result_of(stream.when_open())
    assert type(problem) is kind
    assert said in str(problem)
    (ending,) = streams.endings()
    assert (ending.reason, ending.stderr_tail, ending.bytes_sent) == (Reason.FAILED, "Unknown encoder\n", 0)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [(Reason.HUNG, TranscodeFailed), (Reason.STOPPED, Unavailable), (Reason.FILE_RELEASED, Unavailable)],
)
def test_a_stream_that_is_ended_before_its_first_byte_says_so(
    machine: Machine, streams: StreamRegistry, reason: Reason, kind: type[Exception]
) -> None:
    stream = start_stream(streams)
    ended = stream.end(reason)
    assert not stream.when_open().called
    machine.last.exit(255)
    assert isinstance(result_of(stream.when_open()), kind)
    assert result_of(ended).reason is reason


def test_a_client_that_leaves_before_the_first_byte_ends_the_stream(machine: Machine, streams: StreamRegistry) -> None:
    stream = start_stream(streams)
    stream.when_open().cancel()
    assert isinstance(result_of(stream.when_open()), CancelledError)
    assert stream.is_ending
    assert machine.groups.names() == ["SIGTERM", "SIGCONT"]
    machine.last.exit(255)
    assert [ending.reason for ending in streams.endings()] == [Reason.CLIENT_GONE]


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
    machine: Machine, streams: StreamRegistry, leases: FileLeases, problem: Exception, kind: type[Exception]
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


def test_one_that_is_gone_before_it_was_started_has_one_ending(machine: Machine, streams: StreamRegistry) -> None:
    machine.at_birth = lambda child: child.exit(1)
    stream = start_stream(streams)
    expect_no_output(stream)
    assert list(streams.live()) == []
    assert [ending.id for ending in streams.endings()] == [stream.id]
    assert result_of(stream.when_ended()) is stream.ending


def test_a_start_is_told_before_its_end(machine: Machine, streams: StreamRegistry, diary: Diary) -> None:
    """Else the dashboard shows a stream for ever that has ended already."""
    machine.at_birth = lambda child: child.exit(1)
    expect_no_output(start_stream(streams))
    assert diary.events in (["films/a.mkv started", "films/a.mkv ended: failed"], ["films/a.mkv ended: failed"])


# The end.


def test_an_end_is_told_when_it_is_proven(machine: Machine, streams: StreamRegistry) -> None:
    stream = start_stream(streams)
    give(machine, stream)
    first, second = stream.end(Reason.STOPPED), stream.end(Reason.FILE_RELEASED)
    machine.advance(GRACE)
    assert not first.called
    assert list(streams.live()) == [stream]
    machine.last.die(signal.SIGKILL)
    ending = result_of(first)
    assert ending is result_of(second)
    assert (ending.reason, ending.signal) == (Reason.STOPPED, "SIGKILL")
    assert list(ending.signals_sent) == KILLED
    assert ending.kill_ms == GRACE * 1000
    assert result_of(stream.end(Reason.SHUTDOWN)) is ending
    assert len(streams.endings()) == 1


def test_who_waits_for_an_end_may_leave(machine: Machine, streams: StreamRegistry) -> None:
    """The client of a DELETE hangs up; the stream ends all the same."""
    stream = start_stream(streams)
    give(machine, stream)
    waiting = stream.end(Reason.STOPPED)
    waiting.cancel()
    assert isinstance(result_of(waiting), CancelledError)
    machine.last.exit(255)
    assert [ending.reason for ending in streams.endings()] == [Reason.STOPPED]


def test_some_are_ended_and_the_others_play_on(machine: Machine, streams: StreamRegistry) -> None:
    found = [start_stream(streams, new_spec(f"films/{name}.mkv")) for name in "abc"]
    for stream, child in zip(found, machine.children, strict=True):
        give(machine, stream, child)
    ended = streams.end_all(found[:2], Reason.STOPPED)
    machine.children[1].exit(255)
    assert not ended.called
    machine.children[0].exit(255)
    assert [ending.path for ending in result_of(ended)] == ["films/a.mkv", "films/b.mkv"]
    assert list(streams.live()) == [found[2]]
    machine.children[2].exit()
    machine.turn()
    assert streams.endings(1)[0].reason is Reason.FINISHED


def test_nobody_to_end_is_ended_at_once(streams: StreamRegistry) -> None:
    assert result_of(streams.end_all([], Reason.STOPPED)) == []


def test_a_stop_refuses_new_ones_ends_all_and_waits(
    machine: Machine, streams: StreamRegistry, leases: FileLeases
) -> None:
    found = [start_stream(streams) for _ in range(2)]
    for stream, child in zip(found, machine.children, strict=True):
        give(machine, stream, child)
    assert not streams.stopping
    stopped = streams.stop()
    assert streams.stopping
    with pytest.raises(Unavailable, match="stopping"):
        start_stream(streams)
    assert len(machine.children) == 2
    machine.children[0].exit(255)
    assert not stopped.called
    machine.advance(GRACE)
    machine.children[1].die(signal.SIGKILL)
    assert [ending.reason for ending in result_of(stopped)] == [Reason.SHUTDOWN] * 2
    assert len(leases) == 0


def test_a_stop_waits_for_one_that_was_is_ending(machine: Machine, streams: StreamRegistry) -> None:
    stream = start_stream(streams)
    give(machine, stream)
    first = stream.end(Reason.CLIENT_GONE)
    stopped = streams.stop()
    assert not stopped.called
    machine.last.exit(255)
    assert result_of(stopped) == [result_of(first)]
    assert result_of(first).reason is Reason.CLIENT_GONE


# Files that are released.


def test_a_release_ends_all_on_the_file_and_keeps_newcomers_out(machine: Machine, streams: StreamRegistry) -> None:
    """Only when the Endings are told may the file be moved, and it must not be opened again meanwhile."""
    paths = ["films/a.mkv", "films/a.mkv", "films/ab.mkv"]
    found = [start_stream(streams, new_spec(path)) for path in paths]
    for stream, child in zip(found, machine.children, strict=True):
        give(machine, stream, child)
    release, endings = streams.release("films/a.mkv", "/srv/films/a.mkv")
    with pytest.raises(Unavailable, match="released"):
        start_stream(streams)
    machine.children[0].exit(255)
    assert not endings.called
    machine.children[1].exit(255)
    assert [(ending.path, ending.reason) for ending in result_of(endings)] == [
        ("films/a.mkv", Reason.FILE_RELEASED),
        ("films/a.mkv", Reason.FILE_RELEASED),
    ]
    assert list(streams.live()) == [found[2]]
    release.over()
    again = start_stream(streams)
    expect_no_output(again)
    for child in machine.children[2:]:
        child.exit(1)


def test_a_directory_is_released_with_all_below(machine: Machine, streams: StreamRegistry) -> None:
    found = [start_stream(streams, new_spec(path)) for path in ("films/series/1.mkv", "films/series2/1.mkv")]
    for stream in found:
        expect_no_output(stream)
    release, endings = streams.release("films/series", "/srv/films/series")
    machine.children[0].exit(255)
    assert [ending.path for ending in result_of(endings)] == ["films/series/1.mkv"]
    release.over()
    machine.children[1].exit(1)


def test_a_file_that_nobody_has_is_released_at_once(streams: StreamRegistry) -> None:
    release, endings = streams.release("films/a.mkv", None)
    assert result_of(endings) == []
    release.over()


# What is remembered.


def test_the_latest_endings_are_told_newest_first(machine: Machine, streams: StreamRegistry) -> None:
    for number in range(4):
        expect_no_output(start_stream(streams, new_spec(request_id=f"r{number}")))
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


def test_endings_of_an_earlier_daemon_come_after_ours(machine: Machine, streams: StreamRegistry) -> None:
    expect_no_output(start_stream(streams, new_spec(request_id="mine")))
    machine.last.exit(1)
    (mine,) = streams.endings()
    other = new_streams(machine)
    other.remember([mine])
    expect_no_output(start_stream(other, new_spec(request_id="later")))
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
        expect_no_output(stream)
        machine.last.exit(1)
    finally:
        globalLogPublisher.removeObserver(observer)
    (event,) = [event for event in events if "ending" in event]
    assert event["ending"] is stream.ending
    assert event["request_id"] == "r1"


def test_ids_do_not_repeat_and_cannot_be_guessed(machine: Machine, streams: StreamRegistry) -> None:
    found = [start_stream(streams) for _ in range(20)]
    assert len({stream.id for stream in found}) == 20
    assert all(len(stream.id) >= 16 for stream in found)
    for stream, child in zip(found, machine.children, strict=True):
        expect_no_output(stream)
        child.exit(1)
    assert list(results(streams.stop())) == [[]]
