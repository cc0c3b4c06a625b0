"""Windows: together they have every line of the whole text, each wherever it is seen, and each at its time."""

import re
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.subtitles.convert import to_webvtt
from transcoded.plan.subtitles.cues import Cue, write_webvtt
from transcoded.plan.subtitles.srt import read_times
from transcoded.plan.subtitles.windows import WINDOW, cut, timestamp_map, window_lengths

HEAD = "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n"
LAST = 10

cues = st.lists(
    st.builds(
        lambda start, length, text: Cue(start, start + length, text),
        st.one_of(st.integers(0, 600_000), st.sampled_from([0, 59_999, 60_000, 120_000])),
        st.one_of(st.integers(1, 5000), st.sampled_from([1, 60_000, 200_000])),
        st.sampled_from(["one", "two\nlines", "00:00:01.000", "STYLE", "&lt;a"]),
    ),
    max_size=20,
)


def read(text: str) -> list[Cue]:
    """The cues of WebVTT, by a reader of its own."""
    found = []
    for block in re.split(r"\n\n+", text.strip("\n"))[1:]:
        times, _, rest = block.partition("\n")
        numbers = read_times(times)
        assert numbers is not None
        found.append(Cue(numbers[0], numbers[1], rest))
    return found


@given(cues)
def test_a_window_has_what_is_visible_in_it_and_nothing_else(made: list[Cue]) -> None:
    whole = write_webvtt(made)
    known = read(whole)
    for number in range(LAST):
        start, end = 1000 * WINDOW * number, 1000 * WINDOW * (number + 1)
        assert read(cut(whole, number)) == [one for one in known if one.start < end and one.end > start]


def test_a_line_over_a_border_is_in_both_with_its_true_times() -> None:
    whole = "WEBVTT\n\n00:59.000 --> 01:01.500 line:0\nover\n"
    assert cut(whole, 0) == f"{HEAD}\n00:59.000 --> 01:01.500 line:0\nover\n"
    assert cut(whole, 1) == cut(whole, 0)
    assert cut(whole, 2) == HEAD


def test_one_that_ends_or_begins_at_a_border_is_in_one() -> None:
    whole = "WEBVTT\n\n00:50.000 --> 01:00.000\na\n\n01:00.000 --> 01:02.000\nb\n"
    assert [cut(whole, number).count("-->") for number in range(3)] == [1, 1, 0]


def test_styles_and_regions_are_in_all_of_them_and_comments_in_none() -> None:
    whole = to_webvtt(
        b"WEBVTT - title\nKind: captions\n\nSTYLE\n::cue { color: lime }\n\nREGION\nid:a\n\nNOTE --> no\n\n"
        b"NOTE\nthis and that\n\nname\n00:01.000 --> 00:02.000\nfirst\n",
        "webvtt",
    ).decode()
    head = whole[: whole.index("NOTE")].replace("title\n", f"title\n{timestamp_map(0)}\n")
    assert cut(whole, 0) == f"{head}name\n00:01.000 --> 00:02.000\nfirst\n"
    assert cut(whole, 5) == head.rstrip("\n") + "\n"


def test_the_lengths_are_those_of_the_film() -> None:
    assert window_lengths(Fraction(150)) == [60, 60, 30]
    assert window_lengths(Fraction(120)) == [60, 60]
    assert window_lengths(Fraction(1, 3)) == [Fraction(1, 3)]


@given(st.integers(0, 20_000))
def test_the_clock_of_mpeg_ties_a_time_to_itself(number: int) -> None:
    """As players read it: it begins anew after 33 bits, and they count how often it has before the window begins."""
    found = re.fullmatch(r"X-TIMESTAMP-MAP=MPEGTS:(\d+),LOCAL:(\d{2,}):(\d\d):(\d\d)\.000", timestamp_map(number))
    assert found is not None
    ticks, hours, minutes, seconds = map(int, found.groups())
    rollovers = WINDOW * number * 90_000 >> 33
    assert ticks < 1 << 33
    assert ticks + (rollovers << 33) == (hours * 3600 + minutes * 60 + seconds) * 90_000
