"""Prepares: what is made in advance is there when somebody comes, and costs those nothing who are there already."""

from collections.abc import Sequence

import attrs
import pytest
from twisted.internet.defer import Deferred

from tests.conftest import Errors
from tests.plan.examples import MEDIA
from tests.run.fakes import Machine, new_file, result_of
from tests.run.segments.disk_world import DiskWorld
from tests.run.segments.world import AUDIO, VIDEO, New, World
from transcoded.plan.endings import Reason
from transcoded.plan.errors import Gone, NotFound, TimedOut, Unavailable
from transcoded.plan.policy.admission import BACKGROUND, COPY, TRANSCODE
from transcoded.run.reactor import as_reactor
from transcoded.run.segments import prepare
from transcoded.run.segments.encoder import Source
from transcoded.run.segments.failures import MAX_FAILURES
from transcoded.run.segments.prepare import MAX_TRIES, MAX_UNFINISHED, REMEMBERED, Prepares
from transcoded.run.segments.prepare_info import Part, PrepareInfo, Wanted
from transcoded.run.segments.requests import INIT
from transcoded.run.segments.session import REQUEST_GAP

FILE = new_file("a.mkv")
PICTURE = Part(Source(FILE, MEDIA, VIDEO), 0, 4)
SOUND = Part(Source(FILE, MEDIA, AUDIO), 2, 4)


class Preparing:
    """Prepares over a world, and what is told of them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.told: list[tuple[PrepareInfo, bool]] = []
        self.prepares = Prepares(
            as_reactor(world.machine),
            world.segments,
            world.admission,
            world.leases,
            lambda info, new: self.told.append((info, new)),
        )
        world.streams.observe(self.prepares)
        self.problem: Exception | None = None

    def add(self, *parts: Part, name: str = "a.mkv", loads: bool = False) -> str:
        async def load() -> Sequence[Part]:
            if loads:
                await check()
            return parts

        async def check() -> None:
            if self.problem is not None:
                raise self.problem

        total = sum(part.end - part.first for part in parts)
        names = tuple(part.source.rendition.id for part in parts)
        wanted = Wanted(new_file(name), names, 0.0, 4.0, total, 1000, load, check)
        info = self.prepares.add(wanted)
        self.world.machine.turn()
        return info.id

    def state(self, prepare_id: str) -> tuple[str, int]:
        info = self.prepares.get(prepare_id)
        return info.state, info.done

    def states(self) -> list[str]:
        """All that were told."""
        return [info.state for info, new in self.told if new]

    def tick(self, seconds: int = 1) -> None:
        for _ in range(seconds):
            self.world.tick()
            self.prepares.tick(1.0)
            self.world.machine.turn()

    def make(self, *numbers: int) -> None:
        self.world.make(*numbers)
        self.world.machine.turn()


@pytest.fixture
def preparing(world: World) -> Preparing:
    return Preparing(world)


@pytest.fixture(autouse=True)
def niceness(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Which processes were made nicer."""
    found: list[tuple[int, int]] = []
    monkeypatch.setattr(prepare, "be_nicer", lambda pid, value: found.append((pid, value)))
    return found


def test_all_is_made_in_order_and_told(preparing: Preparing, niceness: list[tuple[int, int]]) -> None:
    one = preparing.add(PICTURE)
    assert preparing.state(one) == ("running", 0)
    world = preparing.world
    world.begin()
    preparing.make(0, 1, 2)
    preparing.tick()
    assert preparing.state(one) == ("running", 3)
    assert preparing.told[-1][0].done == 3
    preparing.make(3)
    assert preparing.state(one) == ("running", 4), "its encoder still ends"
    world.reap()
    assert preparing.state(one) == ("done", 4)
    assert preparing.states() == ["waiting", "running", "done"]
    assert (world.live, world.reasons()) == (0, ["idle"])
    assert niceness == [(world.child.pid, prepare.NICENESS)]
    assert not len(world.leases)
    for number in (INIT, 0, 1, 2, 3):
        assert isinstance(result_of(world.ask(number)), bytes)
    assert len(world.machine.children) == 1


def test_what_is_there_already_is_not_made_again(preparing: Preparing) -> None:
    world = preparing.world
    preparing.add(PICTURE)
    world.begin()
    preparing.make(0, 1, 2, 3)
    world.reap()
    again = preparing.add(PICTURE)
    assert preparing.state(again) == ("done", 4)
    assert len(world.machine.children) == 1


def test_the_init_segment_outlasts_the_session(preparing: Preparing) -> None:
    """Without it, an encoder would be started for the first viewer all the same."""
    preparing.add(PICTURE)
    preparing.world.begin()
    preparing.make(0, 1, 2, 3)
    preparing.world.reap()
    preparing.tick(200)
    assert not preparing.world.segments._sessions
    assert isinstance(result_of(preparing.world.ask(INIT)), bytes)
    assert len(preparing.world.machine.children) == 1


def test_one_at_a_time_in_the_order_in_which_they_came(preparing: Preparing) -> None:
    first = preparing.add(PICTURE)
    second = preparing.add(attrs.evolve(PICTURE, source=Source(new_file("b.mkv"), MEDIA, VIDEO)), name="b.mkv")
    assert (preparing.state(first)[0], preparing.state(second)[0]) == ("running", "waiting")
    assert preparing.world.live == 1
    assert [info.id for info in preparing.prepares.all()] == [first, second]
    preparing.world.begin()
    preparing.make(0, 1, 2, 3)
    preparing.world.reap()
    assert (preparing.state(first)[0], preparing.state(second)[0]) == ("done", "running")
    assert [info.id for info in preparing.prepares.all()] == [second, first]


# Giving way.


def test_it_gives_way_at_once_and_goes_on_when_there_is_room(new: New) -> None:
    """Whoever presses play must not wait for what nobody watches."""
    preparing = Preparing(new(capacity=TRANSCODE))
    world = preparing.world
    one = preparing.add(PICTURE)
    world.begin()
    preparing.make(0, 1)
    assert not world.admission.not_ready(), "a stream would start at once"
    viewer = world.ask(0, file="b.mkv")
    assert preparing.state(one) == ("paused", 2)
    assert preparing.prepares.get(one).reason == "Others need the slots."
    world.reap()
    assert not viewer.called
    assert world.live == 1
    preparing.tick(3)
    assert world.admission.waiting == 0, "it takes no place in the queue"
    assert preparing.state(one)[0] == "paused"
    world.begin()
    preparing.make(0, 1)
    assert isinstance(result_of(viewer), bytes)
    world.child.exit()
    world.machine.turn()
    preparing.tick()
    assert world.live == 1
    world.begin()
    preparing.make(2, 3)
    world.reap()
    assert preparing.state(one) == ("done", 4)
    assert world.reasons() == ["idle", "finished", "idle"]


def test_it_takes_no_slot_while_somebody_waits(new: New) -> None:
    preparing = Preparing(new(capacity=TRANSCODE + COPY))
    world = preparing.world
    world.ask(0, file="b.mkv")
    waiting = world.ask(0, file="c.mkv")
    assert world.admission.waiting == 1
    one = preparing.add(SOUND)
    preparing.tick(2)
    assert preparing.state(one)[0] == "paused", "one slot is free, and a viewer waits"
    waiting.cancel()
    world.machine.turn()
    preparing.tick()
    assert world.live == 2


def test_who_watches_the_same_rendition_has_its_encoder_and_it_goes_on_later(new: New) -> None:
    """There is one encoder, and it would go to and fro between the two."""
    preparing = Preparing(new(capacity=TRANSCODE + COPY))
    world = preparing.world
    one = preparing.add(PICTURE)
    world.begin()
    preparing.make(0, 1)
    viewer = world.ask(20)
    assert preparing.state(one)[0] == "paused"
    world.reap()
    assert world.first() == 20
    world.begin()
    other = world.ask(0, file="b.mkv")
    assert world.child.output_is_open, "a viewer's encoder is not ended for others"
    preparing.make(20, 21)
    assert isinstance(result_of(viewer), bytes)
    preparing.tick(int(REQUEST_GAP) - 1)
    assert preparing.state(one)[0] == "paused"
    other.cancel()
    preparing.tick(2)
    world.reap()
    world.begin()
    assert world.first() == 2
    preparing.make(2, 3)
    assert preparing.state(one)[1] == 4


def test_it_is_not_begun_while_somebody_watches(preparing: Preparing) -> None:
    world = preparing.world
    viewer = world.ask(20)
    world.begin()
    preparing.make(20)
    assert result_of(viewer)
    one = preparing.add(PICTURE)
    assert preparing.state(one) == ("paused", 0)
    assert preparing.prepares.get(one).reason == "Viewers watch this rendition."
    assert len(world.machine.children) == 1
    assert world.child.output_is_open


def test_a_file_that_cannot_be_looked_at_is_waited_for(preparing: Preparing) -> None:
    """A disk that sleeps, or many probes that wait."""
    preparing.problem = TimedOut("The disk did not answer.")
    one = preparing.add(PICTURE, loads=True)
    assert preparing.prepares.get(one).reason == "The disk did not answer."
    preparing.problem = None
    preparing.tick()
    assert preparing.state(one)[0] == "running"


# The end.


def test_who_cancels_it_waits_until_its_encoder_is_gone(preparing: Preparing) -> None:
    one = preparing.add(PICTURE)
    world = preparing.world
    world.begin()
    preparing.make(0, 1)
    cancelled = Deferred.fromCoroutine(preparing.prepares.cancel(one))
    world.machine.turn()
    assert preparing.state(one) == ("cancelled", 2)
    assert not cancelled.called
    world.reap()
    assert result_of(cancelled).state == "cancelled"
    assert world.reasons() == ["stopped"]
    assert not len(world.leases)
    preparing.tick(3)
    assert len(world.machine.children) == 1
    assert result_of(Deferred.fromCoroutine(preparing.prepares.cancel(one))).state == "cancelled", "once more"
    assert isinstance(result_of(Deferred.fromCoroutine(preparing.prepares.cancel("none"))), NotFound)


def test_the_encoder_of_a_viewer_is_not_cancelled(preparing: Preparing) -> None:
    one = preparing.add(PICTURE)
    preparing.world.begin()
    viewer = preparing.world.ask(0)
    cancelled = Deferred.fromCoroutine(preparing.prepares.cancel(one))
    preparing.world.machine.turn()
    assert result_of(cancelled).state == "cancelled"
    preparing.make(0, 1, 2, 3)
    assert isinstance(result_of(viewer), bytes)


def test_one_that_waits_is_cancelled_without_a_trace(preparing: Preparing) -> None:
    preparing.add(PICTURE)
    second = preparing.add(SOUND)
    assert result_of(Deferred.fromCoroutine(preparing.prepares.cancel(second))).state == "cancelled"
    assert preparing.world.live == 1


def test_a_release_of_the_file_ends_it(preparing: Preparing) -> None:
    """Who moves a file must not find it in use again a moment later."""
    world = preparing.world
    one = preparing.add(PICTURE)
    waiting = preparing.add(SOUND)
    world.begin()
    release, endings = world.streams.release_file(FILE.path, FILE.real_path)
    world.machine.turn()
    world.reap()
    (ending,) = result_of(endings)
    assert ending.reason is Reason.FILE_RELEASED
    for each in (one, waiting):
        assert preparing.prepares.get(each).reason == "The file was released."
        assert preparing.state(each)[0] == "failed"
    with pytest.raises(Unavailable, match="released"):
        preparing.add(PICTURE)
    release.readmit()
    preparing.tick(3)
    assert world.live == 0


def test_an_encoder_that_somebody_stops_is_not_started_again(preparing: Preparing) -> None:
    one = preparing.add(PICTURE)
    preparing.world.begin()
    (stream,) = preparing.world.streams.live()
    assert stream.spec.client == BACKGROUND
    stream.end(Reason.STOPPED)
    preparing.world.reap()
    assert preparing.state(one)[0] == "cancelled"
    preparing.tick(3)
    assert preparing.world.live == 0


def test_a_file_that_changes_ends_it(preparing: Preparing) -> None:
    one = preparing.add(PICTURE)
    preparing.problem = Gone("The file has changed since this was asked for.")
    preparing.world.begin()
    preparing.world.reap()
    info = preparing.prepares.get(one)
    assert (info.state, info.reason) == ("failed", "The file has changed since this was asked for.")
    preparing.world.machine.turn()
    assert preparing.world.live == 0


def test_a_rendition_that_cannot_be_made_ends_it(preparing: Preparing) -> None:
    one = preparing.add(PICTURE)
    for _ in range(MAX_FAILURES):
        preparing.world.child.exit(1)
        preparing.world.machine.turn()
        preparing.tick()
    info = preparing.prepares.get(one)
    assert (info.state, info.reason) == ("failed", "The transcoder of this rendition ended with an error.")


def test_a_segment_that_the_file_does_not_have_is_passed_over(preparing: Preparing) -> None:
    """Players do not get it either; the others are worth having."""
    one = preparing.add(PICTURE)
    world = preparing.world
    world.begin()
    preparing.make(0, 1)
    world.child.exit()
    world.machine.turn()
    assert preparing.state(one) == ("done", 4)


def test_a_drain_ends_all_and_refuses_more(preparing: Preparing) -> None:
    first, second = preparing.add(PICTURE), preparing.add(SOUND)
    preparing.world.begin()
    preparing.prepares.stop("The server is draining.")
    preparing.world.machine.turn()
    preparing.world.reap()
    for each in (first, second):
        assert preparing.prepares.get(each).reason == "The server is draining."
        assert preparing.state(each)[0] == "cancelled"
    assert not len(preparing.world.leases), "the drain would wait for them"
    with pytest.raises(Unavailable, match="draining"):
        preparing.add(PICTURE)


def test_a_fault_of_the_daemon_is_told(preparing: Preparing, logged_errors: Errors) -> None:
    preparing.problem = RuntimeError("wrong")
    one = preparing.add(PICTURE)
    assert preparing.state(one)[0] == "failed"
    assert len(logged_errors.flush()) == 1


# Bounds.


def test_those_that_wait_are_bounded(preparing: Preparing) -> None:
    for _ in range(MAX_UNFINISHED):
        preparing.add(PICTURE)
    with pytest.raises(Unavailable, match="the most"):
        preparing.add(PICTURE)


def test_those_that_are_over_are_forgotten_after_a_while(preparing: Preparing) -> None:
    found = [preparing.add(PICTURE) for _ in range(2)]
    for _ in range(REMEMBERED + 1):
        one = preparing.add(PICTURE)
        found.append(one)
        Deferred.fromCoroutine(preparing.prepares.cancel(one))
    preparing.world.machine.turn()
    assert len(preparing.prepares.all()) == REMEMBERED + 2
    with pytest.raises(NotFound):
        preparing.prepares.get(found[2])
    assert preparing.prepares.get(found[3]).id == found[3]


# The disk.


def test_what_is_prepared_is_on_disk(new: New, disk: DiskWorld, machine: Machine) -> None:
    preparing = Preparing(new(quota=0, disk=disk.tier))
    one = preparing.add(PICTURE)
    preparing.world.begin()
    preparing.make(0, 1, 2, 3)
    preparing.world.reap()
    assert preparing.state(one) == ("done", 4)
    assert len(disk.names) == 5
    machine.turn()
    assert preparing.state(preparing.add(PICTURE)) == ("done", 4)
    assert len(machine.children) == 1


def test_a_disk_that_cannot_be_written_is_waited_for_and_then_given_up(
    new: New, disk: DiskWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def store(*_: object) -> bool:
        return False

    monkeypatch.setattr(disk.tier, "store", store)
    preparing = Preparing(new(disk=disk.tier))
    disk.threads.held = True
    monkeypatch.setattr(disk.tier, "has", store)
    one = preparing.add(PICTURE)
    disk.threads.release()
    preparing.world.machine.turn()
    preparing.world.begin()
    preparing.make(0, 1)
    assert preparing.state(one)[0] == "paused"
    assert preparing.prepares.get(one).reason == "The disk of the segment cache cannot be written now."
    preparing.tick(MAX_TRIES)
    assert preparing.state(one)[0] == "failed"
