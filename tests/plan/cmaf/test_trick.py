"""The video for fast play: which films have one, and when only keyframes are decoded for it."""

from fractions import Fraction

import attrs
import pytest

from tests.plan.cmaf.test_hls import MEDIA, VIDEO_STREAM
from transcoded.plan.cmaf.ladder import Limits, present
from transcoded.plan.cmaf.trick import MAX_GAP, trick_rendition
from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.timeline.packets import PacketScan

MICRO = 1_000_000


@pytest.mark.parametrize(
    ("seconds", "starts"),
    [("4", [0, 2]), ("5", [0, 2]), ("5.2", [0, 2, 4]), ("7", [0, 2, 4]), ("3600.5", list(range(0, 3600, 2)))],
)
def test_a_picture_every_two_seconds(seconds: str, starts: list[int]) -> None:
    duration = Fraction(seconds)
    found = trick_rendition(VIDEO_STREAM, duration, PacketScan())
    assert found is not None
    timeline = found.timeline
    assert [timeline.seconds(start) for start in timeline.starts] == starts
    assert timeline.total == duration
    # The middle of each picture is in its segment, so that a run finds it there.
    assert [timeline.locate(start + timeline.frame // 2) for start in timeline.starts] == list(range(len(starts)))


@pytest.mark.parametrize(
    ("keyframes", "only"),
    [
        ((), False),
        ((0, 10, 20, 30), True),
        ((0, 10, 20), True),
        ((0, MAX_GAP, 30), False),
        ((0, 10), False),
        ((MAX_GAP + 1, 20, 30), False),
    ],
)
def test_only_keyframes_are_decoded_where_they_are_dense(keyframes: tuple[int, ...], only: bool) -> None:
    scan = PacketScan(keyframes=[one * MICRO for one in keyframes])
    found = trick_rendition(VIDEO_STREAM, Fraction(31), scan)
    assert found is not None
    assert found.keyframes_only is only
    restarted = trick_rendition(VIDEO_STREAM, Fraction(31), attrs.evolve(scan, restarts=True))
    assert restarted is not None
    assert not restarted.keyframes_only


def test_it_is_no_larger_than_the_video_or_what_is_allowed() -> None:
    small = attrs.evolve(VIDEO_STREAM, width=320, height=180)
    for stream, limit, size in (
        (VIDEO_STREAM, None, (426, 240)),
        (VIDEO_STREAM, 144, (256, 144)),
        (small, None, (320, 180)),
    ):
        found = trick_rendition(stream, Fraction(60), PacketScan(), limit)
        assert found is not None
        assert (found.width, found.height, found.id) == (*size, "i240")


def test_what_has_none() -> None:
    assert trick_rendition(VIDEO_STREAM, Fraction("3.99"), PacketScan()) is None
    assert present(MEDIA).trick is not None
    assert present(attrs.evolve(MEDIA, video=())).trick is None
    assert present(MEDIA, burn=0).trick is None
    dense = PacketScan(keyframes=[0, 4 * MICRO, 8 * MICRO])
    able = attrs.evolve(Capabilities.everything(), encoders=Capabilities.everything().encoders - {"libx264"})
    assert present(MEDIA, dense, capabilities=able).trick is None


def test_it_is_no_variant() -> None:
    presentation = present(MEDIA, limits=Limits(height=480))
    assert presentation.trick not in presentation.video
    assert presentation.rendition("i240") is presentation.trick
    assert presentation.weight > attrs.evolve(presentation, trick=None).weight
