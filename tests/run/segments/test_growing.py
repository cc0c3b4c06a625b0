"""A segment that is read while it is made: every reader gets all of it, or an error, and never a part for the whole."""

import pytest
from twisted.internet.defer import Deferred

from tests.plan.cmaf.test_segmenter import video_samples, written
from tests.run.fakes import Machine, result_of
from tests.run.segments.world import HEADER, TIMELINE, New, World, failed, fragment
from transcoded.plan.errors import Unavailable
from transcoded.plan.policy.admission import TRANSCODE
from transcoded.run.reactor import as_reactor
from transcoded.run.segments.growing import GrowingSegment
from transcoded.run.segments.requests import Answer

CHUNK = 8
"""Frames: a quarter of a second at 29.97."""


@pytest.fixture
def world(new: New) -> World:
    return new()


class Reader:
    """A client that reads a segment to its end."""

    def __init__(self, segment: GrowingSegment, unit: str = "a") -> None:
        self.data = b""
        self.reading = Deferred.fromCoroutine(self._read(segment, unit))
        self.reading.addErrback(lambda failure: failure.value)

    async def _read(self, segment: GrowingSegment, unit: str) -> None:
        with segment.read_by(unit):
            while data := await segment.read(len(self.data)):
                self.data += data


def parts(number: int, *frames: int) -> list[bytes]:
    """What ffmpeg writes for a segment, in fragments that end at these frames."""
    samples, made, before = video_samples(number, number + 1, TIMELINE), [], 0
    for until in (*frames, len(samples)):
        made.append(written(samples[before:until], 30_000, (until - before,))[len(HEADER) : -8])
        before = until
    return made


def write(world: World, data: bytes) -> None:
    world.child.write(data)
    world.machine.turn()


def growing(waiting: "Deferred[Answer]") -> GrowingSegment:
    found = result_of(waiting)
    assert isinstance(found, GrowingSegment), found
    return found


# The segment itself.


def test_each_reader_gets_all_wherever_he_begins(machine: Machine) -> None:
    left: list[int] = []
    segment = GrowingSegment(as_reactor(machine), 3, lambda: left.append(1))
    early = Reader(segment)
    segment.add(b"one ")
    machine.turn()
    assert early.data == b"one "
    late = Reader(segment, "b")
    segment.add(b"two")
    machine.turn()
    assert segment.readers == {"a", "b"}
    segment.finish()
    machine.turn()
    assert (early.data, late.data) == (b"one two", b"one two")
    assert not segment.readers
    assert left == [1]


def test_readers_of_one_that_breaks_off_get_the_error_and_not_an_end(machine: Machine) -> None:
    segment = GrowingSegment(as_reactor(machine), 3, lambda: None)
    segment.add(b"one")
    readers = [Reader(segment), Reader(segment)]
    segment.fail(Unavailable("it was ended"))
    segment.finish()
    machine.turn()
    assert [type(result_of(one.reading)) for one in readers] == [Unavailable, Unavailable]
    assert [one.data for one in readers] == [b"one", b"one"]


def test_a_reader_that_is_cancelled_has_left(machine: Machine) -> None:
    segment = GrowingSegment(as_reactor(machine), 3, lambda: None)
    reader = Reader(segment)
    assert segment.readers == {"a"}
    reader.reading.cancel()
    assert not segment.readers


# In a session.


def test_all_who_ask_for_a_segment_read_it_while_it_is_made(world: World) -> None:
    first = world.ask(4, client="192.0.2.1")
    world.begin()
    head, middle, tail = parts(4, 9, 20)
    write(world, head)
    one = Reader(growing(first))
    two = Reader(growing(world.ask(4, client="192.0.2.2")))
    write(world, middle)
    assert 0 < len(one.data) == len(two.data)
    write(world, tail)
    assert one.data == two.data == result_of(world.ask(4)), "now it is kept as a whole"
    assert world.live == 1


def test_what_is_complete_already_has_a_length(world: World) -> None:
    waiting = world.ask(4)
    world.begin()
    write(world, fragment(4))
    assert isinstance(result_of(waiting), bytes)


def test_one_that_breaks_off_is_not_kept(world: World) -> None:
    waiting = world.ask(4)
    world.begin()
    write(world, parts(4, 9)[0])
    reader = Reader(growing(waiting))
    world.child.die(11)
    world.machine.turn()
    failed(reader.reading, Unavailable)
    assert world.reasons() == ["failed"]
    again = world.ask(4)
    assert world.live == 1
    assert world.first() == 4
    world.begin()
    write(world, fragment(4))
    data = result_of(again)
    assert isinstance(data, bytes)
    assert data.startswith(reader.data), "and the second run gives the same"


def test_the_encoder_is_needed_while_somebody_reads(new: New) -> None:
    world = new(capacity=2)
    waiting = world.ask(4, client="192.0.2.1")
    world.begin()
    write(world, parts(4, 9)[0])
    reader = Reader(growing(waiting), "192.0.2.1")
    world.ask(0, file="b.mkv", client="192.0.2.2")
    world.tick(9)
    assert world.live == 1
    assert not world.reasons()
    assert not reader.reading.called


def test_who_has_waited_for_a_place_is_not_evicted_before_he_reads(new: New) -> None:
    """Between the first part of a segment and its reader there are some turns of the reactor, and others wait for the place, too."""
    world = new(capacity=TRANSCODE)
    with result_of(world.admission.ask("somebody", TRANSCODE)):
        waiting = world.ask(4, client="192.0.2.1")
        world.tick(12)
        world.ask(0, file="b.mkv", client="192.0.2.2")
    world.machine.turn()
    world.begin()
    write(world, parts(4, 9)[0])
    assert not world.machine.groups.sent
    reader = Reader(growing(waiting), "192.0.2.1")
    world.tick(12)
    assert not world.machine.groups.sent
    assert not reader.reading.called


def test_nobody_is_interrupted_in_a_segment_by_one_who_seeks(world: World) -> None:
    waiting = world.ask(4, client="192.0.2.1")
    world.begin()
    write(world, parts(4, 9)[0])
    reader = Reader(growing(waiting), "192.0.2.1")
    world.ask(30, client="192.0.2.2")
    assert not world.machine.groups.sent, "the segment is still being read"
    write(world, parts(4, 9)[1] + fragment(5) + parts(6, 9)[0])
    assert result_of(reader.reading) is None
    assert world.machine.groups.sent, "between two segments the encoder goes to the other one"


def test_one_who_seeks_himself_is_not_held_up_by_what_he_read(world: World) -> None:
    waiting = world.ask(4, client="192.0.2.1")
    world.begin()
    write(world, parts(4, 9)[0])
    reader = Reader(growing(waiting), "192.0.2.1")
    world.ask(30, client="192.0.2.1")
    assert not world.machine.groups.sent
    reader.reading.cancel()
    world.machine.turn()
    assert world.machine.groups.sent


def test_when_the_last_reader_leaves_the_encoder_may_go(world: World) -> None:
    waiting = world.ask(4, client="192.0.2.1")
    world.begin()
    write(world, parts(4, 9)[0])
    reader = Reader(growing(waiting), "192.0.2.1")
    reader.reading.cancel()
    world.tick(61)
    assert world.machine.groups.sent


def test_the_whole_is_there_when_it_is_complete(machine: Machine) -> None:
    segment = GrowingSegment(as_reactor(machine), 0, lambda: None)
    waiting = Deferred.fromCoroutine(segment.whole("a"))
    segment.add(b"one")
    machine.turn()
    assert segment.readers == {"a"}
    segment.add(b" two")
    machine.turn()
    assert not waiting.called
    segment.finish()
    machine.turn()
    assert result_of(waiting) == b"one two"
    assert not segment.readers
    broken = GrowingSegment(as_reactor(machine), 1, lambda: None)
    waiting = Deferred.fromCoroutine(broken.whole("a"))
    waiting.addErrback(lambda failure: failure.value)
    broken.add(b"one")
    broken.fail(Unavailable("it has ended"))
    machine.turn()
    failed(waiting, Unavailable)
