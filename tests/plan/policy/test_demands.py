"""Who is let in: with one film too many all stall, and with one too few a viewer is sent away for nothing."""

from collections.abc import Hashable

import pytest

from transcoded.plan.policy.demands import QUIET, Demand, has_room

HELD = Demand(0.4, admitted=True, only="a", name=("one.mkv", "a"))


def asks(share: float, *others: Demand, client: str = "c", replaces: object = None, taken: float = 0.0) -> bool:
    demands: dict[Hashable, Demand] = {"mine": Demand(share), **{str(number): one for number, one in enumerate(others)}}
    return has_room("mine", client, replaces, demands, taken)


@pytest.mark.parametrize(
    ("share", "others", "fits"),
    [
        (0.2, [HELD, HELD], True),
        (0.3, [HELD, HELD], False),
        (0.6, [HELD], True),
        (0.61, [HELD], False),
        (1.0, [], True),
        (1.0, [Demand(0.9)], True),  # who waits as well has no right to keep others out
        (1 / 3, [Demand(1 / 3, admitted=True), Demand(1 / 3, admitted=True)], True),
    ],
)
def test_what_is_watched_must_fit_into_the_machine(share: float, others: list[Demand], fits: bool) -> None:
    assert asks(share, *others) is fits


def test_whoever_was_let_in_stays() -> None:
    held: dict[Hashable, Demand] = {"mine": Demand(0.9, admitted=True), "other": Demand(0.9, admitted=True)}
    assert has_room("mine", "c", None, held, 1.0)
    assert has_room("no demand", "c", None, held, 1.0)


def test_streams_that_are_no_films_in_segments_take_their_part() -> None:
    assert asks(0.5, taken=0.5)
    assert not asks(0.6, taken=0.5)


def test_what_a_client_has_left_does_not_count_for_it() -> None:
    assert asks(0.9, HELD, client="a", replaces=("one.mkv", "a")), "another size of the same film"
    assert not asks(0.9, HELD, client="a", replaces=("two.mkv", "a"))
    quiet = Demand(0.4, admitted=True, only="a", idle_s=QUIET)
    assert asks(0.9, quiet, client="a"), "he has closed the first film"
    assert not asks(0.9, quiet, client="b")
    assert not asks(0.9, Demand(0.4, admitted=True, only=None, idle_s=QUIET), client="a"), "others watch it"
