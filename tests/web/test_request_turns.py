"""Requests are begun for a short time in each turn of the reactor, and the lanes take turns."""

from collections.abc import Callable

import attrs
from twisted.internet.task import Clock

from transcoded.web.request_turns import BUDGET, RequestTurns


@attrs.define
class Frame:
    """Requests that take `cost` seconds each. `begun` are their names in order."""

    cost: float
    clock: Clock = attrs.Factory(Clock)
    begun: list[str] = attrs.Factory(list)
    turns: RequestTurns = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.turns = RequestTurns(self.clock)

    def ask(self, name: str, then: Callable[[], object] = lambda: None) -> None:
        def begin() -> None:
            self.begun.append(name)
            self.clock.rightNow += self.cost
            then()

        if self.turns.ask(name[0], begin):
            begin()


def test_requests_begin_at_once_while_there_is_time() -> None:
    frame = Frame(BUDGET / 3)
    for number in range(5):
        frame.ask(f"a{number}")
    assert frame.begun == ["a0", "a1", "a2"]
    frame.clock.advance(0)
    assert frame.begun == ["a0", "a1", "a2", "a3", "a4"]
    frame.clock.advance(0)
    assert not frame.clock.getDelayedCalls(), "nothing is scheduled while nobody asks"


def test_lanes_take_turns() -> None:
    frame = Frame(BUDGET)
    for name in ("a0", "a1", "a2", "a3", "b0", "b1", "c0"):
        frame.ask(name)
    for _ in range(6):
        frame.clock.advance(0)
    assert frame.begun == ["a0", "a1", "b0", "c0", "a2", "b1", "a3"]


def test_a_request_that_is_asked_for_by_another_one_is_not_begun_within_it() -> None:
    """A client may have sent very many, and each would be begun within the one before it."""
    frame = Frame(BUDGET)
    frame.ask("a0")
    frame.ask("a1", lambda: frame.ask("a2"))
    frame.cost = 0.0
    frame.turns.ask("b", lambda: frame.begun.append("b"))
    frame.clock.advance(0)
    assert frame.begun == ["a0", "a1", "b", "a2"]


def test_a_request_that_fails_does_not_hold_up_the_others() -> None:
    frame = Frame(BUDGET)
    frame.ask("a0")

    def fail() -> None:
        raise ZeroDivisionError

    frame.ask("a1", fail)
    frame.ask("a2")
    for _ in range(2):
        try:
            frame.clock.advance(0)
        except ZeroDivisionError:
            continue
    assert frame.begun == ["a0", "a1", "a2"]
