"""How copies are wrapped: the name of a codec fits, and the stream breaks off after the header."""

from typing import Any

import attrs
import pytest

from tests.plan.examples import AUDIO_STREAM, MEDIA, VIDEO_STREAM
from transcoded.plan.media.formats import FORMATS
from transcoded.plan.media.packaging import Packaging, audio_packaging, video_packaging

PLAIN = Packaging()


def wrapped(
    name: str, container: str = "mov", *, cut: bool = False, explicit: bool = False, **stream: Any
) -> Packaging | str:
    media = attrs.evolve(MEDIA, container=container)
    return audio_packaging(media, attrs.evolve(AUDIO_STREAM, **stream), FORMATS[name], cut=cut, explicit=explicit)


@pytest.mark.parametrize("profile", ["LC", "HE-AAC", "HE-AACv2", None])
def test_usual_aac_goes_everywhere_it_is_described(profile: str | None) -> None:
    for name in ("mp4", "mkv", "ts", "aac"):
        assert wrapped(name, profile=profile) == PLAIN


def test_aac_that_describes_itself_needs_a_filter_and_a_late_header() -> None:
    loose: dict[str, Any] = {"profile": "LC", "described": False}
    assert wrapped("mp4", **loose) == Packaging(filters=("aac_adtstoasc",), late_header=True)
    assert wrapped("ts", **loose) == wrapped("aac", **loose) == PLAIN
    for explicit in (True, False):
        assert "mkv needs a description" in str(wrapped("mkv", explicit=explicit, **loose))


@pytest.mark.parametrize("profile", ["ELD", "LD", "xHE-AAC", "41"])
def test_profiles_without_a_place_in_adts(profile: str) -> None:
    for name in ("ts", "aac"):
        assert "cannot contain" in str(wrapped(name, profile=profile, explicit=True))
    assert "not all players" in str(wrapped("mp4", profile=profile))
    assert wrapped("mp4", profile=profile, explicit=True) == PLAIN


@pytest.mark.parametrize("codec", ["ac3", "eac3"])
def test_what_mp4_reads_from_packets(codec: str) -> None:
    assert wrapped("mp4", codec=codec) == Packaging(late_header=True)
    assert wrapped("mkv", codec=codec) == wrapped("ts", codec=codec) == PLAIN


def test_flac_has_its_length_in_its_header() -> None:
    assert wrapped("flac", "flac", codec="flac") == PLAIN
    assert "length of the whole file" in str(wrapped("flac", "flac", codec="flac", cut=True, explicit=True))
    assert "another length" in str(wrapped("flac", "ogg", codec="flac"))
    assert wrapped("flac", "ogg", codec="flac", explicit=True) == PLAIN
    assert wrapped("mkv", "flac", codec="flac", cut=True) == PLAIN


def test_channels_that_players_do_not_know() -> None:
    field: dict[str, Any] = {"codec": "opus", "channels": 4, "channel_layout": "ambisonic 1"}
    assert "without names" in str(wrapped("webm", **field))
    assert wrapped("webm", explicit=True, **field) == PLAIN
    assert wrapped("webm", codec="opus", channels=6, channel_layout="5.1") == PLAIN
    assert wrapped("opus", codec="opus", channels=2, channel_layout=None) == PLAIN
    assert "9 channels" in str(wrapped("wav", codec="pcm_s16le", channels=9))


def test_audio_of_a_program_stream_is_not_cut() -> None:
    assert "program stream" in str(wrapped("mkv", "mpeg", codec="mp2", cut=True))
    assert wrapped("mkv", "mpeg", codec="mp2") == wrapped("mkv", "mpegts", codec="mp2", cut=True) == PLAIN


def test_video_gets_the_tags_and_filters_that_it_needs() -> None:
    hevc, mpeg4 = (attrs.evolve(VIDEO_STREAM, codec=codec) for codec in ("hevc", "mpeg4"))
    assert video_packaging(hevc, FORMATS["mp4"]) == Packaging(tag="hvc1")
    assert video_packaging(hevc, FORMATS["mkv"]) == PLAIN
    assert video_packaging(mpeg4, FORMATS["mkv"]) == Packaging(filters=("mpeg4_unpack_bframes",))
    assert video_packaging(VIDEO_STREAM, FORMATS["ts"]) == PLAIN
