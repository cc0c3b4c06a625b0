"""Patterns of numbers: what they let through reaches ffmpeg, and a client's generator believes them."""

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.http.patterns import decimals, fraction_from, integers


@pytest.mark.parametrize(
    ("least", "most"), [(0, 0), (0, 9), (0, 10), (5, 123), (16, 8640), (100, 100), (99, 101), (1, 999), (7, 6)]
)
def test_whole_numbers_within_the_bounds_and_no_others(least: int, most: int) -> None:
    pattern = re.compile(integers(least, most))
    for number in range(10_001):
        assert (pattern.fullmatch(str(number)) is not None) is (least <= number <= most), number
    assert not pattern.fullmatch("")


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**10))
def test_any_bounds(one: int, other: int, number: int) -> None:
    least, most = sorted((one, other))
    assert (re.fullmatch(integers(least, most), str(number)) is not None) is (least <= number <= most)


@pytest.mark.parametrize(
    ("least", "most"),
    [
        (0, 3),
        (Fraction(1, 100), 2),
        (Fraction(6, 1000), Fraction(5, 2)),
        (1, Fraction(201, 100)),
        (2, Fraction(305, 100)),
    ],
    ids=str,
)
def test_decimals_within_the_bounds_and_no_others(least: Fraction, most: Fraction) -> None:
    pattern = re.compile(decimals(Fraction(least), Fraction(most), 3))
    for thousandths in range(5000):
        for text in (f"{thousandths / 1000:.3f}", f"00{thousandths / 1000:.3f}"):
            assert (pattern.fullmatch(text) is not None) is (least <= Fraction(text) <= most), text
    for text in ("", ".", "1.", ".5", "1.0000", "-1", "+1", "1e0", "1,5", " 1", "1\n", "²"):
        assert not pattern.fullmatch(text), text
    assert re.fullmatch(decimals(Fraction(0), Fraction(3), 3, dot_alone=True), "1.")


def test_the_digits_behind_a_dot() -> None:
    pattern = re.compile(fraction_from(Fraction(25, 100), 3))
    for digits in range(1000):
        assert (pattern.fullmatch(f"{digits:03}") is not None) is (digits >= 250)
    assert pattern.fullmatch("3")
    assert not pattern.fullmatch("2")
    with pytest.raises(ValueError, match="cannot be written"):
        fraction_from(Fraction(1, 3), 3)
