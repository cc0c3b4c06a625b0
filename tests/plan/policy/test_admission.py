"""Who may start: a gate that lets in too many stalls everybody's picture, and one that forgets a waiter shows a 503 for nothing."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from transcoded.plan.policy.admission import COPY, MAX_RETRY, TRANSCODE, Admission, Answer, Ticket, retry_after

LATE = 1e9


def ticket(number: int, client: str = "a", units: int = TRANSCODE, deadline: float = LATE) -> Ticket:
    return Ticket(number, client, units, deadline)


def full(*waiting: Ticket, capacity: int = 4, queue_size: int = 10) -> Admission:
    """All units are taken by `host` (ticket 0, in one piece), and these wait."""
    admission = Admission(capacity, queue_size)
    assert admission.ask(ticket(0, "host", capacity)) is Answer.GRANTED
    for one in waiting:
        assert admission.ask(one) is Answer.QUEUED
    return admission


def numbers(admission: Admission) -> list[int]:
    """The queue in its order."""
    return sorted((t.number for t in admission.queue), key=lambda number: admission.position(number) or 0)


def test_what_only_copies_costs_half_so_that_twice_as_many_can_watch() -> None:
    admission = Admission(2 * TRANSCODE, queue_size=0)
    assert [admission.ask(ticket(n, units=COPY)) for n in range(5)] == [Answer.GRANTED] * 4 + [Answer.FULL]
    admission.leave(0)
    assert admission.ask(ticket(9)) is Answer.FULL, "half a place is none"
    admission.leave(1)
    assert admission.ask(ticket(10)) is Answer.GRANTED


def test_beyond_the_queue_a_client_is_told_at_once() -> None:
    admission = full(ticket(1), ticket(2), queue_size=2)
    assert admission.ask(ticket(3)) is Answer.FULL
    assert numbers(admission) == [1, 2]


def test_a_small_one_does_not_overtake_a_large_one_that_waits() -> None:
    admission = Admission(2, queue_size=5)
    assert admission.ask(ticket(0, units=COPY)) is Answer.GRANTED
    assert admission.ask(ticket(1, "b", TRANSCODE)) is Answer.QUEUED
    assert admission.ask(ticket(2, "c", COPY)) is Answer.QUEUED, "it would fit, and then the large one never would"
    assert [t.number for t in admission.leave(0)] == [1]
    assert [t.number for t in admission.leave(1)] == [2]


def test_who_has_nothing_yet_comes_before_who_has_something() -> None:
    admission = Admission(4, queue_size=5)
    for number in (0, 1):
        assert admission.ask(ticket(number, "greedy")) is Answer.GRANTED
    for number in (2, 3):
        assert admission.ask(ticket(number, "greedy")) is Answer.QUEUED
    assert admission.ask(ticket(4, "modest")) is Answer.QUEUED
    assert numbers(admission) == [4, 2, 3]
    assert [t.number for t in admission.leave(0)] == [4]


def test_one_client_may_have_only_so_many_those_that_wait_included() -> None:
    admission = Admission(2, queue_size=5, per_client=2)
    assert admission.ask(ticket(0)) is Answer.GRANTED
    assert admission.ask(ticket(1)) is Answer.QUEUED
    assert admission.ask(ticket(2)) is Answer.TOO_MANY
    assert admission.ask(ticket(3, "b")) is Answer.QUEUED
    admission.leave(1)
    assert admission.ask(ticket(4)) is Answer.QUEUED


def test_a_deadline_is_kept_and_the_others_stay() -> None:
    admission = full(ticket(1, deadline=10.0), ticket(2, "b", deadline=20.0))
    assert admission.expired(9.9) == []
    assert [t.number for t in admission.expired(10.0)] == [1]
    assert numbers(admission) == [2]
    assert admission.position(1) is None


def test_while_it_is_closed_nobody_comes_in_and_all_keep_their_places() -> None:
    admission = full(ticket(1), ticket(2))
    admission.closed.add("memory is short")
    assert admission.leave(0) == []
    assert admission.ask(ticket(3)) is Answer.QUEUED
    assert admission.wanting() == 0, "nobody is preempted for those who would not be let in"
    admission.closed.clear()
    assert [t.number for t in admission.advance()] == [1, 2]


@pytest.mark.parametrize(
    ("held", "waiting", "wanting"),
    [
        pytest.param([2], [], 0, id="nobody waits"),
        pytest.param([2], [TRANSCODE], 2, id="all is taken"),
        pytest.param([1], [TRANSCODE], 1, id="half is free"),
        pytest.param([1, 1], [COPY, TRANSCODE], 1, id="only the next counts"),
    ],
)
def test_how_much_would_have_to_give_way(held: list[int], waiting: list[int], wanting: int) -> None:
    admission = Admission(2, queue_size=5)
    for number, units in enumerate(held):
        assert admission.ask(ticket(number, f"h{number}", units)) is Answer.GRANTED
    for number, units in enumerate(waiting, 10):
        assert admission.ask(ticket(number, f"w{number}", units)) is Answer.QUEUED
    assert admission.wanting() == wanting


def test_it_says_that_it_is_full_when_a_transcode_would_wait() -> None:
    admission = Admission(3, queue_size=1)
    assert not admission.full()
    admission.ask(ticket(0, units=TRANSCODE))
    assert admission.full(), "one unit is left, and that is no place for a transcode"


def test_when_to_try_again() -> None:
    assert retry_after([], 100.0, 3) == 10, "the past says nothing"
    assert retry_after([0.0, 10.0, 20.0], 30.0, 0) == 10, "one place each ten seconds"
    assert retry_after([0.0, 10.0, 20.0], 30.0, 2) == 30, "and two are ahead"
    assert retry_after([0.0], 1e6, 0) == MAX_RETRY
    assert retry_after([5.0], 5.0, 0) == 1, "never at once"


@given(st.lists(st.floats(0, 1e9), max_size=20).map(sorted), st.floats(-1e9, 1e9), st.integers(0, 10_000))
def test_a_retry_is_whole_seconds_that_a_person_would_wait(releases: list[float], later: float, ahead: int) -> None:
    now = (releases[-1] if releases else 0.0) + later
    assert 1 <= retry_after(releases, now, ahead) <= MAX_RETRY


class GateMachine(RuleBasedStateMachine):
    """Any sequence of wishes, departures and deadlines, on a gate with small limits, so that all of them are met."""

    def __init__(self) -> None:
        super().__init__()
        self.admission = Admission(5, queue_size=4, per_client=3)
        self.now = 0.0
        self.number = 0
        self.inside: dict[int, Ticket] = {}
        self.waiting: dict[int, Ticket] = {}
        self.gone: list[int] = []

    @rule(
        client=st.sampled_from("abcd"),
        units=st.sampled_from([0, COPY, TRANSCODE, TRANSCODE]),
        patience=st.sampled_from([1.0, 5.0]),
    )
    def ask(self, client: str, units: int, patience: float) -> None:
        self.number += 1
        one = ticket(self.number, client, units, self.now + patience)
        mine = [t for t in self.everybody() if t.client == client]
        queued = len(self.waiting)
        match self.admission.ask(one):
            case Answer.GRANTED:
                ahead = [t for t in self.waiting.values() if self.before(t, one)]
                assert not ahead or not units, "it has overtaken somebody"
                self.inside[one.number] = one
            case Answer.QUEUED:
                self.waiting[one.number] = one
            case Answer.FULL:
                assert queued == 4
                self.gone.append(one.number)
            case Answer.TOO_MANY:
                assert len(mine) == 3
                self.gone.append(one.number)

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        known = [*self.inside, *self.waiting, *self.gone[-3:]]
        if known:
            number = data.draw(st.sampled_from(known))
            self.forget(number)
            self.readmit(self.admission.leave(number))
            before = attrs.evolve(
                self.admission, granted=dict(self.admission.granted), queue=list(self.admission.queue)
            )
            assert self.admission.leave(number) == [], "leaving twice lets nobody in"
            assert self.admission == before

    @rule(seconds=st.sampled_from([0.5, 1.0, 4.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        late = {t.number for t in self.admission.expired(self.now)}
        assert late == {n for n, one in self.waiting.items() if one.deadline <= self.now}
        for number in late:
            self.forget(number)
        self.readmit(self.admission.advance())

    @precondition(lambda self: not self.admission.closed)
    @rule()
    def close(self) -> None:
        self.admission.closed.add("memory is short")

    @precondition(lambda self: self.admission.closed)
    @rule()
    def open(self) -> None:
        self.admission.closed.clear()
        self.readmit(self.admission.advance())

    def everybody(self) -> list[Ticket]:
        return [*self.inside.values(), *self.waiting.values()]

    def held(self, client: str) -> int:
        return sum(t.units for t in self.inside.values() if t.client == client)

    def before(self, one: Ticket, other: Ticket) -> bool:
        return (self.held(one.client), one.number) < (self.held(other.client), other.number)

    def forget(self, number: int) -> None:
        self.inside.pop(number, None)
        self.waiting.pop(number, None)
        self.gone.append(number)

    def readmit(self, permit: object) -> None:
        assert isinstance(permit, list)
        assert not (permit and self.admission.closed)
        for one in permit:
            del self.waiting[one.number]
            assert all(self.before(one, other) for other in self.waiting.values()), "somebody else was next"
            self.inside[one.number] = one

    @invariant()
    def never_above_capacity(self) -> None:
        assert self.admission.used == sum(t.units for t in self.inside.values()) <= 5

    @invariant()
    def everybody_is_where_they_were_told(self) -> None:
        assert set(self.admission.granted) == set(self.inside)
        assert {t.number for t in self.admission.queue} == set(self.waiting)
        places = sorted(self.admission.position(number) or 0 for number in self.waiting)
        assert places == list(range(1, len(self.waiting) + 1))

    @invariant()
    def nobody_waits_beside_a_free_place(self) -> None:
        if self.waiting and not self.admission.closed:
            following = min(self.waiting.values(), key=lambda t: (self.held(t.client), t.number))
            assert following.units > 5 - self.admission.used

    @invariant()
    def nobody_is_overtaken_by_a_later_one_of_the_same_client(self) -> None:
        for one in self.waiting.values():
            later = [t for t in self.inside.values() if t.client == one.client and t.number > one.number and t.units]
            assert not later, "sound without a picture of its own takes no place; all else waits its turn"


TestGate = GateMachine.TestCase
