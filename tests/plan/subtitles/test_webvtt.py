"""WebVTT that is passed on: all that its author meant, and nothing that calls elsewhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.subtitles.webvtt import has_times_of_webvtt, is_webvtt, passed_on

STYLED = """WEBVTT - a title

STYLE
::cue(.yellow) { color: yellow }

REGION
id:fred
width:40%

NOTE a comment

id 1
00:01.000 --> 00:04.000 align:start position:10% line:0 region:fred
<v Roger><c.yellow>We are</c> here

00:05.000 --> 00:06.000
a &lt;tag&gt; &amp; b
"""


def test_everything_is_kept() -> None:
    assert passed_on(STYLED) == STYLED


@pytest.mark.parametrize("first", ["WEBVTT", "WEBVTT ", "WEBVTT\tx", "WEBVTT - Some title", "\n\nWEBVTT"], ids=range(5))
def test_its_first_line(first: str) -> None:
    assert is_webvtt(f"{first}\n\n00:01.000 --> 00:04.000\na\n")
    assert passed_on(f"{first}\n\nx").startswith("WEBVTT")


@pytest.mark.parametrize("text", ["", "WEBVTTx", "webvtt", "1\n00:01 --> 00:02\na", "x\nWEBVTT"])
def test_other_files_have_another(text: str) -> None:
    assert not is_webvtt(text)


def test_a_file_without_its_first_line_gets_one() -> None:
    text = "00:01.000 --> 00:04.000 line:0\n<b>a</b>\n"
    assert has_times_of_webvtt(text)
    assert passed_on(text) == f"WEBVTT\n\n{text}"
    assert not has_times_of_webvtt("1\n00:00:01,000 --> 00:00:04,000\na\n")
    assert not has_times_of_webvtt("nothing")


def test_times_with_a_comma_get_a_full_stop() -> None:
    text = "WEBVTT\n\n00:00:01,000 --> 00:00:04,000 line:0\na, b --> c\n"
    assert passed_on(text) == "WEBVTT\n\n00:00:01.000 --> 00:00:04.000 line:0\na, b --> c\n"


def test_the_clock_of_another_stream_is_left_out() -> None:
    text = "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000\nKind: captions\n\n00:01.000 --> 00:04.000\na\n"
    assert passed_on(text) == "WEBVTT\nKind: captions\n\n00:01.000 --> 00:04.000\na\n"
    in_a_cue = "WEBVTT\n\n00:01.000 --> 00:04.000\nX-TIMESTAMP-MAP=1\n"
    assert passed_on(in_a_cue) == in_a_cue


@pytest.mark.parametrize(
    "css",
    [
        "@import 'http://example.com/a.css';",
        "::cue { background: url(http://example.com/a.png) }",
        "::cue { background: URL ( 'a' ) }",
        "::cue { background: u\\72l(a) }",
        "::cue {\n background: image-set('a' 1x) }",
    ],
)
@pytest.mark.parametrize("tail", ["\n\n00:01.000 --> 00:04.000\na", ""])
def test_a_style_that_calls_elsewhere_is_left_out(css: str, tail: str) -> None:
    """Browsers must not follow it; whoever does would tell a stranger who watches."""
    told = passed_on(f"WEBVTT\n\nSTYLE\n{css}{tail}\n")
    assert "STYLE" not in told
    assert css not in told
    assert told.startswith("WEBVTT\n")
    assert ("\na\n" in told) == bool(tail)


@given(st.text(st.sampled_from("WEBVT STYLE\n->:.,0{}url(@\\"), max_size=80))
def test_every_text_is_webvtt_afterwards(text: str) -> None:
    assert is_webvtt(passed_on(text))
    assert passed_on(passed_on(text)) == passed_on(text)
