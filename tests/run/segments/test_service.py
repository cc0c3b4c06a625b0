"""The segment service: each request reaches the session of its rendition, and sessions that are not in use are dropped."""

import attrs
import pytest

from tests.plan.examples import MEDIA
from tests.run.fakes import new_file, result_of
from tests.run.segments.world import IDLE, SMALL, VIDEO, World
from transcoded.plan.errors import Unavailable
from transcoded.run.segments import service
from transcoded.run.segments.encoder import Source


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
