"""The queue: who waits is let in, sent away in time or forgotten, and never left standing beside a free place."""

import pytest
from twisted.internet.defer import CancelledError, Deferred

from tests.run.fakes import Machine, result_of
from transcoded.plan.errors import Unavailable
from transcoded.plan.policy.admission import COPY, TRANSCODE, Admission, Kind, Occupant, Ticket
from transcoded.run.reactor import as_reactor
from transcoded.run.streams.admission import AdmissionQueue, Permit

PATIENCE = 15.0


def new_queue(
    machine: Machine, capacity: int = TRANSCODE, queue_size: int = 10, per_client: int | None = None
) -> AdmissionQueue:
    return AdmissionQueue(as_reactor(machine), Admission(capacity, queue_size, per_client), PATIENCE)


@pytest.fixture
def queue(machine: Machine) -> AdmissionQueue:
    """A queue with one place."""
    return new_queue(machine)


def inside(entering: "Deferred[Permit]") -> Permit:
    """The permit; it must have been granted."""
    found = result_of(entering)
    assert isinstance(found, Permit), found
    return found


def refused(entering: "Deferred[Permit]") -> Unavailable:
    """Why it was refused; it must have been."""
    found = result_of(entering)
    assert isinstance(found, Unavailable), found
    return found


def test_who_finds_a_place_has_it_at_once_and_the_next_when_it_is_given_back(
    machine: Machine, queue: AdmissionQueue
) -> None:
    first, second = queue.ask("a", TRANSCODE), queue.ask("b", TRANSCODE)
    assert not second.called
    assert queue.waiting == 1
    inside(first).release()
    assert not second.called, "nobody starts from within another one's end"
    machine.advance(0)
    assert inside(second).ticket.client == "b"
    assert queue.waiting == 0
    assert machine.timers == []


def test_a_permit_that_is_given_back_twice_frees_its_slots_once(machine: Machine, queue: AdmissionQueue) -> None:
    first = inside(queue.ask("a", TRANSCODE))
    waiting = [queue.ask(client, TRANSCODE) for client in "bc"]
    first.release()
    first.release()
    machine.advance(0)
    assert [one.called for one in waiting] == [True, False]
    assert queue.state.used == TRANSCODE
    waiting[1].addErrback(lambda _: None)
    queue.stop()
    machine.advance(0)


def test_who_leaves_the_queue_is_forgotten_at_once(machine: Machine, queue: AdmissionQueue) -> None:
    first, second, third = (queue.ask(client, TRANSCODE) for client in "abc")
    second.cancel()
    assert isinstance(result_of(second), CancelledError)
    assert queue.waiting == 1
    inside(first).release()
    machine.advance(0)
    inside(third).release()
    assert queue.state.used == 0
    assert machine.timers == []


def test_who_waits_too_long_is_told_when_to_come_back(machine: Machine, queue: AdmissionQueue) -> None:
    inside(queue.ask("a", TRANSCODE))
    waiting = queue.ask("b", TRANSCODE)
    machine.advance(PATIENCE - 0.1)
    assert not waiting.called
    machine.advance(0.1)
    problem = refused(waiting)
    assert "15 s" in problem.detail
    assert int(problem.headers["Retry-After"]) >= 1
    assert queue.waiting == 0


def test_behind_one_that_was_too_large_and_gave_up_is_one_that_fits(machine: Machine, queue: AdmissionQueue) -> None:
    inside(queue.ask("a", COPY))
    large = queue.ask("b", TRANSCODE)
    machine.advance(1)
    small = queue.ask("c", COPY)
    assert not small.called, "it does not overtake"
    machine.advance(PATIENCE - 1)
    refused(large)
    inside(small)


def test_all_that_give_up_in_the_same_moment_are_told(machine: Machine, queue: AdmissionQueue) -> None:
    inside(queue.ask("a", TRANSCODE))
    waiting = [queue.ask(client, TRANSCODE) for client in "bcd"]
    machine.advance(PATIENCE)
    for one in waiting:
        refused(one)
    assert machine.timers == []


def test_beyond_the_queue_nobody_waits(machine: Machine) -> None:
    queue = new_queue(machine, queue_size=0)
    inside(queue.ask("a", TRANSCODE))
    with pytest.raises(Unavailable, match="queue is full") as caught:
        queue.ask("b", TRANSCODE)
    assert caught.value.status == 503


def test_one_client_cannot_keep_the_others_out_of_the_queue(machine: Machine) -> None:
    queue = new_queue(machine, queue_size=2)
    first = inside(queue.ask("a", TRANSCODE))
    older, newest = queue.ask("a", TRANSCODE), queue.ask("a", TRANSCODE)
    modest = queue.ask("b", TRANSCODE)
    assert not newest.called, "nobody is told from within another one's call"
    machine.advance(0)
    problem = refused(newest)
    assert "a client with fewer streams was preferred" in problem.detail
    assert int(problem.headers["Retry-After"]) >= 1
    assert queue.waiting == 2
    first.release()
    machine.advance(0)
    inside(older).release()
    machine.advance(0)
    inside(modest).release()
    assert queue.state.used == 0
    assert machine.timers == []


def test_one_client_cannot_take_all(machine: Machine) -> None:
    queue = new_queue(machine, capacity=10, per_client=2)
    passes = [inside(queue.ask("a", TRANSCODE)) for _ in range(2)]
    with pytest.raises(Unavailable, match="a has 2 streams"):
        queue.ask("a", TRANSCODE)
    inside(queue.ask("b", TRANSCODE))
    passes[0].release()
    inside(queue.ask("a", TRANSCODE))


def test_while_memory_is_short_all_wait_and_then_go_on(machine: Machine, queue: AdmissionQueue) -> None:
    queue.close("memory is short")
    waiting = queue.ask("a", TRANSCODE)
    assert not waiting.called
    assert queue.not_ready() == ["memory is short", "all 2 slots are taken, 1 waiting"]
    queue.open("something else")
    assert not waiting.called
    queue.open("memory is short")
    machine.advance(0)
    inside(waiting)


def test_who_waits_for_memory_is_told_so_in_the_end(machine: Machine, queue: AdmissionQueue) -> None:
    queue.close("memory is short")
    waiting = queue.ask("a", TRANSCODE)
    machine.advance(PATIENCE)
    assert refused(waiting).detail.startswith("Memory is short")


@pytest.mark.parametrize("reason", ["stopping", "draining"])
def test_a_queue_that_is_closed_for_good_refuses_all_who_wait_and_leaves_who_runs_alone(
    machine: Machine, queue: AdmissionQueue, reason: str
) -> None:
    first = inside(queue.ask("a", TRANSCODE))
    waiting = [queue.ask(client, TRANSCODE) for client in "bc"]
    queue.stop(reason)
    machine.advance(0)
    for one in waiting:
        assert reason in refused(one).detail
    with pytest.raises(Unavailable, match="stopping or draining"):
        queue.ask("d", TRANSCODE)
    assert queue.state.used == TRANSCODE
    first.release()
    assert queue.state.used == 0
    assert machine.timers == []


def test_who_is_told_may_ask_again_at_once(machine: Machine, queue: AdmissionQueue) -> None:
    first = inside(queue.ask("a", TRANSCODE))
    got: list[Permit] = []
    second = queue.ask("b", TRANSCODE)

    def again(granted: Permit) -> Permit:
        granted.release()
        got.append(inside(queue.ask("b", TRANSCODE)))
        return granted

    second.addCallback(again)
    first.release()
    machine.advance(0)
    assert len(got) == 1
    assert queue.state.used == TRANSCODE


def test_who_leaves_between_the_grant_and_its_delivery_has_given_it_back(
    machine: Machine, queue: AdmissionQueue
) -> None:
    first = inside(queue.ask("a", TRANSCODE))
    second, third = queue.ask("b", TRANSCODE), queue.ask("c", TRANSCODE)
    first.release()
    second.cancel()
    assert isinstance(result_of(second), CancelledError)
    machine.advance(0)
    inside(third).release()
    assert queue.state.used == 0
    assert machine.timers == []


def test_readiness_says_what_a_balancer_should_know(queue: AdmissionQueue) -> None:
    assert queue.not_ready() == []
    inside(queue.ask("a", COPY))
    assert queue.not_ready() == ["all 2 slots are taken"]


# Who gives way.


class Sleepy:
    """An occupant that has been idle for a while; it goes when it is told to."""

    def __init__(self, permit: Permit) -> None:
        self.idle_s = 0.0
        self.told = 0
        self.permit = permit.take()
        self.permit.occupy(self)

    def as_occupant(self, ticket: Ticket) -> Occupant:
        return Occupant(ticket.number, ticket.slots, Kind.ENCODER, self.idle_s, 8.0, leaving=bool(self.told))

    def evict(self) -> None:
        self.told += 1


def test_an_idle_occupant_is_told_to_go_once_and_its_slots_are_the_newcomers(
    machine: Machine, queue: AdmissionQueue
) -> None:
    sleepy = Sleepy(inside(queue.ask("a", TRANSCODE)))
    waiting = queue.ask("b", TRANSCODE)
    queue.tick(1.0)
    assert sleepy.told == 0
    sleepy.idle_s = 9.0
    queue.tick(1.0)
    queue.tick(1.0)
    assert sleepy.told == 1
    sleepy.permit.release()
    machine.advance(0)
    inside(waiting).release()
    queue.tick(1.0)
    assert sleepy.told == 1, "and it is asked no more"


# One owner.


def test_leaving_the_block_gives_a_permit_back_whatever_happened_in_it(queue: AdmissionQueue) -> None:
    with pytest.raises(ZeroDivisionError), inside(queue.ask("a", TRANSCODE)):
        raise ZeroDivisionError
    assert queue.state.used == 0


def test_a_permit_that_was_taken_over_is_the_new_owners_to_give_back(queue: AdmissionQueue) -> None:
    with inside(queue.ask("a", TRANSCODE)) as permit:
        taken = permit.take()
    permit.release()
    assert not permit.is_held
    assert taken.is_held
    assert queue.state.used == TRANSCODE
    with pytest.raises(RuntimeError):
        permit.take()
    taken.release()
    assert queue.state.used == 0
