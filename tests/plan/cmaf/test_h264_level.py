"""The level: a decoder refuses a level that is too high, and fails at one that is too low."""

from fractions import Fraction

import pytest

from transcoded.plan.cmaf.h264_level import h264_level


@pytest.mark.parametrize(
    ("width", "height", "rate", "level"),
    [
        (640, 360, 30, 30),
        (1280, 720, 30, 31),
        (1280, 720, 60, 32),
        (1920, 1080, 30, 40),
        (1920, 1080, 60, 42),
        (3840, 2160, 30, 51),
        (3840, 2160, 60, 52),
        (4000, 16, 25, 40),
        (20_000, 20_000, 60, 62),
    ],
)
def test_the_level_follows_size_and_frame_rate(width: int, height: int, rate: int, level: int) -> None:
    """ITU-T H.264, table A-1."""
    assert h264_level(width, height, Fraction(rate), 1_000_000) == level


def test_a_high_bit_rate_needs_a_higher_level() -> None:
    assert h264_level(640, 360, Fraction(25), 13_000_000) == 31
