"""What packets say. A copied rendition that is cut at other places than keyframes shows grey blocks after each seek, and a length
that is only an estimate hides the end of a file."""

from fractions import Fraction

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.plan.examples import AUDIO_STREAM, MEDIA, VIDEO_STREAM
from transcoded.plan.media.probe import Media
from transcoded.plan.media.timeline.length import MAX_BYTES_COUNTED, keyframes_are_useful
from transcoded.plan.media.timeline.packets import (
    REORDER,
    PacketScan,
    packets_argv,
    parse_packets,
    scan_from_probe,
)


def line(stream: int, pts: float | None, size: int, flags: str, duration: float | None = 0.04) -> bytes:
    """A line as ffprobe writes it. Decode times are presentation times."""
    time, length = ("N/A" if value is None else f"{value:.6f}" for value in (pts, duration))
    return f"{stream},{time},{time},{length},{size},{flags}\n".encode()


def lines(*packets: tuple[float, int, str]) -> bytes:
    """Packets of the video: time, size, flags."""
    return b"".join(line(VIDEO_STREAM.index, *packet) for packet in packets)


LINES = lines((0, 1000, "K__"), (0.04, 100, "___"), (4, 500, "K__"), (4.04, 700, "___"), (8, 300, "K__"))


def test_keyframes_and_the_bytes_before_them_are_found() -> None:
    found = parse_packets(LINES, MEDIA)
    assert list(found.keyframes) == [0, 4_000_000, 8_000_000]
    assert list(found.offsets) == [0, 1100, 2300, 2600]


def test_times_count_from_the_start_of_the_container_and_are_sorted() -> None:
    """A recorded broadcast can start at any time, and frames come in decoding order."""
    late = attrs.evolve(MEDIA, start_time=1000.5)
    found = parse_packets(lines((1004.5, 10, "K__"), (1000.5, 10, "K__"), (1000.46, 10, "K__")), late)
    assert list(found.keyframes) == [-40_000, 0, 4_000_000]


def test_times_are_exact() -> None:
    assert list(parse_packets(lines((33.366667, 10, "K__")), MEDIA).keyframes) == [33_366_667]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"0",
        b"0,1.000000",
        b"0,1.0,1.0,1.0,100",
        b"0,1.0,1.0,1.0,N/A,K__",
        b"a,b,c,d,e,f",
        b"\xff\xfe,1,K",
        b",,,,,",
    ],
)
def test_an_invalid_line_is_skipped(line: bytes) -> None:
    found = parse_packets(LINES + line + b"\n" + lines((12, 1, "K__")), MEDIA)
    assert list(found.keyframes) == [0, 4_000_000, 8_000_000, 12_000_000]


def test_without_packets_nothing_is_known() -> None:
    found = parse_packets(b"", MEDIA)
    assert list(found.keyframes) == []
    assert attrs.evolve(found, keyframes=(), offsets=()) == scan_from_probe(MEDIA)
    assert scan_from_probe(attrs.evolve(MEDIA, video=())) == PacketScan()


def test_of_the_keyframes_in_one_second_only_the_first_is_kept() -> None:
    """In all-intra video every frame is one. A segment has four seconds: the others are never used."""
    intra = lines(*((time / 100, 10, "K__") for time in range(6000)))
    found = parse_packets(intra, MEDIA)
    assert list(found.keyframes) == list(range(0, 60_000_000, 1_000_000))
    assert list(found.offsets) == list(range(0, 60_001, 1000))
    backwards = b"\n".join(reversed(intra.splitlines()))
    again = parse_packets(backwards, MEDIA)
    assert attrs.evolve(again, delay=found.delay, offsets=found.offsets) == found, "whatever the order"


def test_packets_at_times_outside_the_file_do_not_count() -> None:
    """A hostile file has each packet at a time of its own, and a value would be kept for each."""
    wild = lines(*((time, 999_999, "K__") for time in (10**6, 10**12, 10**17, 10**30, -2, -(10**9))))
    assert parse_packets(wild + LINES, MEDIA) == attrs.evolve(parse_packets(LINES, MEDIA), delay=None)
    assert parse_packets(lines((1, 10**30, "K__")) + LINES, MEDIA) == parse_packets(LINES, MEDIA)


@given(st.binary(max_size=200))
def test_any_output_is_read_without_an_error(output: bytes) -> None:
    assert list(parse_packets(output, MEDIA).keyframes) == sorted(parse_packets(output, MEDIA).keyframes)


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
        pytest.param(
            attrs.evolve(MEDIA, video=(attrs.evolve(VIDEO_STREAM, codec="hevc", pix_fmt="yuv420p10le"),)),
            True,
            id="HEVC",
        ),
        pytest.param(attrs.evolve(MEDIA, video=(attrs.evolve(VIDEO_STREAM, codec="av1"),)), True, id="AV1"),
        pytest.param(attrs.evolve(MEDIA, video=(attrs.evolve(VIDEO_STREAM, codec="vp9"),)), True, id="VP9"),
        pytest.param(attrs.evolve(MEDIA, video=(attrs.evolve(VIDEO_STREAM, codec="mpeg4"),)), False, id="MPEG-4"),
        pytest.param(attrs.evolve(MEDIA, video=(attrs.evolve(VIDEO_STREAM, pix_fmt="yuv444p"),)), True, id="4:4:4"),
        pytest.param(attrs.evolve(MEDIA, size=MAX_BYTES_COUNTED + 1), True, id="large, but it may have an index"),
        pytest.param(attrs.evolve(MEDIA, video=()), False, id="no video"),
        pytest.param(attrs.evolve(MEDIA, duration=None), False, id="no length, so no playlist"),
    ],
)
def test_a_file_is_scanned_only_if_its_video_can_be_copied(media: Media, expected: bool) -> None:
    assert keyframes_are_useful(media) is expected


def test_a_scan_opens_only_its_file() -> None:
    argv = packets_argv("/srv/-i x.mkv", 3)
    assert argv[-2:] == ["-i", "file:/srv/-i x.mkv"]
    assert argv[argv.index("-select_streams") + 1] == "3"
    assert argv.index("-protocol_whitelist") < argv.index("-i")


@pytest.mark.parametrize("flags", ["KD_", "_D_", "KDC"])
def test_what_the_edit_list_hides_is_no_keyframe_and_has_no_time(flags: str) -> None:
    found = parse_packets(lines((-1.52, 1000, flags), (0, 10, "___"), (0.4, 10, "K__"), (70, 10, flags)), MEDIA)
    assert list(found.keyframes) == [400_000]
    assert found.end == pytest.approx(0.44)


def test_the_end_is_that_of_the_last_packet_of_any_stream() -> None:
    audio = line(AUDIO_STREAM.index, 11.5, 100, "K__", 0.5)
    assert parse_packets(LINES + audio, MEDIA).end == pytest.approx(12.0)
    assert parse_packets(LINES + line(40, 99, 100, "K__"), MEDIA).end == pytest.approx(8.04), (
        "a stream that is not played"
    )


def test_packets_without_times_are_counted() -> None:
    raw = attrs.evolve(MEDIA, container="aac", video=())
    frames = line(AUDIO_STREAM.index, None, 100, "K__", 0.02) * 1000
    assert parse_packets(frames, raw).end == pytest.approx(20.0)


def clocks(*parts: float) -> bytes:
    """Recordings of two seconds, one behind the other, each of which begins at a time of its own."""
    return b"".join(
        line(stream.index, start + number / 25, 10, "K__")
        for start in parts
        for number in range(50)
        for stream in (VIDEO_STREAM, AUDIO_STREAM)
    )


@pytest.mark.parametrize("container", ["mpegts", "mpeg", "ogg"])
@pytest.mark.parametrize("parts", [(0, 0, 0), (100, 0, 50), (0, 3600, 7200), (0, 1.5, 3)])
def test_recordings_that_were_joined_follow_one_another(container: str, parts: tuple[float, ...]) -> None:
    """As ffmpeg plays them. Else half of a recording, or an hour of nothing, is listed."""
    found = parse_packets(clocks(*parts), attrs.evolve(MEDIA, container=container, start_time=float(parts[0])))
    assert found.end == pytest.approx(6.0)
    assert found.restarts
    assert list(found.keyframes) == [second * 1_000_000 for second in range(6)]


@pytest.mark.parametrize(
    ("times", "delay"),
    [
        pytest.param((0, 0.04, 0.08, 0.12), 0, id="in order"),
        pytest.param((0, 0.16, 0.08, 0.04, 0.12), 80_000, id="a pyramid of B-frames at an even rate"),
        pytest.param((0, 0.8, 0.4, 0.2, 0.6), 400_000, id="the same at an uneven, lower rate"),
    ],
)
def test_how_much_earlier_frames_are_decoded_is_measured(times: tuple[float, ...], delay: int) -> None:
    """With too short a delay a frame would be shown before it is decoded, and players show all of them late."""
    found = parse_packets(lines(*((time, 10, "K__") for time in times)), MEDIA)
    assert found.delay == delay
    assert found.delay_in(90_000, Fraction(25)) == delay * 9 // 100


def test_without_a_measured_delay_frames_count_as_equally_long() -> None:
    assert PacketScan(reorder=2).delay_in(90_000, Fraction(25)) == 7200


def test_packets_that_are_mixed_around_a_joint_are_corrected_once() -> None:
    """The last picture of a part comes behind the first sound of the next one, because only then its end is known."""
    first, second = (
        [line(stream.index, number / 25, 10, "K__") for number in range(50)] for stream in (VIDEO_STREAM, AUDIO_STREAM)
    )
    parts = [*first[:-1], *second, second[0], first[-1], *first, *second[1:]]
    found = parse_packets(b"".join(parts), attrs.evolve(MEDIA, container="mpegts"))
    assert found.end == pytest.approx(4.0)


def test_a_clock_that_goes_on_has_not_restarted() -> None:
    found = parse_packets(clocks(0, 2, 9), attrs.evolve(MEDIA, container="mpegts"))
    assert not found.restarts
    assert found.end == pytest.approx(11.0), "a hole of some seconds is a hole"


def test_the_clock_of_a_file_with_an_index_is_believed() -> None:
    assert parse_packets(clocks(0, 100), MEDIA).end == pytest.approx(102.0)
    assert not parse_packets(clocks(0, 100), MEDIA).restarts
