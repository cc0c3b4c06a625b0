"""Whether a header can be believed. A download that broke off must not be listed to an end that it does not have."""

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.media.timeline.survey import BLOCK, PLACES, clock_is_uneven, is_cut, is_surveyed


def reader(data: bytes) -> "Callable[[int, int], bytes]":
    return lambda offset, length: data[offset : offset + length]


def cut(container: str, data: bytes, missing: int = 0) -> bool:
    left = data[: len(data) - missing]
    return is_cut(container, len(left), reader(left))


def box(kind: bytes, size: int, header: int = 8) -> bytes:
    if header == 16:
        return struct.pack(">I4sQ", 1, kind, size) + bytes(size - 16)
    return struct.pack(">I4s", size, kind) + bytes(size - 8)


MP4 = box(b"ftyp", 24) + box(b"moov", 500) + box(b"mdat", 5000)
LARGE_MP4 = box(b"ftyp", 24) + box(b"mdat", 5000, 16) + box(b"moov", 500)
EBML = b"\x1a\x45\xdf\xa3\x84" + bytes(4)
MATROSKA = EBML + b"\x18\x53\x80\x67\x01" + (2000).to_bytes(7, "big") + bytes(2000)
UNBOUNDED = EBML + b"\x18\x53\x80\x67\x01" + b"\xff" * 7 + bytes(2000)
AVI = b"RIFF" + struct.pack("<I", 3000) + b"AVI " + bytes(2996)


@pytest.mark.parametrize(
    ("container", "data"),
    [("mov,mp4", MP4), ("mov,mp4", LARGE_MP4), ("matroska,webm", MATROSKA), ("avi", AVI), ("wav", AVI)],
)
@pytest.mark.parametrize("missing", [0, 2, 400])
def test_a_file_that_broke_off_is_recognised(container: str, data: bytes, missing: int) -> None:
    assert cut(container, data, missing) is (missing > 0)


@pytest.mark.parametrize(
    ("container", "data"),
    [
        ("mov", MP4[:-5000] + struct.pack(">I4s", 0, b"mdat") + bytes(100)),
        ("matroska", UNBOUNDED),
        ("wav", b"RIFF" + b"\xff" * 4 + b"WAVE" + bytes(100)),
        ("wav", b"RIFF" + bytes(4) + b"WAVE" + bytes(100)),
        ("mp3", b"ID3" + bytes(1000)),
    ],
    ids=["last box to the end", "live Matroska", "WAV from a pipe", "WAV of length 0", "no outermost length"],
)
def test_a_length_that_is_not_known_is_no_cut(container: str, data: bytes) -> None:
    assert not cut(container, data)


@given(st.sampled_from(["mov", "matroska", "avi", "mpegts", "mpeg"]), st.binary(max_size=600))
def test_any_bytes_are_surveyed_without_an_error(container: str, data: bytes) -> None:
    is_cut(container, len(data), reader(data))
    clock_is_uneven(container, len(data), reader(data))


def test_a_hostile_file_of_tiny_boxes_costs_few_reads() -> None:
    reads = []

    def read(offset: int, length: int) -> bytes:
        reads.append(offset)
        return struct.pack(">I4s", 8, b"free") * (length // 8)

    assert not is_cut("mov", 1 << 40, read)
    assert len(reads) < 5000


def transport(times: list[float], packets: int = 40, size: int = 188) -> bytes:
    """A transport stream that has a clock reference, then packets without one, for each of these times."""
    clocks = []
    for time in times:
        base = round(time * 90_000) % (1 << 33)
        pcr = (base << 15 | 0x7E00).to_bytes(6, "big")
        clocks.append(bytes(size - 188) + b"\x47\x01\x00\x20\xb7\x10" + pcr + b"\xff" * 176)
        clocks.append((bytes(size - 188) + b"\x47\x01\x00\x10" + b"\xff" * 184) * packets)
    return b"".join(clocks)


def program(times: list[float]) -> bytes:
    """A program stream of MPEG-2 with a pack for each of these times."""
    packs = []
    for time in times:
        clock = round(time * 90_000)
        high, middle, low = clock >> 30 & 7, clock >> 15 & 0x7FFF, clock & 0x7FFF
        field = 1 << 46 | high << 43 | 1 << 42 | middle << 27 | 1 << 26 | low << 11 | 1 << 10 | 1
        packs.append(b"\x00\x00\x01\xba" + field.to_bytes(6, "big") + b"\xff" * 2000)
    return b"".join(packs)


STEADY = [second / 10 for second in range(600)]


@pytest.mark.parametrize(("container", "make"), [("mpegts", transport), ("mpeg", program)])
@pytest.mark.parametrize(
    ("times", "uneven"),
    [
        (STEADY, False),
        ([95_440 + time for time in STEADY], False),
        (STEADY + STEADY, True),
        ([100 + time for time in STEADY] + [50 + time for time in STEADY], True),
        (STEADY + [3600 + time for time in STEADY], True),
    ],
    ids=["steady", "wraps around", "begins anew", "goes back", "jumps by an hour"],
)
def test_a_clock_that_does_not_go_on_is_noticed(
    container: str, make: "Callable[[list[float]], bytes]", times: list[float], uneven: bool
) -> None:
    data = make(times)
    assert clock_is_uneven(container, len(data), reader(data)) is uneven


@pytest.mark.parametrize("size", [188, 192, 204])
def test_packets_of_every_usual_length_are_read(size: int) -> None:
    data = transport(STEADY + STEADY, size=size)
    assert clock_is_uneven("mpegts", len(data), reader(data))


def test_a_large_file_is_read_at_a_few_places_only() -> None:
    """A recording of 20 GB must not delay its first picture."""
    reads = []

    def read(offset: int, length: int) -> bytes:
        reads.append(length)
        return transport([offset / 1e6])[:length]

    assert not clock_is_uneven("mpegts", 20 << 30, read)
    assert (len(reads), sum(reads)) == (PLACES, PLACES * BLOCK)


def test_only_what_can_be_found_out_is_looked_at() -> None:
    assert is_surveyed("mov,mp4,m4a,3gp,3g2,mj2")
    assert not is_surveyed("flac")
