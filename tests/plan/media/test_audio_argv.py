"""The arguments for audio: what is heard begins where it should, and has the name and the cover of its file."""

from collections.abc import Sequence
from typing import Any

import attrs
import pytest

from tests.plan.examples import AUDIO_STREAM, MEDIA, VIDEO_STREAM
from transcoded.plan.media.argv import Options, stream_argv
from transcoded.plan.media.audio_argv import audio_arguments, tags_arguments
from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.choose import choose
from transcoded.plan.media.formats import FORMATS
from transcoded.plan.media.params import StreamParams
from transcoded.plan.media.probe import EmbeddedCover, Media

SONG = attrs.evolve(
    MEDIA,
    container="mp3",
    video=(),
    audio=(attrs.evolve(AUDIO_STREAM, codec="mp3", language="ger", title="Track"),),
    cover=attrs.evolve(VIDEO_STREAM, index=1, codec="mjpeg"),
    embedded_cover=EmbeddedCover(1, "mjpeg", 9000),
    tags=(("title", "Song"),),
)
FILM = attrs.evolve(
    MEDIA, audio=(attrs.evolve(AUDIO_STREAM, start_time=0.0),), video=(attrs.evolve(VIDEO_STREAM, start_time=0.0),)
)


def whole(media: Media, name: str, capabilities: Capabilities | None = None, **requested: Any) -> list[str]:
    plan = choose(media, FORMATS[name], StreamParams(**requested))
    return stream_argv(plan, "/a", Options(capabilities=capabilities or Capabilities.everything()))


def audio(media: Media, name: str, **requested: Any) -> Sequence[str]:
    return audio_arguments(choose(media, FORMATS[name], StreamParams(**requested)))


def test_a_copy_drops_what_is_before_the_start_only_after_a_seek() -> None:
    """Without one, it is the run-up of the decoder: Opus would lose its first packet."""
    assert "-copypriorss:a" not in audio(MEDIA, "aac")
    assert "-copypriorss:a" in audio(MEDIA, "aac", start=5.0)
    assert "-copypriorss:a" not in audio(MEDIA, "mp4", start=5.0, mode="copy")


def test_silence_precedes_late_audio_only_where_packets_have_no_times() -> None:
    late = attrs.evolve(MEDIA, audio=(attrs.evolve(AUDIO_STREAM, start_time=3.0),))
    assert "first_pts" in audio(late, "mp3")[-1]
    assert "first_pts" not in audio(late, "webm")[-1]
    assert "first_pts" not in audio(FILM, "mp3")[-1]


def test_adts_gets_its_description_from_the_first_packets() -> None:
    loose = attrs.evolve(FILM, audio=(attrs.evolve(FILM.audio[0], described=False),))
    arguments = whole(loose, "mp4", start=5.0)
    assert arguments[arguments.index("-bsf:a") + 1] == "aac_adtstoasc"
    assert "delay_moov" in arguments[arguments.index("-movflags") + 1]


@pytest.mark.parametrize(
    ("media", "requested", "late"),
    [
        (FILM, {}, True),
        (FILM, {"start": 5.0}, False),
        (MEDIA, {}, False),
        (attrs.evolve(FILM, audio=(attrs.evolve(AUDIO_STREAM, start_time=4.0),)), {}, False),
        (attrs.evolve(MEDIA, video=()), {"start": 5.0}, True),
    ],
)
def test_the_header_of_mp4_waits_for_tracks_that_are_known_to_begin(
    media: Media, requested: dict[str, Any], *, late: bool
) -> None:
    flags = whole(media, "mp4", **requested)
    assert ("delay_moov" in flags[flags.index("-movflags") + 1]) is late
    assert ("frag_discont" in flags[flags.index("-movflags") + 1]) is not late


def test_a_copy_from_a_keyframe_shows_what_is_before_the_start() -> None:
    ac3 = attrs.evolve(FILM, audio=(attrs.evolve(AUDIO_STREAM, codec="ac3", start_time=0.0),))
    arguments = whole(ac3, "mp4", start=5.0, mode="copy")
    assert "delay_moov" in arguments[arguments.index("-movflags") + 1]
    assert arguments[arguments.index("-avoid_negative_ts") + 1] == "make_non_negative"
    assert "-avoid_negative_ts" not in whole(ac3, "mp4", mode="copy")


def test_a_song_has_its_tags_and_its_cover() -> None:
    for name in ("mp3", "flac"):
        arguments = whole(SONG, name)
        assert "title=Song" in arguments
        assert "-vn" not in arguments
        assert arguments[arguments.index("-disposition:v:0") + 1] == "attached_pic"
        # Else the size of ID3 tags could not be written.
        assert arguments[-5:-3] == ["-flush_packets", "0"]
    for name in ("mp4", "opus", "wav"):
        assert "title=Song" in whole(SONG, name)
        assert "-vn" in whole(SONG, name)
    assert "title=Song" not in whole(SONG, "ts")


@pytest.mark.parametrize(
    ("changed", "decoders"),
    [
        ({"embedded_cover": EmbeddedCover(1, "mjpeg", 30_000)}, {"mjpeg"}),
        ({"embedded_cover": None}, {"mjpeg"}),
        ({"cover": None}, {"mjpeg"}),
        ({}, {"png"}),
        ({"cover": attrs.evolve(VIDEO_STREAM, index=1, codec="webp")}, {"webp"}),
    ],
)
def test_a_cover_that_does_not_fit_or_cannot_be_decoded_is_left_out(
    changed: dict[str, Any], decoders: set[str]
) -> None:
    able = attrs.evolve(Capabilities.everything(), decoders=frozenset(decoders))
    assert "-vn" in whole(attrs.evolve(SONG, **changed), "mp3", able)


def labels(name: str, container: str = "mov") -> Sequence[str]:
    media = attrs.evolve(SONG, container=container)
    return [part for part in tags_arguments(choose(media, FORMATS[name], StreamParams())) if "=" in part]


def test_tracks_are_labelled_where_containers_have_tracks() -> None:
    assert labels("mkv") == labels("mp4") == ["title=Song", "language=ger", "title=Track"]
    assert labels("mkv", "ogg") == ["title=Song", "language=ger"]
    assert labels("ts") == ["language=ger"]
    assert labels("opus") == ["title=Song"]
    assert labels("aac") == []
