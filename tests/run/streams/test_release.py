"""Getting a file back: who asks is told when it is free, or that it will not be; and in the meantime nobody opens it."""

from pathlib import Path

import pytest
from twisted.internet.defer import CancelledError, Deferred

from tests.run.fakes import GRACE, Machine, StillThreads, new_leases, new_spec, new_streams, result_of, start_stream
from transcoded.plan.endings import Reason
from transcoded.plan.errors import Unavailable
from transcoded.run.files.library import Library
from transcoded.run.reactor import as_reactor
from transcoded.run.streams.registry import StreamRegistry
from transcoded.run.streams.release import KILL_MARGIN, FileReleaser, ReleasedFile
from transcoded.run.streams.stream import Stream
from transcoded.run.streams.stream_info import StreamSpec


class World:
    """A registry over one film, and the way to get it back."""

    def __init__(self, machine: Machine, root: Path) -> None:
        (root / "a.mkv").touch()
        self.machine = machine
        self.root = root
        self.leases = new_leases(machine)
        self.streams: StreamRegistry = new_streams(machine, leases=self.leases)
        self.threads = StillThreads()
        self._releasing = FileReleaser(
            as_reactor(machine), Library({"films": str(root)}), self.threads, self.streams, GRACE
        )

    def start(self, path: str = "films/a.mkv") -> Stream:
        return start_stream(self.streams, self.spec(path))

    def spec(self, path: str = "films/a.mkv") -> StreamSpec:
        spec = new_spec(path)
        return StreamSpec(
            spec.path, spec.format, spec.client, spec.request_id, str(self.root / path.removeprefix("films/"))
        )

    def free(self, path: str = "films/a.mkv") -> "Deferred[ReleasedFile]":
        freeing = Deferred.fromCoroutine(self._releasing.release(path))
        self.threads.step()
        self.machine.turn()
        return freeing

    def reap(self) -> None:
        self.machine.last.die(15)
        self.machine.turn()


@pytest.fixture
def world(machine: Machine, tmp_path: Path) -> World:
    return World(machine, tmp_path)


def test_the_answer_comes_when_the_last_is_reaped_and_nobody_can_begin_before_it_is_let_in(world: World) -> None:
    world.start()
    freeing = world.free()
    assert not freeing.called
    with pytest.raises(Unavailable):
        world.start()
    world.reap()
    freed = result_of(freeing)
    assert [one.reason for one in freed.endings] == [Reason.FILE_RELEASED]
    with pytest.raises(Unavailable):
        world.start()
    freed.readmit()
    freed.readmit()
    world.start()
    world.reap()


def test_a_file_that_nobody_has_is_free_at_once(world: World) -> None:
    freed = result_of(world.free())
    assert freed.endings == []
    freed.readmit()


def test_a_file_that_was_deleted_can_be_got_back_by_its_name(world: World) -> None:
    world.start()
    (world.root / "a.mkv").unlink()
    freeing = world.free()
    world.reap()
    assert len(result_of(freeing).endings) == 1


def test_of_a_process_that_does_not_die_somebody_is_told_and_the_file_is_open_again(
    world: World, machine: Machine
) -> None:
    world.start()
    freeing = world.free()
    machine.advance(GRACE + KILL_MARGIN)
    problem = result_of(freeing)
    assert isinstance(problem, Unavailable)
    assert problem.status == 503
    start_stream(world.streams, world.spec())
    for child in machine.children:
        child.die(9)
    machine.turn()


def test_who_leaves_does_not_keep_the_file_locked_and_no_timer(world: World, machine: Machine) -> None:
    world.start()
    freeing = world.free()
    freeing.cancel()
    assert isinstance(result_of(freeing), CancelledError)
    world.reap()
    assert machine.timers == []
    world.start()
    world.reap()


def test_a_path_out_of_the_library_gets_nothing_back(world: World) -> None:
    world.start()
    freeing = world.free("films/../films")
    assert result_of(freeing).endings == []
    assert world.machine.last.output_is_open
    world.machine.last.exit()
    world.machine.turn()
