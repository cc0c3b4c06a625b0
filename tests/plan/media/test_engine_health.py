"""Which chains are used: what fails is left alone for a while, and what is full is not asked."""

from typing import Any

import attrs
import pytest

from tests.plan.examples import VIDEO_STREAM
from transcoded.plan.media.engine_health import COOL_DOWN, EngineHealth, Shape
from transcoded.plan.media.hardware import SOFTWARE, Chain

WHOLE, ENCODE = Chain("nvenc", "nvenc"), Chain("nvenc")
ALL = (WHOLE, ENCODE, SOFTWARE)
FULL = "[h264_nvenc @ 0x1] OpenEncodeSessionEx failed: out of memory (10): (no details)"


def shape(**changes: Any) -> Shape:
    return Shape.of(attrs.evolve(VIDEO_STREAM, **changes))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> EngineHealth:
    return EngineHealth(clock)


def test_a_chain_that_failed_is_left_alone_for_files_of_this_shape(health: EngineHealth, clock: Clock) -> None:
    assert health.usable(ALL, shape()) == list(ALL)
    assert health.failed(WHOLE, shape(), "broken")
    assert health.usable(ALL, shape()) == [ENCODE, SOFTWARE]
    assert health.usable(ALL, shape(width=64)) == list(ALL)
    clock.now += COOL_DOWN
    assert health.usable(ALL, shape()) == list(ALL)


def test_after_three_failures_the_engine_is_left_alone(health: EngineHealth, clock: Clock) -> None:
    for width in (64, 128):
        health.failed(WHOLE, shape(width=width), "broken")
    assert health.usable(ALL, shape()) == list(ALL)
    assert health.obstacle("nvenc") is None
    health.failed(ENCODE, shape(width=128), "broken")
    assert health.usable(ALL, shape()) == [SOFTWARE]
    assert "failed 3 times in a row; it is used again in 900 s" in (health.obstacle("nvenc") or "")
    assert health.usable((Chain("vaapi"), SOFTWARE), shape()) == [Chain("vaapi"), SOFTWARE]
    clock.now += COOL_DOWN
    assert health.usable(ALL, shape()) == list(ALL)


def test_a_success_ends_a_row_of_failures(health: EngineHealth) -> None:
    for width in (64, 128):
        health.failed(WHOLE, shape(width=width), "broken")
    health.worked(WHOLE, shape(width=64))
    health.failed(WHOLE, shape(width=256), "broken")
    assert health.usable(ALL, shape()) == list(ALL)
    assert health.usable(ALL, shape(width=64)) == list(ALL)


def test_that_a_card_is_full_is_no_failure_and_its_number_is_learned(health: EngineHealth, clock: Clock) -> None:
    for _ in range(3):
        health.started(WHOLE)
    assert not health.failed(WHOLE, shape(), FULL)
    assert health.usable(ALL, shape()) == [SOFTWARE], "three run, and three are the most"
    health.ended(WHOLE)
    assert health.usable(ALL, shape()) == list(ALL)
    health.started(WHOLE)
    only_decodes = Chain("software", "nvenc")
    assert health.usable((WHOLE, only_decodes, SOFTWARE), shape()) == [only_decodes, SOFTWARE], (
        "decoders are not counted"
    )
    clock.now += COOL_DOWN
    assert health.usable(ALL, shape()) == list(ALL), "the other program that had sessions may be gone"


def test_a_card_that_is_full_while_nothing_runs_here_has_failed(health: EngineHealth) -> None:
    assert health.failed(WHOLE, shape(), FULL)


def test_software_is_never_left_out(health: EngineHealth) -> None:
    health.started(SOFTWARE)
    health.worked(SOFTWARE, shape())
    health.ended(SOFTWARE)
    assert health.usable((SOFTWARE,), shape()) == [SOFTWARE]


def test_an_engine_that_falls_behind_has_one_encoder_too_many(health: EngineHealth, clock: Clock) -> None:
    for _ in range(3):
        health.started(WHOLE)
    health.too_slow(WHOLE, shape())
    assert health.usable(ALL, shape()) == [SOFTWARE]
    health.ended(WHOLE)
    assert health.usable(ALL, shape()) == [SOFTWARE], "two are what it can do"
    health.ended(WHOLE)
    assert health.usable(ALL, shape()) == list(ALL)
    clock.now += COOL_DOWN
    health.started(WHOLE)
    health.started(WHOLE)
    assert health.usable(ALL, shape()) == list(ALL)


def test_an_engine_that_is_too_slow_alone_is_not_used_for_files_of_this_shape(health: EngineHealth) -> None:
    health.started(WHOLE)
    health.too_slow(WHOLE, shape())
    assert WHOLE not in health.usable(ALL, shape())
    assert health.usable(ALL, shape(width=64)) == list(ALL)
