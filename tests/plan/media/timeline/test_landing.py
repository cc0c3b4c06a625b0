"""Where reading begins. Behind the keyframe, a decoder shows nothing for seconds, or grey and torn pictures."""

import attrs
import pytest

from tests.plan.examples import AUDIO_STREAM, MEDIA, VIDEO_STREAM
from transcoded.plan.media.timeline.extents import begins_late, has_moving_zero, is_elsewhere
from transcoded.plan.media.timeline.landing import is_indexed, keyframes_argv, latest_keyframe, place_at, place_before
from transcoded.plan.media.timeline.packets import PacketScan

BROADCAST = attrs.evolve(MEDIA, container="mpegts", start_time=1.4)


@pytest.mark.parametrize(
    ("container", "expected"),
    [("mov,mp4,m4a", True), ("matroska,webm", True), ("avi", True), ("mpegts", False), ("mpeg", False), ("flv", False)],
)
def test_files_with_an_index_need_no_search(container: str, expected: bool) -> None:
    assert is_indexed(attrs.evolve(MEDIA, container=container)) is expected


def test_sound_alone_needs_no_keyframe() -> None:
    assert is_indexed(attrs.evolve(BROADCAST, video=()))


def test_the_search_goes_by_the_clock_of_the_container() -> None:
    found = keyframes_argv("/a b.ts", BROADCAST, 3, 10.0, 15.0)
    assert found[found.index("-read_intervals") + 1] == "11.400000%16.400000"
    assert found[found.index("-select_streams") + 1] == "3"
    assert found[-2:] == ["-i", "file:/a b.ts"]
    from_the_beginning = keyframes_argv("/a b.ts", BROADCAST, 3, 0.0, 15.0)
    assert from_the_beginning[from_the_beginning.index("-read_intervals") + 1] == "%16.400000"


PACKETS = b"2.400000,___\n5.400000,K__\n11.400000,K__\n12.400000,KD_\nN/A,K__\n13.400000,___\n21.400000,K__\nnonsense\n"


@pytest.mark.parametrize(
    ("time", "keyframe"),
    [(15.0, 10.0), (10.0, 10.0), (9.999, 4.0), (4.0, 4.0), (3.0, None), (30.0, 20.0)],
    ids=["before", "at", "just before", "the first", "none", "the last"],
)
def test_the_latest_keyframe_that_is_not_later(time: float, keyframe: float | None) -> None:
    found = latest_keyframe(PACKETS, BROADCAST, time)
    assert found == (None if keyframe is None else pytest.approx(keyframe))


def test_reading_begins_before_the_keyframe() -> None:
    """ffmpeg searches by decode times, which are earlier."""
    assert place_before(10.0, 15.0) == 9.5
    assert place_before(0.2, 15.0) == 0.0
    assert place_before(None, 30.0) == 18.5, "a guess, where pictures are refreshed bit by bit"


@pytest.mark.parametrize(
    ("media", "audio", "start", "expected"),
    [
        pytest.param(MEDIA, AUDIO_STREAM, 0.0, False, id="it is there"),
        pytest.param(MEDIA, attrs.evolve(AUDIO_STREAM, seen=False), 0.0, True, id="none of the first packets is its"),
        pytest.param(MEDIA, attrs.evolve(AUDIO_STREAM, duration=5.0), 10.0, True, id="it is over"),
        pytest.param(MEDIA, attrs.evolve(AUDIO_STREAM, duration=5.0), 0.0, False, id="it is over later"),
        pytest.param(MEDIA, attrs.evolve(AUDIO_STREAM, duration=None), 10.0, True, id="nobody knows"),
        pytest.param(
            MEDIA, attrs.evolve(AUDIO_STREAM, duration=5.0, start_time=20.0), 10.0, False, id="it comes later"
        ),
        pytest.param(attrs.evolve(MEDIA, restarts=True), AUDIO_STREAM, 0.0, True, id="clocks begin anew"),
        pytest.param(attrs.evolve(MEDIA, video=()), attrs.evolve(AUDIO_STREAM, seen=False), 0.0, False, id="alone"),
    ],
)
def test_audio_is_read_apart_if_the_video_would_wait_for_it(
    media: object, audio: object, start: float, expected: bool
) -> None:
    assert is_elsewhere(media, audio, start) is expected  # type: ignore[arg-type]


def test_how_late_a_stream_begins() -> None:
    assert begins_late(BROADCAST, attrs.evolve(VIDEO_STREAM, start_time=1.6)) == pytest.approx(0.2)
    assert begins_late(BROADCAST, attrs.evolve(VIDEO_STREAM, start_time=1.0)) == 0
    assert begins_late(BROADCAST, VIDEO_STREAM) == 0
    assert has_moving_zero(BROADCAST)
    assert not has_moving_zero(MEDIA)


@pytest.mark.parametrize(
    ("container", "reorder", "time", "place"),
    [
        ("mov,mp4", 2, 4.0, 4.0006),
        ("mov,mp4", 2, 3.999, 2.0006),
        ("matroska,webm", 0, 5.0, 4.0006),
        ("matroska,webm", 2, 5.0, 4.0006 + 3 / 23),
        ("matroska,webm", 2, -1.0, None),
        ("avi", 0, 5.0, None),
    ],
)
def test_where_ffmpeg_begins_exactly_at_a_keyframe(
    container: str, reorder: int, time: float, place: float | None
) -> None:
    """It goes further back in Matroska if frames are reordered, and would decode a whole group for nothing."""
    media = attrs.evolve(MEDIA, container=container, video=(attrs.evolve(MEDIA.video[0], reorder=reorder),))
    found = place_at(PacketScan(keyframes=range(0, 60_000_000, 2_000_000)), media, time)
    assert found == (None if place is None else pytest.approx(place))
