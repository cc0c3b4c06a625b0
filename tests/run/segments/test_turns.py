"""Encoders of several films on a machine that has slots for fewer: what is admitted plays without stalling, and the rest is told so."""

import attrs
import pytest

from tests.plan.cmaf.test_segmenter import video_samples, written
from tests.run.fakes import Child, result_of
from tests.run.segments.test_growing import Reader, growing
from tests.run.segments.world import AUDIO, HEADER, SMALL, TIMELINE, VIDEO, New, World, failed, fragment
from transcoded.plan.cmaf.boxes import box
from transcoded.plan.cmaf.governor import PRESETS, Costs, Work
from transcoded.plan.errors import Unavailable
from transcoded.run.segments.session import REQUEST_GAP, SessionContext

ALICE, BOB, CAROL = "192.0.2.1", "192.0.2.2", "192.0.2.3"


@pytest.fixture
def costs() -> Costs:
    """Those of two cores, of which VIDEO needs a little more than a half."""
    costs = Costs(2.0, 4)
    costs.learn(Work.of(VIDEO), PRESETS[-1], 1.0, 1.0)
    costs.learn(Work.of(SMALL), PRESETS[-1], 0.3, 1.0)
    return costs


@pytest.fixture
def world(new: New, costs: Costs) -> World:
    """Two encoders may run."""
    return with_costs(new(capacity=4), costs)


def with_costs(world: World, costs: Costs) -> World:
    context = world.segments._context
    assert isinstance(context, SessionContext)
    world.segments._context = attrs.evolve(context, encoders=attrs.evolve(context.encoders, costs=costs))
    return world


def children(world: World) -> list[Child]:
    return [child for child in world.machine.children if not child.gone]


def paths(world: World) -> list[str]:
    """Those of the files of which something is being made."""
    return [stream.spec.path for stream in world.streams.live()]


def test_a_film_that_does_not_fit_beside_what_is_watched_is_refused(world: World) -> None:
    world.ask(0, file="a.mkv", client=ALICE)
    world.begin()
    other = world.ask(0, file="b.mkv", client=BOB)
    assert len(children(world)) == 1
    for number in range(8):
        world.make(number)
        world.ask(number + 1, file="a.mkv", client=ALICE)
        world.tick(2)
    problem = failed(other, Unavailable)
    assert "What others watch needs all CPUs" in str(problem)
    assert isinstance(problem, Unavailable)
    assert problem.retry_after


def test_it_is_let_in_when_the_other_is_not_watched_any_more(world: World) -> None:
    world.ask(0, file="a.mkv", client=ALICE)
    world.begin()
    world.make(0, 1, 2, 3, 4)
    world.ask(0, file="b.mkv", client=BOB)
    world.tick(round(REQUEST_GAP) - 6)
    assert world.live == 1
    world.tick(2)
    assert world.live == 2, "his buffer was full, or he has gone"


def test_a_viewer_who_changes_the_size_does_not_wait_for_himself(world: World) -> None:
    world.ask(0, file="a.mkv", client=ALICE)
    world.begin()
    world.make(0)
    world.ask(0, SMALL, file="a.mkv", client=ALICE)
    world.tick()
    assert world.live == 2


def test_a_viewer_who_goes_to_another_film_hardly_waits_for_himself(world: World) -> None:
    world.ask(0, file="a.mkv", client=ALICE)
    world.begin()
    world.make(0)
    world.ask(0, file="b.mkv", client=ALICE)
    assert world.live == 1, "nothing says yet that he has left the first film"
    world.tick(4)
    assert paths(world) == ["films/a.mkv", "films/b.mkv"]


def test_what_is_known_after_the_first_segments_counts(new: New) -> None:
    """At first each film takes as much as one of `max_streams`, and then what it takes."""
    world = with_costs(new(capacity=2), Costs(2.0, 2))
    costs = world.segments._context.encoders.costs
    assert costs is not None
    world.ask(0, file="a.mkv", client=ALICE)
    world.begin()
    world.ask(0, SMALL, file="b.mkv", client=BOB)
    assert world.live == 1
    costs.learn(Work.of(VIDEO), PRESETS[-1], 0.4, 1.0)
    costs.learn(Work.of(SMALL), PRESETS[-1], 0.4, 1.0)
    world.make(0, 1, 2, 3, 4)  # far ahead of his player
    world.reap()
    world.tick()
    assert paths(world) == ["films/b.mkv"]


def viewing(world: World, file: str, client: str) -> Child:
    """A viewer of a film whose encoder has just begun."""
    world.ask(0, SMALL, file=file, client=client)
    world.begin()
    return world.child


def halves(number: int) -> tuple[bytes, bytes]:
    """A segment, as ffmpeg writes it in two fragments."""
    data = written(video_samples(number, number + 1, TIMELINE), 30_000, (15,))[len(HEADER) : -len(box(b"mfra"))]
    at = data.index(b"moof", 8) - 4
    return data[:at], data[at:]


def give(world: World, child: Child, *numbers: int, file: str, client: str) -> None:
    """An encoder makes segments, which a viewer requests one after the other as fast as they come."""
    for number in numbers:
        child.write(fragment(number))
        world.machine.turn()
        world.ask(number + 1, SMALL, file=file, client=client)


def test_who_has_much_buffered_gives_way_at_the_end_of_a_segment(world: World) -> None:
    first, second = viewing(world, "a.mkv", ALICE), viewing(world, "b.mkv", BOB)
    third = world.ask(0, SMALL, file="c.mkv", client=CAROL)
    give(world, first, 0, 1, 2, file="a.mkv", client=ALICE)
    give(world, second, 0, file="b.mkv", client=BOB)
    world.tick()
    assert len(children(world)) == 2
    assert not third.called
    give(world, first, *range(3, 19), file="a.mkv", client=ALICE)
    first.write(fragment(19))
    world.machine.turn()
    twentieth = world.ask(20, SMALL, file="a.mkv", client=ALICE)
    # In the middle of a segment that he reads.
    head, tail = halves(20)
    first.write(head)
    world.machine.turn()
    reader = Reader(growing(twentieth), ALICE)
    world.tick()
    assert "SIGTERM" not in world.machine.groups.names()
    first.write(tail)
    world.machine.turn()
    world.ask(21, SMALL, file="a.mkv", client=ALICE)
    world.tick()
    assert result_of(reader.reading) is None, "nothing breaks off"
    assert "SIGTERM" in world.machine.groups.names()
    first.die(15)
    world.machine.turn()
    assert world.reasons() == ["idle"]
    assert set(paths(world)) == {"films/b.mkv", "films/c.mkv"}
    # His sound takes no slot, so it need not wait.
    carol = world.child
    sound = world.ask(0, AUDIO, file="a.mkv", client=ALICE)
    assert world.child is not carol
    sound.cancel()
    # It is his turn again when another has much in hand, and he goes on where he was, as fast as it goes.
    carol.write(HEADER)
    give(world, carol, *range(13), file="c.mkv", client=CAROL)
    world.tick()
    carol.die(15)
    world.machine.turn()
    assert set(paths(world)) == {"films/a.mkv", "films/b.mkv"}
    again = world.child
    assert world.first(again) == 21
    argv = list(again.argv)
    assert argv[argv.index("-preset") + 1] == PRESETS[-1]
