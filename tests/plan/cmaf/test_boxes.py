"""Boxes: the result does not depend on the chunks of the pipe, and damaged bytes are an error, not a hang."""

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.cmaf.boxes import (
    Box,
    BoxError,
    BoxReader,
    box,
    child,
    children,
    full_box,
    unpack,
    version_and_flags,
)

BOXES = st.lists(st.builds(Box, st.binary(min_size=4, max_size=4), st.binary(max_size=60)), max_size=6)


@given(BOXES, st.lists(st.integers(0, 500)))
def test_boxes_do_not_depend_on_the_chunks(boxes: list[Box], cuts: list[int]) -> None:
    data = b"".join(box(one.type, one.payload) for one in boxes)
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    reader = BoxReader()
    found = [one for start, end in pairwise(places) for one in reader.feed(data[start:end])]
    reader.finish()
    assert found == boxes


@given(st.binary(max_size=200))
def test_any_bytes_give_boxes_or_a_box_error(data: bytes) -> None:
    reader = BoxReader(limit=1000)
    try:
        for one in reader.feed(data):
            list(children(one.payload))
        reader.finish()
    except BoxError:
        return


def test_a_box_with_a_64_bit_size_is_read() -> None:
    data = struct.pack(">I4sQ", 1, b"mdat", 19) + b"abc"
    assert BoxReader().feed(data) == [Box(b"mdat", b"abc")]
    assert list(children(data)) == [Box(b"mdat", b"abc")]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(
            struct.pack(">I4s", 1001, b"mdat"), "at most 1000", id="too large, rejected before it is buffered"
        ),
        pytest.param(struct.pack(">I4sQ", 1, b"mdat", 1 << 40), "at most 1000", id="too large, in 64 bits"),
        pytest.param(struct.pack(">I4s", 0, b"mdat"), "says that it has 0", id="to the end of the file"),
        pytest.param(struct.pack(">I4s", 7, b"mdat"), "says that it has 7", id="smaller than its header"),
        pytest.param(struct.pack(">I4sQ", 1, b"\x00\xffab", 15), r"\\x00\\xffab box", id="unprintable name"),
    ],
)
def test_impossible_sizes_are_errors(data: bytes, message: str) -> None:
    with pytest.raises(BoxError, match=message):
        BoxReader(limit=1000).feed(data)


def test_an_end_inside_a_box_is_an_error() -> None:
    reader = BoxReader()
    assert not reader.feed(box(b"moov", b"12345678")[:-1])
    with pytest.raises(BoxError, match="after 15 bytes"):
        reader.finish()


def test_a_nested_box_is_found_and_a_missing_one_is_named() -> None:
    tree = box(b"trak", box(b"free"), box(b"mdia", full_box(b"mdhd", 1, 5, b"x")))
    assert version_and_flags(child(tree, b"trak", b"mdia", b"mdhd")) == (1, 5)
    with pytest.raises(BoxError, match="the hdlr box is missing"):
        child(tree, b"trak", b"mdia", b"hdlr")


def test_a_child_that_is_larger_than_its_parent_is_an_error() -> None:
    with pytest.raises(BoxError, match="larger than the rest of its parent"):
        list(children(box(b"free") + struct.pack(">I4s", 9, b"free")))
    with pytest.raises(BoxError, match="larger than the rest of its parent"):
        list(children(b"abc"))


def test_a_short_payload_is_an_error() -> None:
    with pytest.raises(BoxError, match="too short"):
        unpack(">I", b"abc", 0)
