"""What ffmpeg is asked for windows of subtitles: from before the first of them, and as little of the film as can be."""

from itertools import pairwise

import attrs
import pytest

from tests.plan.examples import MEDIA
from transcoded.plan.media.probe import EXTERNAL, Media, SubtitleStream
from transcoded.plan.media.window_argv import APART_BYTES, Pass, enough, pass_of, window_argv

TEXT = SubtitleStream(2, 0, "subrip", text=True)
SCRIPT = SubtitleStream(3, 1, "ass", text=True)
IMAGES = SubtitleStream(4, 2, "hdmv_pgs_subtitle", text=False)
PLAIN = SubtitleStream(5, 3, "text", text=True)
PHONE = SubtitleStream(2, 0, "mov_text", text=True)
BESIDE = SubtitleStream(EXTERNAL, 4, "subrip", text=True)


def media(container: str, *streams: SubtitleStream, restarts: bool = False) -> Media:
    return attrs.evolve(MEDIA, container=container, subtitles=streams, restarts=restarts)


MKV = media("matroska,webm", TEXT, SCRIPT, IMAGES, PLAIN, BESIDE)
MP4 = media("mov,mp4,m4a,3gp,3g2,mj2", PHONE)


def test_all_text_is_taken_out_together() -> None:
    for number in (4, 5):
        assert pass_of(MKV, TEXT, number) == pass_of(MKV, SCRIPT, number) == Pass((TEXT, SCRIPT), 4)
    assert pass_of(MP4, PHONE, 0) == Pass((PHONE,), 0)


@pytest.mark.parametrize(
    ("film", "stream"),
    [
        (MKV, PLAIN),
        (MKV, BESIDE),
        (media("ogg", PLAIN), PLAIN),
        (media("mpegts", TEXT), TEXT),
        (attrs.evolve(MKV, restarts=True), TEXT),
    ],
)
def test_what_must_be_read_whole(film: Media, stream: SubtitleStream) -> None:
    assert pass_of(film, stream, 0) is None


def test_matroska_is_read_from_before_the_window_with_a_clock() -> None:
    arguments = window_argv("/in", MKV, Pass((TEXT, SCRIPT), 4))
    assert arguments[arguments.index("-ss") + 1].startswith("180")
    assert arguments.index("-ss") < arguments.index("-i")
    assert [after for before, after in pairwise(arguments) if before == "-map"] == [
        "0:2",
        "0:3",
        "0:0",
        "0:1",
    ]
    assert "-t" not in arguments, "ffmpeg would wait for the next line, which may be an hour later"


def test_mp4_needs_no_clock() -> None:
    arguments = window_argv("/in", MP4, Pass((PHONE,), 2))
    assert arguments.count("-map") == 1
    assert arguments[arguments.index("-t") + 1] == "240"


def test_the_beginning_is_read_without_a_seek() -> None:
    assert "-ss" not in window_argv("/in", MKV, Pass((TEXT,), 0))


def test_before_the_video_begins_reading_begins_at_the_beginning() -> None:
    video = attrs.evolve(MKV.video[0], start_time=100.0)
    assert "-ss" not in window_argv("/in", attrs.evolve(MKV, video=(video,)), Pass((TEXT,), 2))


def test_text_may_be_late_in_its_file() -> None:
    """ffmpeg muxes what it has just then: by seconds in any film, and by minutes in one of few bytes."""
    large = attrs.evolve(MKV, size=8 << 30, duration=7200.0)
    assert enough(large, Pass((TEXT,), 0)) == 1000 * (120 + 29)
    assert enough(attrs.evolve(large, size=80 << 30), Pass((TEXT,), 0)) == 130_000
    small = attrs.evolve(large, size=APART_BYTES)
    assert enough(small, Pass((TEXT,), 0)) > 7_200_000
