"""SubStation Alpha: the dialogue of a script."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.subtitles.ass import is_ass, read_ass
from transcoded.plan.subtitles.cues import Cue

HEAD = """[Script Info]
ScriptType: v4.00+
PlayResX: 640
PlayResY: 480

[V4+ Styles]
Format: Name, Fontname, Fontsize, Bold, Italic, Alignment
Style: Default,Arial,16,0,0,2
Style: Sign,Arial,16,-1,0,8

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def cues(*lines: str, head: str = HEAD) -> list[Cue]:
    return list(read_ass(head + "\n".join(lines)))


def test_the_dialogue_with_its_styles() -> None:
    assert cues(
        "Dialogue: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,Hello, you, there",
        "Comment: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,not shown",
        "Dialogue: 0,1:00:00.00,1:00:01.00,Sign,,0,0,0,,{\\pos(320,48)}Sign",
    ) == [
        Cue(1000, 2500, "Hello, you, there"),
        Cue(3_600_000, 3_601_000, "<b>Sign</b>", "line:10.0% position:50.0% align:center"),
    ]


def test_a_drawing_is_no_text() -> None:
    (cue,) = cues("Dialogue: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,{\\p1}m 0 0 l 100 0 100 100{\\p0}")
    assert cue.text == ""


def test_columns_are_those_of_the_format() -> None:
    head = "[Events]\nFormat: Start, End, Text\n"
    assert cues("Dialogue: 0:00:01.00,0:00:02.00,a, b", head=head) == [Cue(1000, 2000, "a, b")]
    assert cues("Dialogue: 0,0:00:01.00,0:00:02.00,,,0,0,0,,a", head="[Events]\n") == [Cue(1000, 2000, "a")]


def test_the_first_version_has_other_alignments() -> None:
    head = "[V4 Styles]\nFormat: Name, Alignment\nStyle: Default,6\n[Events]\nFormat: Start, End, Style, Text\n"
    assert cues("Dialogue: 0:00:01.00,0:00:02.00,Default,a", head=head) == [Cue(1000, 2000, "a", "line:0")]


@pytest.mark.parametrize(
    "line",
    [
        "Dialogue:",
        "Dialogue: 0,0:00:01.00",
        "Dialogue: 0,x,y,Default,,0,0,0,,a",
        "Dialogue: 0,0:00:02.00,0:00:01.00,Default,,0,0,0,,a",
    ],
)
def test_a_line_that_cannot_be_read_is_left_out(line: str) -> None:
    assert cues(line, "Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,b") == [Cue(1000, 2000, "b")]


def test_a_script_says_what_it_is() -> None:
    assert is_ass(HEAD)
    assert is_ass("\n; comment\n[Script Info]\n")
    assert not is_ass("1\n00:00:01,000 --> 00:00:02,000\n[Events of the day]\n")


@given(st.text(st.sampled_from("[]:,;{}\\pD V4+Styleventsi01.\n"), max_size=80))
def test_every_text_can_be_read(text: str) -> None:
    list(read_ass(HEAD + text))
    list(read_ass(text))


@pytest.mark.parametrize("start", ["0:00:-1.00", "0:00:-1.-50", "0:-1:-1.00", "-1:-1:-1.-99"])
def test_a_line_that_has_begun_before_its_film(start: str) -> None:
    """The writer of ffmpeg puts the sign anywhere."""
    (cue,) = cues(f"Dialogue: 0,{start},0:00:03.00,Default,,0,0,0,,Hello")
    assert (cue.start, cue.end) == (0, 3000)
