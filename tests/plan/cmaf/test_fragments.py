"""Fragments: a sample that is read or written with a wrong time or size is a video that stutters or does not play."""

import struct

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.plan.cmaf.test_segmenter import FTYP, VIDEO, moov, payload
from transcoded.plan.cmaf.boxes import BoxError, box, child, full_box
from transcoded.plan.cmaf.fragments import Sample, Track, read_samples, read_track, write_fragment, write_init
from transcoded.plan.cmaf.segmenter import InitSegment, Segmenter


def test_the_init_segment_has_one_edit_and_does_not_depend_on_the_run() -> None:
    """ffmpeg's edits and its name are removed."""
    edits = box(b"edts", full_box(b"elst", 0, 0, struct.pack(">IIihh", 1, 0, 99, 1, 0)))
    plain, edited = (payload(moov(30_000, extra=extra), b"moov") for extra in (b"", edits))
    init = write_init(b"iso5", edited, 2002)
    assert init == write_init(b"iso5", plain, 2002)
    assert child(payload(init, b"moov"), b"trak", b"edts", b"elst")[12:16] == struct.pack(">i", 2002)
    assert b"edts" not in write_init(b"iso5", edited, 0)
    assert b"udta" not in init
    assert read_track(payload(init, b"moov")) == read_track(plain)
    (made,) = Segmenter(VIDEO, 0, delay=2002).feed(FTYP + moov(30_000))
    assert isinstance(made, InitSegment)
    assert made.codec == "avc1.64001f"


SAMPLES = st.lists(
    st.tuples(st.integers(0, 5000), st.integers(-3000, 3000), st.booleans(), st.binary(max_size=20)), min_size=1
)


@given(SAMPLES, st.integers(-10_000, 1 << 40))
def test_samples_that_are_written_are_read_back_unchanged(rows: list[tuple[int, int, bool, bytes]], start: int) -> None:
    samples: list[Sample] = []
    for duration, offset, sync, data in rows:
        samples.append(Sample(start, start + offset, duration, sync, data))
        start += duration
    wrapped = attrs.evolve(
        samples[0], dts=samples[0].dts % (1 << 64), pts=samples[0].pts - samples[0].dts + samples[0].dts % (1 << 64)
    )
    data = write_fragment(3, 7, [wrapped, *samples[1:]])
    track = Track(7, 1000, "vide", b"avc1", b"", 0, 0, 0)
    assert read_samples(track, payload(data, b"moof"), payload(data, b"mdat")) == samples
    assert not read_samples(attrs.evolve(track, id=8), payload(data, b"moof"), payload(data, b"mdat"))


def fragment(header: bytes, run: bytes, decode: bytes | None = None) -> bytes:
    decode = decode or full_box(b"tfdt", 0, 0, struct.pack(">I", 500))
    return box(b"traf", header, decode, run)


def test_fragments_of_other_muxers_are_read() -> None:
    """They have a description index, a tfdt of 32 bits, unsigned offsets, and flags for the first sample only."""
    header = full_box(b"tfhd", 0, 0x20000 | 0x2 | 0x8, struct.pack(">III", 7, 1, 40))
    run = full_box(b"trun", 0, 0x1 | 0x4 | 0x800, struct.pack(">IiIII", 2, 16 + 80, 0x02000000, 7, 0))
    moof = fragment(header, run)
    track = Track(7, 1000, "vide", b"avc1", b"", duration=1, size=3, flags=0x10000)
    assert len(moof) == 80
    assert read_samples(track, moof, b"abcdef") == [
        Sample(500, 507, 40, sync=True, data=b"abc"),
        Sample(540, 540, 40, sync=False, data=b"def"),
    ]


@pytest.mark.parametrize(
    ("header", "run", "message"),
    [
        pytest.param(
            full_box(b"tfhd", 0, 0x1, struct.pack(">IQ", 7, 0)),
            full_box(b"trun", 0, 0, struct.pack(">I", 0)),
            "default_base_moof",
            id="offsets that do not count from the moof box",
        ),
        pytest.param(
            full_box(b"tfhd", 0, 0x20000, struct.pack(">I", 7)),
            full_box(b"trun", 0, 0x200, struct.pack(">II", 1 << 31, 1)),
            "does not fit",
            id="a wrong sample count",
        ),
        pytest.param(
            full_box(b"tfhd", 0, 0x20000, struct.pack(">I", 7)),
            full_box(b"trun", 0, 0x201, struct.pack(">IiI", 1, 4, 1)),
            "outside",
            id="data before the mdat box",
        ),
        pytest.param(
            full_box(b"tfhd", 0, 0x20000, struct.pack(">I", 7)),
            full_box(b"trun", 0, 0x200, struct.pack(">II", 1, 100)),
            "outside",
            id="data after the mdat box",
        ),
    ],
)
def test_damaged_fragments_are_errors(header: bytes, run: bytes, message: str) -> None:
    track = Track(7, 1000, "vide", b"avc1", b"", 1, 3, 0)
    with pytest.raises(BoxError, match=message):
        read_samples(track, fragment(header, run), b"abc")


def test_a_moov_box_must_have_one_track_with_a_timescale() -> None:
    one = payload(moov(1000), b"moov")
    with pytest.raises(BoxError, match="not 2"):
        read_track(one + one)
    with pytest.raises(BoxError, match="timescale is 0"):
        read_track(payload(moov(0), b"moov"))
