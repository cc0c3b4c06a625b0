"""Chapters as WebVTT."""

from transcoded.plan.media.probe import Chapter
from transcoded.plan.subtitles.chapters import chapters_webvtt


def test_a_cue_for_each_chapter() -> None:
    chapters = [Chapter(0, 2.5, "Start & <go>"), Chapter(2.5, 6.037), Chapter(6.037, 7, "  ")]
    assert chapters_webvtt(chapters).decode() == (
        "WEBVTT\n\n00:00.000 --> 00:02.500\nStart &amp; &lt;go&gt;\n\n00:02.500 --> 00:06.037\nChapter 2\n"
        "\n00:06.037 --> 00:07.000\nChapter 3\n"
    )


def test_a_file_without_chapters() -> None:
    assert chapters_webvtt([]) == b"WEBVTT\n"
