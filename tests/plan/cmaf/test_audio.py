"""Audio of HLS and DASH: everybody hears every language, and nobody gets what his player cannot play."""

import re
from typing import Any

import attrs
import pytest

from transcoded.plan.cmaf import dash, hls
from transcoded.plan.cmaf.argv import segment_argv
from transcoded.plan.cmaf.audio import copyable_audio
from transcoded.plan.cmaf.ladder import Limits, present
from transcoded.plan.cmaf.timeline import copied_audio_timeline
from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.probe import AudioStream, Media, VideoStream

STEREO = AudioStream(
    index=1,
    position=0,
    codec="aac",
    channels=2,
    sample_rate=44_100,
    profile="LC",
    bit_rate=192_000,
    default=True,
    language="eng",
    duration=60.0,
    frame=1024,
    first_packet=0.0,
)
SURROUND = attrs.evolve(
    STEREO, index=2, position=1, codec="eac3", profile=None, channels=6, sample_rate=48_000, bit_rate=640_000,
    default=False, language="ger", frame=1536, channel_layout="5.1(side)",
)  # fmt: skip
DTS = attrs.evolve(SURROUND, index=3, position=2, codec="dts", language="fre", frame=None)
VIDEO = VideoStream(index=0, codec="mpeg4", width=640, height=360)
MEDIA = Media("matroska,webm", 60.0, 60_000_000, (VIDEO,), (STEREO, SURROUND, DTS))


def groups(media: Media, **options: Any) -> dict[str, list[str]]:
    return {group.name: [one.id for one in group.renditions] for group in present(media, **options).groups}


def test_each_group_has_each_stream_once() -> None:
    assert groups(MEDIA) == {
        "aac": ["a0", "a1", "a2"],
        "aac-6": ["a0", "a1-6", "a2-6"],
        "own": ["a0-copy", "a1-copy", "a2-6"],
    }
    assert groups(attrs.evolve(MEDIA, audio=(SURROUND,))) == {"aac": ["a1"], "aac-6": ["a1-6"], "own": ["a1-copy"]}


def test_players_begin_with_what_all_of_them_play() -> None:
    """AAC as it is costs nothing and loses nothing; what not every player decodes comes after it."""
    assert list(groups(attrs.evolve(MEDIA, audio=(STEREO,)))) == ["own", "aac"]
    assert next(iter(groups(attrs.evolve(MEDIA, audio=(SURROUND,))))) == "aac"


def test_what_cannot_be_decoded_here_is_offered_as_it_is() -> None:
    known = Capabilities.everything()
    able = attrs.evolve(known, decoders=known.decoders - {"eac3"})
    assert groups(MEDIA, capabilities=able)["own"] == ["a0-copy", "a1-copy", "a2-6"]
    assert groups(MEDIA, capabilities=able)["aac"] == ["a0", "a2"]
    assert groups(attrs.evolve(MEDIA, video=(), audio=(SURROUND,)), capabilities=able) == {"own": ["a1-copy"]}


@pytest.mark.parametrize(
    "changes",
    [
        {"codec": "dts"},
        {"profile": "HE-AAC"},
        {"described": False},
        {"frame": None},
        {"first_packet": None},
        {"duration": None},
        {"duration": 59.0},
        {"start_time": 0.5},
        {"seen": False},
        {"edited": True},
        {"channels": 9},
    ],
    ids=str,
)
def test_what_is_not_copied(changes: dict[str, Any]) -> None:
    """Where there is no sound in the file, a copy has none, and a player would wait for it."""
    assert copyable_audio(MEDIA, STEREO)
    assert not copyable_audio(MEDIA, attrs.evolve(STEREO, **changes))
    assert not copyable_audio(attrs.evolve(MEDIA, container="mpegts"), STEREO)
    assert not copyable_audio(attrs.evolve(MEDIA, restarts=True), STEREO)


def test_what_playlists_say_of_it() -> None:
    atmos = attrs.evolve(SURROUND, profile="Dolby Digital Plus + Dolby Atmos")
    presentation = present(attrs.evolve(MEDIA, audio=(STEREO, atmos)))
    master = hls.master_playlist(presentation)
    said = re.findall(r'GROUP-ID="([\w-]+)",NAME="(\w+)".*CHANNELS="([^"]+)"', master)
    assert said == [
        ("aac", "en", "2"),
        ("aac", "de", "2"),
        ("aac-6", "en", "2"),
        ("aac-6", "de", "6"),
        ("own", "en", "2"),
        ("own", "de", "16/JOC"),
    ]
    assert re.findall(r'CODECS="avc1\.\w+,([^"]+)".*AUDIO="([\w-]+)"', master)[:3] == [
        ("mp4a.40.2", "aac"),
        ("mp4a.40.2", "aac-6"),
        ("mp4a.40.2,ec-3", "own"),
    ]
    manifest = dash.manifest(presentation)
    values = re.findall(
        r'id="(a[\w-]+)" codecs="([^"]+)".*?audio_channel_configuration:2011" value="(\d+)"', manifest, re.DOTALL
    )
    assert values == [
        ("a0", "mp4a.40.2", "2"),
        ("a0-copy", "mp4a.40.2", "2"),
        ("a1", "mp4a.40.2", "2"),
        ("a1-6", "mp4a.40.2", "6"),
        ("a1-copy", "ec-3", "6"),
    ]


def test_a_limit_leaves_out_the_groups_that_are_too_much() -> None:
    offered = present(MEDIA, limits=Limits(bit_rate=1_700_000))
    assert {group.name for _, group in offered.variants if group} == {"aac"}
    for video, group in present(MEDIA, limits=Limits(bit_rate=2_000_000)).variants:
        assert video.peak + (group.peak if group else 0) <= 2_000_000


def test_boundaries_of_copied_sound_lie_between_its_frames() -> None:
    timeline = copied_audio_timeline(-1024, 441_000, 1024, 44_100)
    assert timeline.starts[0] == 0
    assert all((start + 1024) % 1024 == 0 for start in timeline.starts)
    assert [round(start / 44_100, 1) for start in timeline.starts] == [0.0, 2.0, 4.0, 6.0, 8.0]
    assert timeline.end >= 441_000
    late = copied_audio_timeline(700, 441_000, 1536, 48_000)
    assert all((start - 700) % 1536 == 0 for start in late.starts[1:])


def test_how_it_is_made() -> None:
    found = {one.id: segment_argv(one, 3, MEDIA, "x") for one in present(MEDIA).audio}
    assert found["a0-copy"][found["a0-copy"].index("-c:a") + 1] == "copy"
    assert not any("delay_moov" in one for one in found["a0-copy"])
    assert any("delay_moov" in one for one in found["a1-copy"]), "what the header says of E-AC-3 is in its packets"
    assert found["a1-6"][found["a1-6"].index("-ac") + 1] == "6"
    assert found["a1-6"][found["a1-6"].index("-b:a") + 1] == "384000"
