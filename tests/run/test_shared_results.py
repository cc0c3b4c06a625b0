"""Results by key: made once for all that ask meanwhile, kept if they are good, and given up when nobody waits."""

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from tests.run.fakes import result_of
from transcoded.run.shared_results import SharedResults


class Maker:
    """Makes results when told to; `asked` has one Deferred for each that was begun."""

    def __init__(self) -> None:
        self.asked: list[Deferred[str]] = []
        self.given_up = 0

    async def make(self) -> str:
        one: Deferred[str] = Deferred(self._give_up)
        self.asked.append(one)
        return await one

    def _give_up(self, _one: "Deferred[str]") -> None:
        self.given_up += 1


@pytest.fixture
def clock() -> Clock:
    return Clock()


def shared(clock: Clock, *, cancel_abandoned: bool = False) -> SharedResults[str, str]:
    # The fakes only call later, as the clock does.
    return SharedResults(clock, 10, len, cancel_abandoned=cancel_abandoned)  # type: ignore[arg-type]


def test_all_that_ask_meanwhile_share_one_and_later_ones_get_what_is_kept(clock: Clock) -> None:
    results, maker = shared(clock), Maker()
    both = [results.get("a", maker.make), results.get("a", maker.make)]
    maker.asked[0].callback("it")
    clock.advance(0)
    assert [result_of(one) for one in both] == ["it", "it"]
    assert result_of(results.get("a", maker.make)) == "it"
    assert len(maker.asked) == 1


def test_a_failure_is_given_to_all_and_not_kept(clock: Clock) -> None:
    results, maker = shared(clock), Maker()
    both = [results.get("a", maker.make), results.get("a", maker.make)]
    maker.asked[0].errback(ValueError("no"))
    clock.advance(0)
    assert [repr(result_of(one)) for one in both] == ["ValueError('no')"] * 2
    again = results.get("a", maker.make)
    maker.asked[1].callback("it")
    clock.advance(0)
    assert result_of(again) == "it"


def test_what_is_too_heavy_is_given_and_not_kept(clock: Clock) -> None:
    results, maker = shared(clock), Maker()
    first = results.get("a", maker.make)
    maker.asked[0].callback("x" * 11)
    clock.advance(0)
    assert result_of(first) == "x" * 11
    results.get("a", maker.make)
    assert len(maker.asked) == 2


@pytest.mark.parametrize("cancel_abandoned", [True, False])
def test_what_nobody_waits_for_is_given_up_only_if_it_is_to_be(clock: Clock, cancel_abandoned: bool) -> None:
    results, maker = shared(clock, cancel_abandoned=cancel_abandoned), Maker()
    both = [results.get("a", maker.make), results.get("a", maker.make)]
    for one in both:
        assert maker.given_up == 0
        one.addErrback(lambda failure: failure.trap(CancelledError))
        one.cancel()
    assert maker.given_up == int(cancel_abandoned)
