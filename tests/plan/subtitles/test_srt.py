"""SubRip: whatever players show of a file is shown here, and nothing of it is taken for markup that is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.subtitles.cues import Cue
from transcoded.plan.subtitles.srt import AFTER_A_TYPO, read_srt


def cues(text: str) -> list[Cue]:
    return list(read_srt(text))


def texts(*lines: str) -> str:
    """The text of one cue of these lines."""
    (cue,) = cues("1\n00:00:01,000 --> 00:00:02,000\n" + "\n".join(lines))
    return cue.text


def test_cues_with_their_times() -> None:
    text = "1\n00:00:01,000 --> 00:00:04,500\none\ntwo\n\n2\n01:02:03,004 --> 01:02:05,000\nthree\n"
    assert cues(text) == [Cue(1000, 4500, "one\ntwo"), Cue(3_723_004, 3_725_000, "three")]


@pytest.mark.parametrize(
    "line",
    [
        "00:00:01,000 --> 00:00:04,000",
        "00:00:01.000 --> 00:00:04.000",
        "0:0:1,0 -> 0:0:4",
        " 00:00:01,000-->00:00:04,000 ",
        "00:00:01,000 --> 00:00:04,000  X1:100 X2:200 Y1:1 Y2:9",
        "00:01,000 --> 00:04,000",
        "00: 00: 01, 000 --> 00: 00: 04, 000",
        "00:00:01:000 --> 00:00:04:000",
    ],
)
def test_times_as_programs_write_them(line: str) -> None:
    assert cues(f"1\n{line}\ntext\n") == [Cue(1000, 4000, "text")]


@pytest.mark.parametrize(
    "text",
    [
        "00:00:01,000 --> 00:00:02,000\na\n\n00:00:03,000 --> 00:00:04,000\nb\n",
        "00:00:01,000 --> 00:00:02,000\na\n00:00:03,000 --> 00:00:04,000\nb",
        "1\r\n00:00:01,000 --> 00:00:02,000\r\na\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,000\r\nb\r\n",
        "1\r00:00:01,000 --> 00:00:02,000\ra\r\r2\r00:00:03,000 --> 00:00:04,000\rb\r",
        "\n\n\nnonsense\n1\n00:00:01,000 --> 00:00:02,000\na\n\n\n\n2\n00:00:03,000 --> 00:00:04,000\n\nb\n",
    ],
    ids=["no numbers", "no empty line", "Windows", "old Mac", "more empty lines"],
)
def test_odd_files_are_read_leniently(text: str) -> None:
    assert cues(text) == [Cue(1000, 2000, "a"), Cue(3000, 4000, "b")]


@pytest.mark.parametrize("text", ["", "\n", "only garbage", "1\n2\n3\n", "WEBVTT", "00:00:01 and --> nothing"])
def test_what_has_no_times_has_no_cues(text: str) -> None:
    assert cues(text) == []


def test_an_empty_line_within_a_text_loses_nothing() -> None:
    assert texts("a", "", "b", "", "") == "a\nb"


def test_a_number_is_text_where_it_is_not_before_times() -> None:
    text = "1\n00:00:01,000 --> 00:00:02,000\n1984\n\n2\n00:00:03,000 --> 00:00:04,000\n2001\n"
    assert [cue.text for cue in cues(text)] == ["1984", "2001"]


def test_an_end_before_the_start_is_a_typo() -> None:
    assert cues("00:01:05,000 --> 00:00:59,000\na") == [Cue(65_000, 65_000 + AFTER_A_TYPO, "a")]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("I <3 you & me; 5 < 6 > 4", "I &lt;3 you &amp; me; 5 &lt; 6 &gt; 4"),
        ("arrow --> here", "arrow --&gt; here"),
        ("<i>slanted</i>", "<i>slanted</i>"),
        ("<I>slanted", "<i>slanted</i>"),
        ("<b>a<i>b</b>c</i>", "<b>a</b><b><i>b</i></b><i>c</i>"),
        ("<em>a</em> <strong>b</strong>", "<i>a</i> <b>b</b>"),
        ('<font color="#FFFF00">a</font> b', "<c.yellow>a</c> b"),
        ("<font color=cyan size=3>a<font face='x'>b</font></font>", "<c.cyan>ab</c>"),
        ("<font color='#123456'>a</font>", "a"),
        ("<p>a</p><br/>b", "a\nb"),
        ("<ruby>kanji<rt>kana</rt></ruby>", "kanjikana"),
        ("<v Roger>a", "a"),
        ("<c.yellow>a</c>", "a"),
        ("<Phone rings>", "&lt;Phone rings&gt;"),
        ("<unclosed", "&lt;unclosed"),
        ("R&amp;B &lt;b&gt; &nbsp;x &#233;", "R&amp;B &lt;b&gt; \xa0x é"),
        ("AT&T &c; &unknown;", "AT&amp;T &amp;c; &amp;unknown;"),
        ("{\\i1}a{\\i0}b", "<i>a</i>b"),
        ("{in braces}", "{in braces}"),
        ("C:\\Name\\h", "C:\\Name\\h"),
    ],
)
def test_what_is_shown_of_a_line(line: str, shown: str) -> None:
    assert texts(line) == shown


@pytest.mark.parametrize(
    ("line", "settings"),
    [
        ("{\\an8}top", "line:0"),
        ("{\\a6}top", "line:0"),
        ("{\\an1}left", "align:left"),
        ("{\\an5}middle", "line:50%"),
        ("{\\an2}as always", ""),
        ("<i>{\\an8}in a tag</i>", "line:0"),
    ],
)
def test_where_a_line_stands(line: str, settings: str) -> None:
    (cue,) = cues(f"00:00:01,000 --> 00:00:02,000\n{line}")
    assert cue.settings == settings


@given(st.text(st.sampled_from("<>&{}\\iab1/ \n-:,0"), max_size=60))
def test_no_text_is_markup_that_was_not_meant(text: str) -> None:
    """Only tags of our own are in a cue: pairs, nested properly."""
    open_tags: list[str] = []
    for cue in cues(f"00:00:01,000 --> 00:00:02,000\n{text}"):
        for part in cue.text.split("<")[1:]:
            tag = part.partition(">")[0]
            if tag.startswith("/"):
                assert open_tags.pop() == tag[1:]
            else:
                assert tag in {"i", "b", "u"}
                open_tags.append(tag)
        assert not open_tags
        assert "\n\n" not in cue.text
        assert "-->" not in cue.text
