"""Rates of encodes: with a wrong frame rate, video stutters; with a wrong bit rate, it looks bad or stalls."""

from fractions import Fraction

import pytest

from transcoded.plan.cmaf.rates import frame_rate, video_bit_rate

NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize(
    ("fps", "rate"),
    [
        (NTSC, NTSC),
        (Fraction(2997, 100), NTSC),
        (Fraction(23976, 1000), Fraction(24000, 1001)),
        (Fraction(29001, 1000), Fraction(29)),
        (Fraction(12345, 1000), Fraction(1234, 100)),
        (Fraction(120), Fraction(60)),
        (Fraction(1, 10), Fraction(25)),
        (None, Fraction(25)),
    ],
)
def test_a_rate_is_the_usual_one_if_that_is_very_close(fps: Fraction | None, rate: Fraction) -> None:
    assert frame_rate(fps) == rate


def test_the_bit_rate_grows_with_size_and_frame_rate() -> None:
    rates = [video_bit_rate(16 * rows // 9, rows, Fraction(30)) for rows in (2160, 1080, 720, 480, 360)]
    assert rates[1] == 5_000_000
    assert rates == sorted(rates, reverse=True)
    assert video_bit_rate(1280, 720, Fraction(60)) > video_bit_rate(1280, 720, Fraction(30))
    assert video_bit_rate(2, 2, Fraction(1)) == 100_000
