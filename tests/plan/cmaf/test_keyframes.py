"""Keyframes: a copied rendition that is cut at other places shows grey blocks after each seek."""

from fractions import Fraction

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.plan.examples import MEDIA, VIDEO_STREAM
from transcoded.plan.cmaf.keyframes import MAX_BYTES_READ, keyframes_are_useful, parse_scan, scan_argv, scan_from_probe
from transcoded.plan.cmaf.ladder import REORDER, KeyframeScan
from transcoded.plan.cmaf.timeline import TARGET
from transcoded.plan.media.probe import Media

LINES = b"""\
0.000000,1000,K__
0.040000,100,___
4.000000,500,K__
4.040000,700,___
8.000000,300,KD_
"""


def test_keyframes_and_peak_are_found() -> None:
    found = parse_scan(LINES, MEDIA)
    assert list(found.keyframes) == [0, 4_000_000, 8_000_000]
    assert found.peak == round(1200 * 8 / TARGET)


def test_times_count_from_the_start_of_the_container_and_are_sorted() -> None:
    """A recorded broadcast can start at any time, and frames come in decoding order."""
    late = attrs.evolve(MEDIA, start_time=1000.5)
    found = parse_scan(b"1004.500000,10,K__\n1000.500000,10,K__\n1000.460000,10,K__\n", late)
    assert list(found.keyframes) == [-40_000, 0, 4_000_000]


def test_times_are_exact() -> None:
    assert list(parse_scan(b"33.366667,10,K__\n", MEDIA).keyframes) == [33_366_667]


@pytest.mark.parametrize(
    "line", [b"", b"N/A,100,K__", b"1.000000", b"1.000000,100", b"1.000000,N/A,K__", b"a,b,c", b"\xff\xfe,1,K", b",,"]
)
def test_an_invalid_line_is_skipped(line: bytes) -> None:
    found = parse_scan(LINES + line + b"\n12.000000,1,K__\n", MEDIA)
    assert list(found.keyframes) == [0, 4_000_000, 8_000_000, 12_000_000]


def test_without_packets_nothing_is_known() -> None:
    found = parse_scan(b"", MEDIA)
    assert list(found.keyframes) == []
    assert attrs.evolve(found, keyframes=()) == scan_from_probe(MEDIA)
    assert scan_from_probe(attrs.evolve(MEDIA, video=())) == KeyframeScan()


def test_of_the_keyframes_in_one_second_only_the_first_is_kept() -> None:
    """In all-intra video every frame is one. A segment has four seconds: the others are never used."""
    lines = b"".join(b"%d.%06d,10,K__\n" % divmod(time, 1_000_000) for time in range(0, 60_000_000, 10_000))
    found = parse_scan(lines, MEDIA)
    assert list(found.keyframes) == list(range(0, 60_000_000, 1_000_000))
    assert found.peak == round(400 * 10 * 8 / TARGET)
    backwards = b"\n".join(reversed(lines.splitlines()))
    assert parse_scan(backwards, MEDIA) == found, "whatever the order"


def test_packets_at_times_outside_the_file_do_not_count() -> None:
    """A hostile file has each packet at a time of its own, and a value would be kept for each."""
    wild = b"".join(b"%d.000000,999999,K__\n" % time for time in (61, 10**6, 10**12, 10**17, 10**30, -2, -(10**9)))
    assert parse_scan(wild + LINES, MEDIA) == parse_scan(LINES, MEDIA)
    assert parse_scan(b"1.000000,%d,K__\n" % 10**30 + LINES, MEDIA) == parse_scan(LINES, MEDIA)


@given(st.binary(max_size=200))
def test_any_output_is_read_without_an_error(output: bytes) -> None:
    assert list(parse_scan(output, MEDIA).keyframes) == sorted(parse_scan(output, MEDIA).keyframes)


@pytest.mark.parametrize(
    ("start", "expected"),
    [(None, 0), (0.0, 0), (0.08, Fraction(2, 25)), (-0.5, 0)],
    ids=["not known", "with the container", "later", "earlier"],
)
def test_when_the_first_frame_is_shown(start: float | None, expected: Fraction) -> None:
    media = attrs.evolve(MEDIA, video=(attrs.evolve(VIDEO_STREAM, start_time=start),))
    assert scan_from_probe(media).start == expected


def test_reorder_has_a_default_if_it_is_not_known() -> None:
    assert scan_from_probe(MEDIA).reorder == REORDER
    assert scan_from_probe(attrs.evolve(MEDIA, video=(attrs.evolve(VIDEO_STREAM, reorder=0),))).reorder == 0


@pytest.mark.parametrize(
    ("media", "expected"),
    [
        pytest.param(MEDIA, True, id="H.264"),
        pytest.param(attrs.evolve(MEDIA, video=(attrs.evolve(VIDEO_STREAM, codec="hevc"),)), False, id="HEVC"),
        pytest.param(attrs.evolve(MEDIA, video=(attrs.evolve(VIDEO_STREAM, pix_fmt="yuv444p"),)), False, id="4:4:4"),
        pytest.param(attrs.evolve(MEDIA, size=MAX_BYTES_READ + 1), False, id="too large to be read completely"),
        pytest.param(attrs.evolve(MEDIA, video=()), False, id="no video"),
        pytest.param(attrs.evolve(MEDIA, duration=None), False, id="no length, so no playlist"),
    ],
)
def test_a_file_is_scanned_only_if_its_video_can_be_copied(media: Media, expected: bool) -> None:
    assert keyframes_are_useful(media) is expected


def test_a_scan_opens_only_its_file() -> None:
    argv = scan_argv("/srv/-i x.mkv", attrs.evolve(VIDEO_STREAM, index=3))
    assert argv[-2:] == ["-i", "file:/srv/-i x.mkv"]
    assert argv[argv.index("-select_streams") + 1] == "3"
    assert argv.index("-protocol_whitelist") < argv.index("-i")
