"""The segmenter: however ffmpeg's output comes, and whichever run made it, a segment is the same and nothing is lost."""

import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise, permutations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.cmaf.boxes import BoxError, BoxReader, box, child, full_box
from transcoded.plan.cmaf.fragments import Sample, Track, read_samples, read_track, write_fragment, write_init
from transcoded.plan.cmaf.segmenter import InitSegment, Segment, Segmenter, SegmentError
from transcoded.plan.cmaf.timeline import Timeline, audio_timeline, copied_timeline, video_timeline

RATE = Fraction(30000, 1001)
VIDEO = video_timeline(Fraction(4), RATE, Fraction(1))  # four segments of 30 frames of 1001 ticks
AUDIO = audio_timeline(Fraction(4), Fraction(1))
FTYP = box(b"ftyp", b"iso5\0\0\2\0iso5")


def moov(timescale: int, handler: bytes = b"vide", extra: bytes = b"") -> bytes:
    entry = box(b"avc1", bytes(78), box(b"avcC", b"\1\x64\0\x1f"))
    if handler == b"soun":
        entry = box(b"fLaC", bytes(28))
    media = box(
        b"mdia",
        full_box(b"mdhd", 0, 0, struct.pack(">IIII", 0, 0, timescale, 0)),
        full_box(b"hdlr", 0, 0, bytes(4), handler, bytes(13)),
        box(b"minf", box(b"stbl", full_box(b"stsd", 0, 0, struct.pack(">I", 1), entry))),
    )
    track = box(b"trak", full_box(b"tkhd", 0, 3, struct.pack(">IIII", 0, 0, 7, 0), bytes(64)), extra, media)
    return box(b"moov", track, box(b"mvex", full_box(b"trex", 0, 0, struct.pack(">5I", 7, 1, 0, 0, 0))), box(b"udta"))


def payload(data: bytes, kind: bytes) -> bytes:
    return next(one.payload for one in BoxReader().feed(data) if one.type == kind)


def picture(first: int, last: int, timeline: Timeline = VIDEO, late: int = 2) -> list[Sample]:
    """Frames as x264 writes them: groups of one segment, each I, then P and B in turns, decoded `late` frames early."""
    samples: list[Sample] = []
    for number in range(first, last):
        start, end = timeline.span(number)
        count = (end - start) // timeline.frame
        order = [0, *(place + step for place in range(1, count, 2) for step in (1, 0) if place + step < count)]
        for index, shown in enumerate(order):
            dts = start + (index - late) * timeline.frame
            name = b"frame %d" % (start // timeline.frame + shown)
            samples.append(Sample(dts, start + shown * timeline.frame, timeline.frame, index == 0, name))
    return samples


def sound(first: int, last: int) -> list[Sample]:
    """Frames of AAC from two before a segment on: the encoder's priming and one more."""
    start, end = AUDIO.starts[first], AUDIO.span(last - 1)[1]
    return [Sample(at, at, 1024, sync=True, data=b"frame %d" % at) for at in range(start - 2048, end, 1024)]


def written(samples: Sequence[Sample], timescale: int, sizes: Iterable[int] = (13,), handler: bytes = b"vide") -> bytes:
    """What ffmpeg writes: ftyp, moov, fragments of so many samples, decode times below zero wrapped round."""
    data, rest, sizes = FTYP + moov(timescale, handler), list(samples), list(sizes)
    for index in range(len(rest)):
        part, rest = rest[: sizes[index % len(sizes)]], rest[sizes[index % len(sizes)] :]
        if part:
            wrapped = attrs.evolve(
                part[0], dts=part[0].dts % (1 << 64), pts=part[0].pts + part[0].dts % (1 << 64) - part[0].dts
            )
            data += write_fragment(index + 1, 7, [wrapped, *part[1:]])
    return data + box(b"mfra")


def segments(data: bytes, timeline: Timeline, first: int = 0, delay: int = 0, step: int = 1 << 20) -> list[Segment]:
    segmenter = Segmenter(timeline, first, delay=delay)
    made = [one for at in range(0, len(data), step) for one in segmenter.feed(data[at : at + step])]
    assert isinstance(made[0], InitSegment)
    return [one for one in [*made[1:], *segmenter.finish()] if isinstance(one, Segment)]


def samples_of(segment: Segment) -> list[Sample]:
    track = Track(7, segment.timescale, "vide", b"avc1", b"", 0, 0, 0)
    return read_samples(track, payload(segment.data, b"moof"), payload(segment.data, b"mdat"))


@given(st.integers(0, 3), st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(1, 400))
def test_fragments_and_chunks_make_no_difference(first: int, sizes: list[int], step: int) -> None:
    whole = segments(written(picture(0, 4), 30_000), VIDEO, delay=2002)
    again = segments(written(picture(first, 4), 30_000, sizes), VIDEO, first, 2002, step)
    assert again == whole[first:]


@given(st.integers(0, 3), st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(1, 400))
def test_sound_of_a_later_run_is_that_of_the_first(first: int, sizes: list[int], step: int) -> None:
    whole = segments(written(sound(0, 4), 48_000, handler=b"soun"), AUDIO)
    again = segments(written(sound(first, 4), 48_000, sizes, b"soun"), AUDIO, first, step=step)
    assert again == whole[first:]


def test_segments_of_different_runs_join_without_a_gap() -> None:
    """One run for each segment, in any order: every frame once, decode times rising by exactly one frame."""
    for order in list(permutations(range(4)))[::5]:
        made = {number: segments(written(picture(number, 4), 30_000), VIDEO, number, 2002)[0] for number in order}
        frames = [sample for number in range(4) for sample in samples_of(made[number])]
        assert {frame.data for frame in frames} == {b"frame %d" % number for number in range(120)}
        assert len(frames) == 120
        assert {later.dts - earlier.dts for earlier, later in pairwise(frames)} == {1001}
        assert [frames[place].sync for place in (0, 1, 30)] == [True, False, True]
        # Shown two frames after they are composed, which the edit list takes back.
        assert {frame.data: frame.pts - 2002 for frame in frames}[b"frame 31"] == 31 * 1001


def test_a_segment_says_what_it_is() -> None:
    made = segments(written(picture(0, 4), 30_000), VIDEO)[1]
    assert (made.number, made.start, made.duration, len(samples_of(made))) == (1, 30_030, 30_030, 30)
    assert child(payload(made.data, b"moof"), b"mfhd")[4:] == struct.pack(">I", 1)
    assert [one.type for one in BoxReader().feed(made.data)] == [b"styp", b"moof", b"mdat"]
    assert "data=<" in repr(made)


def test_a_segment_is_there_with_its_last_byte() -> None:
    """A viewer does not wait for the next segment to begin."""
    data = written(picture(0, 1), 30_000, [30])[:-8]
    segmenter = Segmenter(VIDEO, 0)
    assert [type(one) for one in segmenter.feed(data[:-1])] == [InitSegment]
    assert segmenter.held
    assert [type(one) for one in segmenter.feed(data[-1:])] == [Segment]
    assert (segmenter.held, segmenter.number, segmenter.done) == (0, 1, False)


def test_half_a_segment_at_the_end_comes_only_when_the_run_ended_well() -> None:
    segmenter = Segmenter(VIDEO, 3)
    assert len(segmenter.feed(written(picture(3, 4)[:20], 30_000))) == 1
    assert not segmenter.done
    (last,) = segmenter.finish()
    assert (last.number, len(samples_of(last)), segmenter.done) == (3, 20, True)
    assert not segmenter.finish()


def test_what_comes_after_the_end_is_dropped() -> None:
    longer = video_timeline(Fraction(6), RATE, Fraction(1))
    made = segments(written(picture(0, 6, longer), 30_000), VIDEO)
    assert [one.number for one in made] == [0, 1, 2, 3]


def test_a_run_that_begins_inside_of_a_segment_does_not_pass_for_it() -> None:
    """A seek that went too far gives no half segment: the first whole one is next."""
    late = [sample for sample in picture(0, 3) if sample.pts >= 40 * 1001]
    late = [attrs.evolve(late[0], sync=True), *late[1:]]
    assert [one.number for one in segments(written(late, 30_000), VIDEO, 1)] == [2]


COPIED = copied_timeline([Fraction(0), Fraction(4), Fraction(9)], Fraction(12))


def copied(times: Iterable[tuple[float, bool]]) -> list[Sample]:
    """A copied picture; decode times run from 0 on in order, whatever is shown when."""
    frames = [(round(at * 90_000), sync) for at, sync in times]
    dts = sorted(at for at, _ in frames)
    durations = [later - earlier for earlier, later in pairwise(dts)] + [3600]
    return [
        Sample(at, shown, lasts, sync, b"%d" % shown)
        for at, (shown, sync), lasts in zip(dts, frames, durations, strict=True)
    ]


def test_copies_are_cut_at_the_keyframes_of_the_timeline() -> None:
    """Other keyframes stay inside, and the last segment lasts until the end that the playlist says."""
    run = copied((second, second in {0, 2, 4, 9, 11}) for second in range(12))
    made = segments(written(run, 90_000), COPIED)
    assert [(one.number, len(samples_of(one))) for one in made] == [(0, 4), (1, 5), (2, 3)]
    later = segments(written(run[2:], 90_000), COPIED, 1)
    assert later == made[1:]


def test_frames_shown_before_their_keyframe_come_with_it() -> None:
    """An open group of pictures: decode times rise over the seam all the same, display times are untouched."""
    order = [0, 1, 2, 4, 3, 5, 6, 7, 9, 8, 10, 11]
    made = segments(written(copied((second, second in {0, 4, 9}) for second in order), 90_000), COPIED)
    frames = [frame for segment in made for frame in samples_of(segment)]
    assert [frame.pts // 90_000 for frame in frames] == order
    assert all(later.dts > earlier.dts for earlier, later in pairwise(frames))
    assert [samples_of(segment)[0].dts for segment in made] == [0, 360_000, 810_000]


def test_a_copy_that_begins_late_begins_late() -> None:
    made = segments(written(copied((second + 0.5, second in {0, 4}) for second in range(8)), 90_000), COPIED)
    assert samples_of(made[0])[0].dts == 45_000


def test_broken_times_still_rise() -> None:
    made = segments(written([Sample(0, 0, 0, number == 0, b"x") for number in range(4)], 90_000), COPIED)
    assert [frame.dts for frame in samples_of(made[0])] == [0, 90_000, 180_000, 270_000]


def test_more_frames_than_ticks_are_an_error() -> None:
    timeline = Timeline(1000, (0,), 3)
    with pytest.raises(SegmentError, match="4 frames in 3 ticks"):
        segments(written([Sample(0, 0, 0, number == 0, b"x") for number in range(4)], 1000), timeline)


def test_a_segment_is_bounded() -> None:
    segmenter = Segmenter(VIDEO, 0, limit=50)
    with pytest.raises(SegmentError, match="more than 50 bytes"):
        segmenter.feed(written(picture(0, 1), 30_000))


def test_another_timescale_is_an_error() -> None:
    with pytest.raises(SegmentError, match="25000, not 30000"):
        Segmenter(VIDEO, 0).feed(written([], 25_000))


def test_data_without_a_description_is_an_error() -> None:
    with pytest.raises(BoxError, match="before its moof"):
        Segmenter(VIDEO, 0).feed(box(b"mdat", b"x"))


def test_the_init_segment_is_the_same_from_every_run_and_has_one_edit() -> None:
    """ffmpeg's own edits and its name are taken out."""
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
def test_what_is_written_is_read(rows: list[tuple[int, int, bool, bytes]], start: int) -> None:
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


def test_defaults_and_first_flags_are_read() -> None:
    """As other muxers write: a description index, tfdt of 32 bits, unsigned offsets, the first frame's flags alone."""
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
            id="offsets from elsewhere",
        ),
        pytest.param(
            full_box(b"tfhd", 0, 0x20000, struct.pack(">I", 7)),
            full_box(b"trun", 0, 0x200, struct.pack(">II", 1 << 31, 1)),
            "does not fit",
            id="a count that lies",
        ),
        pytest.param(
            full_box(b"tfhd", 0, 0x20000, struct.pack(">I", 7)),
            full_box(b"trun", 0, 0x201, struct.pack(">IiI", 1, 4, 1)),
            "outside",
            id="data before the fragment",
        ),
        pytest.param(
            full_box(b"tfhd", 0, 0x20000, struct.pack(">I", 7)),
            full_box(b"trun", 0, 0x200, struct.pack(">II", 1, 100)),
            "outside",
            id="data behind the fragment",
        ),
    ],
)
def test_damaged_fragments_are_errors(header: bytes, run: bytes, message: str) -> None:
    track = Track(7, 1000, "vide", b"avc1", b"", 1, 3, 0)
    with pytest.raises(BoxError, match=message):
        read_samples(track, fragment(header, run), b"abc")


def test_a_movie_must_be_of_one_track() -> None:
    one = payload(moov(1000), b"moov")
    with pytest.raises(BoxError, match="not 2"):
        read_track(one + one)
    with pytest.raises(BoxError, match="timescale is 0"):
        read_track(payload(moov(0), b"moov"))
