"""The choice of the audio: a track that nobody can decode must not be preferred to one that plays."""

from typing import Any

import attrs
import pytest

from tests.plan.examples import AUDIO_STREAM, MEDIA
from transcoded.plan.errors import NotMedia
from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.choose import choose
from transcoded.plan.media.choose_audio import EncodeAudio, decodes
from transcoded.plan.media.formats import FORMATS
from transcoded.plan.media.params import StreamParams
from transcoded.plan.media.probe import Media

ABLE = Capabilities.everything()


def encoded(name: str, media: Media, **requested: Any) -> EncodeAudio:
    action = choose(media, FORMATS[name], StreamParams(mode="transcode", **requested), ABLE).audio_action
    assert isinstance(action, EncodeAudio)
    return action


def with_audio(*streams: dict[str, Any]) -> Media:
    audio = tuple(attrs.evolve(AUDIO_STREAM, index=n, position=n, **one) for n, one in enumerate(streams, 1))
    return attrs.evolve(MEDIA, audio=audio)


@pytest.mark.parametrize(
    ("name", "requested", "channels", "downmix"),
    [
        ("mp4", {}, 2, "standard"),
        ("mp4", {"channels": 6}, 6, "standard"),
        ("mp4", {"downmix": "night"}, 2, "night"),
        ("mp4", {"channels": 6, "downmix": "dialogue"}, 6, "dialogue"),
        ("flac", {}, 6, "standard"),
        ("flac", {"channels": 2}, 2, "standard"),
        ("flac", {"downmix": "dialogue"}, 2, "dialogue"),
        ("mp3", {"channels": 6}, 2, "standard"),
    ],
)
def test_channels_and_mix(name: str, requested: dict[str, Any], channels: int, downmix: str) -> None:
    action = encoded(name, with_audio({"channels": 6, "channel_layout": "5.1(side)"}), **requested)
    assert (action.channels, action.downmix) == (channels, downmix)


@pytest.mark.parametrize(
    ("start_time", "start", "late"), [(None, 0, True), (0.0, 0, False), (5.0, 0, True), (5.0, 6, False)]
)
def test_whether_the_audio_begins_late(start_time: float | None, start: float, *, late: bool) -> None:
    assert encoded("mp3", with_audio({"start_time": start_time}), start=start).late is late


def test_a_default_that_cannot_be_decoded_is_not_chosen() -> None:
    media = with_audio({"codec": "ac4", "default": True}, {"codec": "aac"})
    assert choose(media, FORMATS["mp4"], StreamParams(), ABLE).audio == media.audio[1]
    with pytest.raises(NotMedia, match="cannot decode ac4"):
        choose(media, FORMATS["mp4"], StreamParams(audio=1), ABLE)


def test_one_that_is_only_copied_need_not_be_decoded() -> None:
    unable = attrs.evolve(ABLE, decoders=frozenset())
    assert choose(with_audio({"codec": "aac"}), FORMATS["aac"], StreamParams(), unable).action == "copy"


@pytest.mark.parametrize(
    ("version", "able"),
    [
        ("5.1.9-0+deb12u1", False),
        ("7.0.2", False),
        ("7.1", True),
        ("n8.1.2", True),
        ("n9.0.2-17-g2a571b6", True),
        ("git", True),
    ],
)
def test_xhe_aac_needs_a_recent_ffmpeg(version: str, *, able: bool) -> None:
    usac = attrs.evolve(AUDIO_STREAM, profile="xHE-AAC")
    assert decodes(usac, attrs.evolve(ABLE, version=version)) is able
    assert decodes(AUDIO_STREAM, attrs.evolve(ABLE, version=version))
