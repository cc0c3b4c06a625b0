"""What a process uses, told of a real one: this. Operators size their machines by it."""

import os

from transcoded.run.process.usage import ResourceUsage

NO_SUCH_PROCESS = 100_000_000


def test_the_first_look_counts_from_the_start_and_the_next_from_the_last_one() -> None:
    used = os.times()
    usage = ResourceUsage(os.getpid(), lambda: 1000.0)
    percent, rss = usage.measure()
    assert percent is not None
    assert percent >= round(100 * (used.user + used.system) / 1000.0, 1) - 0.1
    assert rss is not None
    assert rss > 1 << 20
    percent, rss = usage.measure()
    assert percent is not None
    assert rss is not None


def test_of_one_that_is_gone_nothing_is_known() -> None:
    assert ResourceUsage(NO_SUCH_PROCESS, lambda: 1.0).measure() == (None, None)
