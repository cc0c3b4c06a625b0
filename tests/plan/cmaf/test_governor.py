"""The governor: what is admitted is made as fast as it is watched, and one that falls behind gets a faster preset."""

from fractions import Fraction

import attrs
import pytest

from tests.plan.examples import MEDIA
from transcoded.plan.cmaf.governor import PRESETS, Costs, Work, is_too_slow
from transcoded.plan.cmaf.ladder import present

SMALL, LARGE = (Work.of(one) for one in present(MEDIA).video[::-1][:: len(present(MEDIA).video) - 1])


def test_work_is_told_apart_by_what_decides_its_cost() -> None:
    assert SMALL != LARGE
    video = present(MEDIA).video[0]
    assert Work.of(attrs.evolve(video, rate=Fraction(50))) != Work.of(video)
    assert Work.of(attrs.evolve(video, average=1)) == Work.of(video)


def test_the_cost_is_the_mean_of_late_measurements() -> None:
    costs = Costs(2.0, 8)
    assert costs.cost(SMALL, "veryfast") is None
    costs.learn(SMALL, "veryfast", 1.0, 2.0)
    assert costs.cost(SMALL, "veryfast") == 0.5
    for _ in range(50):
        costs.learn(SMALL, "veryfast", 2.0, 2.0)
    assert costs.cost(SMALL, "veryfast") == pytest.approx(1.0, abs=0.01)
    costs.learn(SMALL, "veryfast", 0.0, 2.0)
    costs.learn(SMALL, "veryfast", 1.0, 0.0)
    assert costs.cost(SMALL, "veryfast") == pytest.approx(1.0, abs=0.01)
    assert costs.cost(SMALL, "superfast") is costs.cost(LARGE, "veryfast") is None


@pytest.mark.parametrize(
    ("capacity", "cost", "slots"),
    [
        (8, None, 2),
        (8, 0.1, 2),
        (8, 1.0, 4),
        (8, 1.8, 7),
        (8, 5.0, 8),
        # An operator who allows twenty on two cores gets as many as they can make.
        (40, 0.5, 10),
        (1, None, 1),
    ],
)
def test_slots_are_the_part_of_the_cpus_and_no_fewer_than_of_any_transcode(
    capacity: int, cost: float | None, slots: int
) -> None:
    costs = Costs(2.0, capacity)
    if cost is not None:
        costs.learn(SMALL, "veryfast", cost, 1.0)
    assert costs.slots(SMALL, "veryfast") == slots


def test_the_share_is_that_of_the_fastest_preset_with_a_little_to_spare() -> None:
    costs = Costs(2.0, 8)
    assert costs.share(SMALL) == 0.25, "what the operator allows, as long as it is not known"
    costs.learn(SMALL, "veryfast", 1.0, 1.0)
    assert costs.share(SMALL) == pytest.approx(0.6)
    costs.learn(SMALL, "superfast", 0.5, 1.0)
    assert costs.share(SMALL) == pytest.approx(0.3)
    costs.learn(LARGE, "superfast", 5.0, 1.0)
    assert costs.share(LARGE) == 1.0, "it may be watched alone"
    assert Costs(2.0, 1).share(SMALL) == 1.0


def test_an_encoder_begins_with_the_slowest_preset_that_is_fast_enough() -> None:
    costs = Costs(2.0, 8)
    assert costs.first_preset(LARGE) == 0
    costs.learn(LARGE, PRESETS[0], 1.9, 1.0)
    assert costs.first_preset(LARGE) == 1, "two cores make it at 1.05 times the speed"
    assert not costs.is_hopeless(LARGE)
    costs.learn(LARGE, PRESETS[-1], 2.5, 1.0)
    assert costs.is_hopeless(LARGE)
    assert costs.first_preset(LARGE) == len(PRESETS) - 1
    assert not costs.is_hopeless(SMALL)


@pytest.mark.parametrize(("pace", "slow"), [(None, False), (1.0, False), (1.8, False), (1.9, True), (4.0, True)])
def test_what_keeps_up_has_a_little_to_spare(pace: float | None, slow: bool) -> None:
    assert is_too_slow(pace, 2.0) is slow
