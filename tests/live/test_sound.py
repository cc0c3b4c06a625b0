"""Sound from any recording: a layout, a rate or a tag that some encoder or muxer does not take must not cost the stream."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.clips import ffprobe, sound_seconds
from tests.support.daemon import LiveDaemon, media_url
from tests.support.marks import read_marks
from tests.support.programs import BUNDLED, DEBIAN, NEWEST, Programs, with_programs
from tests.support.sounds import LEVEL, ODD, TONES, amplitude, heard, level, sounds

__all__ = ["sounds"]

ALL = "mp4 webm mkv ts mp3 opus flac aac wav".split()
DEMUXERS = {"mp4": "mov", "mkv": "matroska", "webm": "matroska", "ts": "mpegts", "opus": "ogg"}
HALF_POWER = 2**-0.5


@pytest.fixture(scope="module")
def shared_daemon(programs: Programs, sounds: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    """A daemon with each ffmpeg, over these recordings."""
    directory = tmp_path_factory.mktemp(programs.name)
    with LiveDaemon(directory, {"m": sounds}, programs=programs) as daemon:
        yield daemon


with_newest = with_programs(NEWEST)
"""For what depends on our arguments, and hardly on the version of ffmpeg."""


def demuxer(fmt: str) -> str:
    return DEMUXERS.get(fmt, fmt)


def levels(daemon: LiveDaemon, name: str, fmt: str, query: str = "") -> list[dict[str, float]]:
    """For each channel of a stream the amplitude of each tone, where those of the source have 1."""
    return [
        {tone: amplitude(channel, frequency) / LEVEL for tone, frequency in TONES.items()}
        for channel in heard(daemon.stream(f"m/{name}", fmt, query), demuxer(fmt))
    ]


def tags(data: bytes, fmt: str) -> dict[str, str]:
    """The tags of a stream, in lower case, wherever its container has them."""
    found: dict[str, Any] = ffprobe(data, "-f", demuxer(fmt))
    places = [found["format"], *found["streams"]]
    return {name.lower(): text for place in places for name, text in place.get("tags", {}).items()}


@pytest.mark.parametrize(
    ("name", "fmt"), [("surround.flac", "wav"), ("surround.flac", "mp4"), ("surround.mkv", "opus")]
)
def test_stereo_is_mixed_by_bs_775(daemon: LiveDaemon, name: str, fmt: str) -> None:
    left, right = levels(daemon, name, fmt, "channels=2")
    for own, other, side in ((left, right, "L"), (right, left, "R")):
        assert own[f"F{side}"] == pytest.approx(1, abs=0.05)
        assert own["FC"] == pytest.approx(HALF_POWER, abs=0.05)
        assert own[f"B{side}"] == pytest.approx(HALF_POWER, abs=0.05)
        assert own["LFE"] < 0.05
        assert other[f"F{side}"] < 0.05


@with_newest
def test_dialogue_is_raised(daemon: LiveDaemon) -> None:
    left, _ = levels(daemon, "surround.flac", "wav", "downmix=dialogue")
    assert left["FC"] == pytest.approx(1, abs=0.05)
    assert left["FL"] == pytest.approx(HALF_POWER, abs=0.05)
    assert left["BL"] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("query", ["channels=2", "downmix=dialogue", "downmix=night"])
@with_newest
def test_a_mix_is_not_cut_off(daemon: LiveDaemon, query: str) -> None:
    """Six channels in step at full scale add up to 2.4 times of it."""
    for channel in heard(daemon.stream("m/full_scale.flac", "wav", query), "wav"):
        assert max(map(abs, channel)) < 0.97
        assert amplitude(channel, 500) > (0.5 if "night" in query else 0.85), "the limiter distorts it"


@with_newest
def test_night_brings_loud_and_quiet_together(daemon: LiveDaemon) -> None:
    plain = heard(daemon.stream("m/contrast.flac", "mp4", "mode=transcode"), "mov")[0]
    night = heard(daemon.stream("m/contrast.flac", "mp4", "downmix=night"), "mov")[0]
    contrast = [level(one, 3, 3.8) - level(one, 1, 1.8) for one in (plain, night)]
    assert contrast[0] == pytest.approx(37, abs=1)
    assert contrast[1] < contrast[0] - 10
    assert level(night, 1, 1.8) > level(plain, 1, 1.8) + 10


@pytest.mark.parametrize("fmt", ["mp4", "webm", "mkv", "ts", "opus", "aac", "flac", "wav"])
def test_surround_has_each_channel_where_it_was(daemon: LiveDaemon, fmt: str) -> None:
    channels = levels(daemon, "surround.mkv", fmt, "channels=6&mode=transcode")
    assert len(channels) == 6
    for tone, channel in zip(TONES, channels, strict=True):
        assert max(channel, key=channel.__getitem__) == tone
        assert channel[tone] == pytest.approx(1, abs=0.15)


@with_newest
def test_mp3_has_two_channels_at_most(daemon: LiveDaemon) -> None:
    assert len(heard(daemon.stream("m/surround.flac", "mp3", "channels=6"), "mp3")) == 2


@with_newest
def test_copied_surround_is_mixed_if_stereo_is_asked_for(daemon: LiveDaemon) -> None:
    assert len(heard(daemon.stream("m/surround.mkv", "mkv"), "matroska")) == 6
    assert len(heard(daemon.stream("m/surround.mkv", "mkv", "channels=2"), "matroska")) == 2
    refused = daemon.get(media_url("m/surround.mkv", "/stream.mkv?mode=copy&channels=2")).problem(400)
    assert "channels=2 was requested and the source has 6" in refused["detail"]
    refused = daemon.get(media_url("m/surround.mkv", "/stream.mkv?channels=3")).problem(400)
    assert refused["detail"] == "channels: '3' is not allowed; give 2 or 6."


@pytest.mark.parametrize("name", ODD)
def test_any_sound_plays_in_every_format(daemon: LiveDaemon, programs: Programs, name: str) -> None:
    """With the newest ffmpeg every format; with others one each of those that are encoded without loss, and with."""
    formats = ALL if programs is NEWEST else ["flac", ALL[list(ODD).index(name) % len(ALL)]]
    for fmt in formats:
        data = daemon.stream(f"m/{name}", fmt)
        # AAC has frames of 1,024 samples and a run-up of as many, which at 8 kHz are an eighth of a second.
        assert sound_seconds(data, demuxer(fmt)) == pytest.approx(ODD[name], abs=0.2), fmt


@pytest.mark.parametrize(
    ("fmt", "rate"), [("opus", "320k"), ("opus", "2M"), ("aac", "6k"), ("mp3", "2M"), ("webm", "6k")]
)
@with_newest
def test_a_bit_rate_that_the_codec_lacks_plays(daemon: LiveDaemon, fmt: str, rate: str) -> None:
    data = daemon.stream("m/telephone.wav", fmt, f"audio_bitrate={rate}")
    assert sound_seconds(data, demuxer(fmt)) == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize("fmt", ALL)
def test_a_layout_that_changes_keeps_the_time(daemon: LiveDaemon, programs: Programs, fmt: str, tmp_path: Path) -> None:
    data = daemon.stream("m/layout_change.mkv", fmt, "mode=transcode")
    # FFmpeg 5.1 loses what its filters hold at each change: less than a frame of the encoder.
    loses = programs is DEBIAN and fmt not in {"mp4", "webm", "mkv", "ts"}
    assert sound_seconds(data, demuxer(fmt)) == pytest.approx(9, abs=0.25 if loses else 0.1)
    if loses:
        return
    path = tmp_path / f"stream.{fmt}"
    path.write_bytes(data)
    marks = read_marks(BUNDLED.ffmpeg, BUNDLED.ffprobe, str(path), "-f", demuxer(fmt))
    assert [second for _, second in marks.beeps] == list(range(9))
    apart = [time - second for time, second in marks.beeps]
    assert max(apart) - min(apart) < 0.03


@pytest.mark.parametrize("mode", ["auto", "transcode"])
@pytest.mark.parametrize("fmt", ["mp4", "webm", "mkv", "ts"])
def test_sound_that_begins_late_is_late(daemon: LiveDaemon, fmt: str, mode: str, tmp_path: Path) -> None:
    path = tmp_path / f"stream.{fmt}"
    path.write_bytes(daemon.stream("m/late.mkv", fmt, f"mode={mode}"))
    marks = read_marks(BUNDLED.ffmpeg, BUNDLED.ffprobe, str(path), "-f", demuxer(fmt))
    picture, beep = marks.pictures[0], marks.beeps[0]
    assert picture[1] == beep[1] == 0
    assert beep[0] - picture[0] == pytest.approx(2.5, abs=0.04)


@pytest.mark.parametrize("fmt", ["mp4", "mkv", "ts"])
def test_sound_that_ffmpeg_meets_after_it_has_begun(daemon: LiveDaemon, fmt: str, tmp_path: Path) -> None:
    """A transport stream tells the sample rate in its packets only, and a header needs it."""
    path = tmp_path / f"stream.{fmt}"
    path.write_bytes(daemon.stream("m/far.ts", fmt))
    marks = read_marks(BUNDLED.ffmpeg, BUNDLED.ffprobe, str(path), "-f", demuxer(fmt))
    assert [second for _, second in marks.beeps] == [0, 1]
    assert marks.beeps[0][0] - marks.pictures[0][0] == pytest.approx(18, abs=0.06)
    assert marks.pictures[-1][1] == 499


@pytest.mark.parametrize("fmt", ["mp3", "opus", "flac", "aac", "wav"])
def test_silence_precedes_it_where_packets_have_no_times(daemon: LiveDaemon, fmt: str) -> None:
    samples = heard(daemon.stream("m/late.mkv", fmt), demuxer(fmt))[0]
    assert level(samples, 0, 2.4) < -60
    assert level(samples, 2.55, 2.65) > -20


@pytest.mark.parametrize("fmt", ["mp4", "webm", "mkv", "mp3", "opus", "flac", "wav"])
@pytest.mark.parametrize("name", ["song.mp3", "song.m4a", "song.opus", "song.flac", "song.mka"])
@with_newest
def test_a_song_keeps_its_name(daemon: LiveDaemon, name: str, fmt: str) -> None:
    found = tags(daemon.stream(f"m/{name}", fmt), fmt)
    assert (found["title"], found["artist"], found["album"]) == ("Söng", "A=B", "Album")
    assert found["track"] == "3/12"


def test_a_part_of_flac_does_not_claim_to_be_the_whole(daemon: LiveDaemon) -> None:
    """Chromium goes on to the end that the header tells."""
    data = daemon.stream("m/surround.flac", "flac", "start=0.5&duration=1")
    assert sound_seconds(data, "flac") == pytest.approx(1, abs=0.01)
    # STREAMINFO (RFC 9639, section 8.2): after rates and sizes, 36 bits with the number of samples; 0 is not known.
    assert int.from_bytes(data[21:26]) & (1 << 36) - 1 in {0, 48_000}


@pytest.mark.parametrize("fmt", ALL)
@with_newest
def test_lyrics_that_no_pipe_can_carry_cost_nothing(daemon: LiveDaemon, fmt: str) -> None:
    data = daemon.stream("m/lyrics.m4a", fmt)
    assert sound_seconds(data, demuxer(fmt)) == pytest.approx(2, abs=0.1)
    assert not {name for name in tags(data, fmt) if "lyrics" in name}


@pytest.mark.parametrize(
    ("name", "fmt", "query", "covered"),
    [
        ("small_cover.mp3", "mp3", "", True),
        ("small_cover.mp3", "mp3", "start=1", True),
        ("small_cover.mp3", "flac", "", True),
        ("large_cover.mp3", "mp3", "", False),
        ("large_cover.mp3", "flac", "", True),
        ("small_cover.mp3", "opus", "", False),
    ],
)
@with_newest
def test_covers_go_where_they_have_room(daemon: LiveDaemon, name: str, fmt: str, query: str, *, covered: bool) -> None:
    data = daemon.stream(f"m/{name}", fmt, query)
    streams = ffprobe(data, "-f", demuxer(fmt))["streams"]
    assert any(stream["disposition"]["attached_pic"] for stream in streams) is covered
    assert sound_seconds(data, demuxer(fmt)) == pytest.approx(1 if query else 2, abs=0.1)
    assert tags(data, fmt)["title"] == "Söng"
