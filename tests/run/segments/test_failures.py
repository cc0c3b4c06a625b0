"""What cannot be made is not tried again and again, and not held against the file for ever."""

from twisted.internet.task import Clock

from transcoded.run.segments.failures import COOL_DOWN, MAX_FAILURES, Failures, Missing
from transcoded.run.segments.requests import INIT


def test_after_some_failures_in_a_row_everything_is_refused_for_a_while() -> None:
    clock = Clock()
    failures = Failures(clock.seconds)
    for _ in range(MAX_FAILURES):
        assert failures.refusal(0) is None
        failures.failed()
    assert "half a minute" in str(failures.refusal(0))
    assert failures.is_cooling
    clock.advance(COOL_DOWN)
    assert failures.refusal(0) is None
    assert not failures.is_cooling


def test_one_segment_that_was_made_is_a_new_beginning() -> None:
    failures = Failures(Clock().seconds)
    for _ in range(MAX_FAILURES - 1):
        failures.failed()
    failures.made()
    failures.failed()
    assert failures.refusal(0) is None


def test_what_the_file_does_not_hold_is_refused_and_nothing_else() -> None:
    clock = Clock()
    failures = Failures(clock.seconds)
    failures.finished(frozenset({10}))
    assert "holds nothing" in str(failures.refusal(10))
    assert failures.refusal(9) is None
    assert not failures.is_cooling
    clock.advance(COOL_DOWN)
    assert failures.refusal(10) is None


def test_what_is_missing_is_what_was_not_made_from_the_first_segment_on() -> None:
    later, whole = Missing(3, 10**9, {3, 4}), Missing(0, 3, {0, 1})
    assert [number for number in (INIT, 2, 3, 4, 5, 10**9 - 1, 10**9) if number in later] == [5, 10**9 - 1]
    assert [number for number in range(INIT, 5) if number in whole] == [INIT, 2]


def test_the_two_memories_do_not_prolong_each_other() -> None:
    clock = Clock()
    failures = Failures(clock.seconds)
    failures.finished(frozenset({5}))
    clock.advance(COOL_DOWN)
    failures.failed()
    assert failures.refusal(5) is None, "it was absent too long ago"
    for _ in range(MAX_FAILURES):
        failures.failed()
    clock.advance(COOL_DOWN)
    failures.finished(frozenset())
    assert failures.refusal(0) is None, "an encoder that ran to the end is no failure"
