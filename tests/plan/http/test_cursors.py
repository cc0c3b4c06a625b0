"""Cursors: whoever reads a folder page by page sees each entry once, in the order of the whole."""

import re

from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.http.cursors import CURSOR_PATTERN, cursor_of, key_of, name_of, sort_key

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=60)


@given(NAMES, st.booleans())
def test_a_cursor_leads_back_to_its_position(name: str, is_directory: bool) -> None:
    key = sort_key(name, is_directory=is_directory)
    assert name_of(key) == name
    assert re.fullmatch(CURSOR_PATTERN, cursor_of(key))
    assert key_of(cursor_of(key)) == key


@given(st.lists(st.tuples(st.booleans(), NAMES)))
def test_the_order_is_directories_first_and_then_by_name(entries: list[tuple[bool, str]]) -> None:
    keys = sorted(sort_key(name, is_directory=is_directory) for is_directory, name in entries)
    wanted = sorted(entries, key=lambda one: (not one[0], one[1].casefold(), one[1]))
    assert [name_of(key) for key in keys] == [name for _, name in wanted]


@given(st.from_regex(CURSOR_PATTERN, fullmatch=True))
def test_every_text_that_is_allowed_is_a_position(cursor: str) -> None:
    assert key_of(cursor)[0] == cursor[0]
