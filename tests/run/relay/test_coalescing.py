"""Rest for relays: a machine full of slow streams saves half its work by it, and no stream may oversleep."""

from collections.abc import Sequence

import pytest

from tests.run.fakes import Machine
from transcoded.run.reactor import as_reactor
from transcoded.run.relay.coalescing import AT_ONCE, AWAKE, NAP, RateEstimator, ReadCoalescer
from transcoded.run.relay.pipes import BIG


class CoalescedReader:
    """Notes when it was woken; `again` times it lies down at once."""

    def __init__(self, machine: Machine, coalescer: ReadCoalescer, again: int = 0) -> None:
        self._machine = machine
        self._coalescer = coalescer
        self._again = again
        self.woken: list[float] = []

    def wake(self) -> None:
        self.woken.append(self._machine.seconds())
        if self._again:
            self._again -= 1
            self._coalescer.rest(self)


@pytest.fixture
def coalescer(machine: Machine) -> ReadCoalescer:
    return ReadCoalescer(as_reactor(machine))


def test_all_wake_together_and_with_one_timer(machine: Machine, coalescer: ReadCoalescer) -> None:
    sleepers = [CoalescedReader(machine, coalescer) for _ in range(3)]
    for sleeper in sleepers:
        coalescer.rest(sleeper)
        machine.advance(NAP / 10)
    assert len(machine.getDelayedCalls()) == 1
    machine.advance(NAP)
    assert [len(sleeper.woken) for sleeper in sleepers] == [1, 1, 1]
    assert all(sleeper.woken[0] <= NAP + 1e-9 for sleeper in sleepers), "nobody sleeps longer than a nap"
    assert machine.getDelayedCalls() == []


def test_one_that_lies_down_again_while_the_others_wake_gets_a_nap_of_its_own(
    machine: Machine, coalescer: ReadCoalescer
) -> None:
    tired, other = CoalescedReader(machine, coalescer, again=1), CoalescedReader(machine, coalescer)
    coalescer.rest(tired)
    coalescer.rest(other)
    machine.advance(NAP)
    assert (len(tired.woken), len(other.woken)) == (1, 1)
    machine.advance(NAP)
    assert (len(tired.woken), len(other.woken)) == (2, 1)


def test_all_of_a_crowd_wake_though_in_portions(machine: Machine, coalescer: ReadCoalescer) -> None:
    sleepers = [CoalescedReader(machine, coalescer) for _ in range(2 * AT_ONCE + 1)]
    for sleeper in sleepers:
        coalescer.rest(sleeper)
    machine.advance(NAP)
    assert all(len(sleeper.woken) == 1 for sleeper in sleepers)
    assert machine.getDelayedCalls() == []


@pytest.mark.parametrize(
    ("so_far", "blocks", "elapsed", "capacity", "expected"),
    [
        pytest.param(0, [AWAKE], 1.0, BIG, False, id="the first pictures"),
        pytest.param(AWAKE, [1000], 1.0, BIG, True, id="at the viewer's pace"),
        pytest.param(AWAKE, [BIG], 0.06, BIG, False, id="as fast as it can: the pipe would be full"),
        pytest.param(AWAKE, [1], 0.001, BIG, False, id="too early to tell"),
        pytest.param(AWAKE, [BIG, BIG, BIG, 34], 0.06, BIG, False, id="a small write after large ones"),
        pytest.param(AWAKE, [8192], 0.1, 8192, False, id="a pipe that is small because the budget of pages is spent"),
    ],
)
def test_who_rests(so_far: int, blocks: Sequence[int], elapsed: float, capacity: int, expected: bool) -> None:
    pace = RateEstimator(0.0, capacity)
    pace.worth_a_nap(so_far, 0.0)
    verdicts = [pace.worth_a_nap(block, elapsed * (i + 1) / len(blocks)) for i, block in enumerate(blocks)]
    assert verdicts[-1] is expected
