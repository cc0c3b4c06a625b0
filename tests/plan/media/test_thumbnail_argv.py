"""Pictures of a film: made of the right stream at the right time, in one short run that reads nothing else."""

from fractions import Fraction

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.plan.examples import FILM, PICTURE, media, pictures
from transcoded.plan.media.argv import BLIND_LEAD
from transcoded.plan.media.probe import FORMAT_WHITELIST, PROTOCOL_WHITELIST, Media, VideoStream
from transcoded.plan.media.thumbnail_argv import thumbnail_argv

PATH = "/srv/films/-i a.mkv"
BROADCAST = attrs.evolve(FILM, container="mpegts")


def value(argv: list[str], flag: str) -> str:
    return argv[argv.index(flag) + 1]


def size(argv: list[str]) -> tuple[int, int]:
    """Columns and rows that the scaler is asked for."""
    parts = dict(part.split("=") for part in value(argv, "-filter:v").split(",")[0].removeprefix("scale=").split(":"))
    return int(parts["w"]), int(parts["h"])


def test_one_picture_of_the_right_stream_to_stdout() -> None:
    argv = thumbnail_argv(FILM, attrs.evolve(PICTURE, index=4), PATH, 30.0, 320)
    assert value(argv, "-i") == f"file:{PATH}"
    assert value(argv, "-map") == "0:4"
    assert value(argv, "-frames:v") == "1"
    assert argv[-3:] == ["-f", "mjpeg", "pipe:1"]
    assert "-nostdin" in argv
    assert value(argv, "-protocol_whitelist") == PROTOCOL_WHITELIST
    assert value(argv, "-format_whitelist") == FORMAT_WHITELIST


def test_the_time_is_sought_before_the_file_is_opened() -> None:
    """Behind it, ffmpeg would decode all of the film up to there."""
    argv = thumbnail_argv(FILM, PICTURE, PATH, 30.0, 320)
    assert argv.index("-ss") < argv.index("-i")
    assert float(value(argv, "-ss")) == 30.0
    assert argv.count("-ss") == 1


@pytest.mark.parametrize("time", [30.0, 3.0])
def test_where_seeking_is_blind_it_begins_earlier_and_throws_away(time: float) -> None:
    argv = thumbnail_argv(BROADCAST, PICTURE, PATH, time, 320)
    opened = argv.index("-i")
    before = float(value(argv[:opened], "-ss")) if "-ss" in argv[:opened] else 0.0
    behind = float(value(argv[opened:], "-ss"))
    assert before + behind == pytest.approx(time)
    assert behind == min(time, BLIND_LEAD)


@pytest.mark.parametrize(
    ("stream", "width", "expected"),
    [
        pytest.param(PICTURE, 320, (320, 180), id="smaller"),
        pytest.param(attrs.evolve(PICTURE, width=160, height=90), 320, (160, 90), id="never larger than it is"),
        pytest.param(
            attrs.evolve(PICTURE, width=720, height=576, sar=Fraction(64, 45)), 320, (320, 180), id="wide pixels"
        ),
        pytest.param(attrs.evolve(PICTURE, width=1080, height=1920), 90, (90, 160), id="upright"),
        pytest.param(attrs.evolve(PICTURE, width=16384, height=16), 320, (320, 2), id="a thread"),
    ],
)
def test_how_large(stream: VideoStream, width: int, expected: tuple[int, int]) -> None:
    assert size(thumbnail_argv(FILM, stream, PATH, 0.0, width)) == expected


@given(media(), pictures, st.floats(0, 1e6), st.integers(16, 3840))
def test_any_picture_has_an_even_size_that_the_encoder_takes(
    film: Media, stream: VideoStream, time: float, width: int
) -> None:
    argv = thumbnail_argv(film, stream, PATH, time, width)
    columns, rows = size(argv)
    assert columns % 2 == rows % 2 == 0
    assert columns <= width
    assert rows >= 2
    assert columns >= 2 or stream.width == 1, "0 means to ffmpeg: as wide as it is"
    assert all(float(argv[n + 1]) >= 0 for n, word in enumerate(argv) if word == "-ss")
