"""Thumbnails and subtitles: from the right stream, at the right time, by an ffmpeg that opens only its file."""

import re
from fractions import Fraction

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.plan.examples import MEDIA, VIDEO_STREAM, media, video_streams
from transcoded.plan.media.probe import Media, VideoStream
from transcoded.plan.media.thumbnail_argv import thumbnail_argv
from transcoded.plan.media.whitelist import FORMAT_WHITELIST, PROTOCOL_WHITELIST

PATH = "/srv/media/-i a.mkv"
BROADCAST = attrs.evolve(MEDIA, container="mpegts")


def value(argv: list[str], flag: str) -> str:
    return argv[argv.index(flag) + 1]


def size(argv: list[str]) -> tuple[int, int]:
    """Columns and rows of the frame that is encoded: scaled, then turned."""
    graph = value(argv, "-filter_complex")
    ((columns, rows),) = re.findall(r"(?:scale|libplacebo)=w=([0-9]+):h=([0-9]+)", graph)
    return (int(rows), int(columns)) if "transpose" in graph else (int(columns), int(rows))


def test_a_thumbnail_is_one_frame_of_its_stream() -> None:
    argv = thumbnail_argv(MEDIA, attrs.evolve(VIDEO_STREAM, index=4), PATH, 30.0, 320)
    assert value(argv, "-i") == f"file:{PATH}"
    assert value(argv, "-filter_complex").startswith("[0:4]")
    assert value(argv, "-frames:v") == "1"
    assert argv[-3:] == ["-f", "mjpeg", "pipe:1"]
    assert "-nostdin" in argv
    assert value(argv, "-protocol_whitelist") == PROTOCOL_WHITELIST
    assert value(argv, "-format_whitelist") == FORMAT_WHITELIST


def test_the_seek_is_an_input_option() -> None:
    """As an output option, ffmpeg would decode the whole file up to this time."""
    argv = thumbnail_argv(MEDIA, VIDEO_STREAM, PATH, 30.0, 320)
    assert argv.index("-ss") < argv.index("-i")
    assert float(value(argv, "-ss")) == 30.0
    assert argv.count("-ss") == 1


def test_without_an_index_reading_begins_at_a_keyframe() -> None:
    argv = thumbnail_argv(BROADCAST, VIDEO_STREAM, PATH, 30.0, 320, read_from=19.5)
    assert value(argv, "-ss") == "19.500000"
    assert "start_time=30.000000" in value(argv, "-filter_complex")


def test_the_frame_that_is_on_display_is_shown_though_it_came_before() -> None:
    """A slide is there for minutes, and the last frame until the end. An exact seek would find none."""
    late = attrs.evolve(MEDIA, start_time=1.5)
    argv = thumbnail_argv(late, VIDEO_STREAM, PATH, 30.0, 320)
    assert value(argv, "-filter_complex").startswith(
        "[0:0]tpad=stop=-1:stop_mode=clone,fps=fps=25:start_time=30.000000,"
    )
    assert argv.index("-noaccurate_seek") < argv.index("-i")
    assert value(argv, "-itsoffset") == "-1.499999"


def test_a_file_whose_clock_begins_anew_is_read_from_its_beginning() -> None:
    argv = thumbnail_argv(attrs.evolve(BROADCAST, restarts=True), VIDEO_STREAM, PATH, 30.0, 320)
    assert not {"-ss", "-copyts"} & set(argv)


def test_a_cover_has_no_time() -> None:
    argv = thumbnail_argv(attrs.evolve(MEDIA, video=(), cover=VIDEO_STREAM), VIDEO_STREAM, PATH, 0.0, 320)
    assert value(argv, "-filter_complex").startswith("[0:0]setparams=")


@pytest.mark.parametrize(
    ("stream", "width", "expected"),
    [
        pytest.param(VIDEO_STREAM, 320, (320, 180), id="smaller"),
        pytest.param(attrs.evolve(VIDEO_STREAM, width=160, height=90), 320, (160, 90), id="not larger than the source"),
        pytest.param(
            attrs.evolve(VIDEO_STREAM, width=720, height=576, sar=Fraction(64, 45)),
            320,
            (320, 180),
            id="pixels that are not square",
        ),
        pytest.param(attrs.evolve(VIDEO_STREAM, width=1080, height=1920), 90, (90, 160), id="portrait"),
        pytest.param(attrs.evolve(VIDEO_STREAM, width=16384, height=16), 320, (320, 2), id="very flat"),
    ],
)
def test_the_size_of_a_thumbnail(stream: VideoStream, width: int, expected: tuple[int, int]) -> None:
    assert size(thumbnail_argv(MEDIA, stream, PATH, 0.0, width)) == expected


@given(media(), video_streams, st.floats(0, 1e6), st.integers(16, 3840))
def test_any_thumbnail_has_an_even_size(source: Media, stream: VideoStream, time: float, width: int) -> None:
    argv = thumbnail_argv(source, stream, PATH, time, width)
    columns, rows = size(argv)
    assert columns % 2 == rows % 2 == 0
    assert columns <= width
    assert rows >= 2
    assert columns >= 2, "0 would mean: the width of the source"
    assert all(float(argv[n + 1]) >= 0 for n, word in enumerate(argv) if word == "-ss")


def test_a_cover_of_unknown_size_is_scaled_by_ffmpeg() -> None:
    """An ffprobe without zlib does not see how large a PNG is."""
    cover = VideoStream(1, "png", 0, 0)
    argv = thumbnail_argv(attrs.evolve(MEDIA, video=(), cover=cover), cover, PATH, 0.0, 320)
    graph = argv[argv.index("-filter_complex") + 1]
    assert "min(320,iw)" in graph
    assert "min(1280,ow/dar)" in graph
    assert "format=yuvj420p" in graph
