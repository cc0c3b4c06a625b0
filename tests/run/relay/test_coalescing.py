"""Delayed reads: a machine full of slow streams saves half its work by them, and no stream may be delayed for longer."""

from collections.abc import Sequence

import pytest

from tests.run.fakes import Machine
from transcoded.run.reactor import as_reactor
from transcoded.run.relay.coalescing import DELAY, MAX_AT_ONCE, PROMPT_BYTES, RateEstimator, ReadCoalescer
from transcoded.run.relay.pipes import BIG


class Reader:
    """Notes when it went on; `again` times it is delayed at once."""

    def __init__(self, machine: Machine, coalescer: ReadCoalescer, again: int = 0) -> None:
        self._machine = machine
        self._coalescer = coalescer
        self._again = again
        self.went_on: list[float] = []

    def delay_over(self) -> None:
        self.went_on.append(self._machine.seconds())
        if self._again:
            self._again -= 1
            self._coalescer.delay(self)


@pytest.fixture
def coalescer(machine: Machine) -> ReadCoalescer:
    return ReadCoalescer(as_reactor(machine))


def test_all_go_on_together_and_with_one_timer(machine: Machine, coalescer: ReadCoalescer) -> None:
    readers = [Reader(machine, coalescer) for _ in range(3)]
    for reader in readers:
        coalescer.delay(reader)
        machine.advance(DELAY / 10)
    assert len(machine.getDelayedCalls()) == 1
    machine.advance(DELAY)
    assert [len(reader.went_on) for reader in readers] == [1, 1, 1]
    assert all(reader.went_on[0] <= DELAY + 1e-9 for reader in readers), "nobody waits longer than a delay"
    assert machine.getDelayedCalls() == []


def test_one_that_is_delayed_again_while_the_others_go_on_gets_a_delay_of_its_own(
    machine: Machine, coalescer: ReadCoalescer
) -> None:
    slow, other = Reader(machine, coalescer, again=1), Reader(machine, coalescer)
    coalescer.delay(slow)
    coalescer.delay(other)
    machine.advance(DELAY)
    assert (len(slow.went_on), len(other.went_on)) == (1, 1)
    machine.advance(DELAY)
    assert (len(slow.went_on), len(other.went_on)) == (2, 1)


def test_all_of_a_crowd_go_on_though_in_portions(machine: Machine, coalescer: ReadCoalescer) -> None:
    readers = [Reader(machine, coalescer) for _ in range(2 * MAX_AT_ONCE + 1)]
    for reader in readers:
        coalescer.delay(reader)
    machine.advance(DELAY)
    assert all(len(reader.went_on) == 1 for reader in readers)
    assert machine.getDelayedCalls() == []


@pytest.mark.parametrize(
    ("so_far", "blocks", "elapsed", "capacity", "expected"),
    [
        pytest.param(0, [PROMPT_BYTES], 1.0, BIG, False, id="the first pictures"),
        pytest.param(PROMPT_BYTES, [1000], 1.0, BIG, True, id="at the viewer's pace"),
        pytest.param(PROMPT_BYTES, [BIG], 0.06, BIG, False, id="as fast as it can: the pipe would be full"),
        pytest.param(PROMPT_BYTES, [1], 0.001, BIG, False, id="too early to tell"),
        pytest.param(PROMPT_BYTES, [BIG, BIG, BIG, 34], 0.06, BIG, False, id="a small write after large ones"),
        pytest.param(
            PROMPT_BYTES, [8192], 0.1, 8192, False, id="a pipe that is small because the budget of pages is spent"
        ),
    ],
)
def test_who_may_be_delayed(so_far: int, blocks: Sequence[int], elapsed: float, capacity: int, expected: bool) -> None:
    pace = RateEstimator(0.0, capacity)
    pace.may_be_delayed(so_far, 0.0)
    verdicts = [pace.may_be_delayed(block, elapsed * (i + 1) / len(blocks)) for i, block in enumerate(blocks)]
    assert verdicts[-1] is expected
