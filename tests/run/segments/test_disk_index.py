"""The index of what is on disk: its sum is what keeps the quota."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.run.segments import disk_index
from transcoded.run.segments.disk_index import DiskIndex, part

NAMES = st.integers(0, 9).map(lambda number: bytes([number]))


@given(st.lists(st.tuples(st.sampled_from(["add", "used", "forget"]), NAMES, st.integers(1, 60))))
def test_the_quota_is_never_exceeded(steps: list[tuple[str, bytes, int]]) -> None:
    index, there = DiskIndex(100), dict[bytes, int]()
    for what, name, taken in steps:
        if what == "add":
            for gone in index.surplus(taken):
                del there[gone]
            index.add({name: taken})
            there.pop(name, None)
            there[name] = taken
        elif what == "used":
            index.used(name)
            if name in there:
                there[name] = there.pop(name)
        else:
            index.forget(name)
            there.pop(name, None)
        assert index.weight == sum(there.values()) <= 100
        assert (len(index), all(name in index for name in there)) == (len(there), True)
    index.quota = 0
    assert list(index.surplus()) == list(there), "the least recently used goes first"


def test_what_could_not_be_removed_counts_again() -> None:
    index = DiskIndex(100)
    index.add({b"a": 60, b"b": 40})
    surplus = index.surplus(50)
    assert surplus == {b"a": 60}
    index.add(part(surplus, [b"a"]))
    assert index.weight == 100
    assert index.surplus(10) == {b"b": 40}


def test_the_number_of_segments_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes memory, however short it is."""
    monkeypatch.setattr(disk_index, "MAX_ENTRIES", 3)
    index = DiskIndex(1 << 40)
    index.add({bytes([number]): 1 for number in range(5)})
    assert list(index.surplus()) == [b"\0", b"\1"]
    assert list(index.surplus(1)) == [b"\2"]
