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


def test_what_keeps_up_is_left_alone(world: World) -> None:
    world.ask(0)
    world.begin()
    for number in range(8):
        world.ask(number + 1)
        world.make(number, each=0.8)
    assert not world.reasons()
    assert preset(world) == PRESETS[0]


def test_one_that_falls_behind_goes_on_with_the_next_preset_at_the_next_segment(world: World) -> None:
    world.ask(0)
    world.begin()
    world.make(0)
    world.ask(1)
    world.make(1, each=1.5)
    assert "SIGTERM" in world.machine.groups.names(), "it makes a second in one and a half"
    waiting = world.ask(2)
    world.reap()
    assert preset(world) == PRESETS[1]
    assert world.first() == 2
    world.begin()
    world.make(2, 3)
    assert waiting.called
    assert world.reasons() == ["superseded"]


def test_one_that_is_nearly_fast_enough_has_a_second_chance(world: World) -> None:
    world.ask(0)
    world.begin()
    world.make(0)
    world.ask(1)
    world.make(1, each=0.95)
    assert not world.machine.groups.names()
    world.ask(2)
    world.make(2, each=0.95)
    assert "SIGTERM" in world.machine.groups.names()


def test_with_the_fastest_preset_nothing_more_can_be_done(world: World) -> None:
    world.ask(0)
    world.begin()
    world.make(0)
    world.ask(1)
    world.make(1, each=1.5)
    world.ask(2)
    world.reap()
    world.begin()
    for number in range(2, 8):
        world.make(number, each=1.5)
        world.ask(number + 1)
    assert world.reasons() == ["superseded"]
    assert preset(world) == PRESETS[-1]


def test_what_an_encoder_costs_is_learned_and_counted(world: World, costs: Costs) -> None:
    world.ask(0)
    world.begin()
    for number in range(4):
        world.ask(number + 1)
        world.make(number, each=0.5)
    # Half a second of a CPU in each second, and a segment of a second in half a one.
    assert costs.cost(Work.of(VIDEO), PRESETS[0]) == pytest.approx(0.25, rel=0.02)
