"""Where the keyframes are: a copied rendition that is cut elsewhere shows grey blocks after every seek."""

from fractions import Fraction

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.plan.examples import MEDIA, VIDEO_STREAM
from transcoded.plan.cmaf.keyframes import MAX_BYTES_READ, plain, read, scan_argv, worth_while
from transcoded.plan.cmaf.ladder import REORDER, Scan
from transcoded.plan.cmaf.timeline import TARGET
from transcoded.plan.media.probe import Media

LINES = b"""\
0.000000,1000,K__
0.040000,100,___
4.000000,500,K__
4.040000,700,___
8.000000,300,KD_
"""


def test_the_keyframes_and_the_densest_stretch() -> None:
    found = read(LINES, MEDIA)
    assert found.keyframes == (0, 4, 8)
    assert found.peak == round(1200 * 8 / TARGET)


def test_times_are_counted_from_the_start_of_the_file_and_in_order() -> None:
    """A recorded broadcast can start at any time, and frames come in decoding order."""
    late = attrs.evolve(MEDIA, start_time=1000.5)
    found = read(b"1004.500000,10,K__\n1000.500000,10,K__\n1000.460000,10,K__\n", late)
    assert found.keyframes == (Fraction(-1, 25), 0, 4)


def test_a_time_is_exact_so_that_no_frame_falls_to_the_neighbour() -> None:
    assert read(b"33.366667,10,K__\n", MEDIA).keyframes == (Fraction(33_366_667, 1_000_000),)


@pytest.mark.parametrize(
    "line", [b"", b"N/A,100,K__", b"1.000000", b"1.000000,100", b"1.000000,N/A,K__", b"a,b,c", b"\xff\xfe,1,K", b",,"]
)
def test_a_line_that_makes_no_sense_costs_this_line_only(line: bytes) -> None:
    found = read(LINES + line + b"\n12.000000,1,K__\n", MEDIA)
    assert found.keyframes == (0, 4, 8, 12)


def test_of_nothing_nothing_is_claimed() -> None:
    assert read(b"", MEDIA) == plain(MEDIA)
    assert plain(attrs.evolve(MEDIA, video=())) == Scan()


@given(st.binary(max_size=200))
def test_no_output_is_an_error(output: bytes) -> None:
    assert list(read(output, MEDIA).keyframes) == sorted(read(output, MEDIA).keyframes)


@pytest.mark.parametrize(
    ("start", "expected"),
    [(None, 0), (0.0, 0), (0.08, Fraction(2, 25)), (-0.5, 0)],
    ids=["not told", "with the container", "later than the sound", "before it"],
)
def test_when_the_first_frame_is_shown(start: float | None, expected: Fraction) -> None:
    film = attrs.evolve(MEDIA, video=(attrs.evolve(VIDEO_STREAM, start_time=start),))
    assert plain(film).start == expected


def test_how_far_decoding_runs_ahead_is_guessed_where_it_is_not_told() -> None:
    assert plain(MEDIA).reorder == REORDER
    assert plain(attrs.evolve(MEDIA, video=(attrs.evolve(VIDEO_STREAM, reorder=0),))).reorder == 0


@pytest.mark.parametrize(
    ("media", "expected"),
    [
        pytest.param(MEDIA, True, id="H.264"),
        pytest.param(
            attrs.evolve(MEDIA, video=(attrs.evolve(VIDEO_STREAM, codec="hevc"),)), False, id="cannot be copied"
        ),
        pytest.param(
            attrs.evolve(MEDIA, video=(attrs.evolve(VIDEO_STREAM, pix_fmt="yuv444p"),)), False, id="cannot be shown"
        ),
        pytest.param(attrs.evolve(MEDIA, size=MAX_BYTES_READ + 1), False, id="too large to be read through"),
        pytest.param(attrs.evolve(MEDIA, video=()), False, id="no picture"),
    ],
)
def test_a_disk_is_not_read_through_for_nothing(media: Media, expected: bool) -> None:
    assert worth_while(media) is expected


def test_the_file_is_named_by_a_url_and_can_name_no_other() -> None:
    argv = scan_argv("/srv/-i x.mkv", attrs.evolve(VIDEO_STREAM, index=3))
    assert argv[-2:] == ["-i", "file:/srv/-i x.mkv"]
    assert argv[argv.index("-select_streams") + 1] == "3"
    assert argv.index("-protocol_whitelist") < argv.index("-i")
