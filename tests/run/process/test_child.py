"""One process on a machine whose clock stands still: what its listener is told, and what is left when it was told."""

import errno
import os
import signal
from collections.abc import Callable

import pytest
from twisted.internet.error import ProcessTerminated

from tests.conftest import Errors
from tests.run.fakes import (
    GRACE,
    KILLED,
    TERM_ONCE,
    TERM_REPEATED,
    Child,
    Machine,
    ProcessListener,
    Viewer,
    new_spawner,
    start_child,
)
from transcoded.plan.endings import PROVEN, Reason
from transcoded.plan.media.first_media import FirstMedia
from transcoded.run.process.child import (
    SIGTERM_REPEAT_AFTER,
    SIGTERM_REPEAT_INTERVAL,
    SIGTERM_REPEATS,
    SWEEP_INTERVAL,
    SWEEP_TRIES,
    ChildProcess,
)
from transcoded.run.process.exit_status import MAX_STDERR_TAIL
from transcoded.run.process.lifecycle import State
from transcoded.run.process.spawner import Spawner
from transcoded.run.relay.pipes import BIG


@pytest.fixture
def listener() -> ProcessListener:
    return ProcessListener()


@pytest.fixture
def spawner(machine: Machine) -> Spawner:
    return new_spawner(machine)


@pytest.fixture
def process(spawner: Spawner, listener: ProcessListener) -> ChildProcess:
    """One that was started and has said nothing yet."""
    return start_child(spawner, listener)


@pytest.fixture
def child(machine: Machine, process: ChildProcess) -> Child:
    """The pretended process itself."""
    return machine.last


@pytest.fixture
def viewer(machine: Machine, process: ChildProcess, child: Child) -> Viewer:
    """Who is attached at the first byte, which was given."""
    child.write(b"first ")
    machine.turn()
    viewer = Viewer()
    process.relay.attach(viewer)
    machine.turn()
    assert viewer.data == b"first "
    return viewer


# A start.


def test_a_child_gets_its_own_pipes_and_nothing_else(child: Child, process: ChildProcess) -> None:
    assert child.descriptors == [0, 1, 2, 3, 4]
    assert process.pid == child.pid
    assert process.state is State.STARTING
    child.exit()


def test_the_first_byte_is_told_once_and_held_for_the_client(
    machine: Machine, process: ChildProcess, child: Child, listener: ProcessListener
) -> None:
    """Nothing is answered before it, so that a failure is an error and never a broken film."""
    machine.turn()
    assert listener.events == []
    child.write(b"ftyp")
    machine.turn()
    child.write(b"moov")
    machine.turn()
    assert (listener.events, process.state) == (["opened"], State.RUNNING)
    viewer = Viewer()
    process.relay.attach(viewer)
    machine.turn()
    assert viewer.data == b"ftypmoov"
    child.exit()
    machine.turn()


# An end by itself.


def test_end_of_output_and_then_exit_0_is_finished(
    machine: Machine, process: ChildProcess, child: Child, viewer: Viewer, listener: ProcessListener
) -> None:
    child.write(b"last")
    child.close()
    machine.turn()
    assert (listener.events, process.state) == (["opened"], State.FINISHING)
    child.exit()
    assert listener.events == ["opened", "exited", "reaped"]
    assert viewer.data == b"first last"
    status = listener.status
    assert (status.reason, status.exit_code, status.signal) == (Reason.FINISHED, 0, None)
    assert (status.signals_sent, status.kill_ms) == ((), None)
    assert process.bytes_sent == len(b"first last")


def test_exit_0_with_bytes_in_the_pipe_is_finished_when_the_client_has_them(
    machine: Machine, process: ChildProcess, child: Child, viewer: Viewer, listener: ProcessListener
) -> None:
    """Else a film that is faster than its viewer would lose its last quarter of a megabyte."""
    viewer.room = 1
    child.write(b"x")
    machine.turn()
    rest = child.fill()
    child.exit()
    machine.turn()
    assert (listener.events, process.state) == (["opened", "exited"], State.DRAINING)
    viewer.room = 1 << 30
    viewer.take()
    machine.turn()
    assert viewer.data == b"first x" + bytes(rest)
    assert listener.status.reason is Reason.FINISHED


def test_the_slot_is_free_before_the_output_is_through(
    process: ChildProcess, child: Child, viewer: Viewer, listener: ProcessListener
) -> None:
    """A client that sleeps on the last bytes must not keep others out: its process is gone."""
    viewer.producer.pauseProducing()
    child.exit()
    assert listener.events == ["opened", "exited"]
    process.end(Reason.CLIENT_GONE)
    assert listener.events == ["opened", "exited", "reaped"]
    status = listener.status
    assert (status.reason, status.exit_code, status.signals_sent, status.kill_ms) == (Reason.CLIENT_GONE, 0, (), None)


@pytest.mark.parametrize(
    ("go", "code", "name"),
    [
        pytest.param(lambda child: child.exit(0), 0, None, id="well, but with nothing to show"),
        pytest.param(lambda child: child.exit(69), 69, None, id="with a status"),
        pytest.param(lambda child: child.die(signal.SIGSEGV), None, "SIGSEGV", id="by a signal"),
    ],
)
def test_an_exit_before_the_first_byte_is_a_failure_that_says_why(
    process: ChildProcess,
    child: Child,
    listener: ProcessListener,
    go: Callable[[Child], None],
    code: int | None,
    name: str | None,
) -> None:
    child.write(b"a film.mkv: Invalid data found\n", 2)
    go(child)
    assert listener.events == ["exited", "reaped"]
    status = listener.status
    assert (status.reason, status.exit_code, status.signal) == (Reason.FAILED, code, name)
    assert status.stderr_tail == "a film.mkv: Invalid data found\n"
    assert process.state is State.REAPED


def test_a_byte_that_nobody_has_looked_at_yet_still_counts(child: Child, listener: ProcessListener) -> None:
    """The reactor may hear of the exit before it comes to the pipe."""
    child.write(b"x")
    child.exit(1)
    assert listener.events == ["opened", "exited", "reaped"]
    assert listener.status.reason is Reason.FAILED


HEADER = b"fLaC\x80\0\0\6stream"


@pytest.mark.parametrize("code", [0, 1, 69])
@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("read", [False, True])
def test_an_exit_with_a_header_alone_is_a_failure_like_one_with_nothing(
    machine: Machine, spawner: Spawner, listener: ProcessListener, *, code: int, closed: bool, read: bool
) -> None:
    """ffmpeg writes the header of a film of which it then can make nothing. The client is told so."""
    process = start_child(spawner, listener, first_media=FirstMedia("flac"))
    machine.last.write(HEADER)
    if closed:
        machine.last.close()
    if read:
        machine.turn()
    assert process.state is State.STARTING
    machine.last.exit(code)
    assert listener.events == ["exited", "reaped"]
    assert (listener.status.reason, listener.status.exit_code) == (Reason.FAILED, code)
    assert process.bytes_sent == 0


@pytest.mark.parametrize("late", [False, True])
def test_a_short_film_is_given_whole_though_its_process_is_gone_by_then(
    machine: Machine, spawner: Spawner, listener: ProcessListener, *, late: bool
) -> None:
    process = start_child(spawner, listener, first_media=FirstMedia("flac"))
    machine.last.write(HEADER)
    machine.turn()
    machine.last.write(b"frames")
    if not late:
        machine.turn()
    machine.last.exit(0)
    machine.turn()
    assert (listener.events, process.state) == (["opened", "exited"], State.DRAINING)
    viewer = Viewer()
    process.relay.attach(viewer)
    machine.turn()
    assert viewer.data == HEADER + b"frames"
    assert (listener.status.reason, process.bytes_sent) == (Reason.FINISHED, len(viewer.data))


@pytest.mark.parametrize("closed", [False, True])
def test_a_bad_exit_after_the_first_byte_is_a_failure(
    machine: Machine, child: Child, viewer: Viewer, listener: ProcessListener, *, closed: bool
) -> None:
    """Cut short, the film must not look complete."""
    if closed:
        child.close()
        machine.turn()
    child.exit(1)
    assert listener.status.reason is Reason.FAILED
    assert viewer.data == b"first "


@pytest.mark.parametrize("number", [signal.SIGRTMIN + 1, signal.SIGRTMAX - 1])
def test_a_signal_without_a_name_is_an_end_too(
    process: ChildProcess, child: Child, listener: ProcessListener, number: int
) -> None:
    """Python names only the first and the last real-time signal."""
    child.vanish()
    try:
        child.tell(ProcessTerminated(None, number, number))
    finally:
        if not listener.statuses:
            process.reap(Reason.FAILED, PROVEN)
    assert listener.events == ["exited", "reaped"]
    assert listener.status.exit_code is None
    assert listener.status.signal


def test_stderr_is_kept_as_a_bounded_tail(machine: Machine, child: Child, listener: ProcessListener) -> None:
    """A decoder that complains of every frame of a long film must not fill the memory; its last words are wanted."""
    for number in range(100):
        child.write(b"%03d" % number + b"x" * 997, 2)
        machine.turn()
    child.write("das Ende: \N{SNOWMAN}\xff".encode("latin-1", "ignore") + "☃".encode(), 2)
    child.exit(1)
    tail = listener.status.stderr_tail
    assert len(tail) <= MAX_STDERR_TAIL
    assert tail.endswith("das Ende: \N{REPLACEMENT CHARACTER}☃")
    assert "099x" in tail


def test_progress_is_known_when_its_report_is_complete(machine: Machine, process: ChildProcess, child: Child) -> None:
    assert process.progress.position_s is None
    machine.advance(3)
    child.write(b"out_time_us=1500000\nspeed=2.5x\nfps=50\nprogress=cont", 3)
    machine.turn()
    assert process.progress.position_s is None
    child.write(b"inue\n", 3)
    machine.turn()
    progress = process.progress
    assert (progress.position_s, progress.speed, progress.fps) == (1.5, 2.5, 50)
    child.exit()


def test_reports_go_on_while_the_client_is_full(
    machine: Machine, process: ChildProcess, child: Child, viewer: Viewer
) -> None:
    """Twisted's own process reader would pause them too, and stderr would block the encoder."""
    viewer.producer.pauseProducing()
    child.write(b"out_time_us=9000000\nprogress=continue\n", 3)
    machine.turn()
    assert process.progress.position_s == 9
    child.exit(1)


# An end that somebody wants.


@pytest.mark.parametrize("opened", [False, True])
def test_an_end_closes_the_pipe_first_and_then_asks_the_whole_group(
    machine: Machine, process: ChildProcess, child: Child, listener: ProcessListener, *, opened: bool
) -> None:
    """ffmpeg blocked on a full pipe does not act on SIGTERM (it would take the whole grace, each time)."""
    if opened:
        child.fill()
        machine.turn()
    process.end(Reason.CLIENT_GONE)
    assert [(sent.pgid, sent.name) for sent in machine.groups.sent] == [(child.pid, "SIGTERM"), (child.pid, "SIGCONT")]
    assert all(sent.reader_closed for sent in machine.groups.sent)
    assert process.state is State.TERMINATING
    assert "reaped" not in listener.events
    machine.advance(0.012)
    child.exit(255)
    status = listener.status
    assert (status.reason, status.exit_code) == (Reason.CLIENT_GONE, 255)
    assert status.signals_sent == ("SIGTERM", "SIGCONT")
    assert status.kill_ms == 12
    assert machine.timers == []


def test_when_the_grace_is_over_it_is_killed(
    machine: Machine, process: ChildProcess, child: Child, viewer: Viewer, listener: ProcessListener
) -> None:
    process.end(Reason.STOPPED)
    machine.advance(GRACE - 0.001)
    assert machine.groups.names() == TERM_REPEATED
    machine.advance(0.001)
    assert machine.groups.names() == KILLED
    assert process.state is State.KILLED
    assert listener.statuses == []
    machine.advance(0.5)
    child.die(signal.SIGKILL)
    status = listener.status
    assert (status.reason, status.exit_code, status.signal) == (Reason.STOPPED, None, "SIGKILL")
    assert list(status.signals_sent) == KILLED
    assert status.kill_ms == (GRACE + 0.5) * 1000
    assert machine.timers == []


def test_an_encoder_that_tidies_up_is_asked_again(
    machine: Machine, process: ChildProcess, child: Child, listener: ProcessListener
) -> None:
    """It would flush a second of frames that nobody will see; at the fourth signal ffmpeg exits at once."""
    process.end(Reason.CLIENT_GONE)
    machine.advance(SIGTERM_REPEAT_AFTER - 0.001)
    assert machine.groups.names() == TERM_ONCE
    machine.advance(0.001)
    assert machine.groups.names() == [*TERM_ONCE, "SIGTERM"]
    machine.advance(SIGTERM_REPEAT_INTERVAL * SIGTERM_REPEATS)
    assert machine.groups.names() == TERM_REPEATED
    child.exit(123)
    status = listener.status
    assert (status.reason, list(status.signals_sent)) == (Reason.CLIENT_GONE, TERM_REPEATED)
    assert machine.timers == []


def test_one_that_is_gone_is_not_asked_again(
    machine: Machine, process: ChildProcess, child: Child, listener: ProcessListener
) -> None:
    """Its number may be another process's by then."""
    process.end(Reason.CLIENT_GONE)
    machine.advance(SIGTERM_REPEAT_AFTER)
    child.exit(255)
    machine.advance(GRACE * 2)
    assert machine.groups.names() == [*TERM_ONCE, "SIGTERM"]
    assert list(listener.status.signals_sent) == [*TERM_ONCE, "SIGTERM"]


def test_a_grace_that_is_shorter_than_patience_is_kept(
    machine: Machine, spawner: Spawner, listener: ProcessListener
) -> None:
    """`grace` 0 is an operator's wish: nothing is asked for after the kill."""
    process = start_child(spawner, listener, SIGTERM_REPEAT_AFTER / 2)
    process.end(Reason.CLIENT_GONE)
    machine.advance(GRACE)
    assert machine.groups.names() == [*TERM_ONCE, "SIGKILL"]
    machine.last.die(signal.SIGKILL)
    assert listener.status.signal == "SIGKILL"


def test_a_process_that_cannot_be_killed_is_never_told_to_be_gone(
    machine: Machine, process: ChildProcess, child: Child, listener: ProcessListener
) -> None:
    """In uninterruptible sleep (a dead network mount) it still has the file open: a release must wait for the truth."""
    process.end(Reason.FILE_RELEASED)
    machine.advance(3600)
    assert listener.events == []
    assert process.state is State.KILLED
    child.die(signal.SIGKILL)
    assert listener.status.reason is Reason.FILE_RELEASED


def test_ending_again_sends_nothing_again_and_gives_no_more_time(
    machine: Machine, process: ChildProcess, child: Child, listener: ProcessListener
) -> None:
    """And the first reason is the true one."""
    process.end(Reason.STOPPED)
    machine.advance(GRACE / 2)
    for reason in Reason:
        process.end(reason)
    assert machine.groups.names() == TERM_REPEATED
    machine.advance(GRACE / 2)
    assert machine.groups.names() == KILLED
    process.end(Reason.SHUTDOWN)
    child.die(signal.SIGKILL)
    process.end(Reason.SHUTDOWN)
    assert listener.status.reason is Reason.STOPPED


def test_a_process_without_a_group_of_its_own_is_signalled_alone(
    machine: Machine, spawner: Spawner, listener: ProcessListener
) -> None:
    """No setsid on this machine, or it has not run yet: the group that is signalled must never be the daemon's own."""
    machine.groups.launched = False
    process = start_child(spawner, listener)
    process.end(Reason.CLIENT_GONE)
    machine.advance(GRACE)
    child = machine.last
    assert [signal.Signals(number).name for number in child.signalled] == KILLED
    child.die(signal.SIGKILL)
    assert list(listener.status.signals_sent) == KILLED


def test_an_exit_that_is_about_to_be_told_is_no_error(
    machine: Machine, process: ChildProcess, child: Child, listener: ProcessListener
) -> None:
    child.vanish()
    process.end(Reason.CLIENT_GONE)
    child.tell(ProcessTerminated(255, None, 255 << 8))
    assert listener.status.reason is Reason.CLIENT_GONE
    assert child.signalled == []


def test_nothing_reaches_the_client_after_an_end(
    machine: Machine, process: ChildProcess, child: Child, viewer: Viewer, listener: ProcessListener
) -> None:
    child.write(b"too late")
    process.end(Reason.STOPPED)
    machine.turn()
    child.exit()
    machine.turn()
    assert viewer.data == b"first "
    assert listener.status.reason is Reason.STOPPED


def test_what_it_says_while_it_ends_is_heard(
    machine: Machine, process: ChildProcess, child: Child, listener: ProcessListener
) -> None:
    """And a full stderr pipe must not keep it from ending."""
    process.end(Reason.HUNG)
    child.write(b"Exiting normally, ", 2)
    machine.turn()
    child.write(b"received signal 15.\n", 2)
    child.exit(255)
    assert listener.status.stderr_tail == "Exiting normally, received signal 15.\n"


def test_an_end_between_the_last_byte_and_the_exit_is_an_end(
    machine: Machine, process: ChildProcess, child: Child, viewer: Viewer, listener: ProcessListener
) -> None:
    """ffmpeg that hangs after its last byte must be ended like any other."""
    child.close()
    machine.turn()
    assert process.state is State.FINISHING
    process.end(Reason.HUNG)
    machine.advance(GRACE)
    assert machine.groups.names() == KILLED
    child.die(signal.SIGKILL)
    assert listener.status.reason is Reason.HUNG


def test_an_end_by_the_listener_at_the_first_byte_is_an_end(
    machine: Machine, process: ChildProcess, child: Child, listener: ProcessListener
) -> None:
    listener.on_open = lambda: process.end(Reason.CLIENT_GONE)
    child.write(b"x")
    machine.turn()
    assert process.state is State.TERMINATING
    child.exit(255)
    assert listener.status.reason is Reason.CLIENT_GONE


# The sweep of what a process leaves behind.


def test_a_group_that_is_empty_is_told_at_once(machine: Machine, child: Child, listener: ProcessListener) -> None:
    child.exit(1)
    assert listener.events == ["exited", "reaped"]
    assert machine.groups.sent == []


def test_what_it_left_behind_is_killed_before_it_is_told_to_be_over(
    machine: Machine, child: Child, listener: ProcessListener
) -> None:
    """A grandchild that still has the file open would make every released file a lie."""
    machine.groups.stays = 3
    child.exit(1)
    assert machine.groups.names() == ["SIGKILL"]
    assert listener.events == ["exited"]
    machine.advance(SWEEP_INTERVAL)
    assert listener.events == ["exited"]
    machine.advance(SWEEP_INTERVAL)
    assert listener.events == ["exited", "reaped"]
    assert machine.groups.names() == ["SIGKILL"]


def test_what_is_left_and_gone_at_once_costs_no_wait(machine: Machine, child: Child, listener: ProcessListener) -> None:
    machine.groups.stays = 1
    child.exit(1)
    assert listener.events == ["exited", "reaped"]


def test_kill_ms_counts_until_the_group_is_empty(
    machine: Machine, process: ChildProcess, child: Child, listener: ProcessListener
) -> None:
    process.end(Reason.STOPPED)
    machine.groups.stays = 2
    child.exit(255)
    machine.advance(SWEEP_INTERVAL)
    assert listener.status.kill_ms == SWEEP_INTERVAL * 1000


def test_a_sweep_that_fails_is_told_as_no_proof(
    machine: Machine, process: ChildProcess, child: Child, listener: ProcessListener, logged_errors: Errors
) -> None:
    """An operator who reads `proven` moves the disk away under a process that still writes to it."""
    machine.groups.stays = 10**9
    child.exit(1)
    machine.pump([SWEEP_INTERVAL] * (SWEEP_TRIES - 1))
    assert (process.state, listener.events) == (State.SWEEPING, ["exited"])
    machine.advance(SWEEP_INTERVAL)
    assert listener.events == ["exited", "reaped"]
    assert listener.status.proof == f"process group {child.pid} still has members: {child.pid + 1} grandchild"
    (error,) = logged_errors.flush()
    assert error["remaining"] == listener.status.proof


def test_an_end_after_which_nothing_is_left_is_proven(child: Child, listener: ProcessListener) -> None:
    child.exit(1)
    assert listener.status.proof == PROVEN


def test_a_group_that_may_not_be_signalled_is_looked_at_all_the_same(
    machine: Machine, child: Child, listener: ProcessListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has changed its user must not pass for gone."""
    monkeypatch.setattr("transcoded.run.process.child.signal_group", lambda pgid, number, leader: False)
    machine.groups.stays = 2
    child.exit(1)
    assert listener.events == ["exited"]
    machine.advance(SWEEP_INTERVAL)
    assert listener.status.proof == PROVEN


def test_a_group_that_cannot_be_looked_at_is_looked_at_again(
    machine: Machine, child: Child, listener: ProcessListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that is out of descriptors for a moment must not keep the stream, and its file, for ever."""

    def refuse(pgid: int, leader: int | None) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr("transcoded.run.process.child.group_members", refuse)
        child.exit(1)
        assert listener.events == ["exited"]
    machine.advance(SWEEP_INTERVAL)
    assert listener.status.proof == PROVEN


def test_a_group_that_can_never_be_looked_at_is_no_proof(
    machine: Machine,
    child: Child,
    listener: ProcessListener,
    monkeypatch: pytest.MonkeyPatch,
    logged_errors: Errors,
) -> None:
    def refuse(pgid: int, leader: int | None) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("transcoded.run.process.child.group_members", refuse)
    child.exit(1)
    machine.pump([SWEEP_INTERVAL] * SWEEP_TRIES)
    assert listener.status.proof == f"process group {child.pid} cannot be looked at: Too many open files"
    assert logged_errors.flush()


def test_a_listener_that_fails_at_the_exit_does_not_hold_up_the_sweep(
    machine: Machine, child: Child, listener: ProcessListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(listener, "exited", fail)
    with pytest.raises(ZeroDivisionError):
        child.exit(1)
    assert listener.events == ["reaped"]


def test_a_viewer_gets_the_rest_during_the_sweep(
    machine: Machine, process: ChildProcess, child: Child, viewer: Viewer, listener: ProcessListener
) -> None:
    machine.groups.stays = 2
    child.write(b"last")
    child.exit()
    machine.turn()
    assert (process.state, viewer.data) == (State.SWEEPING, b"first last")
    process.end(Reason.CLIENT_GONE)
    machine.advance(SWEEP_INTERVAL)
    assert listener.status.reason is Reason.FINISHED, "all of it was passed on before somebody wanted an end"


@pytest.mark.parametrize("reason", [Reason.CLIENT_GONE, Reason.SHUTDOWN])
def test_an_end_during_the_sweep_drops_the_rest(
    machine: Machine, process: ChildProcess, child: Child, viewer: Viewer, listener: ProcessListener, reason: Reason
) -> None:
    viewer.producer.pauseProducing()
    machine.groups.stays = 2
    child.write(b"last")
    child.exit()
    process.end(reason)
    process.end(Reason.STOPPED)
    assert (process.state, listener.statuses) == (State.SWEEPING, [])
    machine.advance(SWEEP_INTERVAL)
    assert (listener.status.reason, viewer.data) == (reason, b"first ")


def test_a_relay_that_breaks_during_the_sweep_is_a_failure(
    machine: Machine, process: ChildProcess, child: Child, viewer: Viewer, listener: ProcessListener
) -> None:
    """A fault of ours must not pass for a whole film."""

    def break_() -> None:
        raise ZeroDivisionError

    machine.groups.stays = 2
    viewer.on_write = break_
    child.write(b"last")
    child.exit()
    machine.turn()
    assert process.state is State.SWEEPING
    machine.advance(SWEEP_INTERVAL)
    assert listener.status.reason is Reason.FAILED


def test_a_grandchild_that_holds_the_pipe_does_not_hold_up_a_stream_that_is_through(
    machine: Machine, process: ChildProcess, child: Child, viewer: Viewer, listener: ProcessListener
) -> None:
    """The sweep comes before the wait for the end of the output, which only it can bring about."""
    machine.groups.stays = 2
    held = child.inherit(1)
    child.exit()
    machine.turn()
    assert process.state is State.SWEEPING
    assert machine.groups.names() == ["SIGKILL"]
    os.close(held)
    machine.turn()
    assert (process.state, listener.statuses) == (State.SWEEPING, [])
    machine.advance(SWEEP_INTERVAL)
    assert listener.status.reason is Reason.FINISHED


def test_a_grandchild_that_holds_stderr_holds_up_nothing(child: Child, listener: ProcessListener) -> None:
    held = child.inherit(2)
    child.exit(1)
    assert listener.events == ["exited", "reaped"]
    os.close(held)


def test_an_end_during_the_sweep_changes_nothing(
    machine: Machine, process: ChildProcess, child: Child, listener: ProcessListener
) -> None:
    machine.groups.stays = 2
    child.exit(1)
    process.end(Reason.SHUTDOWN)
    machine.advance(SWEEP_INTERVAL)
    assert listener.status.reason is Reason.FAILED
    assert listener.status.signals_sent == ()


# Back-pressure.


def test_a_viewer_that_takes_nothing_holds_one_block_and_a_sleeping_process(
    machine: Machine, process: ChildProcess, child: Child, viewer: Viewer
) -> None:
    """A thousand viewers that have paused must cost pipes, not memory."""
    viewer.room = 1
    total = 0
    for _ in range(8):
        total += child.fill()
        machine.turn()
    assert len(viewer.data) - len(b"first ") <= BIG
    assert process.relay.backpressured
    assert child.fill() == 0
    viewer.room = 1 << 30
    viewer.take()
    machine.turn()
    assert len(viewer.data) - len(b"first ") == total
    assert not process.relay.backpressured
    child.exit(1)
