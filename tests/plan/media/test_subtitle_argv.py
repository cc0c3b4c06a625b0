"""Subtitles and attached files of a film: the right stream, as it is, on the clock of the film."""

import attrs
import pytest

from tests.plan.examples import MEDIA
from transcoded.plan.media.probe import SubtitleStream
from transcoded.plan.media.subtitle_argv import attachment_argv, form_of, subtitle_argv
from transcoded.plan.media.whitelist import FORMAT_WHITELIST, PROTOCOL_WHITELIST

PATH = "/srv/films/-i a.mkv"


def value(argv: list[str], flag: str) -> str:
    return argv[argv.index(flag) + 1]


@pytest.mark.parametrize(
    ("codec", "text", "form"),
    [
        ("subrip", True, "srt"),
        ("ass", True, "ass"),
        ("webvtt", True, "vtt"),
        ("hdmv_pgs_subtitle", False, "sup"),
        ("mov_text", True, "ass"),
        ("dvd_subtitle", False, None),
        ("unknown", False, None),
    ],
)
def test_the_form_in_which_a_stream_is_taken_out(codec: str, text: bool, form: str | None) -> None:
    assert form_of(SubtitleStream(2, 0, codec, text=text)) == form


def test_what_a_file_can_contain_is_not_decoded() -> None:
    """ffmpeg leaves a line out that is not UTF-8, and says 0 at the end."""
    argv = list(subtitle_argv(PATH, MEDIA, SubtitleStream(5, 0, "subrip", text=True), "srt"))
    assert value(argv, "-i") == f"file:{PATH}"
    assert value(argv, "-map") == "0:5"
    assert value(argv, "-c:s") == "copy"
    assert value(argv, "-format_whitelist") == FORMAT_WHITELIST
    assert value(argv, "-protocol_whitelist") == PROTOCOL_WHITELIST
    assert argv[-3:] == ["-f", "srt", "pipe:1"]


def test_what_must_be_decoded_is_whole_or_fails() -> None:
    argv = list(subtitle_argv(PATH, MEDIA, SubtitleStream(5, 0, "mov_text", text=True), "ass"))
    assert value(argv, "-c:s") == "ass"
    # Of an option of all files the last one counts.
    last = len(argv) - 1 - argv[::-1].index("-max_error_rate")
    assert argv[last + 1] == "0"
    assert argv.index("-sub_charenc_mode") < argv.index("-i")


def test_the_times_are_those_of_the_film_as_it_is_played() -> None:
    """It begins at 0, wherever the clock of the file does."""
    media = attrs.evolve(MEDIA, start_time=100.021)
    argv = list(subtitle_argv(PATH, media, SubtitleStream(5, 0, "ass", text=True), "ass"))
    assert value(argv, "-itsoffset") == "-100.020999"
    assert argv.index("-itsoffset") < argv.index("-i")
    assert "-copyts" in argv
    assert value(argv, "-bsf:s").startswith("setts="), "no time is before 0"


def test_where_the_clock_begins_anew_the_video_is_read_along() -> None:
    """ffmpeg corrects the clock by audio and video only."""
    media = attrs.evolve(MEDIA, restarts=True, start_time=1.4)
    argv = list(subtitle_argv(PATH, media, SubtitleStream(5, 0, "dvb_subtitle", text=False), "matroska"))
    assert "-copyts" not in argv
    assert argv[argv.index("pipe:1") + 1 :] == ["-map", "0:0", "-c", "copy", "-f", "null", "-"]


def test_an_attached_file_is_written_by_the_demuxer() -> None:
    argv = list(attachment_argv(PATH, 7))
    assert value(argv, "-dump_attachment:7") == "pipe:1"
    assert argv.index("-dump_attachment:7") < argv.index("-i")
    assert argv[-3:] == ["-f", "null", "-"]
