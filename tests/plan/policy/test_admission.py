"""Who may start: a gate that lets in too many stalls everybody's picture, and one that forgets a waiter shows a 503 for nothing."""

from collections.abc import Hashable, Sequence

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from transcoded.plan.policy.admission import (
    COPY,
    MAX_RETRY,
    TRANSCODE,
    Admission,
    Answer,
    Kind,
    Occupant,
    Ticket,
    retry_after,
)

LATE = 1e9


def ticket(number: int, client: str = "a", slots: int = TRANSCODE, deadline: float = LATE) -> Ticket:
    return Ticket(number, client, slots, deadline)


def ask(admission: Admission, one: Ticket) -> Answer:
    """What becomes of a request where nobody can give way."""
    answer, decision = admission.ask(one)
    assert not decision.evict
    return answer


def leave(admission: Admission, number: int) -> list[Ticket]:
    """Who is granted something when this one leaves."""
    admission.leave(number)
    return list(admission.advance().granted)


def full(*waiting: Ticket, capacity: int = 4, queue_size: int = 10) -> Admission:
    """All slots are taken by `host` (ticket 0, in one piece), and these wait."""
    admission = Admission(capacity, queue_size)
    assert ask(admission, ticket(0, "host", capacity)) is Answer.GRANTED
    for one in waiting:
        assert ask(admission, one) is Answer.QUEUED
    return admission


def numbers(admission: Admission) -> list[int]:
    """The queue in its order."""
    return sorted((t.number for t in admission.queue), key=lambda number: admission.position(number) or 0)


def test_what_only_copies_costs_half_so_that_twice_as_many_can_watch() -> None:
    admission = Admission(2 * TRANSCODE, queue_size=0)
    assert [ask(admission, ticket(n, slots=COPY)) for n in range(5)] == [Answer.GRANTED] * 4 + [Answer.FULL]
    leave(admission, 0)
    assert ask(admission, ticket(9)) is Answer.FULL, "half a place is none"
    leave(admission, 1)
    assert ask(admission, ticket(10)) is Answer.GRANTED


def test_beyond_the_queue_a_client_is_told_at_once() -> None:
    admission = full(ticket(1), ticket(2), queue_size=2)
    assert ask(admission, ticket(3)) is Answer.FULL
    assert numbers(admission) == [1, 2]


def test_a_small_one_does_not_overtake_a_large_one_that_waits() -> None:
    admission = Admission(2, queue_size=5)
    assert ask(admission, ticket(0, slots=COPY)) is Answer.GRANTED
    assert ask(admission, ticket(1, "b", TRANSCODE)) is Answer.QUEUED
    assert ask(admission, ticket(2, "c", COPY)) is Answer.QUEUED, "it would fit, and then the large one never would"
    assert [t.number for t in leave(admission, 0)] == [1]
    assert [t.number for t in leave(admission, 1)] == [2]


def test_who_has_nothing_yet_comes_before_who_has_something() -> None:
    admission = Admission(4, queue_size=5)
    for number in (0, 1):
        assert ask(admission, ticket(number, "greedy")) is Answer.GRANTED
    for number in (2, 3):
        assert ask(admission, ticket(number, "greedy")) is Answer.QUEUED
    assert ask(admission, ticket(4, "modest")) is Answer.QUEUED
    assert numbers(admission) == [4, 2, 3]
    assert [t.number for t in leave(admission, 0)] == [4]


def test_one_client_may_have_only_so_many_those_that_wait_included() -> None:
    admission = Admission(2, queue_size=5, per_client=2)
    assert ask(admission, ticket(0)) is Answer.GRANTED
    assert ask(admission, ticket(1)) is Answer.QUEUED
    assert ask(admission, ticket(2)) is Answer.TOO_MANY
    assert ask(admission, ticket(3, "b")) is Answer.QUEUED
    leave(admission, 1)
    assert ask(admission, ticket(4)) is Answer.QUEUED


def test_a_deadline_is_kept_and_the_others_stay() -> None:
    admission = full(ticket(1, deadline=10.0), ticket(2, "b", deadline=20.0))
    assert admission.expired(9.9) == []
    assert [t.number for t in admission.expired(10.0)] == [1]
    assert numbers(admission) == [2]
    assert admission.position(1) is None


def test_while_it_is_closed_nobody_comes_in_and_all_keep_their_places() -> None:
    admission = full(ticket(1), ticket(2))
    admission.closed.add("memory is short")
    assert leave(admission, 0) == []
    assert ask(admission, ticket(3)) is Answer.QUEUED
    stalled = Occupant(0, 4, Kind.VIEWER, idle_s=1e9, evictable_after=0.0)
    assert admission.advance([stalled]).evict == (), "nobody gives way to those who would not be admitted"
    admission.closed.clear()
    assert [t.number for t in admission.advance().granted] == [1, 2]


# Who gives way.


def encoder(number: int, slots: int = TRANSCODE, idle_s: float = 100.0, name: Hashable = None) -> Occupant:
    """An encoder that nobody waits for; it may go after eight seconds."""
    return Occupant(number, slots, Kind.ENCODER, idle_s, evictable_after=8.0, name=name)


def viewer(number: int, slots: int = TRANSCODE, idle_s: float = 100.0) -> Occupant:
    """A stream whose client takes nothing; it may go after thirty seconds."""
    return Occupant(number, slots, Kind.VIEWER, idle_s, evictable_after=30.0)


def taken(*occupants: Occupant, queue_size: int = 5) -> Admission:
    """All slots are taken by these."""
    admission = Admission(sum(one.slots for one in occupants), queue_size)
    for one in occupants:
        assert ask(admission, ticket(one.number, f"h{one.number}", one.slots)) is Answer.GRANTED
    return admission


@pytest.mark.parametrize(
    ("occupants", "waiting", "evicted"),
    [
        pytest.param([viewer(1)], [], [], id="nobody waits"),
        pytest.param([viewer(1)], [TRANSCODE], [1], id="one for one"),
        pytest.param([viewer(1, idle_s=50), viewer(2, idle_s=90)], [TRANSCODE], [2], id="the longest-stalled first"),
        pytest.param([viewer(1, idle_s=29)], [TRANSCODE], [], id="a short pause is none"),
        pytest.param([viewer(1, COPY), viewer(2, COPY)], [TRANSCODE], [1, 2], id="two copies for a transcode"),
        pytest.param([viewer(1), viewer(2)], [COPY, COPY], [1], id="one transcode for two copies"),
        pytest.param([viewer(1), viewer(2)], [TRANSCODE, TRANSCODE], [1, 2], id="one for each who waits"),
        pytest.param([viewer(1, idle_s=999), encoder(2, idle_s=9)], [TRANSCODE], [2], id="encoders before viewers"),
        pytest.param([encoder(1, idle_s=7)], [TRANSCODE], [], id="an encoder between two requests stays"),
        pytest.param(
            [attrs.evolve(viewer(1), leaving=True), viewer(2)], [TRANSCODE], [], id="one that goes already is enough"
        ),
        pytest.param([attrs.evolve(viewer(1), evictable_after=None)], [TRANSCODE], [], id="one that never gives way"),
    ],
)
def test_who_gives_way(occupants: list[Occupant], waiting: list[int], evicted: list[int]) -> None:
    admission = taken(*occupants)
    for number, slots in enumerate(waiting, 10):
        admission.ask(ticket(number, f"w{number}", slots))
    assert list(admission.advance(occupants).evict) == evicted


def test_a_request_takes_over_from_what_it_replaces_at_once() -> None:
    occupants = [encoder(1, name="other.mkv"), encoder(2, idle_s=0.0, name="film.mkv")]
    answer, decision = taken(*occupants).ask(attrs.evolve(ticket(3), replaces="film.mkv"), occupants)
    assert answer is Answer.QUEUED
    assert decision.evict == [2], "its viewer has changed to this one, though others have been idle for longer"
    busy = attrs.evolve(occupants[1], evictable_after=None)
    _, decision = taken(*occupants).ask(attrs.evolve(ticket(3), replaces="film.mkv"), [occupants[0], busy])
    assert decision.evict == [1], "but not while somebody waits for it"


def test_who_finds_the_queue_full_has_room_made_for_the_next_try() -> None:
    admission = taken(encoder(1), queue_size=0)
    answer, decision = admission.ask(ticket(2), [encoder(1)])
    assert answer is Answer.FULL
    assert decision.evict == [1]


def test_what_takes_no_slots_makes_nobody_go_and_waits_for_nobody() -> None:
    answer, decision = taken(encoder(1)).ask(ticket(2, slots=0), [encoder(1)])
    assert answer is Answer.GRANTED
    assert not decision.evict


@given(
    st.lists(
        st.builds(
            Occupant,
            number=st.integers(1, 9),
            slots=st.sampled_from([0, COPY, TRANSCODE]),
            kind=st.sampled_from(Kind),
            idle_s=st.floats(0, 100),
            evictable_after=st.none() | st.floats(0, 100),
            leaving=st.booleans(),
            name=st.sampled_from([None, "a", "b"]),
        ),
        unique_by=lambda one: one.number,
        max_size=6,
    ),
    st.lists(st.tuples(st.sampled_from([COPY, TRANSCODE]), st.sampled_from([None, "a"])), max_size=4),
)
def test_no_more_give_way_than_are_needed_and_only_those_that_may(
    occupants: list[Occupant], waiting: list[tuple[int, str | None]]
) -> None:
    admission = taken(*occupants, queue_size=10)
    for number, (slots, replaces) in enumerate(waiting, 10):
        admission.ask(attrs.evolve(ticket(number, f"w{number}", slots), replaces=replaces))
    evicted = [one for one in occupants if one.number in admission.advance(occupants).evict]
    needed = sum(slots for slots, _ in waiting) - sum(one.slots for one in occupants if one.leaving)
    for one in evicted:
        assert one.evictable_after is not None
        assert not one.leaving
        assert one.slots
        assert sum(other.slots for other in evicted if other is not one) < needed or one.slots < max(
            (other.slots for other in evicted), default=0
        ), "the queue would be served without it"


def test_it_says_that_it_is_full_when_a_transcode_would_wait() -> None:
    admission = Admission(3, queue_size=1)
    assert not admission.full()
    ask(admission, ticket(0, slots=TRANSCODE))
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
        slots=st.sampled_from([0, COPY, TRANSCODE, TRANSCODE]),
        patience=st.sampled_from([1.0, 5.0]),
    )
    def ask(self, client: str, slots: int, patience: float) -> None:
        self.number += 1
        one = ticket(self.number, client, slots, self.now + patience)
        mine = [t for t in self.everybody() if t.client == client]
        queued = len(self.waiting)
        match ask(self.admission, one):
            case Answer.GRANTED:
                ahead = [t for t in self.waiting.values() if self.before(t, one)]
                assert not ahead or not slots, "it has overtaken somebody"
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
            self.admit(leave(self.admission, number))
            before = attrs.evolve(
                self.admission, granted=dict(self.admission.granted), queue=list(self.admission.queue)
            )
            assert leave(self.admission, number) == [], "leaving twice lets nobody in"
            assert self.admission == before

    @rule(seconds=st.sampled_from([0.5, 1.0, 4.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        late = {t.number for t in self.admission.expired(self.now)}
        assert late == {n for n, one in self.waiting.items() if one.deadline <= self.now}
        for number in late:
            self.forget(number)
        self.admit(self.admission.advance().granted)

    @precondition(lambda self: not self.admission.closed)
    @rule()
    def close(self) -> None:
        self.admission.closed.add("memory is short")

    @precondition(lambda self: self.admission.closed)
    @rule()
    def open(self) -> None:
        self.admission.closed.clear()
        self.admit(self.admission.advance().granted)

    def everybody(self) -> list[Ticket]:
        return [*self.inside.values(), *self.waiting.values()]

    def held(self, client: str) -> int:
        return sum(t.slots for t in self.inside.values() if t.client == client)

    def before(self, one: Ticket, other: Ticket) -> bool:
        return (self.held(one.client), one.number) < (self.held(other.client), other.number)

    def forget(self, number: int) -> None:
        self.inside.pop(number, None)
        self.waiting.pop(number, None)
        self.gone.append(number)

    def admit(self, granted: Sequence[Ticket]) -> None:
        assert not (granted and self.admission.closed)
        for one in granted:
            del self.waiting[one.number]
            assert all(self.before(one, other) for other in self.waiting.values()), "somebody else was next"
            self.inside[one.number] = one

    @invariant()
    def never_above_capacity(self) -> None:
        assert self.admission.used == sum(t.slots for t in self.inside.values()) <= 5

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
            assert following.slots > 5 - self.admission.used

    @invariant()
    def nobody_is_overtaken_by_a_later_one_of_the_same_client(self) -> None:
        for one in self.waiting.values():
            later = [t for t in self.inside.values() if t.client == one.client and t.number > one.number and t.slots]
            assert not later, "sound without a picture of its own takes no place; all else waits its turn"


TestGate = GateMachine.TestCase
