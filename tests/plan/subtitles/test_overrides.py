"""Override blocks: a drawing is no text, and text that stood at the top stands at the top."""

import pytest

from transcoded.plan.subtitles.cues import Style, cue_text
from transcoded.plan.subtitles.overrides import Overrides, Screen, of_legacy

SCREEN = Screen(1920, 1080, {"Default": (Style(), 2), "Top": (Style(italic=True), 8)})


def shown(text: str, style: str = "Default") -> tuple[str, str]:
    """The text of a cue and its settings."""
    overrides = Overrides(SCREEN, style)
    runs = list(overrides.runs(text))
    return cue_text(runs), overrides.settings(1 + text.count("\\N"))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain < & >", "plain &lt; &amp; &gt;"),
        ("a\\Nb\\hc\\nd", "a\nb\xa0c d"),
        ("{\\i1}a{\\i0}b", "<i>a</i>b"),
        ("{\\b700}a{\\b400}b{\\b1}c{\\b}d", "<b>a</b>b<b>c</b>d"),
        ("{\\u1}a", "<u>a</u>"),
        ("{\\c&H00FFFF&}a{\\c}b", "<c.yellow>a</c>b"),
        ("{\\1c&HFFFF00&}a", "<c.cyan>a</c>"),
        ("{\\c&H123456&}a", "a"),
        ("{\\p1}m 0 0 l 100 0{\\p0}text", "text"),
        ("{\\p4\\pos(1,1)}m 0 0 b 1 1 2 2", ""),
        ("{\\k20}ka{\\kf30}ra{\\K10}o{\\ko5}ke", "karaoke"),
        ("{\\fad(100,200)\\blur2\\be1\\bord3\\fnArial\\fs20\\pbo2}a", "a"),
        ("{\\t(0,500,\\i1\\b1)}a", "a"),
        ("{\\i1\\r}a", "a"),
        ("{\\rTop}a{\\r}b", "<i>a</i>b"),
        ("{a comment}text{another}", "text"),
        ("a{unclosed", "a{unclosed"),
        ("\\{a\\}", "{a}"),
        ("a\\b", "a\\b"),
        ("{}", ""),
        ("{\\i1}{\\i0}", ""),
    ],
)
def test_what_is_shown(text: str, written: str) -> None:
    assert shown(text)[0] == written


def test_the_style_of_the_event_holds_until_an_override() -> None:
    assert shown("a{\\i0}b", "Top") == ("<i>a</i>b", "line:0")
    assert shown("{\\an2}a", "Top") == ("<i>a</i>", "")
    assert shown("a", "no such style") == ("a", "")


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("{\\an7}a", "line:0 align:left"),
        ("{\\an9}a", "line:0 align:right"),
        ("{\\an3}a", "align:right"),
        ("{\\an8}{\\an2}the first counts", "line:0"),
        ("{\\an8\\pos(960,108)}a", "line:10.0% position:50.0% align:center"),
        ("{\\pos(192,1080)}a", "line:94.0% position:10.0% align:center"),
        ("{\\pos(192,1080)}a\\Nb", "line:88.0% position:10.0% align:center"),
        ("{\\an5\\pos(960,540)}a", "line:47.0% position:50.0% align:center"),
        ("{\\an7\\move(0,0,100,100)}a", "line:0.0% position:0.0% align:left"),
        ("{\\pos(-500,99999)}a", "line:94.0% position:0.0% align:center"),
        ("{\\pos(x)}a", ""),
    ],
)
def test_where_it_stands(text: str, settings: str) -> None:
    assert shown(text)[1] == settings


def test_alignments_of_the_first_version() -> None:
    assert [of_legacy(number) for number in (1, 2, 3, 5, 6, 7, 9, 10, 11)] == [1, 2, 3, 7, 8, 9, 4, 5, 6]
    assert all(1 <= of_legacy(number) <= 9 for number in range(100))
