"""Fairness between the viewers of one rendition: what one of them does costs the others a bounded time, and no segment."""

import attrs
from twisted.internet.defer import Deferred

from tests.run.fakes import Child, new_file, result_of
from tests.run.segments.world import AUDIO, HEADER, SMALL, VIDEO, New, World, failed, fragment
from transcoded.plan.cmaf.seeks import BURST, INTERVAL
from transcoded.plan.cmaf.steering import TURN
from transcoded.plan.errors import TranscodeFailed, Unavailable
from transcoded.plan.policy.admission import COPY, TRANSCODE
from transcoded.run.segments.failures import MAX_FAILURES
from transcoded.run.segments.requests import Answer

HONEST, HOSTILE = "192.0.2.1", "203.0.113.9"


class Work:
    """What the fake ffmpegs get done: one piece in a step, or their end."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.next: dict[int, int] = {}

    def step(self) -> None:
        child: Child = self.world.child
        if child.gone:
            return
        if not child.output_is_open:
            child.die(15)
        else:
            number = self.next.setdefault(child.pid, self.world.first(child) - 1)
            child.write(HEADER if number < self.world.first(child) else fragment(number))
            self.next[child.pid] += 1
        self.world.machine.turn()


def test_one_that_seeks_without_end_does_not_keep_another_from_his_segments(world: World) -> None:
    """The hostile one requests another far segment before the last one can be made, twenty times a second."""
    work = Work(world)
    seconds = 30
    segment, waiting = 0, world.ask(0, client=HONEST)
    seek: Deferred[Answer] | None = None
    for step in range(20 * seconds):
        if seek is not None:
            seek.cancel()
        seek = world.ask(20 + 7 * step % 20, client=HOSTILE)
        world.machine.advance(0.05)
        if step % 4 == 0:
            work.step()
        if step % 20 == 0:
            world.tick()
        if waiting.called:
            assert isinstance(result_of(waiting), bytes)
            segment = (segment + 1) % 20
            waiting = world.ask(segment, client=HONEST)
    starts = [world.first(child) for child in world.machine.children]
    elsewhere = [first for first in starts if first >= 20]
    assert segment >= 10
    # Each step is 50 ms, and each tick another second.
    assert len(elsewhere) <= BURST + 2 * seconds / INTERVAL


def test_one_that_requests_the_whole_file_at_once_does_not_keep_another_from_his_segment(world: World) -> None:
    for number in range(20, 40):
        world.ask(number, client=HOSTILE)
    waiting = world.ask(3, client=HONEST)
    work = Work(world)
    for _ in range(2 + TURN + 1 + 2):
        work.step()
    assert isinstance(result_of(waiting), bytes), "after so many segments of the other one"


def test_one_client_alone_is_not_interrupted(world: World) -> None:
    waiting = [world.ask(number, client=HONEST) for number in (3, 20, 21, 22, 23, 24)]
    work = Work(world)
    for _ in range(20):
        work.step()
    assert all(isinstance(result_of(one), bytes) for one in waiting)
    assert len(world.machine.children) == 2


def test_one_that_seeks_too_often_waits_and_gets_the_last_place(world: World) -> None:
    work = Work(world)
    for number in range(5, 5 + 3 * BURST, 3):
        seek = world.ask(number, client=HOSTILE)
        while world.first() != number:
            work.step()
        seek.cancel()
    waiting = world.ask(30, client=HOSTILE)
    for _ in range(3):
        work.step()
    assert len(world.machine.children) == BURST
    world.tick(2)
    for _ in range(4):
        work.step()
    assert isinstance(result_of(waiting), bytes)


def test_a_refusal_of_the_queue_is_for_the_client_that_is_refused(new: New) -> None:
    world = new(capacity=TRANSCODE, queue_size=2)
    taken = result_of(world.admission.ask("somebody", TRANSCODE))
    of_hostile = world.ask(5, client=HOSTILE)
    of_honest = world.ask(5, client=HONEST)
    more = world.admission.ask(HOSTILE, TRANSCODE)
    newcomer = world.admission.ask("newcomer", TRANSCODE)
    world.machine.turn()
    failed(more, Unavailable)
    assert not of_hostile.called
    result_of(world.admission.ask("b", 0))
    newcomer.addErrback(lambda _: None).cancel()
    taken.release()
    work = Work(world)
    world.machine.turn()
    for _ in range(4):
        work.step()
    assert isinstance(result_of(of_honest), bytes)


def test_where_the_file_is_damaged_fails_for_who_went_there_and_not_for_the_others(world: World) -> None:
    there = world.ask(30, client=HOSTILE)
    here = world.ask(0, client=HONEST)
    world.child.exit(1)
    world.machine.turn()
    failed(there, TranscodeFailed)
    assert not here.called
    assert world.first() == 0
    world.begin()
    world.make(0, 1)
    assert isinstance(result_of(here), bytes)


def test_what_fails_for_all_fails_for_all_at_last(world: World) -> None:
    waiting = [world.ask(0, client=f"192.0.2.{number}") for number in range(2 * MAX_FAILURES)]
    for _ in range(MAX_FAILURES):
        world.child.exit(1)
        world.machine.turn()
    for one in waiting:
        failed(one, TranscodeFailed)
    assert len(world.machine.children) == MAX_FAILURES


# Who leaves.


def watched_by_two(world: World) -> None:
    world.ask(0, client=HONEST)
    world.ask(0, client="198.51.100.1")
    world.begin()
    world.make(0, 1)


def test_a_stranger_ends_no_encoder(world: World) -> None:
    world.ask(0, client=HONEST)
    world.begin()
    world.make(0, 1)
    for _ in range(50):
        world.segments.leave(new_file("a.mkv"), HOSTILE)
        world.machine.turn()
    assert world.child.output_is_open
    world.segments.leave(new_file("a.mkv"), HONEST)
    world.machine.turn()
    assert not world.child.output_is_open


def test_a_viewer_that_leaves_ends_no_encoder_that_another_one_watches(world: World) -> None:
    watched_by_two(world)
    world.segments.leave(new_file("a.mkv"), HONEST)
    world.machine.turn()
    assert world.child.output_is_open
    world.segments.leave(new_file("a.mkv"), "198.51.100.1")
    world.machine.turn()
    assert not world.child.output_is_open


def test_another_size_takes_no_place_of_one_that_another_client_watches(new: New) -> None:
    """Else a client that switches sizes as fast as it can ends the encoders of all who watch the same video."""
    world = new(capacity=TRANSCODE)
    world.ask(0, client=HONEST)
    world.begin()
    world.make(0, 1)
    world.ask(1, SMALL, client=HOSTILE)
    assert world.child.output_is_open
    assert world.admission.waiting == 1


def test_what_is_in_the_cache_far_ahead_does_not_make_an_encoder_run_there(world: World) -> None:
    """Else one client fills the cache with segments that nobody watches, and pushes out those of the others."""
    world.ask(30, client=HOSTILE)
    world.begin()
    world.make(30, 31)
    world.ask(0, client=HONEST)
    world.reap()
    world.begin()
    for number in range(15):
        world.ask(30, client=HOSTILE)
        world.make(number)
    assert world.streams.live()[0].child.backpressured


# Sound.


def test_beside_one_video_one_audio_takes_no_slots_and_the_next_takes_one(new: New) -> None:
    """Else one client has as many encoders as the file has languages, whatever `max_streams` is."""
    world = new(capacity=TRANSCODE + COPY)
    world.ask(0, VIDEO)
    world.ask(0, AUDIO)
    assert world.admission.state.used == TRANSCODE
    world.ask(0, attrs.evolve(AUDIO, id="a1"))
    assert world.admission.state.used == TRANSCODE + COPY
    world.ask(0, attrs.evolve(AUDIO, id="a2"))
    assert world.admission.waiting == 1
    assert world.live == 3
