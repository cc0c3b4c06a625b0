"""The gate: who waits is let in, sent away in time or forgotten, and never left standing beside a free place."""

import pytest
from twisted.internet.defer import CancelledError, Deferred

from tests.run.fakes import Machine, result_of
from transcoded.plan.errors import Unavailable
from transcoded.plan.policy.admission import COPY, TRANSCODE, Admission
from transcoded.run.reactor import as_reactor
from transcoded.run.streams.admission import AdmissionQueue, Permit

PATIENCE = 15.0


def new_gate(
    machine: Machine, capacity: int = TRANSCODE, queue_size: int = 10, per_client: int | None = None
) -> AdmissionQueue:
    return AdmissionQueue(as_reactor(machine), Admission(capacity, queue_size, per_client), PATIENCE)


@pytest.fixture
def gate(machine: Machine) -> AdmissionQueue:
    """A gate with one place."""
    return new_gate(machine)


def inside(entering: "Deferred[Permit]") -> Permit:
    """The pass; it must have been granted."""
    found = result_of(entering)
    assert isinstance(found, Permit), found
    return found


def refused(entering: "Deferred[Permit]") -> Unavailable:
    """Why it was refused; it must have been."""
    found = result_of(entering)
    assert isinstance(found, Unavailable), found
    return found


def test_who_finds_a_place_has_it_at_once_and_the_next_when_it_is_given_back(
    machine: Machine, gate: AdmissionQueue
) -> None:
    first, second = gate.enter("a", TRANSCODE), gate.enter("b", TRANSCODE)
    assert not second.called
    assert gate.waiting == 1
    inside(first).release()
    assert inside(second).ticket.client == "b"
    assert gate.waiting == 0
    assert machine.timers == []


def test_a_pass_that_is_given_back_twice_frees_one_place(gate: AdmissionQueue) -> None:
    first = inside(gate.enter("a", TRANSCODE))
    waiting = [gate.enter(client, TRANSCODE) for client in "bc"]
    first.release()
    first.release()
    assert [one.called for one in waiting] == [True, False]
    assert gate.admission.used == TRANSCODE
    waiting[1].addErrback(lambda _: None)
    gate.stop()


def test_who_leaves_the_queue_is_forgotten_at_once(machine: Machine, gate: AdmissionQueue) -> None:
    first, second, third = (gate.enter(client, TRANSCODE) for client in "abc")
    second.cancel()
    assert isinstance(result_of(second), CancelledError)
    assert gate.waiting == 1
    inside(first).release()
    inside(third).release()
    assert gate.admission.used == 0
    assert machine.timers == []


def test_who_waits_too_long_is_told_when_to_come_back(machine: Machine, gate: AdmissionQueue) -> None:
    inside(gate.enter("a", TRANSCODE))
    waiting = gate.enter("b", TRANSCODE)
    machine.advance(PATIENCE - 0.1)
    assert not waiting.called
    machine.advance(0.1)
    problem = refused(waiting)
    assert "15 s" in problem.detail
    assert int(problem.headers["Retry-After"]) >= 1
    assert gate.waiting == 0


def test_behind_one_that_was_too_large_and_gave_up_is_one_that_fits(machine: Machine, gate: AdmissionQueue) -> None:
    inside(gate.enter("a", COPY))
    large = gate.enter("b", TRANSCODE)
    machine.advance(1)
    small = gate.enter("c", COPY)
    assert not small.called, "it does not overtake"
    machine.advance(PATIENCE - 1)
    refused(large)
    inside(small)


def test_all_that_give_up_in_the_same_moment_are_told(machine: Machine, gate: AdmissionQueue) -> None:
    inside(gate.enter("a", TRANSCODE))
    waiting = [gate.enter(client, TRANSCODE) for client in "bcd"]
    machine.advance(PATIENCE)
    for one in waiting:
        refused(one)
    assert machine.timers == []


def test_beyond_the_queue_nobody_waits(machine: Machine) -> None:
    gate = new_gate(machine, queue_size=0)
    inside(gate.enter("a", TRANSCODE))
    with pytest.raises(Unavailable, match="queue is full") as caught:
        gate.enter("b", TRANSCODE)
    assert caught.value.status == 503


def test_one_client_cannot_take_all(machine: Machine) -> None:
    gate = new_gate(machine, capacity=10, per_client=2)
    passes = [inside(gate.enter("a", TRANSCODE)) for _ in range(2)]
    with pytest.raises(Unavailable, match="a has 2 streams"):
        gate.enter("a", TRANSCODE)
    inside(gate.enter("b", TRANSCODE))
    passes[0].release()
    inside(gate.enter("a", TRANSCODE))


def test_while_memory_is_short_all_wait_and_then_go_on(machine: Machine, gate: AdmissionQueue) -> None:
    gate.close("memory is short")
    waiting = gate.enter("a", TRANSCODE)
    assert not waiting.called
    assert gate.not_ready() == ["memory is short", "all 2 units are taken, 1 waiting"]
    gate.open("something else")
    assert not waiting.called
    gate.open("memory is short")
    inside(waiting)


def test_who_waits_for_memory_is_told_so_in_the_end(machine: Machine, gate: AdmissionQueue) -> None:
    gate.close("memory is short")
    waiting = gate.enter("a", TRANSCODE)
    machine.advance(PATIENCE)
    assert refused(waiting).detail.startswith("Memory is short")


@pytest.mark.parametrize("reason", ["stopping", "draining"])
def test_a_gate_that_is_closed_for_good_sends_all_away_and_keeps_who_is_inside(
    machine: Machine, gate: AdmissionQueue, reason: str
) -> None:
    first = inside(gate.enter("a", TRANSCODE))
    waiting = [gate.enter(client, TRANSCODE) for client in "bc"]
    gate.stop(reason)
    for one in waiting:
        assert reason in refused(one).detail
    with pytest.raises(Unavailable, match="stopping or draining"):
        gate.enter("d", TRANSCODE)
    assert gate.admission.used == TRANSCODE
    first.release()
    assert gate.admission.used == 0
    assert machine.timers == []


def test_who_is_told_may_ask_again_at_once(gate: AdmissionQueue) -> None:
    """What is called back may do anything: here it takes the place of one that it has just been denied."""
    first = inside(gate.enter("a", TRANSCODE))
    got: list[Permit] = []
    second = gate.enter("b", TRANSCODE)

    def again(granted: Permit) -> Permit:
        granted.release()
        got.append(inside(gate.enter("b", TRANSCODE)))
        return granted

    second.addCallback(again)
    first.release()
    assert len(got) == 1
    assert gate.admission.used == TRANSCODE


def test_readiness_says_what_a_balancer_should_know(gate: AdmissionQueue) -> None:
    assert gate.not_ready() == []
    inside(gate.enter("a", COPY))
    assert gate.not_ready() == ["all 2 units are taken"]
    assert gate.missing(COPY) == 0
    assert gate.missing(TRANSCODE) == 1


# One owner.


def test_leaving_the_block_gives_a_permit_back_whatever_happened_in_it(gate: AdmissionQueue) -> None:
    with pytest.raises(ZeroDivisionError), inside(gate.enter("a", TRANSCODE)):
        raise ZeroDivisionError
    assert gate.admission.used == 0


def test_a_permit_that_was_taken_over_is_the_new_owners_to_give_back(gate: AdmissionQueue) -> None:
    with inside(gate.enter("a", TRANSCODE)) as permit:
        taken = permit.take()
    permit.release()
    assert not permit.held
    assert taken.held
    assert gate.admission.used == TRANSCODE
    with pytest.raises(RuntimeError):
        permit.take()
    taken.release()
    assert gate.admission.used == 0
