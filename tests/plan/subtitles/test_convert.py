"""From bytes to WebVTT: whatever a file is, it is a track, and never a part that passes for the whole."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import REPOSITORY
from transcoded.plan.errors import NotMedia
from transcoded.plan.subtitles import convert
from transcoded.plan.subtitles.convert import to_utf8, to_webvtt
from transcoded.plan.subtitles.webvtt import is_webvtt

SRT = "1\n00:00:01,000 --> 00:00:02,000\n{}\n"
ASS = "[Script Info]\n\n[Events]\nFormat: Start, End, Text\nDialogue: 0:00:01.00,0:00:02.00,{}\n"
VTT = "WEBVTT\n\n00:01.000 --> 00:02.000 line:0\n{}\n"


def test_each_kind_of_file() -> None:
    assert to_webvtt(SRT.format("a < b").encode(), "subrip").endswith(b"\na &lt; b\n")
    assert to_webvtt(ASS.format("{\\i1}a").encode(), "ass").endswith(b"\n<i>a</i>\n")
    assert to_webvtt(VTT.format("<v Roger>a").encode(), "webvtt") == VTT.format("<v Roger>a").encode()


@pytest.mark.parametrize("codec", ["subrip", "ass", "webvtt"])
@pytest.mark.parametrize("text", [SRT, ASS, VTT], ids=["srt", "ass", "vtt"])
def test_a_file_is_what_it_says_whatever_its_name(codec: str, text: str) -> None:
    assert b"\na &lt; b" in to_webvtt(text.format("a &lt; b" if text is VTT else "a < b").encode(), codec)


def test_a_file_of_webvtt_without_its_first_line() -> None:
    headless = VTT.format("<v Roger>a").partition("\n\n")[2]
    assert to_webvtt(headless.encode(), "webvtt") == VTT.format("<v Roger>a").encode()


@pytest.mark.parametrize("codec", ["subrip", "ass", "webvtt"])
@pytest.mark.parametrize(
    "data", [b"", b"\n\n", b"garbage \xff\xfe\x00", b"WEBVTT", b"WEBVTT\n", b"[Script Info]\n", b"1\n2\n"]
)
def test_what_has_no_cues_is_an_empty_track(data: bytes, codec: str) -> None:
    made = to_webvtt(data, codec)
    assert made.startswith(b"WEBVTT\n")
    assert b"-->" not in made


def test_the_charset_and_the_language_count() -> None:
    assert "Привет" in to_webvtt(SRT.format("Привет").encode("koi8_r"), "subrip", "koi8_r").decode()
    assert "È così" in to_webvtt(SRT.format("È così").encode("cp1252"), "subrip", language="it").decode()


def test_more_than_a_subtitle_file_can_have_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert, "MAX_CUES", 2)
    assert to_webvtt((SRT.format("a") * 2).encode(), "subrip")
    with pytest.raises(NotMedia):
        to_webvtt((SRT.format("a") * 3).encode(), "subrip")
    monkeypatch.setattr(convert, "MAX_MARKS", 3)
    with pytest.raises(NotMedia):
        to_webvtt(SRT.format("<i>a</i>{b}<").encode(), "subrip")


HOSTILE = r"""
import resource
from transcoded.plan.errors import NotMedia
from transcoded.plan.subtitles.convert import to_webvtt

# Quadratic work on a million bytes would take hours.
resource.setrlimit(resource.RLIMIT_CPU, (180, 180))
parts = [b"\n", b"-->", b"00:00:00,000 --> ", b" ", b"1", b"1:", b"<i>", b"<i ", b"{", b"{\\b1}", b"\\", b"&#", b"\xe9\n",
         b"\0", b"a\0", b"\nSTYLE\nurl ", b"\nDialogue:,{\\pos(", b"<font color=", b"Format:,"]
starts = [b"", b"00:00:00,000 --> 00:00:01,000\n", b"[Events]\nDialogue: 0,0:0:0,0:0:1,,,,,,,", b"WEBVTT\n\n"]
for start in starts:
    for part in parts:
        try:
            to_webvtt(start + part * (1_000_000 // len(part)) + b"}>", "subrip")
        except NotMedia:
            pass
"""


def test_the_work_is_linear() -> None:
    """A stranger can write the file."""
    subprocess.run([sys.executable, "-c", HOSTILE], check=True, cwd=REPOSITORY)


@given(
    st.text(st.sampled_from("<>&{}\\iab1/ \n-:,0[]WEBVT."), max_size=100), st.sampled_from(["subrip", "ass", "webvtt"])
)
@settings(max_examples=200)
def test_every_file_becomes_webvtt(text: str, codec: str) -> None:
    assert is_webvtt(to_webvtt(text.encode(), codec).decode())


def test_text_as_it_is_stays_as_it_is() -> None:
    text = "\ufeff1\r\n00:00:01,000 --> 00:00:02,000\r\nПривет\r\n".encode()
    assert to_utf8(text) is text
    assert to_utf8("Привет".encode("cp1251")) == "Привет".encode()
