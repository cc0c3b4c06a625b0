"""The timeline: with a wrong boundary, a player stalls, repeats a frame, or seeks to the wrong place."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.cmaf.timeline import (
    AUDIO_FRAME,
    Timeline,
    audio_timeline,
    copied_timeline,
    short_enough,
    timescale_for,
    video_step,
    video_timeline,
)

NTSC = Fraction(30000, 1001)
RATES = st.sampled_from([Fraction(24000, 1001), Fraction(24), Fraction(25), NTSC, Fraction(50), Fraction(1497, 50)])
LENGTHS = st.fractions(Fraction(1, 100), Fraction(4_000), max_denominator=1_000_000)


@pytest.mark.parametrize(
    ("rate", "ticks"), [(Fraction(25), 10_000), (NTSC, 30_000), (Fraction(24000, 1001), 24_000), (Fraction(60), 10_020)]
)
def test_a_frame_is_a_whole_number_of_ticks(rate: Fraction, ticks: int) -> None:
    assert timescale_for(rate) == ticks
    assert (ticks / rate).denominator == 1


@pytest.mark.parametrize(
    ("duration", "rate", "lengths"),
    [
        pytest.param(5, Fraction(25), [2, 2, 1], id="a short last segment"),
        pytest.param(4, Fraction(25), [2, 2], id="no empty last segment"),
        pytest.param(
            Fraction(409, 100),
            Fraction(25),
            [2, Fraction(52, 25)],
            id="a rest of two frames is added to the last segment",
        ),
        pytest.param(Fraction(1, 50), Fraction(25), [Fraction(1, 25)], id="at least one frame"),
        pytest.param(Fraction(8408, 1000), NTSC, [Fraction(1001, 500)] * 3 + [Fraction(12012, 5000)], id="29.97"),
    ],
)
def test_the_lengths_of_video_segments(duration: Fraction, rate: Fraction, lengths: list[Fraction]) -> None:
    timeline = video_timeline(Fraction(duration), rate)
    assert [timeline.seconds(timeline.duration(number)) for number in range(len(timeline))] == lengths


@given(LENGTHS, RATES)
def test_boundaries_lie_between_frames_and_leave_no_gap(duration: Fraction, rate: Fraction) -> None:
    timeline = video_timeline(duration, rate)
    spans = [timeline.span(number) for number in range(len(timeline))]
    assert spans[0][0] == 0
    assert spans[-1][1] == timeline.end
    assert all(end == start for (_, end), (start, _) in pairwise(spans))
    assert all(start % timeline.frame == 0 and start < end for start, end in spans)
    assert abs(timeline.total - duration) <= 1 / rate


@given(LENGTHS, RATES)
def test_audio_is_cut_close_to_the_boundaries_of_the_video(duration: Fraction, rate: Fraction) -> None:
    video, audio = video_timeline(duration, rate), audio_timeline(duration, video_step(rate))
    assert abs(audio.total - duration) <= Fraction(AUDIO_FRAME, 48_000)
    for number in range(min(len(video), len(audio))):
        distance = video.seconds(video.starts[number]) - audio.seconds(audio.starts[number])
        assert abs(distance) <= Fraction(AUDIO_FRAME, 96_000)
        assert audio.starts[number] % AUDIO_FRAME == 0


@given(LENGTHS, RATES, st.data())
def test_locate_finds_the_segment_of_a_time(duration: Fraction, rate: Fraction, data: st.DataObject) -> None:
    timeline = video_timeline(duration, rate)
    number = data.draw(st.integers(0, len(timeline) - 1))
    start, end = timeline.span(number)
    assert timeline.locate(start) == timeline.locate(end - 1) == number


def test_times_and_numbers_outside_the_timeline() -> None:
    timeline = video_timeline(Fraction(5), Fraction(25))
    assert timeline.locate(-1) == -1
    assert timeline.locate(timeline.end) == 3
    with pytest.raises(IndexError):
        timeline.span(3)
    with pytest.raises(IndexError):
        timeline.span(-1)


@pytest.mark.parametrize(
    ("keyframes", "starts"),
    [
        pytest.param([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], [0, 2, 4, 6, 8, 10], id="every second keyframe"),
        pytest.param([0, Fraction(3, 2), 5, 6, 9], [0, 5, 9], id="the first keyframe after the target"),
        pytest.param([Fraction(1, 2), 4, 8], [0, 4, 8], id="a late first frame belongs to segment 0"),
        pytest.param([8, 0, 4, 4], [0, 4, 8], id="any order"),
        pytest.param([0, 4, 8, Fraction(119, 10)], [0, 4, 8], id="no tiny last segment"),
        pytest.param([], [0], id="no keyframes"),
    ],
)
def test_copied_video_is_cut_at_keyframes(keyframes: list[Fraction], starts: list[int]) -> None:
    timeline = copied_timeline([round(time * 1_000_000) for time in keyframes], Fraction(12))
    assert [timeline.seconds(start) for start in timeline.starts] == starts
    assert timeline.total == 12


@pytest.mark.parametrize(("gap", "expected"), [(12, True), (Fraction(121, 10), False)])
def test_keyframes_too_far_apart_make_segments_too_long(gap: Fraction, expected: bool) -> None:
    timeline = copied_timeline([0, round(gap * 1_000_000)], Fraction(20))
    assert short_enough(timeline) is expected


def test_the_longest_segment_can_be_any_of_them() -> None:
    assert Timeline(1000, (0, 10), 15).longest == 10
