"""Copying: each reason against a copy is found, and its text is one that a user understands."""

from typing import Any

import attrs
import pytest

from tests.plan.examples import AUDIO_STREAM, MEDIA, VIDEO_STREAM
from transcoded.plan.media.copying import audio_obstacle, described, video_obstacle
from transcoded.plan.media.formats import FORMATS
from transcoded.plan.media.params import StreamParams


@pytest.mark.parametrize(
    ("name", "stream", "requested", "why"),
    [
        ("mp4", {}, {}, None),
        ("webm", {}, {}, "webm is not expected to play h264"),
        ("webm", {}, {"mode": "copy"}, "webm cannot contain h264"),
        ("mp4", {}, {"height": 720}, "height=720 was requested and the source has 1080 rows"),
        ("mp4", {}, {"video_bitrate": 10**6}, "the bit rate of the source is not known, or above the requested one"),
        ("mp4", {}, {"start": 5.0}, "an exact start inside the file needs a transcode"),
        ("mp4", {}, {"start": 5.0, "mode": "copy"}, None),
        ("mp4", {"pix_fmt": "yuv444p"}, {}, "most players do not decode h264 High yuv444p"),
        ("ts", {"rotation": 90}, {}, "the video is rotated by 90°"),
        ("mp4", {"rotation": 90}, {}, None),
    ],
)
def test_the_reason_against_copying_video(
    name: str, stream: dict[str, Any], requested: dict[str, Any], why: str | None
) -> None:
    found = video_obstacle(MEDIA, attrs.evolve(VIDEO_STREAM, **stream), FORMATS[name], StreamParams(**requested))
    assert found is None if why is None else found is not None and found.startswith(why)


def test_video_without_presentation_times_is_not_copied() -> None:
    found = video_obstacle(attrs.evolve(MEDIA, container="avi"), VIDEO_STREAM, FORMATS["mp4"], StreamParams())
    assert found == "packets in avi have no presentation times"


@pytest.mark.parametrize(
    ("name", "stream", "requested", "why"),
    [
        ("mp4", {}, {}, None),
        ("mp4", {"codec": "ac3"}, {}, "mp4 is not expected to play ac3"),
        ("mp4", {"codec": "ac3"}, {"mode": "copy"}, None),
        ("mp4", {"codec": "cook"}, {"mode": "copy"}, "mp4 cannot contain cook"),
        ("mp4", {}, {"audio_bitrate": 64_000}, "the bit rate of the source is not known, or above the requested one"),
        ("flac", {"codec": "flac"}, {"audio_bitrate": 64_000}, None),
    ],
)
def test_the_reason_against_copying_audio(
    name: str, stream: dict[str, Any], requested: dict[str, Any], why: str | None
) -> None:
    assert audio_obstacle(attrs.evolve(AUDIO_STREAM, **stream), FORMATS[name], StreamParams(**requested)) == why


def test_a_stream_is_described_by_what_is_known() -> None:
    assert described(VIDEO_STREAM) == "h264 High yuv420p"
    assert described(attrs.evolve(VIDEO_STREAM, profile=None, pix_fmt=None)) == "h264"
