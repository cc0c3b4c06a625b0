"""An encoder that does not keep up goes on with a faster preset, and costs what it costs."""

import attrs
import pytest

from tests.run.segments.world import VIDEO, New, World
from transcoded.plan.cmaf.governor import PRESETS, Costs, Work
from transcoded.run.segments import encoder as encoders
from transcoded.run.segments.session import SessionContext


@pytest.fixture
def costs() -> Costs:
    return Costs(2.0, 100)


@pytest.fixture
def world(new: New, costs: Costs, monkeypatch: pytest.MonkeyPatch) -> World:
    world = new()
    # The children are not real, and neither is their time.
    monkeypatch.setattr(encoders, "cpu_seconds", lambda _pid: world.machine.seconds() * 0.5)
    context = world.segments._context
    assert isinstance(context, SessionContext)
    world.segments._context = attrs.evolve(context, encoders=attrs.evolve(context.encoders, costs=costs))
    return world


def preset(world: World) -> str:
    argv = list(world.child.argv)
    return argv[argv.index("-preset") + 1]


def ahead(world: World, each: float = 0.5) -> None:
    """A viewer has some segments in advance, and the encoder goes on without hurry at segment 5."""
    world.ask(0)
    world.begin()
    world.make(0, 1, 2, 3, 4, each=each)
    world.reap()
    world.ask(5)
    world.begin()


def test_an_encoder_that_somebody_waits_for_is_in_a_hurry_until_he_has_some_in_advance(world: World) -> None:
    world.ask(0)
    assert preset(world) == PRESETS[-1]
    world.begin()
    world.make(0, 1, 2, 3, each=0.5)
    assert "SIGTERM" not in world.machine.groups.names()
    world.make(4, each=0.5)
    assert "SIGTERM" in world.machine.groups.names()
    world.reap()
    assert world.live == 0, "nobody waits for anything"
    waiting = world.ask(5)
    assert (preset(world), world.first()) == (PRESETS[0], 5)
    waiting.cancel()
    world.ask(30)
    world.reap()
    assert (preset(world), world.first()) == (PRESETS[-1], 30), "he has gone elsewhere, and waits again"


def test_what_keeps_up_is_left_alone(world: World) -> None:
    ahead(world)
    for number in range(5, 12):
        world.ask(number + 1)
        world.make(number, each=0.8)
    assert world.reasons() == ["superseded"]
    assert preset(world) == PRESETS[0]


def test_one_that_falls_behind_goes_on_with_the_next_preset_at_the_next_segment(world: World) -> None:
    ahead(world)
    world.make(5)
    world.ask(6)
    world.make(6, each=1.5)
    waiting = world.ask(7)
    assert not waiting.called, "it makes a second in one and a half"
    world.reap()
    assert (preset(world), world.first()) == (PRESETS[1], 7)
    world.begin()
    world.make(7, 8)
    assert waiting.called
    assert world.reasons() == ["superseded", "superseded"]
    world.make(9, 10, 11, each=0.5)
    assert world.live == 1, "and it stays with that"


def test_one_that_is_nearly_fast_enough_has_a_second_chance(world: World) -> None:
    ahead(world)
    world.make(5)
    world.ask(6)
    world.make(6, each=0.95)
    world.ask(7)
    world.make(7, each=0.95)
    world.ask(8)
    world.reap()
    assert (preset(world), world.first()) == (PRESETS[1], 8)


def test_with_the_fastest_preset_nothing_more_can_be_done(world: World) -> None:
    world.ask(0)
    world.begin()
    for number in range(8):
        world.ask(number + 1)
        world.make(number, each=1.5)
    assert not world.reasons()
    assert preset(world) == PRESETS[-1]


def test_what_an_encoder_costs_is_learned_and_counted(world: World, costs: Costs) -> None:
    world.ask(0)
    world.begin()
    for number in range(4):
        world.ask(number + 1)
        world.make(number, each=0.5)
    # Half a second of a CPU in each second, and a segment of a second in half a one.
    assert costs.cost(Work.of(VIDEO), PRESETS[-1]) == pytest.approx(0.25, rel=0.02)
