"""Cursors: whoever reads a folder page by page sees each entry once, in the order of the whole; and it is the order of people."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.http.cursors import CURSOR_PATTERN, cursor_of, is_directory_at, key_of, name_of, sort_key

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=60)
LIKE_EPISODES = st.text("aA1029-٣３é", min_size=1, max_size=12)


def people(name: str) -> list[tuple[int, int, str]]:
    """Another definition of the order: a number is a number, everything else is a character."""
    folded = unicodedata.normalize("NFC", name).casefold()
    return [
        (ord("0"), int(part), "") if part.isdecimal() else (ord(part), 0, part)
        for part in re.findall(r"\d+|(?s:.)", folded)
    ]


@given(NAMES, st.booleans())
def test_a_cursor_leads_back_to_its_position(name: str, is_directory: bool) -> None:
    key = sort_key(name, is_directory=is_directory)
    assert name_of(key) == name
    assert is_directory_at(key) is is_directory
    assert re.fullmatch(CURSOR_PATTERN, cursor_of(key))
    assert key_of(cursor_of(key)) == key


@given(st.binary(min_size=1, max_size=60).filter(lambda name: b"\0" not in name))
def test_a_name_that_is_not_utf8_has_a_cursor_too(name: bytes) -> None:
    key = sort_key(name.decode("utf-8", "surrogateescape"), is_directory=False)
    assert key_of(cursor_of(key)) == key


@given(st.lists(st.tuples(st.booleans(), NAMES | LIKE_EPISODES)))
def test_the_order_is_directories_first_and_then_as_people_count(entries: list[tuple[bool, str]]) -> None:
    keys = sorted(sort_key(name, is_directory=is_directory) for is_directory, name in entries)
    wanted = sorted(entries, key=lambda one: (not one[0], people(one[1]), one[1]))
    assert [name_of(key) for key in keys] == [name for _, name in wanted]


@pytest.mark.parametrize(
    "names",
    [
        ["Episode 1.mkv", "Episode 2.mkv", "episode 3.mkv", "Episode 10.mkv", "Episode 100.mkv", "Episode 19999.mkv"],
        ["s01e02", "s01e10", "S2e1", "s10e1"],
        ["a", "a 1", "a01", "a1", "a01b", "a1b", "a1c", "a02", "a2"],
        ["1", "2", "10", "a"],
        ["第2話", "第３話", "第10話"],
        ["x" + "9" * 199, "x1" + "0" * 199, "x" + "9" * 200, "y"],
        ["1.2.9", "1.2.10", "1.10.1"],
        ["caf\u00e9 2", "cafe\u0301 3", "CAF\u00c9 10"],
        ["file (2).mkv", "file (10).mkv"],
    ],
)
def test_orders_that_people_expect(names: list[str]) -> None:
    backwards = names[::-1]
    assert sorted(backwards, key=lambda name: sort_key(name, is_directory=False)) == names


def test_a_name_of_digits_costs_no_more_than_another() -> None:
    """int() takes time by the square of the digits, and refuses more than 4,300 of them."""
    key = sort_key("7" * 10_000, is_directory=False)
    assert len(key) < 20_100
    assert sort_key("8" * 9_999, is_directory=False) < key


@given(st.from_regex(CURSOR_PATTERN, fullmatch=True))
def test_every_text_that_is_allowed_is_a_position(cursor: str) -> None:
    assert key_of(cursor)[0] == cursor[0]
