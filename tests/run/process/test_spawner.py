"""The start of a child: it is ours, marked and written down, or nothing was started and nothing is left."""

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import Errors
from tests.run.fakes import (
    ENVIRONMENT,
    GRACE,
    PROGRAM,
    Child,
    Machine,
    ProcessListener,
    Viewer,
    new_spawner,
    open_descriptors,
    start_child,
)
from transcoded.plan.endings import Reason
from transcoded.plan.errors import TranscodeFailed, Unavailable
from transcoded.plan.media.launcher import Launcher
from transcoded.run.process.child import SWEEP_INTERVAL, SWEEP_TRIES
from transcoded.run.process.ledger import Ledger, open_ledger
from transcoded.run.process.lifecycle import State
from transcoded.run.process.spawner import Spawner


@pytest.fixture
def listener() -> ProcessListener:
    return ProcessListener()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger, _ = open_ledger(str(tmp_path))
    yield ledger
    ledger.close()


@pytest.fixture
def spawner(machine: Machine, ledger: Ledger) -> Spawner:
    return new_spawner(machine, Launcher(setsid="/usr/bin/setsid"), ledger)


def lines(tmp_path: Path) -> list[str]:
    """What the ledger says that runs."""
    return os.listdir(tmp_path / "running")


def test_a_child_is_started_through_the_launcher_and_marked_as_ours(
    machine: Machine, spawner: Spawner, ledger: Ledger, listener: ProcessListener
) -> None:
    """So that the next daemon finds it if this one dies."""
    start_child(spawner, listener)
    assert machine.last.argv == ["/usr/bin/setsid", PROGRAM, "-i", "file:/proc/self/fd/4"]
    assert machine.last.environment == {**ENVIRONMENT, "TRANSCODED_TOKEN": ledger.token}
    machine.last.exit()


def test_it_is_known_and_written_down_from_its_start_to_its_proven_end(
    machine: Machine, spawner: Spawner, listener: ProcessListener, tmp_path: Path
) -> None:
    assert (spawner.pids(), lines(tmp_path)) == (set(), [])
    start_child(spawner, listener)
    pid = machine.last.pid
    assert (spawner.pids(), lines(tmp_path)) == ({pid}, [str(pid)])
    machine.groups.stays = 2
    machine.last.exit(1)
    assert (spawner.pids(), lines(tmp_path)) == ({pid}, [str(pid)]), "its group is not empty yet"
    machine.advance(SWEEP_INTERVAL)
    assert (spawner.pids(), lines(tmp_path)) == (set(), [])


def test_one_whose_end_cannot_be_proven_stays_written_down(
    machine: Machine, spawner: Spawner, listener: ProcessListener, tmp_path: Path, logged_errors: Errors
) -> None:
    """The next start looks for it; and it is known no more, so that the look for orphans finds what it left."""
    start_child(spawner, listener)
    machine.groups.stays = 10**9
    machine.last.exit(1)
    machine.pump([SWEEP_INTERVAL] * SWEEP_TRIES)
    assert listener.status.proof != "proven"
    assert (spawner.pids(), lines(tmp_path)) == (set(), [str(machine.last.pid)])
    assert logged_errors.flush()


@pytest.mark.parametrize("problem", [FileNotFoundError(errno.ENOENT, "no"), PermissionError(errno.EACCES, "no")])
def test_a_program_that_is_not_there_is_the_operators_problem(
    machine: Machine, spawner: Spawner, listener: ProcessListener, problem: OSError
) -> None:
    """503 'try again' would have the client try for ever."""
    machine.refuse = problem
    with pytest.raises(TranscodeFailed, match="ffmpeg cannot be run"):
        start_child(spawner, listener)
    assert listener.events == []
    assert spawner.pids() == set()


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE])
def test_a_system_that_is_exhausted_is_worth_another_try(
    machine: Machine, spawner: Spawner, listener: ProcessListener, number: int
) -> None:
    machine.refuse = OSError(number, os.strerror(number))
    with pytest.raises(Unavailable, match=os.strerror(number)):
        start_child(spawner, listener)
    assert listener.events == []


@pytest.mark.parametrize("problem", [ValueError("embedded null byte"), MemoryError()])
def test_a_start_that_goes_wrong_in_any_other_way_leaves_no_descriptor(
    machine: Machine, spawner: Spawner, listener: ProcessListener, problem: Exception
) -> None:
    """Python raises ValueError for a NUL in an argument; seven descriptors each time end a daemon soon."""
    machine.refuse = problem
    before = open_descriptors()
    with pytest.raises((TranscodeFailed, Unavailable)):
        start_child(spawner, listener)
    assert open_descriptors() == before
    assert listener.events == []


@contextmanager
def descriptors_to_spare(count: int) -> Iterator[None]:
    """Only so many more may be opened meanwhile."""
    fillers = [os.open(os.devnull, os.O_RDONLY)]
    highest = max(fd for fd, _ in open_descriptors())
    while fillers[-1] < highest:
        fillers.append(os.open(os.devnull, os.O_RDONLY))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (fillers[-1] + 1 + count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in fillers:
            os.close(fd)


@pytest.mark.parametrize("spare", range(7))
def test_running_out_of_descriptors_leaves_none_behind(
    machine: Machine, spawner: Spawner, listener: ProcessListener, spare: int
) -> None:
    """Else the first crowded minute would be the daemon's last."""
    with (
        open(os.devnull, "rb") as file,
        descriptors_to_spare(spare),
        pytest.raises(Unavailable, match="Too many open files"),
    ):
        spawner.spawn(listener, PROGRAM, [], file.fileno(), GRACE)
    # That none is left is seen to by the fixture of all these tests.
    assert machine.children == []
    assert listener.events == []


def test_an_exit_before_spawn_returns_is_told_afterwards(
    machine: Machine, spawner: Spawner, listener: ProcessListener
) -> None:
    """Twisted reaps a child that is quick before it gives the transport away; who starts one knows it by then."""
    machine.on_spawn = lambda child: child.exit(1)
    process = start_child(spawner, listener)
    assert (process.state, process.pid, listener.events) == (State.STARTING, machine.last.pid, [])
    machine.turn()
    assert listener.events == ["exited", "reaped"]
    assert (listener.status.reason, listener.status.exit_code) == (Reason.FAILED, 1)
    assert machine.getReaders() == []


def test_what_a_quick_child_wrote_is_not_lost(machine: Machine, spawner: Spawner, listener: ProcessListener) -> None:
    """A short sound may be made whole before spawnProcess returns."""

    def quick(child: Child) -> None:
        child.write(b"all of it")
        child.exit()

    machine.on_spawn = quick
    process = start_child(spawner, listener)
    assert listener.events == []
    machine.turn()
    assert (listener.events, process.state) == (["opened", "exited"], State.DRAINING)
    viewer = Viewer()
    process.relay.attach(viewer)
    machine.turn()
    assert viewer.data == b"all of it"
    assert listener.status.reason is Reason.FINISHED
