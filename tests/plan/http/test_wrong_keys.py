"""Limits for wrong keys: what a stranger who guesses costs the others is nothing, and what he costs the log is a line a minute."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.http.wrong_keys import Verdict, WrongKeys


def test_after_some_wrong_keys_a_client_is_told_to_wait_until_the_window_is_over() -> None:
    wrong = WrongKeys(per_client=3, window=60.0)
    assert [wrong.count("192.0.2.1", second) for second in range(3)] == [Verdict()] * 3
    assert wrong.count("192.0.2.1", 2.0) == Verdict(58, "192.0.2.1")
    assert wrong.count("192.0.2.1", 59.9) == Verdict(1), "never: try again in 0 seconds; and one report is enough"
    assert wrong.count("192.0.2.2", 59.9) == Verdict(), "others are counted for themselves"
    assert wrong.count("192.0.2.1", 60.0) == Verdict()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::2"),
        ("-", "-"),
    ],
)
def test_who_can_choose_addresses_at_will_gains_nothing_by_it(one: str, other: str) -> None:
    wrong = WrongKeys(per_client=1)
    assert not wrong.count(one, 0.0).wait
    assert wrong.count(other, 0.0).wait


@pytest.mark.parametrize(
    ("one", "other"), [("2001:db8:1:2::1", "2001:db8:1:3::1"), ("192.0.2.1", "192.0.2.2"), ("::1", "127.0.0.1")]
)
def test_neighbours_are_not_taken_for_one(one: str, other: str) -> None:
    wrong = WrongKeys(per_client=1)
    assert not wrong.count(one, 0.0).wait
    assert not wrong.count(other, 0.0).wait


def test_addresses_without_end_are_limited_together_and_do_not_fill_the_memory_or_the_log() -> None:
    wrong = WrongKeys(per_client=10, total=100)
    verdicts = [wrong.count(f"2001:db8:{number % 5000:x}::", 0.0) for number in range(20_000)]
    assert sum(not verdict.wait for verdict in verdicts) == 100
    assert [verdict.report for verdict in verdicts if verdict.report] == ["all addresses"]
    assert len(wrong._counts) == 100


def test_one_client_alone_cannot_use_up_what_all_have() -> None:
    wrong = WrongKeys(per_client=10, total=20)
    for _ in range(1000):
        wrong.count("192.0.2.1", 0.0)
    assert not wrong.count("192.0.2.2", 0.0).wait


@given(st.lists(st.tuples(st.sampled_from(["192.0.2.1", "192.0.2.2", "::1"]), st.floats(0, 100)), max_size=60))
def test_in_each_window_the_limits_hold_and_each_is_reported_once(tries: list[tuple[str, float]]) -> None:
    wrong = WrongKeys(per_client=3, total=7, window=60.0)
    now, since = 0.0, -1e9
    allowed, reports = Counter[str](), Counter[str]()
    for client, later in tries:
        now += later
        if now - since >= 60.0:
            since, allowed, reports = now, Counter(), Counter()
        verdict = wrong.count(client, now)
        allowed[client] += not verdict.wait
        reports[verdict.report or ""] += 1
        assert 0 <= verdict.wait <= 60
        assert max(allowed.values()) <= 3
        assert allowed.total() <= 7
        assert all(count == 1 for report, count in reports.items() if report)
