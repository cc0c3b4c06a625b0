"""One tick for everything: if it stops, nothing is looked after any more."""

import pytest

from tests.conftest import Errors
from tests.run.fakes import Machine
from transcoded.run.reactor import as_reactor
from transcoded.run.streams.ticker import INTERVAL, Ticker


def faulty(elapsed: float) -> None:
    raise ZeroDivisionError


def test_a_fault_in_one_task_ends_neither_the_others_nor_the_ticking(machine: Machine, logged_errors: Errors) -> None:
    ticker = Ticker(as_reactor(machine))
    lived: list[float] = []
    ticker.start([faulty, lived.append])
    machine.advance(5 * INTERVAL)
    ticker.stop()
    assert lived == [INTERVAL] * 5
    assert len(logged_errors.flush()) == 5


def test_after_the_stop_nothing_is_called(machine: Machine) -> None:
    ticker = Ticker(as_reactor(machine))
    lived: list[float] = []
    ticker.start([lived.append])
    ticker.stop()
    ticker.stop()
    machine.advance(3 * INTERVAL)
    assert lived == []
    assert machine.getDelayedCalls() == []


def test_a_late_tick_says_how_late_it_was(machine: Machine) -> None:
    ticker = Ticker(as_reactor(machine))
    lived: list[float] = []
    ticker.start([lived.append])
    machine.advance(INTERVAL)
    assert ticker.lag == 0.0
    machine.rightNow += 2.0
    machine.advance(0)
    assert ticker.lag == pytest.approx(1.0)
    assert lived == [INTERVAL, pytest.approx(2.0)]
    ticker.stop()
