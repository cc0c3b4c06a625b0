"""One result for many: told once, never from within the call that gives it; and one deadline."""

import gc

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from tests.conftest import Errors
from tests.run.fakes import result_of
from transcoded.run.reactor import PORTION, OneShot, within


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_all_who_wait_get_the_result_and_nobody_within_the_call_that_gives_it(clock: Clock) -> None:
    shot: OneShot[str] = OneShot(clock)
    waiting = [shot.wait(), shot.wait()]
    shot.succeed("it")
    assert not any(one.called for one in waiting)
    clock.advance(0)
    assert [result_of(one) for one in waiting] == ["it", "it"]
    assert not clock.getDelayedCalls()


def test_very_many_who_wait_are_told_in_portions_and_in_order(clock: Clock) -> None:
    """Each does some work with it. Two hundred at once kept a health check waiting for 200 ms."""
    shot: OneShot[str] = OneShot(clock)
    told: list[int] = []
    between: list[int] = []
    for number in range(3 * PORTION - 1):
        shot.wait().addCallback(lambda _, given: told.append(given), number)
    shot.succeed("here")
    clock.callLater(0, lambda: between.append(len(told)))
    clock.advance(0)
    assert between == [PORTION], "somebody else is served after the first portion"
    assert told == list(range(3 * PORTION - 1))
    late = shot.wait()
    clock.advance(0)
    assert late.called
    assert not clock.getDelayedCalls()


def test_who_comes_late_gets_it_in_a_later_turn_too(clock: Clock) -> None:
    shot: OneShot[str] = OneShot(clock)
    shot.succeed("it")
    assert not clock.getDelayedCalls(), "nobody waits, so nothing is due"
    late, later = shot.wait(), shot.wait()
    assert not late.called
    clock.advance(0)
    assert [result_of(late), result_of(later)] == ["it", "it"]


def test_only_the_first_result_counts(clock: Clock) -> None:
    shot: OneShot[str] = OneShot(clock)
    assert not shot.is_decided
    shot.succeed("first")
    shot.fail(ValueError("second"))
    assert shot.is_decided
    waiting = shot.wait()
    clock.advance(0)
    assert result_of(waiting) == "first"


def test_a_failure_is_told_to_all_and_one_that_nobody_waits_for_is_dropped(clock: Clock, logged_errors: Errors) -> None:
    shot: OneShot[str] = OneShot(clock)
    waiting = [shot.wait(), shot.wait()]
    shot.fail(ValueError("no"))
    clock.advance(0)
    assert all(isinstance(result_of(one), ValueError) for one in waiting)
    nobody: OneShot[str] = OneShot(clock)
    nobody.fail(ValueError("unheard"))
    del nobody
    gc.collect()
    assert not logged_errors.events


def test_who_leaves_is_not_told_and_the_last_one_to_leave_deserts_it(clock: Clock) -> None:
    left: list[str] = []
    shot: OneShot[str] = OneShot(clock, lambda: left.append("all"))
    first, second = shot.wait(), shot.wait()
    first.cancel()
    assert isinstance(result_of(first), CancelledError)
    assert (left, shot.waiting) == ([], 1)
    second.cancel()
    assert isinstance(result_of(second), CancelledError)
    assert left == ["all"]


def test_who_leaves_between_the_result_and_its_delivery_deserts_nothing(clock: Clock) -> None:
    left: list[str] = []
    shot: OneShot[str] = OneShot(clock, lambda: left.append("all"))
    waiting = shot.wait()
    shot.succeed("it")
    waiting.cancel()
    assert isinstance(result_of(waiting), CancelledError)
    clock.advance(0)
    assert left == []


def test_one_who_is_told_may_have_another_one_leave(clock: Clock) -> None:
    shot: OneShot[str] = OneShot(clock)
    first, second = shot.wait(), shot.wait()
    first.addCallback(lambda _: second.cancel())
    shot.succeed("it")
    clock.advance(0)
    assert result_of(first) is None
    assert isinstance(result_of(second), CancelledError)


def test_it_can_follow_a_deferred(clock: Clock) -> None:
    good, bad = Deferred[str](), Deferred[str]()
    one, other = OneShot[str](clock), OneShot[str](clock)
    one.follow(good)
    other.follow(bad)
    waiting = one.wait(), other.wait()
    good.callback("it")
    bad.errback(ValueError("no"))
    clock.advance(0)
    assert result_of(waiting[0]) == "it"
    assert isinstance(result_of(waiting[1]), ValueError)


def test_a_deadline_ends_the_waiting_and_not_the_work(clock: Clock) -> None:
    shot: OneShot[str] = OneShot(clock)
    patient, hasty = shot.wait(), within(clock, 5.0, shot.wait(), lambda: TimeoutError("late"))
    clock.advance(5)
    assert isinstance(result_of(hasty), TimeoutError)
    shot.succeed("it")
    clock.advance(0)
    assert result_of(patient) == "it"


def test_what_comes_in_time_leaves_no_timer(clock: Clock) -> None:
    shot: OneShot[str] = OneShot(clock)
    waiting = within(clock, 5.0, shot.wait(), lambda: TimeoutError("late"))
    shot.succeed("it")
    clock.advance(0)
    assert result_of(waiting) == "it"
    assert not clock.getDelayedCalls()
