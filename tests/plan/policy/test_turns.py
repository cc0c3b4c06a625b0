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


@given(st.lists(st.sampled_from(["a", "b", "c", "end the oldest", "leave the newest"]), max_size=80))
def test_the_bounds_hold_and_no_place_is_lost(steps: list[str]) -> None:
    turns = new_turns(places=3, per_client=2, queue_size=4, queue_per_client=3)
    running: dict[int, str] = {}
    waiting: dict[int, str] = {}
    for number, step in enumerate(steps):
        if step in "abc":
            answer, displaced = turns.ask(number, step)
            if displaced is not None:
                assert waiting.pop(displaced) != step
            if answer in {Answer.GRANTED, Answer.QUEUED}:
                (running if answer is Answer.GRANTED else waiting)[number] = step
            elif answer is Answer.FULL:
                assert step in {*waiting.values(), *running.values()} or max(Counter(waiting.values()).values()) == 1
        elif gone := (list(running)[:1] if step == "end the oldest" else list(waiting)[-1:]):
            turns.leave(gone[0])
            running.pop(gone[0], None)
            waiting.pop(gone[0], None)
        for granted in turns.advance():
            running[granted] = waiting.pop(granted)
        assert (turns.running, turns.waiting) == (len(running), len(waiting))
        assert len(running) <= 3
        assert len(waiting) <= 4
        assert all(count <= 2 for count in Counter(running.values()).values())
        assert all(count <= 3 for count in Counter(waiting.values()).values())
        assert len(running) == 3 or all(Counter(running.values())[one] == 2 for one in waiting.values()), "a free place"
