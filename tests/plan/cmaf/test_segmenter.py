"""The segmenter: chunks, fragments and runs of ffmpeg must not change a segment, and no frame is lost."""

import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise, permutations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.cmaf.boxes import BoxError, BoxReader, box, child, full_box
from transcoded.plan.cmaf.fragments import Sample, Track, read_samples, write_fragment
from transcoded.plan.cmaf.segmenter import (
    SILENCE,
    Chunk,
    InitSegment,
    Segment,
    Segmenter,
    SegmentError,
    silent_segment,
)
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


def video_samples(first: int, last: int, timeline: Timeline = VIDEO, late: int = 2) -> list[Sample]:
    """Samples as x264 writes them: GOPs of one segment (I, then P and B in turns), decoded `late` frames early."""
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


def audio_samples(first: int, last: int) -> list[Sample]:
    """Samples of AAC, from two frames before a segment on: the encoder's priming and one more."""
    start, end = AUDIO.starts[first], AUDIO.span(last - 1)[1]
    return [Sample(at, at, 1024, sync=True, data=b"frame %d" % at) for at in range(start - 2048, end, 1024)]


def written(samples: Sequence[Sample], timescale: int, sizes: Iterable[int] = (13,), handler: bytes = b"vide") -> bytes:
    """The output of ffmpeg: ftyp, moov, fragments of `sizes` samples. Negative decode times are wrapped at 2^64."""
    data, rest, sizes = FTYP + moov(timescale, handler), list(samples), list(sizes)
    for index in range(len(rest)):
        part, rest = rest[: sizes[index % len(sizes)]], rest[sizes[index % len(sizes)] :]
        if part:
            wrapped = attrs.evolve(
                part[0], dts=part[0].dts % (1 << 64), pts=part[0].pts + part[0].dts % (1 << 64) - part[0].dts
            )
            data += write_fragment(index + 1, 7, [wrapped, *part[1:]])
    return data + box(b"mfra")


def segments(
    data: bytes, timeline: Timeline, first: int = 0, delay: int = 0, step: int = 1 << 20, *, open_gop: bool = False
) -> list[Segment]:
    segmenter = Segmenter(timeline, first, delay=delay, open_gop=open_gop)
    made = [one for at in range(0, len(data), step) for one in segmenter.feed(data[at : at + step])]
    assert isinstance(made[0], InitSegment)
    return [one for one in [*made[1:], *segmenter.finish()] if isinstance(one, Segment)]


def payloads(data: bytes, kind: bytes) -> list[bytes]:
    return [one.payload for one in BoxReader().feed(data) if one.type == kind]


def numbers_of(segment: Segment) -> list[int]:
    """The numbers of its fragments."""
    return [struct.unpack(">I", child(moof, b"mfhd")[4:])[0] for moof in payloads(segment.data, b"moof")]


def samples_of(segment: Segment | bytes) -> list[Sample]:
    data = segment if isinstance(segment, bytes) else segment.data
    track = Track(7, 0, "vide", b"avc1", b"", 0, 0, 0)
    fragments = zip(payloads(data, b"moof"), payloads(data, b"mdat"), strict=True)
    return [sample for moof, mdat in fragments for sample in read_samples(track, moof, mdat)]


@given(st.integers(0, 3), st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(1, 400))
def test_a_segment_does_not_depend_on_fragments_chunks_or_the_run(first: int, sizes: list[int], step: int) -> None:
    whole = segments(written(video_samples(0, 4), 30_000), VIDEO, delay=2002)
    again = segments(written(video_samples(first, 4), 30_000, sizes), VIDEO, first, 2002, step)
    assert again == whole[first:]


@given(st.integers(0, 3), st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(1, 400))
def test_an_audio_segment_does_not_depend_on_fragments_chunks_or_the_run(
    first: int, sizes: list[int], step: int
) -> None:
    whole = segments(written(audio_samples(0, 4), 48_000, handler=b"soun"), AUDIO)
    again = segments(written(audio_samples(first, 4), 48_000, sizes, b"soun"), AUDIO, first, step=step)
    assert again == whole[first:]


@given(st.integers(0, 3), st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(1, 400), st.integers(1, 31))
def test_chunks_are_the_segment_whatever_the_fragments_and_the_run(
    first: int, sizes: list[int], step: int, chunk: int
) -> None:
    """Two viewers may get one half of a segment from each of two runs; and a chunk is what a player can show by itself."""
    whole = segments(written(video_samples(0, 4), 30_000), VIDEO, delay=2002)
    data, segmenter = written(video_samples(first, 4), 30_000, sizes), Segmenter(VIDEO, first, delay=2002, chunk=chunk)
    pieces = [one for at in range(0, len(data), step) for one in segmenter.feed(data[at : at + step])]
    made = [one for one in [*pieces, *segmenter.finish()] if isinstance(one, Segment)]
    for number, segment in enumerate(made, first):
        chunks = [one.data for one in pieces if isinstance(one, Chunk) and one.number == number]
        assert b"".join(chunks) == segment.data
        assert [len(samples_of(one)) for one in chunks[:-1]] == [chunk] * (len(chunks) - 1)
        assert samples_of(segment.data) == samples_of(whole[number].data)
    assert [one.number for one in made] == list(range(first, 4))
    numbers = [number for one in made for number in numbers_of(one)]
    assert all(later > earlier for earlier, later in pairwise(numbers))


def test_a_chunk_comes_as_soon_as_one_more_frame_than_it_has() -> None:
    samples = video_samples(0, 1)
    segmenter = Segmenter(VIDEO, 0, chunk=8)
    assert len(segmenter.feed(written(samples[:8], 30_000, [1]))) == 1, "the init segment"
    (chunk,) = segmenter.feed(write_fragment(9, 7, samples[8:9]))
    assert isinstance(chunk, Chunk)
    assert len(samples_of(chunk.data)) == 8
    last = segmenter.feed(write_fragment(10, 7, samples[9:]))
    assert [type(one) for one in last] == [Chunk, Chunk, Chunk, Segment]


def test_the_last_frame_of_a_segment_that_is_cut_short_lasts_until_its_end() -> None:
    segmenter = Segmenter(VIDEO, 3, chunk=8)
    segmenter.feed(written(video_samples(3, 4)[:17], 30_000, [1]))
    *_, last, whole = segmenter.finish()
    assert isinstance(last, Chunk)
    assert isinstance(whole, Segment)
    frames = samples_of(whole.data)
    assert frames[-1].dts + frames[-1].duration == VIDEO.end


def test_segments_of_different_runs_join_without_a_gap() -> None:
    """One run for each segment, in any order. Each frame comes once, and decode times rise by exactly one frame."""
    for order in list(permutations(range(4)))[::5]:
        made = {number: segments(written(video_samples(number, 4), 30_000), VIDEO, number, 2002)[0] for number in order}
        frames = [sample for number in range(4) for sample in samples_of(made[number])]
        assert {frame.data for frame in frames} == {b"frame %d" % number for number in range(120)}
        assert len(frames) == 120
        assert {later.dts - earlier.dts for earlier, later in pairwise(frames)} == {1001}
        assert [frames[place].sync for place in (0, 1, 30)] == [True, False, True]
        # Composition times are two frames later than presentation times; the edit list corrects this.
        assert {frame.data: frame.pts - 2002 for frame in frames}[b"frame 31"] == 31 * 1001


def test_a_segment_has_its_number_and_times() -> None:
    made = segments(written(video_samples(0, 4), 30_000), VIDEO)[1]
    assert (made.number, made.start, made.duration, len(samples_of(made))) == (1, 30_030, 30_030, 30)
    assert child(payload(made.data, b"moof"), b"mfhd")[4:] == struct.pack(">I", 1)
    assert [one.type for one in BoxReader().feed(made.data)] == [b"styp", b"moof", b"mdat"]
    assert "data=<" in repr(made)


def test_a_segment_is_complete_with_its_last_byte() -> None:
    """A viewer does not have to wait until the next segment begins."""
    data = written(video_samples(0, 1), 30_000, [30])[:-8]
    segmenter = Segmenter(VIDEO, 0)
    assert [type(one) for one in segmenter.feed(data[:-1])] == [InitSegment]
    assert [type(one) for one in segmenter.feed(data[-1:])] == [Segment]
    assert (segmenter.number, segmenter.done) == (1, False)


def test_a_short_last_segment_is_returned_only_by_finish() -> None:
    segmenter = Segmenter(VIDEO, 3)
    assert len(segmenter.feed(written(video_samples(3, 4)[:20], 30_000))) == 1
    assert not segmenter.done
    (last,) = segmenter.finish()
    assert isinstance(last, Segment)
    assert (last.number, len(samples_of(last)), segmenter.done) == (3, 20, True)
    assert not segmenter.finish()


def test_frames_after_the_last_segment_are_dropped() -> None:
    longer = video_timeline(Fraction(6), RATE, Fraction(1))
    made = segments(written(video_samples(0, 6, longer), 30_000), VIDEO)
    assert [one.number for one in made] == [0, 1, 2, 3]


def test_a_run_that_begins_inside_a_segment_drops_the_rest_of_it() -> None:
    """After a seek that went too far, the first segment of the run is the next complete one."""
    late = [sample for sample in video_samples(0, 3) if sample.pts >= 40 * 1001]
    late = [attrs.evolve(late[0], sync=True), *late[1:]]
    assert [one.number for one in segments(written(late, 30_000), VIDEO, 1)] == [2]


COPIED = copied_timeline([0, 4_000_000, 9_000_000], Fraction(12))


def copied(times: Iterable[tuple[float, bool]]) -> list[Sample]:
    """Samples of copied video at these times, in seconds, with sync flags. Decode times rise from sample to sample."""
    frames = [(round(at * 90_000), sync) for at, sync in times]
    dts = sorted(at for at, _ in frames)
    durations = [later - earlier for earlier, later in pairwise(dts)] + [3600]
    return [
        Sample(at, shown, lasts, sync, b"%d" % shown)
        for at, (shown, sync), lasts in zip(dts, frames, durations, strict=True)
    ]


def test_copies_are_cut_at_the_keyframes_of_the_timeline() -> None:
    """Other keyframes do not begin a segment. The last segment lasts until the end of the timeline."""
    run = copied((second, second in {0, 2, 4, 9, 11}) for second in range(12))
    made = segments(written(run, 90_000), COPIED)
    assert [(one.number, len(samples_of(one))) for one in made] == [(0, 4), (1, 5), (2, 3)]
    later = segments(written(run[2:], 90_000), COPIED, 1)
    assert later == made[1:]


def test_frames_that_are_shown_before_their_keyframe_stay_with_it() -> None:
    """In an open GOP, decode times rise evenly over the seams too, and presentation times do not change."""
    order = [0, 1, 2, 4, 3, 5, 6, 9, 7, 8, 10, 11]
    run = copied((second, second in {0, 4, 9}) for second in order)
    made = segments(written(run, 90_000), COPIED, open_gop=True)
    frames = [frame for segment in made for frame in samples_of(segment)]
    assert [frame.pts // 90_000 for frame in frames] == order
    assert [frame.dts for frame in frames] == [90_000 * second for second in range(12)]
    assert {frame.duration for frame in frames} == {90_000}
    assert segments(written(run[3:], 90_000), COPIED, 1, open_gop=True) == made[1:]


def test_the_last_frame_of_an_open_gop_lasts_to_the_end_of_the_film() -> None:
    """The sound can be longer. Nothing comes behind it that would be shown before its end."""
    order = [0, 1, 2, 4, 3, 5, 6, 9, 7, 8, 10]
    made = segments(written(copied((second, second in {0, 4, 9}) for second in order), 90_000), COPIED, open_gop=True)
    last = samples_of(made[-1])[-1]
    assert last.dts + last.duration == COPIED.end
    assert last.duration == 2 * 90_000


def test_frames_shown_before_the_first_keyframe_do_not_begin_before_the_file() -> None:
    run = copied((second + 0.5, second in {1, 4}) for second in (1, 0, 2, 3, 4, 5))
    made = segments(written(run, 90_000), COPIED, open_gop=True)
    assert [frame.dts for frame in samples_of(made[0])][:2] == [45_000, 135_000]


def test_the_first_segment_of_copied_video_can_begin_late() -> None:
    made = segments(written(copied((second + 0.5, second in {0, 4}) for second in range(8)), 90_000), COPIED)
    assert samples_of(made[0])[0].dts == 45_000


def test_broken_times_are_replaced_by_rising_ones() -> None:
    made = segments(written([Sample(0, 0, 0, number == 0, b"x") for number in range(4)], 90_000), COPIED)
    assert [frame.dts for frame in samples_of(made[0])] == [0, 90_000, 180_000, 270_000]


def test_more_frames_than_ticks_are_an_error() -> None:
    timeline = Timeline(1000, (0,), 3)
    with pytest.raises(SegmentError, match="3 ticks with 4 frames"):
        segments(written([Sample(0, 0, 0, number == 0, b"x") for number in range(4)], 1000), timeline)


def test_the_size_of_a_segment_is_limited() -> None:
    segmenter = Segmenter(VIDEO, 0, limit=50)
    with pytest.raises(SegmentError, match="more than 50 bytes"):
        segmenter.feed(written(video_samples(0, 1), 30_000))


def test_a_wrong_timescale_is_an_error() -> None:
    with pytest.raises(SegmentError, match="25000, not 30000"):
        Segmenter(VIDEO, 0).feed(written([], 25_000))


def test_an_mdat_box_without_moof_and_moov_is_an_error() -> None:
    with pytest.raises(BoxError, match="before its moof and moov"):
        Segmenter(VIDEO, 0).feed(box(b"mdat", b"x"))


def heard(data: bytes, first: int = 0) -> list[Segment]:
    segmenter = Segmenter(AUDIO, first, silence=SILENCE)
    made = [one for one in [*segmenter.feed(data), *segmenter.finish()] if isinstance(one, Segment)]
    assert all(one.data for one in made)
    return made


def frames_of(segment: Segment) -> list[bytes]:
    track = Track(7, 48_000, "soun", b"mp4a", b"", 0, 0, 0)
    moof, mdat = payload(segment.data, b"moof"), payload(segment.data, b"mdat")
    samples = read_samples(
        attrs.evolve(track, id=struct.unpack_from(">I", moof, moof.index(b"tfhd") + 8)[0]), moof, mdat
    )
    assert [(one.dts, one.pts, one.duration) for one in samples] == [
        (at, at, 1024) for at in range(segment.start, segment.start + segment.duration, 1024)
    ]
    return [one.data for one in samples]


@pytest.mark.parametrize(
    ("samples", "silent"),
    [
        pytest.param(audio_samples(0, 4), set(), id="whole"),
        pytest.param(audio_samples(0, 4)[60:], range(58), id="begins late, within a segment"),
        pytest.param(audio_samples(0, 4)[:-60], range(128, 188), id="ends early, within a segment"),
        pytest.param(audio_samples(0, 4)[:65] + audio_samples(0, 4)[91:], range(63, 89), id="a hole"),
    ],
)
def test_where_there_is_no_sound_there_is_silence(samples: list[Sample], silent: Iterable[int]) -> None:
    """Without it players stop, or play what comes later too early."""
    made = heard(written(samples, 48_000, handler=b"soun"))
    silent, numbers = set(silent), {one.number for one in made}
    for one in made:
        frames = [one.start // 1024 + place for place in range(one.duration // 1024)]
        assert [data == SILENCE for data in frames_of(one)] == [number in silent for number in frames]
    for number in set(range(4)) - numbers:
        start, end = AUDIO.span(number)
        assert set(range(start // 1024, end // 1024)) <= silent, "a segment without any sound is made when it is wanted"


def test_frames_beside_their_places_are_put_there() -> None:
    """When the layout of the channels changes, ffmpeg goes on in the middle of a frame."""
    exact = audio_samples(0, 4)
    moved = [attrs.evolve(one, dts=one.dts + 300, pts=one.pts + 300) for one in exact[80:]]
    made = heard(written([*exact[:80], *moved], 48_000, handler=b"soun"))
    assert [data for one in made for data in frames_of(one)] == [one.data for one in exact[2:]]


def test_a_segment_without_any_sound_is_silent() -> None:
    one = silent_segment(AUDIO, 2)
    assert (one.number, one.start, one.duration) == (2, AUDIO.starts[2], AUDIO.duration(2))
    assert set(frames_of(one)) == {SILENCE}
