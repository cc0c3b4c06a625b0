"""The segment service: each request reaches the session of its rendition, and sessions that are not in use are dropped."""

import attrs
import pytest

from tests.plan.examples import MEDIA
from tests.run.fakes import new_file, result_of
from tests.run.segments.disk_world import DiskWorld
from tests.run.segments.world import IDLE, SMALL, VIDEO, New, World
from transcoded.plan.errors import Unavailable
from transcoded.plan.policy.admission import BACKGROUND
from transcoded.run.segments import service
from transcoded.run.segments.disk import PATIENCE
from transcoded.run.segments.encoder import Source
from transcoded.run.segments.requests import INIT


def test_each_version_of_a_file_and_each_rendition_has_an_encoder_of_its_own(world: World) -> None:
    world.ask(0)
    world.ask(1)
    assert world.live == 1
    world.ask(0, SMALL)
    world.ask(0, file="b.mkv")
    assert world.live == 3


def test_a_changed_file_is_another_one() -> None:
    """Segments of the old content must not be mixed with those of the new."""
    file = new_file("a.mkv")
    changed = attrs.evolve(file, version=attrs.evolve(file.version, mtime_ns=2))
    assert Source(file, MEDIA, VIDEO).key != Source(changed, MEDIA, VIDEO).key
    assert Source(file, MEDIA, VIDEO).key == Source(new_file("a.mkv"), MEDIA, VIDEO).key


def test_a_viewer_that_leaves_a_file_ends_its_encoders_and_no_others(world: World) -> None:
    """Without this, an encoder would run on until it is idle, and its slots would be missing."""
    of_a, of_b = world.ask(0), world.ask(0, file="b.mkv")
    of_a.cancel()
    of_b.cancel()
    world.ask(1, file="c.mkv")
    a, b, _ = world.machine.children
    world.segments.leave(new_file("a.mkv"), "192.0.2.1")
    world.machine.turn()
    assert not a.output_is_open
    assert b.output_is_open


def test_what_was_made_outlasts_its_session(world: World) -> None:
    """A session that is idle is dropped; its segments stay in the cache, and cost no process."""
    world.ask(0)
    world.begin()
    world.make(0, 1)
    world.tick(int(IDLE) + 1)
    world.reap()
    world.tick(2)
    assert world.live == 0
    assert isinstance(result_of(world.ask(0)), bytes)
    assert len(world.machine.children) == 1


def test_the_renditions_in_use_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each costs memory for as long as an idle encoder may live, and a script asks for hundreds in a second."""
    monkeypatch.setattr(service, "MAX_SESSIONS", 2)
    world.ask(0)
    world.begin()
    world.make(0, 1)
    world.child.exit()
    world.machine.turn()
    world.ask(0, SMALL)
    world.ask(0, file="b.mkv")
    assert len(world.segments._sessions) == 2, "the one that is unused has given its place"
    assert isinstance(result_of(world.ask(0, file="c.mkv")), Unavailable)
    assert isinstance(result_of(world.ask(1)), Unavailable)


# On disk.


def test_what_is_on_disk_costs_no_process_and_no_slot(new: New, disk: DiskWorld) -> None:
    """After a restart, the films of yesterday are not made once more, however many are made already."""
    world = new(disk=disk.tier)
    world.ask(0)
    world.begin()
    world.make(0, 1, 2)
    world.child.exit()
    world.machine.turn()
    assert len(disk.names) == 4
    made = [result_of(world.ask(number)) for number in (INIT, 0, 1, 2)]
    later = new(capacity=0, queue_size=0, disk=disk.tier)
    assert [result_of(later.ask(number)) for number in (INIT, 0, 1, 2)] == made
    assert len(later.machine.children) == 1
    assert not later.segments._sessions
    assert isinstance(result_of(later.ask(3)), Unavailable), "that one has to be made"
    assert (later.cache.hits, later.cache.misses) == (0, 5)
    disk.threads.held = True
    assert result_of(later.ask(1)) == made[2]
    assert later.cache.hits == 1, "it is in memory now"


def test_a_viewer_whose_segments_come_from_the_disk_still_watches(new: New, disk: DiskWorld) -> None:
    """Its encoder, which is ahead, would end as if nobody watched, and be started again for what is not on disk."""
    world = new(disk=disk.tier)
    world.ask(0)
    world.begin()
    world.make(0, 1, 2)
    for number in (0, 1):
        world.cache.pop((*Source(new_file("a.mkv"), MEDIA, VIDEO).key, number))
        world.tick(int(IDLE) - 10)
        assert isinstance(result_of(world.ask(number)), bytes)
    assert world.live == 1
    assert disk.tier.hits == 2


def test_a_disk_that_is_too_slow_has_the_segment_made(new: New, disk: DiskWorld) -> None:
    disk.put(0, source=Source(new_file("a.mkv"), MEDIA, VIDEO))
    world = new(disk=disk.tier)
    disk.threads.held = True
    waiting = world.ask(0)
    assert not world.machine.children
    world.machine.advance(PATIENCE)
    world.machine.turn()
    world.begin()
    world.make(0, 1)
    assert b"frame 0" in result_of(waiting)


def test_a_stop_ends_the_encoder_at_once_and_whoever_comes_meanwhile_gets_another(world: World) -> None:
    waiting = world.ask(0)
    world.begin()
    world.make(0)
    assert result_of(waiting)
    key = Source(new_file(), MEDIA, VIDEO).key
    stream_id = world.segments.stream_of(key)
    assert stream_id == world.streams.live()[0].id
    world.segments.withdraw(key, "192.0.2.1")
    stopping = world.segments.stop(key)
    assert stopping is not None
    late = world.ask(9, client="192.0.2.2")
    world.reap()
    ending = result_of(stopping)
    assert (ending.id, ending.reason.value, ending.proof) == (stream_id, "stopped", "proven")
    assert world.live == 1
    world.begin()
    world.make(9)
    assert result_of(late)
    assert world.segments.stream_of(("no", "such", "rendition")) is None
    assert world.segments.stop(("no", "such", "rendition")) is None


def test_a_stop_leaves_what_is_made_in_advance(world: World) -> None:
    world.ask(0, client=BACKGROUND)
    world.begin()
    world.make(0)
    world.ask(0)
    key = Source(new_file(), MEDIA, VIDEO).key
    world.segments.withdraw(key, "192.0.2.1")
    assert world.segments.stop(key) is None
    assert not world.reasons()
