"""Seeks: one client that seeks without end must not keep the encoder from the others."""

from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.cmaf.seeks import BURST, INTERVAL, REMEMBERED, Seeks


def test_clients_take_turns_and_who_waits_longest_is_first() -> None:
    seeks = Seeks()
    assert seeks.next(["a", "b"], 0.0) == "a"
    seeks.started("a", 0.0)
    assert seeks.next(["a", "b"], 0.0) == "b"
    seeks.started("b", 0.0)
    assert seeks.next(["b", "a"], 0.0) == "a", "its latest start was before"
    assert seeks.next([], 0.0) is None


def test_a_client_has_a_few_starts_at_once_and_then_one_each_second() -> None:
    seeks = Seeks()
    for _ in range(BURST):
        assert seeks.next(["a"], 10.0) == "a"
        seeks.started("a", 10.0)
    assert seeks.next(["a"], 10.0) is None
    assert seeks.next(["a", "b"], 10.0) == "b", "another one is not concerned"
    assert seeks.next(["a"], 10.0 + 0.9 * INTERVAL) is None
    assert seeks.next(["a"], 10.0 + INTERVAL) == "a"
    seeks.started("a", 10.0 + INTERVAL)
    assert seeks.next(["a"], 10.0 + INTERVAL) is None


def test_a_client_that_has_been_quiet_has_all_its_starts_again_and_no_more() -> None:
    seeks = Seeks()
    seeks.started("a", 0.0)
    for _ in range(BURST):
        assert seeks.next(["a"], 1000.0) == "a"
        seeks.started("a", 1000.0)
    assert seeks.next(["a"], 1000.0) is None


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 2)), max_size=100))
def test_no_client_has_more_starts_than_its_rate(steps: list[tuple[bool, float]]) -> None:
    seeks, now, starts = Seeks(), 0.0, 0
    for tries, seconds in steps:
        now += seconds
        if tries and seeks.next(["a"], now) == "a":
            seeks.started("a", now)
            starts += 1
        assert starts <= BURST + now / INTERVAL + 1e-6


def test_the_memory_of_clients_is_bounded() -> None:
    seeks = Seeks()
    for number in range(2 * REMEMBERED):
        seeks.started(str(number), 0.0)
    assert len(seeks._had) == REMEMBERED
