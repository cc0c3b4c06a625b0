"""Admission: with too many streams all videos stall, and a forgotten request gets a 503 for no reason."""

from collections.abc import Hashable

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.policy.admission import (
    BACKGROUND,
    COPY,
    MAX_RETRY,
    TRANSCODE,
    Admission,
    Answer,
    Decision,
    Kind,
    Occupant,
    Ticket,
    retry_after,
)
from transcoded.plan.policy.demands import FOR_NEWCOMERS, TURN, Demand

LATE = 1e9


def ticket(number: int, client: str = "a", slots: int = TRANSCODE, deadline: float = LATE) -> Ticket:
    return Ticket(number, client, slots, deadline)


def ask(admission: Admission, one: Ticket) -> Answer:
    """The answer to a request while nothing can be evicted."""
    answer, decision = admission.ask(one)
    assert not decision.evict
    return answer


def leave(admission: Admission, number: int) -> list[Ticket]:
    """The requests that are granted when this one leaves."""
    admission.leave(number)
    return list(admission.advance().granted)


def full(*waiting: Ticket, capacity: int = 4, queue_size: int = 10) -> Admission:
    """An admission whose slots are all taken by ticket 0, of `host`. These tickets wait."""
    admission = Admission(capacity, queue_size)
    assert ask(admission, ticket(0, "host", capacity)) is Answer.GRANTED
    for one in waiting:
        assert ask(admission, one) is Answer.QUEUED
    return admission


def numbers(admission: Admission) -> list[int]:
    """The numbers of the waiting tickets, in order."""
    return sorted((t.number for t in admission.queue), key=lambda number: admission.position(number) or 0)


def test_a_copy_takes_half_the_slots_of_a_transcode() -> None:
    admission = Admission(2 * TRANSCODE, queue_size=0)
    assert [ask(admission, ticket(n, slots=COPY)) for n in range(5)] == [Answer.GRANTED] * 4 + [Answer.FULL]
    leave(admission, 0)
    assert ask(admission, ticket(9)) is Answer.FULL, "one slot is not enough"
    leave(admission, 1)
    assert ask(admission, ticket(10)) is Answer.GRANTED


def test_a_request_is_refused_at_once_if_the_queue_is_full() -> None:
    admission = full(ticket(1), ticket(2), queue_size=2)
    assert ask(admission, ticket(3)) is Answer.FULL
    assert numbers(admission) == [1, 2]


# A full queue.


def test_a_full_queue_makes_room_for_a_client_that_has_less() -> None:
    admission = full(ticket(1, "greedy"), ticket(2, "greedy"), ticket(3, "modest"), queue_size=3)
    answer, decision = admission.ask(ticket(4, "newcomer"))
    assert answer is Answer.QUEUED
    assert [t.number for t in decision.displaced] == [2], "the newest of the greediest"
    assert numbers(admission) == [1, 3, 4]
    answer, decision = admission.ask(ticket(5, "greedy"))
    assert (answer, decision.displaced) == (Answer.FULL, ()), "all have one place now"


def test_what_a_client_was_granted_counts_against_its_places_in_the_queue() -> None:
    admission = full(ticket(1, "host"), ticket(2, "a"), queue_size=2)
    answer, decision = admission.ask(ticket(3, "b"))
    assert answer is Answer.QUEUED
    assert [t.client for t in decision.displaced] == ["host"], "it has all the slots; the others have none"


def test_the_greediest_client_is_refused_itself() -> None:
    admission = full(ticket(1, "greedy"), ticket(2, "greedy"), ticket(3, "modest"), queue_size=3)
    answer, decision = admission.ask(ticket(4, "greedy"))
    assert (answer, decision.displaced) == (Answer.FULL, ())


def test_two_copies_that_wait_are_two_places() -> None:
    admission = full(ticket(1, "greedy", COPY), ticket(2, "greedy", COPY), queue_size=2)
    answer, decision = admission.ask(ticket(3, "modest", TRANSCODE))
    assert answer is Answer.QUEUED
    assert [t.number for t in decision.displaced] == [2]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([COPY, TRANSCODE])), min_size=30, max_size=60))
def test_a_client_that_waits_with_one_request_gets_in_whatever_the_others_ask(attacks: list[tuple[str, int]]) -> None:
    """No starvation: while slots become free, a client that has nothing waits for a bounded number of grants."""
    admission = full(*(ticket(n, "a") for n in range(1, 4)), capacity=2, queue_size=3)
    answer, _ = admission.ask(ticket(100, "honest"))
    assert answer is Answer.QUEUED
    running, grants = [0], 0
    for number, (client, slots) in enumerate(attacks, 200):
        answer, _ = admission.ask(ticket(number, client, slots))
        if answer is Answer.GRANTED:
            running.append(number)
        granted = leave(admission, running.pop(0)) if running else []
        running += [t.number for t in granted]
        grants += len(granted)
        if 100 in admission.granted:
            break
    assert 100 in admission.granted
    assert grants <= 4, "those that were there before, and it"


def test_a_small_request_does_not_overtake_a_large_one() -> None:
    admission = Admission(2, queue_size=5)
    assert ask(admission, ticket(0, slots=COPY)) is Answer.GRANTED
    assert ask(admission, ticket(1, "b", TRANSCODE)) is Answer.QUEUED
    assert ask(admission, ticket(2, "c", COPY)) is Answer.QUEUED, (
        "if it were granted, the large one could wait for ever"
    )
    assert [t.number for t in leave(admission, 0)] == [1]
    assert [t.number for t in leave(admission, 1)] == [2]


def test_the_client_with_the_fewest_slots_is_next() -> None:
    admission = Admission(4, queue_size=5)
    for number in (0, 1):
        assert ask(admission, ticket(number, "greedy")) is Answer.GRANTED
    for number in (2, 3):
        assert ask(admission, ticket(number, "greedy")) is Answer.QUEUED
    assert ask(admission, ticket(4, "modest")) is Answer.QUEUED
    assert numbers(admission) == [4, 2, 3]
    assert [t.number for t in leave(admission, 0)] == [4]


def test_the_limit_of_a_client_includes_waiting_requests() -> None:
    admission = Admission(2, queue_size=5, per_client=2)
    assert ask(admission, ticket(0)) is Answer.GRANTED
    assert ask(admission, ticket(1)) is Answer.QUEUED
    assert ask(admission, ticket(2)) is Answer.TOO_MANY
    assert ask(admission, ticket(3, "b")) is Answer.QUEUED
    leave(admission, 1)
    assert ask(admission, ticket(4)) is Answer.QUEUED


def test_the_limit_of_a_client_does_not_count_what_is_being_ended_or_takes_no_slots() -> None:
    admission = Admission(8, queue_size=5, per_client=1)
    assert ask(admission, ticket(0)) is Answer.GRANTED
    assert ask(admission, ticket(1, slots=0)) is Answer.GRANTED, "the audio of the video that was admitted"
    assert ask(admission, ticket(2)) is Answer.TOO_MANY
    answer, decision = admission.ask(ticket(3), [Occupant(0, TRANSCODE, Kind.VIEWER, leaving=True)])
    assert (answer, list(decision.evict)) == (Answer.GRANTED, [])


@pytest.mark.parametrize(
    ("client", "changes", "answer"),
    [
        pytest.param("a", {}, Answer.GRANTED, id="another rendition of the same video"),
        pytest.param("a", {"evictable_after": None}, Answer.TOO_MANY, id="somebody waits for the one before"),
        pytest.param("a", {"name": "another video"}, Answer.TOO_MANY, id="another video"),
        pytest.param("b", {}, Answer.GRANTED, id="another client has no stream yet"),
    ],
)
def test_what_a_request_replaces_is_evicted_and_not_counted(
    client: str, changes: dict[str, object], answer: Answer
) -> None:
    admission = Admission(8, queue_size=5, per_client=1)
    assert ask(admission, ticket(0)) is Answer.GRANTED
    before = attrs.evolve(encoder(0, idle_s=0.0, name="video"), **changes)  # type: ignore[arg-type]
    given, decision = admission.ask(attrs.evolve(ticket(1, client), replaces="video"), [before])
    assert given is answer
    assert list(decision.evict) == ([0] if client == "a" and answer is Answer.GRANTED else [])


def test_only_requests_past_their_deadline_expire() -> None:
    admission = full(ticket(1, deadline=10.0), ticket(2, "b", deadline=20.0))
    assert admission.expired(9.9) == []
    assert [t.number for t in admission.expired(10.0)] == [1]
    assert numbers(admission) == [2]
    assert admission.position(1) is None


def test_while_admission_is_closed_nothing_is_granted_and_the_queue_stays() -> None:
    admission = full(ticket(1), ticket(2))
    admission.closed.add("memory is short")
    assert leave(admission, 0) == []
    assert ask(admission, ticket(3)) is Answer.QUEUED
    stalled = Occupant(0, 4, Kind.VIEWER, idle_s=1e9, evictable_after=0.0)
    assert admission.advance([stalled]).evict == (), "nothing is evicted for requests that cannot be granted"
    admission.closed.clear()
    assert [t.number for t in admission.advance().granted] == [1, 2]


# Eviction.


def encoder(number: int, slots: int = TRANSCODE, idle_s: float = 100.0, name: Hashable = None) -> Occupant:
    """An encoder that nobody waits for. It can be evicted after eight seconds."""
    return Occupant(number, slots, Kind.ENCODER, idle_s, evictable_after=8.0, name=name)


def viewer(number: int, slots: int = TRANSCODE, idle_s: float = 100.0) -> Occupant:
    """A stream whose client takes nothing. It can be evicted after thirty seconds."""
    return Occupant(number, slots, Kind.VIEWER, idle_s, evictable_after=30.0)


def taken(*occupants: Occupant, queue_size: int = 5) -> Admission:
    """An admission whose slots are all taken by these occupants."""
    admission = Admission(sum(one.slots for one in occupants), queue_size)
    for one in occupants:
        assert ask(admission, ticket(one.number, f"h{one.number}", one.slots)) is Answer.GRANTED
    return admission


@pytest.mark.parametrize(
    ("occupants", "waiting", "evicted"),
    [
        pytest.param([viewer(1)], [], [], id="no request waits"),
        pytest.param([viewer(1)], [TRANSCODE], [1], id="one for one"),
        pytest.param(
            [viewer(1, idle_s=50), viewer(2, idle_s=90)], [TRANSCODE], [2], id="the longest stalled viewer first"
        ),
        pytest.param([viewer(1, idle_s=29)], [TRANSCODE], [], id="a short pause is not enough"),
        pytest.param([viewer(1, COPY), viewer(2, COPY)], [TRANSCODE], [1, 2], id="two copies for a transcode"),
        pytest.param([viewer(1), viewer(2)], [COPY, COPY], [1], id="one transcode for two copies"),
        pytest.param([viewer(1), viewer(2)], [TRANSCODE, TRANSCODE], [1, 2], id="one for each waiting request"),
        pytest.param([viewer(1, idle_s=999), encoder(2, idle_s=9)], [TRANSCODE], [2], id="encoders before viewers"),
        pytest.param([encoder(1, idle_s=7)], [TRANSCODE], [], id="an encoder that is idle for a short time stays"),
        pytest.param(
            [attrs.evolve(viewer(1), leaving=True), viewer(2)], [TRANSCODE], [], id="one that is leaving is enough"
        ),
        pytest.param([attrs.evolve(viewer(1), evictable_after=None)], [TRANSCODE], [], id="one that cannot be evicted"),
    ],
)
def test_which_occupants_are_evicted(occupants: list[Occupant], waiting: list[int], evicted: list[int]) -> None:
    admission = taken(*occupants)
    for number, slots in enumerate(waiting, 10):
        admission.ask(ticket(number, f"w{number}", slots))
    assert list(admission.advance(occupants).evict) == evicted


def test_an_occupant_that_a_request_replaces_is_evicted_first() -> None:
    occupants = [encoder(1, name="other.mkv"), encoder(2, idle_s=0.0, name="video.mkv")]
    answer, decision = taken(*occupants).ask(attrs.evolve(ticket(3), replaces="video.mkv"), occupants)
    assert answer is Answer.QUEUED
    assert decision.evict == [2], "its viewer made the new request, although the other has been idle for longer"
    busy = attrs.evolve(occupants[1], evictable_after=None)
    _, decision = taken(*occupants).ask(attrs.evolve(ticket(3), replaces="video.mkv"), [occupants[0], busy])
    assert decision.evict == [1], "it cannot be evicted while somebody waits for it"


def test_a_refused_request_evicts_too_for_the_next_try() -> None:
    admission = taken(encoder(1), queue_size=0)
    answer, decision = admission.ask(ticket(2), [encoder(1)])
    assert answer is Answer.FULL
    assert decision.evict == [1]


def test_a_request_for_no_slots_is_granted_at_once_without_eviction() -> None:
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
def test_no_more_occupants_are_evicted_than_needed(
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
        ), "its eviction is not needed"


def test_full_means_that_a_transcode_would_wait() -> None:
    admission = Admission(3, queue_size=1)
    assert not admission.full()
    ask(admission, ticket(0, slots=TRANSCODE))
    assert admission.full(), "one slot is left, and a transcode needs two"


def test_the_estimate_of_retry_after() -> None:
    assert retry_after([], 100.0, 3) == 10, "nothing is known"
    assert retry_after([0.0, 10.0, 20.0], 30.0, 0) == 10, "one slot every ten seconds"
    assert retry_after([0.0, 10.0, 20.0], 30.0, 2) == 30, "two requests are ahead"
    assert retry_after([0.0], 1e6, 0) == MAX_RETRY
    assert retry_after([5.0], 5.0, 0) == 1, "at least one second"


@given(st.lists(st.floats(0, 1e9), max_size=20).map(sorted), st.floats(-1e9, 1e9), st.integers(0, 10_000))
def test_retry_after_is_within_its_limits(releases: list[float], later: float, ahead: int) -> None:
    now = (releases[-1] if releases else 0.0) + later
    assert 1 <= retry_after(releases, now, ahead) <= MAX_RETRY


def test_a_request_for_no_slots_that_had_to_wait_is_granted_first() -> None:
    """Audio beside a video that was admitted: it waited for memory only, and a large request is before it in the queue."""
    admission = full()
    admission.closed.add("memory is short")
    assert ask(admission, ticket(1, "other")) is Answer.QUEUED
    assert ask(admission, ticket(2, "host", slots=0)) is Answer.QUEUED
    admission.closed.clear()
    assert [t.number for t in admission.advance().granted] == [2]
    assert admission.position(1) == 1


# The background.


def test_the_background_gets_what_nobody_waits_for_and_never_waits_itself() -> None:
    admission = Admission(TRANSCODE + COPY, queue_size=10)
    assert ask(admission, ticket(0, BACKGROUND)) is Answer.GRANTED
    assert ask(admission, ticket(1, BACKGROUND)) is Answer.FULL
    assert not admission.queue
    admission = full(ticket(1), capacity=TRANSCODE)
    admission.capacity += COPY
    assert ask(admission, ticket(2, BACKGROUND, COPY)) is Answer.FULL, "a slot is free, and a request waits"
    assert [one.number for one in admission.queue] == [1]


def test_the_background_takes_no_slots_from_idle_viewers() -> None:
    """They come back in a moment."""
    admission = Admission(TRANSCODE, queue_size=10)
    assert ask(admission, ticket(0)) is Answer.GRANTED
    answer, decision = admission.ask(ticket(1, BACKGROUND), [encoder(0, TRANSCODE, idle_s=1e6)])
    assert (answer, decision.evict) == (Answer.FULL, ())


def test_the_background_goes_first() -> None:
    admission = Admission(2 * TRANSCODE, queue_size=10)
    assert ask(admission, ticket(0)) is Answer.GRANTED
    assert ask(admission, ticket(1, BACKGROUND)) is Answer.GRANTED
    occupants = [encoder(0, TRANSCODE, idle_s=1e6), Occupant(1, TRANSCODE, Kind.BACKGROUND, 0.0, evictable_after=0.0)]
    answer, decision = admission.ask(ticket(2, "b"), occupants)
    assert (answer, decision.evict) == (Answer.QUEUED, [1])


def test_the_background_keeps_nobody_from_starting_at_once() -> None:
    """A load balancer would send viewers elsewhere, though nobody watches anything here."""
    admission = Admission(TRANSCODE, queue_size=10)
    assert ask(admission, ticket(0, BACKGROUND)) is Answer.GRANTED
    assert not admission.full()
    assert ask(admission, ticket(1)) is Answer.QUEUED
    assert admission.full()


# Films in segments, and what they demand.


def film(number: int, client: str, demander: str) -> Ticket:
    return Ticket(number, client, TRANSCODE, LATE, demander=demander)


def test_a_film_that_does_not_fit_waits_and_keeps_nobody_out() -> None:
    admission = Admission(2 * TRANSCODE, 10)
    demands: dict[Hashable, Demand] = {"one": Demand(0.6), "two": Demand(0.6)}
    assert admission.ask(film(0, "a", "one"), (), demands) == (Answer.GRANTED, Decision())
    answer, decision = admission.ask(film(1, "b", "two"), [encoder(0, TRANSCODE, idle_s=1e6)], demands)
    assert (answer, decision.evict) == (Answer.QUEUED, []), "there are slots, and nothing is evicted for it in vain"
    assert admission.lacks_room(admission.queue[0], (), demands)
    assert admission.ask(ticket(2, "c"), (), demands)[0] is Answer.GRANTED, "a stream behind it"
    admission.leave(2)
    assert not admission.advance((), demands).granted
    # Its encoder was evicted, but it is still watched.
    admission.leave(0)
    assert not admission.advance((), {"one": Demand(0.6, admitted=True), "two": Demand(0.6)}).granted
    assert [one.number for one in admission.advance((), {"two": Demand(0.6)}).granted] == [1]


def test_two_that_wait_are_not_let_in_together_if_only_one_fits() -> None:
    admission = Admission(2 * TRANSCODE, 10)
    demands: dict[Hashable, Demand] = {"one": Demand(0.6), "two": Demand(0.6)}
    admission.closed.add("memory")
    for number, (client, demander) in enumerate([("a", "one"), ("b", "two")]):
        admission.ask(film(number, client, demander), (), demands)
    admission.closed.clear()
    assert [one.number for one in admission.advance((), demands).granted] == [0]


def test_a_stream_that_plays_takes_its_part_of_the_machine() -> None:
    admission = Admission(2 * TRANSCODE, 10)
    admission.ask(ticket(0, "a"))
    playing = Occupant(0, TRANSCODE, Kind.VIEWER, idle_s=1.0, evictable_after=30.0)
    assert admission.ask(film(1, "b", "one"), [playing], {"one": Demand(0.6)})[0] is Answer.QUEUED
    stalled = attrs.evolve(playing, idle_s=31.0)
    assert [one.number for one in admission.advance([stalled], {"one": Demand(0.6)}).granted] == [1]


def busy(number: int, buffered: float | None) -> Occupant:
    return Occupant(number, TRANSCODE, Kind.ENCODER, buffered=buffered)


@pytest.mark.parametrize(
    ("buffered", "evicted"), [((TURN + 1, TURN + 2), [1]), ((TURN, 0.0), [0]), ((TURN - 0.1, None), [])]
)
def test_who_has_much_buffered_gives_way_to_who_has_nothing(
    buffered: tuple[float | None, float | None], evicted: list[int]
) -> None:
    admission = Admission(2 * TRANSCODE, 10)
    demands: dict[Hashable, Demand] = {name: Demand(0.3, admitted=True) for name in ("one", "two", "three")}
    for number, name in enumerate(("one", "two")):
        admission.ask(film(number, name, name), (), demands)
    occupants = [busy(number, some) for number, some in enumerate(buffered)]
    assert admission.ask(film(2, "three", "three"), occupants, demands)[1].evict == evicted


def test_newcomers_wait_until_the_others_have_enough_for_a_while() -> None:
    admission = Admission(TRANSCODE, 10)
    demands: dict[Hashable, Demand] = {"one": Demand(0.3, admitted=True), "two": Demand(0.3)}
    admission.ask(film(0, "one", "one"), (), demands)
    assert not admission.ask(film(1, "two", "two"), [busy(0, FOR_NEWCOMERS - 0.1)], demands)[1].evict
    assert admission.advance([busy(0, FOR_NEWCOMERS)], demands).evict == [0]
    admission.leave(1)
    assert admission.ask(ticket(2, "c"), [busy(0, FOR_NEWCOMERS - 0.1)], demands)[1].evict == []
    assert admission.advance([busy(0, FOR_NEWCOMERS)], demands).evict == [0]


def test_nobody_gives_way_to_one_who_has_as_much() -> None:
    admission = Admission(2 * TRANSCODE, 10)
    demands: dict[Hashable, Demand] = {name: Demand(0.2, admitted=True) for name in ("one", "two", "three", "four")}
    demands["four"] = Demand(0.2, admitted=True, buffered=20.0)
    for number, name in enumerate(("one", "two", "three", "four")):
        admission.ask(film(number, name, name), (), demands)
    assert [one.demander for one in admission.queue] == ["three", "four"]
    both = [busy(0, 25.0), busy(1, 22.0)]
    assert admission.advance(both, demands).evict == [0], "one for the one, and none for the other"
    paused = attrs.evolve(both[1], buffered=None, evictable_after=0.0)
    assert admission.advance([both[0], paused], demands).evict == [1, 0], "first who does without it anyway"


def test_who_has_less_buffered_is_next() -> None:
    admission = Admission(TRANSCODE, 10)
    demands: dict[Hashable, Demand] = {
        "one": Demand(0.2),
        "two": Demand(0.2, admitted=True, buffered=9.0),
        "three": Demand(0.2, admitted=True),
    }
    for number, name in enumerate(("one", "two", "three")):
        admission.ask(film(number, name, name), (), demands)
    admission.leave(0)
    assert [one.demander for one in admission.advance((), demands).granted] == ["three"]
