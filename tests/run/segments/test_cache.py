"""The store of segments: one hard quota, whatever is put in; and who comes again finds what was used last."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.run.segments.cache import SegmentCache


def test_what_was_used_longest_ago_goes_first() -> None:
    store = SegmentCache(30)
    for name in "abc":
        store.put(name, bytes(10))
    assert store.get("a") == bytes(10)
    assert "b" in store, "to look is not to use"
    store.put("d", bytes(10))
    assert [name for name in "abcd" if name in store] == ["a", "c", "d"]
    assert store.get("b") is None


def test_one_that_is_larger_than_all_room_drives_nobody_out() -> None:
    store = SegmentCache(30)
    store.put("a", bytes(10))
    store.put("film", bytes(31))
    assert "film" not in store
    assert "a" in store


def test_a_new_value_takes_the_place_of_the_old() -> None:
    store = SegmentCache(30)
    store.put("a", bytes(20))
    store.put("a", b"new")
    assert (store.get("a"), store.bytes_used, len(store)) == (b"new", 3, 1)
    store.put("a", bytes(31))
    assert ("a" in store, store.bytes_used) == (False, 0), "never an old picture for a new one"


def test_nothing_is_left_after_it_was_cleared() -> None:
    store = SegmentCache(30)
    store.put("a", bytes(10))
    store.clear()
    assert (len(store), store.bytes_used, store.get("a")) == (0, 0, None)


def test_an_empty_value_is_one() -> None:
    """A film without subtitles has an empty file of them: it is not made again for each who asks."""
    store = SegmentCache(30)
    store.put("a", b"")
    assert store.get("a") == b""


@given(st.lists(st.tuples(st.integers(0, 5), st.none() | st.binary(max_size=40))), st.integers(1, 100))
def test_the_quota_holds_whatever_is_done(steps: list[tuple[int, bytes | None]], most: int) -> None:
    store = SegmentCache(most)
    last: dict[int, bytes] = {}
    for key, value in steps:
        if value is None:
            found = store.get(key)
            assert found is None or found == last[key]
        else:
            store.put(key, value)
            last[key] = value
        assert store.bytes_used <= most
        assert store.bytes_used == sum(len(last[key]) for key in last if key in store)


@pytest.mark.parametrize("size", [29, 30])
def test_what_just_fits_is_kept(size: int) -> None:
    store = SegmentCache(30)
    store.put("a", bytes(size))
    assert "a" in store
