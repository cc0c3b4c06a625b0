"""The writer of WebVTT."""

import pytest

from transcoded.plan.errors import NotMedia
from transcoded.plan.subtitles import cues as module
from transcoded.plan.subtitles.cues import Cue, Style, colour_class, cue_text, write_webvtt


def test_a_file() -> None:
    assert write_webvtt([Cue(3_723_004, 3_725_000, "b", "line:0"), Cue(0, 1500, "a\n<i>b</i>")]) == (
        "WEBVTT\n\n00:00.000 --> 00:01.500\na\n<i>b</i>\n\n01:02:03.004 --> 01:02:05.000 line:0\nb\n"
    )


def test_a_file_without_cues_has_its_first_line() -> None:
    assert write_webvtt([]) == "WEBVTT\n"


def test_overlapping_cues_are_kept_and_the_same_one_is_written_once() -> None:
    """Scripts have a line twice, for its border and its filling."""
    written = write_webvtt([Cue(0, 2000, "a"), Cue(0, 2000, "b"), Cue(500, 2500, "a"), Cue(0, 2000, "a")])
    assert written.count("-->") == 3


@pytest.mark.parametrize(
    ("cue", "times"),
    [
        (Cue(-500, 1000, "a"), "00:00.000 --> 00:01.000"),
        (Cue(-500, 0, "a"), None),
        (Cue(1000, 1000, "a"), None),
        (Cue(2000, 1000, "a"), None),
        (Cue(0, 1000, ""), None),
        (Cue(0, 400_000_000, "a"), "00:00.000 --> 111:06:40.000"),
    ],
)
def test_what_cannot_be_seen_is_left_out(cue: Cue, times: str | None) -> None:
    written = write_webvtt([cue])
    assert written == "WEBVTT\n" if times is None else times in written


def test_what_is_too_long_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part would be taken for the whole."""
    monkeypatch.setattr(module, "MAX_WEBVTT", 1000)
    with pytest.raises(NotMedia):
        write_webvtt([Cue(0, 1000, "x" * 1000)])


def test_runs_become_tags_that_are_nested() -> None:
    bold, both = Style(bold=True), Style(bold=True, italic=True, underline=True, colour="red")
    assert cue_text([("a", bold), ("b", Style(bold=True)), ("c", both), ("d", Style())]) == (
        "<b>ab</b><c.red><b><i><u>c</u></i></b></c>d"
    )


@pytest.mark.parametrize(
    ("text", "written"), [("", ""), (" \n ", ""), ("a\n\n\nb", "a\nb"), ("\na\n \nb\n", "a\nb"), ("a<b", "a&lt;b")]
)
def test_no_line_is_empty(text: str, written: str) -> None:
    assert cue_text([(text, Style())]) == written
    assert cue_text([(text, Style(italic=True))]).replace("<i>", "").replace("</i>", "") == (written or "")


def test_colours_are_those_that_webvtt_has() -> None:
    assert [colour_class(name) for name in ("#FFFF00", "Yellow", '"lime"', "#123456", "white", "")] == [
        *("yellow", "yellow", "lime"),
        *(None, None, None),
    ]
