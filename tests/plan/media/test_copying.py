"""Copying: each reason against a copy is found, and its text is one that a user understands."""

from typing import Any

import attrs
import pytest

from tests.plan.examples import AUDIO_STREAM, MEDIA, VIDEO_STREAM
from transcoded.plan.media.copying import audio_copy, audio_obstacle, described, video_obstacle
from transcoded.plan.media.formats import FORMATS
from transcoded.plan.media.packaging import Packaging
from transcoded.plan.media.params import StreamParams
from transcoded.plan.media.probe import Media


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
        ("mp4", {"edited": True}, {}, "the file's edit list hides frames"),
        ("mp4", {"edited": True}, {"mode": "copy"}, "the file's edit list hides frames"),
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
        ("mp4", {"channels": 6}, {}, None),
        ("mp4", {"channels": 6}, {"channels": 6, "downmix": "standard"}, None),
        ("mp4", {"channels": 6}, {"channels": 2}, "channels=2 was requested and the source has 6"),
        ("mp4", {"channels": 8}, {"channels": 6}, "channels=6 was requested and the source has 8"),
        ("mp4", {"channels": 6}, {"downmix": "dialogue"}, "downmix=dialogue was requested"),
        ("mp4", {}, {"downmix": "dialogue"}, None),
        ("mp4", {}, {"downmix": "night"}, "downmix=night was requested"),
    ],
)
def test_the_reason_against_copying_audio(
    name: str, stream: dict[str, Any], requested: dict[str, Any], why: str | None
) -> None:
    assert audio_obstacle(attrs.evolve(AUDIO_STREAM, **stream), FORMATS[name], StreamParams(**requested)) == why


def copied(name: str, media: Media = MEDIA, **requested: Any) -> Packaging | str:
    return audio_copy(media, media.audio[0], FORMATS[name], StreamParams(**requested))


def with_audio(**stream: Any) -> Media:
    return attrs.evolve(MEDIA, audio=(attrs.evolve(AUDIO_STREAM, **stream),))


def test_audio_that_begins_late_is_copied_where_time_stamps_say_so() -> None:
    late = with_audio(start_time=2.5)
    assert copied("mkv", late) == Packaging()
    assert copied("aac", late) == "the audio begins 2.5 s late, and aac has no time stamps that say so"
    assert copied("aac", late, mode="copy") == copied("aac", late, start=3.0) == Packaging()


def test_a_header_waits_only_for_audio_that_comes_soon() -> None:
    loose = {"described": False, "profile": "LC"}
    assert isinstance(copied("mp4", with_audio(**loose)), Packaging)
    far = with_audio(**loose, seen=False)
    assert copied("mp4", far) == "the header of mp4 would wait for audio that comes late"
    assert isinstance(copied("mp4", far, mode="copy"), Packaging)


@pytest.mark.parametrize(("container", "late"), [("mpegts", True), ("mpeg", True), ("matroska,webm", False)])
def test_what_ffmpeg_meets_late_is_not_copied(container: str, *, late: bool) -> None:
    """Its muxers need sample rate and channels for the header, and a transport stream has them in the packets only."""
    media = attrs.evolve(with_audio(codec="mp2", start_time=20.0), container=container)
    for mode in ("auto", "copy"):
        assert ("begins so late" in str(copied("ts", media, mode=mode))) is late
    if container != "mpeg":
        video = attrs.evolve(VIDEO_STREAM, start_time=20.0)
        found = video_obstacle(media, video, FORMATS["ts"], StreamParams(mode="copy"))
        assert (found is not None and "begins so late" in found) is late


def test_a_part_of_a_file_is_a_cut() -> None:
    flac = attrs.evolve(with_audio(codec="flac"), container="flac")
    assert copied("flac", flac) == Packaging()
    for part in ({"start": 1.0}, {"duration": 1.0}):
        assert "length of the whole file" in str(copied("flac", flac, **part))


def test_a_stream_is_described_by_what_is_known() -> None:
    assert described(VIDEO_STREAM) == "h264 High yuv420p"
    assert described(attrs.evolve(VIDEO_STREAM, profile=None, pix_fmt=None)) == "h264"
