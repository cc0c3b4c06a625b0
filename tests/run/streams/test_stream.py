"""A stream as those see it who wait for it: its first byte or why there is none, how it stands, and its one Ending."""

import signal
from collections.abc import Callable

import pytest
from twisted.internet.defer import CancelledError

from tests.run.fakes import (
    FIRST_PID,
    Child,
    Machine,
    give_output,
    new_spec,
    new_streams,
    result_after_turn,
    results,
    start_stream,
)
from transcoded.plan.endings import Reason
from transcoded.plan.errors import NoOutput, TranscodeFailed, Unavailable
from transcoded.run.process.lifecycle import State
from transcoded.run.reactor import as_reactor
from transcoded.run.streams.registry import StreamRegistry
from transcoded.run.streams.stream import Stream


@pytest.fixture
def streams(machine: Machine) -> StreamRegistry:
    return new_streams(machine)


def test_one_that_could_not_be_started_can_be_told_of_all_the_same(machine: Machine) -> None:
    """The dashboard gets its start and its end, and nothing to wait for."""
    stream = Stream(as_reactor(machine), new_spec(), lambda stream, status: None, lambda stream: None)
    info = stream.info()
    assert (info.state, info.pid, info.bytes_sent, info.rss_bytes) == (State.STARTING, None, 0, None)
    assert stream.is_ending
    with pytest.raises(LookupError, match=stream.id):
        _ = stream.child


def test_results_are_told_in_the_next_turn_and_to_all(machine: Machine, streams: StreamRegistry) -> None:
    """Who ends a stream must have finished what it does before anybody reacts to the end."""
    stream = start_stream(streams)
    opening, ended = [stream.when_open() for _ in range(2)], [stream.when_ended() for _ in range(2)]
    stream.opened()
    assert not any(one.called for one in opening)
    assert result_after_turn(machine, opening[0]) is result_after_turn(machine, opening[1]) is stream.child.relay
    machine.last.exit(1)
    assert (
        result_after_turn(machine, ended[0])
        is result_after_turn(machine, ended[1])
        is result_after_turn(machine, stream.when_ended())
        is stream.ending
    )


def test_how_a_stream_stands_is_told(machine: Machine, streams: StreamRegistry) -> None:
    stream = start_stream(streams, new_spec(start_s=60.0))
    info = stream.info()
    assert (info.state, info.pid, info.bytes_sent, info.position_s) == (State.STARTING, FIRST_PID, 0, None)
    assert (info.backpressured, info.cpu_percent, info.rss_bytes) == (False, None, None)
    machine.advance(2)
    viewer = give_output(machine, stream)
    machine.last.write(b"out_time_us=1500000\nspeed=2x\nfps=50\nprogress=continue\n", 3)
    machine.turn()
    viewer.producer.pauseProducing()
    info = stream.info()
    assert (info.state, info.uptime_s, info.bytes_sent) == (State.RUNNING, 2, 4)
    assert (info.position_s, info.speed, info.fps) == (61.5, 2, 50)
    assert info.backpressured
    machine.last.exit()
    assert stream.info().state is State.DRAINING
    assert result_after_turn(machine, stream.end(Reason.CLIENT_GONE)).reason is Reason.CLIENT_GONE


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
    problem = result_after_turn(machine, stream.when_open())
    assert type(problem) is kind
    assert said in str(problem)
    (ending,) = streams.endings()
    assert (ending.reason, ending.stderr_tail, ending.bytes_sent) == (Reason.FAILED, "Unknown encoder\n", 0)


def test_a_stream_with_a_header_alone_says_that_there_is_nothing_to_play(
    machine: Machine, streams: StreamRegistry
) -> None:
    stream = start_stream(streams, new_spec(muxer="flac"))
    machine.last.write(b"fLaC\x80\0\0\0")
    machine.turn()
    assert stream.info().state is State.STARTING
    assert stream.sample(memory=False).bytes_made == 0, "a header is no progress: one that writes no more is hung"
    machine.last.exit(0)
    assert type(result_after_turn(machine, stream.when_open())) is NoOutput


@pytest.mark.parametrize(
    ("reason", "kind"),
    [(Reason.HUNG, TranscodeFailed), (Reason.STOPPED, Unavailable), (Reason.FILE_RELEASED, Unavailable)],
)
def test_a_stream_that_is_ended_before_its_first_byte_says_so(
    machine: Machine, streams: StreamRegistry, reason: Reason, kind: type[Exception]
) -> None:
    stream = start_stream(streams)
    ended = stream.end(reason)
    opening = stream.when_open()
    machine.turn()
    assert not opening.called
    machine.last.exit(255)
    assert isinstance(result_after_turn(machine, opening), kind)
    assert result_after_turn(machine, ended).reason is reason


def test_a_client_that_leaves_before_the_first_byte_ends_the_stream(machine: Machine, streams: StreamRegistry) -> None:
    stream = start_stream(streams)
    waiting = stream.when_open()
    waiting.cancel()
    assert isinstance(result_after_turn(machine, waiting), CancelledError)
    assert stream.is_ending
    assert machine.groups.names() == ["SIGTERM", "SIGCONT"]
    machine.last.exit(255)
    assert [ending.reason for ending in streams.endings()] == [Reason.CLIENT_GONE]


def test_who_waits_for_an_end_may_leave(machine: Machine, streams: StreamRegistry) -> None:
    """The client of a DELETE hangs up; the stream ends all the same."""
    stream = start_stream(streams)
    give_output(machine, stream)
    waiting = stream.end(Reason.STOPPED)
    waiting.cancel()
    assert isinstance(result_after_turn(machine, waiting), CancelledError)
    machine.last.exit(255)
    assert [ending.reason for ending in streams.endings()] == [Reason.STOPPED]


def test_ids_do_not_repeat_and_cannot_be_guessed(machine: Machine, streams: StreamRegistry) -> None:
    found = [start_stream(streams) for _ in range(20)]
    assert len({stream.id for stream in found}) == 20
    assert all(len(stream.id) >= 16 for stream in found)
    for child in machine.children:
        child.exit(1)
    assert list(results(streams.stop())) == [[]]
