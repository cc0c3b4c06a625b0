"""Sizes: a wrong shape makes people thin or fat; a wrong size breaks encoders, or costs hours."""

from fractions import Fraction

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.plan.examples import VIDEO_STREAM, video_streams
from transcoded.plan.media.geometry import MAX_AREA, MAX_SIDE, fitted, pixel_aspect
from transcoded.plan.media.probe import VideoStream


def stream(width: int, height: int, sar: Fraction | int = 1) -> VideoStream:
    return attrs.evolve(VIDEO_STREAM, width=width, height=height, sar=Fraction(sar))


@pytest.mark.parametrize(
    ("source", "rows", "expected"),
    [
        pytest.param(stream(1920, 1080), None, (1920, 1080), id="as it is"),
        pytest.param(stream(1920, 1080), 720, (1280, 720), id="smaller"),
        pytest.param(stream(1280, 720), 1080, (1280, 720), id="not larger"),
        pytest.param(stream(720, 576, Fraction(64, 45)), None, (1024, 576), id="wide pixels: PAL, 16:9"),
        pytest.param(stream(720, 480, Fraction(8, 9)), None, (640, 480), id="narrow pixels: NTSC, 4:3"),
        pytest.param(stream(1440, 1080, Fraction(4, 3)), 720, (1280, 720), id="wide pixels, smaller"),
        pytest.param(stream(352, 576, Fraction(128, 44)), None, (1024, 576), id="the widest real pixels"),
        pytest.param(stream(240, 240, 100), None, (240, 240), id="pixels that cannot be"),
        pytest.param(stream(240, 240, Fraction(1, 100)), None, (240, 240), id="pixels that cannot be either"),
        pytest.param(stream(321, 181), None, (320, 180), id="odd"),
        pytest.param(stream(1, 1), None, (2, 2), id="a dot"),
        pytest.param(stream(3, 16), None, (2, 16), id="a line"),
        pytest.param(stream(16384, 16), None, (8192, 8), id="very wide"),
        pytest.param(stream(16, 16384), None, (8, 8192), id="very high"),
        pytest.param(stream(65536, 2), None, (8192, 2), id="a thread"),
        pytest.param(stream(8192, 8192), None, (5970, 5970), id="more than a level of H.264 has"),
    ],
)
def test_the_size_of_an_encode(source: VideoStream, rows: int | None, expected: tuple[int, int]) -> None:
    assert fitted(source, rows) == expected


@given(video_streams, st.none() | st.integers(16, 8640))
def test_any_size_is_even_bounded_and_keeps_the_shape(source: VideoStream, rows: int | None) -> None:
    width, height = fitted(source, rows)
    assert width % 2 == height % 2 == 0
    assert 2 <= width <= MAX_SIDE
    assert 2 <= height <= max(2, min(source.height, rows or source.height, MAX_SIDE))
    assert width * height <= MAX_AREA
    shape = Fraction(source.width, source.height) * pixel_aspect(source)
    if height > 2 and width > 2:
        # Half a pixel of rounding and one for being even, on both sides.
        assert Fraction(width - 2, height + 2) <= shape <= Fraction(width + 2, height)
