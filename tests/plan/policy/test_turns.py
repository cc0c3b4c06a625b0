"""Turns: whatever one client asks for, another one gets the next place but a few."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.policy.admission import Answer
from transcoded.plan.policy.turns import Turns


def new_turns(places: int = 1, per_client: int = 1, queue_size: int = 4, queue_per_client: int = 3) -> Turns:
    return Turns(places, per_client, queue_size, queue_per_client)


def test_clients_take_turns_whoever_came_first() -> None:
    turns = new_turns(queue_size=9, queue_per_client=5)
    assert turns.ask(0, "greedy") == (Answer.GRANTED, None)
    for number, client in enumerate(["greedy", "greedy", "greedy", "a", "b"], 1):
        assert turns.ask(number, client) == (Answer.QUEUED, None)
    order: list[int] = []
    running = 0
    while turns.running:
        turns.leave(running)
        order += turns.advance()
        running = order[-1]
    assert order == [1, 4, 5, 2, 3]


def test_no_client_has_all_places() -> None:
    turns = new_turns(places=3, per_client=2)
    assert [turns.ask(number, "greedy")[0] for number in range(3)] == [Answer.GRANTED, Answer.GRANTED, Answer.QUEUED]
    assert turns.ask(3, "modest") == (Answer.GRANTED, None), "although another one waits"
    turns.leave(3)
    assert turns.advance() == []
    turns.leave(0)
    assert turns.advance() == [2]


def test_one_client_waits_with_so_many_and_no_more() -> None:
    turns = new_turns(queue_per_client=2)
    assert [turns.ask(number, "a")[0] for number in range(4)] == [
        Answer.GRANTED,
        Answer.QUEUED,
        Answer.QUEUED,
        Answer.TOO_MANY,
    ]


def test_a_full_queue_makes_room_for_a_client_that_has_less() -> None:
    turns = new_turns(queue_size=3)
    for number in range(4):
        turns.ask(number, "greedy")
    assert turns.ask(4, "modest") == (Answer.QUEUED, 3), "the newest"
    assert turns.ask(5, "modest") == (Answer.QUEUED, 2)
    assert turns.ask(6, "modest") == (Answer.FULL, None), "it has as much as the other one now"
    assert turns.waiting == 3


@pytest.mark.parametrize("number", [0, 1, 99])
def test_leaving_twice_is_leaving_once(number: int) -> None:
    turns = new_turns()
    turns.ask(0, "a")
    turns.ask(1, "a")
    turns.leave(number)
    turns.advance()
    before = (turns.running, turns.waiting)
    turns.leave(number)
    assert turns.advance() == []
    assert (turns.running, turns.waiting) == before


def test_a_slow_request_steps_aside_as_far_as_there_is_room() -> None:
    turns = Turns(places=2, per_client=2, queue_size=9, queue_per_client=9, aside=2, aside_per_client=1)
    for number in range(4):
        turns.ask(number, "a")
    turns.slow(0)
    assert turns.advance() == [2]
    turns.slow(1)
    assert turns.advance() == [], "there is room for one of a client"
    turns.leave(0)
    assert turns.advance() == [3], "and now for this one"
    assert turns.running == 3


def test_one_that_may_not_step_aside_keeps_its_place_until_it_may() -> None:
    turns = Turns(1, 1, 9, 9, 1, 1)
    turns.ask(0, "a")
    turns.ask(1, "b")
    turns.slow(0, steps_aside=False)
    assert turns.advance() == []
    turns.slow(0)
    assert turns.advance() == [1]


def test_for_a_client_without_anything_one_of_many_slow_requests_is_ended() -> None:
    turns = Turns(2, 2, 9, 9)
    turns.ask(0, "greedy")
    turns.ask(1, "greedy")
    turns.ask(2, "modest")
    assert turns.victims() == [], "none of them is slow"
    turns.slow(1)
    turns.slow(0)
    assert turns.advance() == []
    assert turns.victims() == [1], "the one that was slow first"
    assert turns.victims() == [], "it may take a while to end"
    turns.ask(3, "another")
    assert turns.victims() == [0], "for each client that waits, one"
    turns.leave(1)
    assert turns.advance() == [2]


def test_a_client_that_has_something_waits_until_a_request_of_one_that_has_more_is_late() -> None:
    turns = Turns(3, 2, 9, 9)
    turns.ask(0, "more")
    turns.ask(1, "more")
    turns.ask(2, "less")
    turns.ask(3, "less")
    for number in (0, 1, 2):
        turns.slow(number)
    assert (turns.advance(), turns.victims()) == ([], [])
    turns.late(2)
    assert turns.victims() == [], "its own leave it what it may have"
    turns.late(1)
    assert turns.victims() == [1]
    turns.leave(1)
    assert turns.advance() == [3]


def test_a_client_that_has_all_it_may_have_waits_until_one_of_its_own_is_late() -> None:
    turns = Turns(9, 2, 9, 9)
    for number in range(3):
        turns.ask(number, "a")
    turns.slow(0)
    turns.slow(1)
    assert (turns.advance(), turns.victims()) == ([], [])
    turns.late(1)
    assert turns.victims() == [1]
    turns.leave(1)
    assert turns.advance() == [2]


def test_only_what_is_slow_can_be_late() -> None:
    turns = new_turns()
    turns.ask(0, "a")
    turns.ask(1, "a")
    turns.late(0)
    turns.slow(1)
    turns.late(1)
    assert turns.victims() == []


STEPS = st.sampled_from(
    ["a", "b", "c", "end the oldest", "leave the newest", "slow", "slow and large", "late", "end a victim"]
)


@given(st.lists(STEPS, max_size=80))
def test_the_bounds_hold_and_no_place_is_lost(steps: list[str]) -> None:
    turns = Turns(places=3, per_client=2, queue_size=4, queue_per_client=3, aside=2, aside_per_client=1)
    running: dict[int, str] = {}
    waiting: dict[int, str] = {}
    victims: list[int] = []
    for number, step in enumerate(steps):
        if step in "abc":
            answer, displaced = turns.ask(number, step)
            if displaced is not None:
                assert waiting.pop(displaced) != step
            if answer in {Answer.GRANTED, Answer.QUEUED}:
                (running if answer is Answer.GRANTED else waiting)[number] = step
            elif answer is Answer.FULL:
                assert step in {*waiting.values(), *running.values()} or max(Counter(waiting.values()).values()) == 1
        elif step.startswith("slow") and running:
            turns.slow(list(running)[number % len(running)], steps_aside=step == "slow")
        elif step == "late" and running:
            turns.late(list(running)[number % len(running)])
        else:
            oldest, newest = list(running)[:1], list(waiting)[-1:]
            gone = {"end the oldest": oldest, "leave the newest": newest, "end a victim": victims[:1]}.get(step)
            if gone:
                turns.leave(gone[0])
                running.pop(gone[0], None)
                waiting.pop(gone[0], None)
                victims = [one for one in victims if one != gone[0]]
        for granted in turns.advance():
            running[granted] = waiting.pop(granted)
        named = turns.victims()
        assert set(named) <= set(running)
        assert not set(named) & set(victims), "each is named once"
        assert waiting or not named
        victims += named
        assert (turns.running, turns.waiting) == (len(running), len(waiting))
        assert len(running) <= 3 + 2
        assert len(waiting) <= 4
        assert all(count <= 2 + 1 for count in Counter(running.values()).values())
        assert all(count <= 3 for count in Counter(waiting.values()).values())
        assert len(running) >= 3 or all(Counter(running.values())[one] >= 2 for one in waiting.values()), "a free place"
