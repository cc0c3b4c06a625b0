"""Subtitles as WebVTT: of the right stream, in one short run that reads nothing else."""

from transcoded.plan.media.subtitle_argv import subtitle_argv
from transcoded.plan.media.whitelist import FORMAT_WHITELIST, PROTOCOL_WHITELIST

PATH = "/srv/films/-i a.mkv"


def value(argv: list[str], flag: str) -> str:
    return argv[argv.index(flag) + 1]


def test_subtitles_of_a_film() -> None:
    argv = list(subtitle_argv(PATH, 5))
    assert value(argv, "-i") == f"file:{PATH}"
    assert value(argv, "-map") == "0:5"
    assert value(argv, "-format_whitelist") == FORMAT_WHITELIST
    assert argv[-3:] == ["-f", "webvtt", "pipe:1"]


def test_a_subtitle_file_can_be_nothing_else() -> None:
    """Else a playlist that somebody named film.srt would have ffmpeg read other files."""
    argv = list(subtitle_argv("/srv/films/a.srt", None))
    assert value(argv, "-format_whitelist") == "srt,webvtt,ass"
    assert value(argv, "-protocol_whitelist") == PROTOCOL_WHITELIST
    assert value(argv, "-map") == "0:s:0"
    assert argv.index("-format_whitelist") < argv.index("-i")
