"""Scripts to draw: whatever the text is, it is drawn as it reads, at its time, and nothing in it does anything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.errors import NotMedia
from transcoded.plan.subtitles import script
from transcoded.plan.subtitles.script import fonts_section, shifted, to_script

SRT = "1\n00:00:01,000 --> 00:00:02,500\n{}\n"
HEAD = "[Script Info]\n[Events]\nFormat: Layer, Start, End, Style, Text\n"


def events(text: str) -> list[str]:
    """What is drawn: everything behind the start, and the text."""
    return [line for line in text.splitlines() if line.startswith("Dialogue:")]


def drawn(text: str, codec: str = "subrip") -> str:
    (event,) = events(to_script(text.encode(), codec))
    return event.rpartition(",0,0,0,,")[2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a line", "a line"),
        ("two\nlines", "two\\Nlines"),
        ("<i>a</i> <b>b</b> <u>c</u>", "{\\i1}a{\\i0} {\\b1}b{\\b0} {\\u1}c{\\u0}"),
        ('<font color="#ffff00">a</font> b', "{\\c&H00FFFF&}a{\\c} b"),
        ("I <3 you & me", "I <3 you & me"),
        ("{no override}", "\\{no override\\}"),
        ("C:\\new", "C:\\\u2060new"),
        ("{\\an8}above", "{\\an8}above"),
        ("é 日本", "é 日本"),
    ],
)
def test_subrip_is_drawn_as_it_reads(text: str, expected: str) -> None:
    assert drawn(SRT.format(text)) == expected


def test_the_times_are_those_of_the_file() -> None:
    assert events(to_script(SRT.format("a").encode(), "subrip"))[0].startswith(
        "Dialogue: 0,0:00:01.00,0:00:02.50,Default,"
    )


def test_webvtt_without_its_notes_styles_and_names() -> None:
    text = (
        "WEBVTT a title\n\nSTYLE\n::cue { color: red }\n\nNOTE\nnothing --\n\nname\n00:01.000 --> 00:02.000 line:0\n"
        "<v Roger>a &lt; b\n\nNOTE again\n\n2\n00:03.000 --> 00:04.000\nc\n"
    )
    found = events(to_script(text.encode(), "webvtt"))
    assert [one.rpartition(",,")[2] for one in found] == ["a < b", "c"]


def test_a_script_is_drawn_as_it_is() -> None:
    text = HEAD + "Dialogue: 0,0:00:01.00,0:00:02.00,Default,{\\p1}m 0 0 l 9 9\n"
    assert to_script(text.encode(), "ass") == text


def test_other_charsets_and_empty_files() -> None:
    assert drawn(SRT.format("Привет, как дела").encode("cp1251").decode("latin-1").encode("latin-1").decode("cp1251"))
    assert "Привет" in to_script(SRT.format("Привет, как дела").encode("cp1251"), "subrip", "cp1251")
    assert not events(to_script(b"", "subrip"))


def test_too_many_lines_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "MAX_CUES", 2)
    with pytest.raises(NotMedia, match="more than 2"):
        to_script((SRT.format("a") * 3).encode(), "subrip")


@pytest.mark.parametrize(
    ("start", "end", "seconds", "expected"),
    [
        ("0:00:10.00", "0:00:20.00", 0.0, ("0:00:10.00", "0:00:20.00")),
        ("0:00:10.00", "0:00:20.00", 4.5, ("0:00:05.50", "0:00:15.50")),
        ("1:00:10.00", "1:00:20.00", 3600.0, ("0:00:10.00", "0:00:20.00")),
        ("0:00:10.00", "0:00:20.00", 15.0, ("-1:59:55.00", "0:00:05.00")),
        ("0:00:10.00", "0:00:20.00", 20.0, None),
        ("0:00:10.00", "0:00:20.00", 25.0, None),
        ("nonsense", "0:00:20.00", 5.0, ("nonsense", "0:00:20.00")),
    ],
)
def test_an_event_is_moved(start: str, end: str, seconds: float, expected: tuple[str, str] | None) -> None:
    """One that has begun keeps its start, which libass reads by the negative hours: what fades in has faded in by then."""
    found = events(shifted(f"{HEAD}Dialogue: 0,{start},{end},Default,a, b\n", seconds))
    assert found == ([] if expected is None else [f"Dialogue: 0,{expected[0]},{expected[1]},Default,a, b"])


def test_an_event_that_has_begun_before_its_film_is_moved() -> None:
    line = "Dialogue: 0,{},{},Default,,0,0,0,,Hello\n"
    moved = shifted("[Events]\n" + line.format("0:00:-1.00", "0:00:03.00"), 1.0)
    assert moved == "[Events]\n" + line.format("-1:59:59.00", "0:00:02.00")


def test_columns_may_be_in_another_order() -> None:
    text = "[Events]\nFormat: End, Text, Start\nComment: 0:00:09.00,x,0:00:01.00\nDialogue: 0:00:09.00,a,0:00:05.00\n"
    assert events(shifted(text, 1.0)) == ["Dialogue: 0:00:08.00,a,0:00:04.00"]


@given(st.text(max_size=300), st.floats(0, 1e6))
def test_any_text_can_be_moved_and_drawn(text: str, seconds: float) -> None:
    made = to_script(text.encode("utf-8", "replace"), "subrip")
    assert len(events(shifted(made, seconds))) <= len(events(made))


def test_fonts_are_written_so_that_libass_reads_them() -> None:
    assert fonts_section([]) == b""
    lines = fonts_section([bytes(range(256)), b"\0"]).decode().splitlines()
    assert lines[:3] == ["", "[Fonts]", "fontname: font0_0.ttf"]
    coded = lines[3 : lines.index("fontname: font1_0.ttf")]
    assert all(len(one) == 80 for one in coded[:-1])
    assert decoded("".join(coded)) == bytes(range(256))
    assert decoded(lines[-1]) == b"\0"
    assert all(33 <= ord(one) <= 96 for one in "".join(coded)), "no letter of a keyword, and no new section"


def decoded(text: str) -> bytes:
    """Four characters of 6 bits, from 33 on, are three bytes (libass, `decode_chars`)."""
    found = b""
    for at in range(0, len(text), 4):
        part = [ord(one) - 33 for one in text[at : at + 4]]
        number = sum(value << 6 * (3 - place) for place, value in enumerate(part))
        found += number.to_bytes(3)[: len(part) - 1]
    return found
