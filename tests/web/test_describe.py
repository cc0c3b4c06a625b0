"""probe.json: a front end builds its menus of tracks and formats from it."""

from fractions import Fraction
from typing import Any

import attrs
import msgspec
from hypothesis import given, settings

from tests.plan.examples import MEDIA, VIDEO_STREAM, media
from transcoded.plan.media.choose import plan_all_formats
from transcoded.plan.media.probe import Media, SubtitleStream
from transcoded.web.describe import describe


def document(media: Media) -> Any:
    return msgspec.json.decode(msgspec.json.encode(describe("films/a.mkv", media, plan_all_formats(media))))


def test_a_file_with_one_track_of_each_kind() -> None:
    subtitle = SubtitleStream(2, 0, "subrip", text=True, language="eng", title="SDH")
    picture = attrs.evolve(VIDEO_STREAM, fps=Fraction(24000, 1001), transfer="smpte2084", rotation=90)
    told = document(attrs.evolve(MEDIA, video=(picture,), subtitles=(subtitle,)))
    assert (told["path"], told["duration"], told["size"]) == ("films/a.mkv", 60.0, 1_000_000)
    assert told["container"].startswith("mov,mp4")
    video, audio, text = told["streams"]
    assert (video["kind"], video["codec"], video["width"], video["height"]) == ("video", "h264", 1920, 1080)
    assert (video["fps"], video["hdr"], video["rotation"]) == (23.976, "hdr10", 90)
    assert (audio["kind"], audio["position"], audio["channels"], audio["sample_rate"]) == ("audio", 0, 2, 48000)
    assert (text["kind"], text["text"], text["language"], text["title"]) == ("subtitle", True, "eng", "SDH")


def test_each_format_says_what_would_be_done_and_why() -> None:
    formats = document(MEDIA)["formats"]
    assert list(formats) == ["mp4", "webm", "mkv", "ts", "mp3", "opus", "flac", "aac", "wav"]
    assert formats["mp4"]["action"] == "copy"
    assert formats["mp4"]["video"]["action"] == formats["mp4"]["audio"]["action"] == "copy"
    assert formats["webm"]["action"] == "transcode"
    assert formats["webm"]["video"]["codec"] == "vp9"
    assert (formats["webm"]["video"]["width"], formats["webm"]["video"]["height"]) == (1920, 1080)
    assert formats["webm"]["audio"]["codec"] == "opus"
    assert formats["aac"]["video"] is None
    assert formats["mp3"]["content_type"] == "audio/mpeg"
    silent = document(attrs.evolve(MEDIA, audio=()))["formats"]
    assert silent["mp3"] == {"action": "unavailable", "why": "The file has no audio, and mp3 contains nothing else."}
    assert silent["mp4"]["audio"] is None


@settings(max_examples=40)
@given(media())
def test_any_file_can_be_told_of_as_json(media: Media) -> None:
    told = document(media)
    assert len(told["streams"]) == len(media.video) + len(media.audio) + len(media.subtitles)
    for plan in told["formats"].values():
        assert plan["action"] in {"copy", "transcode", "unavailable"}
        assert plan["why"]
