"""What is said to be possible is possible, and what is not possible is said, with each ffmpeg."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.clips import ffmpeg, ffprobe
from tests.support.daemon import LiveDaemon
from tests.support.programs import BUNDLED, DEBIAN, NEWEST, Programs
from transcoded.run.host.capability_memory import NAME

COMMON = {
    "h264",
    "hevc",
    "mpeg2video",
    "mpeg4",
    "vp8",
    "vp9",
    "aac",
    "ac3",
    "eac3",
    "dts",
    "flac",
    "mp3",
    "opus",
    "subrip",
}
ENCODERS = {"libx264", "libvpx-vp9", "aac", "libmp3lame", "libopus", "flac", "pcm_s16le", "mjpeg", "webvtt"}
FILTERS = {"scale", "bwdif", "fps", "tpad", "setsar", "format", "aresample", "overlay", "pan"}

DIFFERENT = {
    # What it decodes, what it does not, how it maps tones, whether it draws text.
    BUNDLED.name: (set(), {"av1", "png", "zmbv", "dvb_teletext"}, {"scale"}, False),
    NEWEST.name: ({"av1", "png", "vvc", "zmbv"}, {"ayuv"}, {"libplacebo", "zscale"}, True),
    DEBIAN.name: ({"av1", "png", "ayuv"}, {"vvc", "prores_raw", "qoa"}, {"libplacebo", "zscale"}, True),
}


@pytest.fixture(scope="module")
def av1_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film that needs a decoder which the bundled ffmpeg has only in name."""
    directory = tmp_path_factory.mktemp("av1")
    picture = ("-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=2")
    sound = ("-f", "lavfi", "-i", "sine=duration=2")
    coders = ("-c:v", "libsvtav1", "-preset", "12", "-c:a", "libopus")
    ffmpeg(*picture, *sound, *coders, str(directory / "film.mkv"))
    # Neither ffmpeg nor ffprobe of the bundled build reads PNG.
    cover = (
        "-f",
        "lavfi",
        "-i",
        "color=red:size=100x60",
        "-frames:v",
        "1",
        "-c:v",
        "png",
        "-y",
        str(directory / "c.png"),
    )
    subprocess.run([NEWEST.ffmpeg, "-v", "error", *cover], check=True)
    joined = ("-map", "0:a", "-map", "1:v", "-c:v", "copy", "-disposition:v", "attached_pic", "-c:a", "libmp3lame")
    subprocess.run(
        [NEWEST.ffmpeg, "-v", "error", *sound, "-i", str(directory / "c.png"), *joined, str(directory / "song.mp3")],
        check=True,
    )
    return directory


def test_what_each_ffmpeg_can_do(programs: Programs, av1_film: Path, tmp_path: Path) -> None:
    decodes, lacks, tone_mappings, text = DIFFERENT[programs.name]
    with LiveDaemon(tmp_path / "daemon", {"m": av1_film}, programs=programs) as daemon:
        found = daemon.json("/api/v1/capabilities")
        assert found["ffmpeg"]["path"] == programs.ffmpeg
        assert found["ffmpeg"]["why"] == "it is named in the settings"
        assert [one["path"] for one in found["ffmpeg"]["candidates"]] == [programs.ffmpeg]
        assert set(found["decoders"]) >= COMMON | decodes
        assert not set(found["decoders"]) & lacks
        assert set(found["encoders"]) >= ENCODERS
        assert set(found["filters"]) >= FILTERS
        assert found["tone_mapping"] in tone_mappings
        assert found["burns_in"] == {"text": text, "bitmap": True}
        engines = {one["name"]: one for one in found["engines"]}
        assert engines["software"]["works"]
        assert {"h264", "hevc", "vp9"} <= set(engines["software"]["encodes"])
        for one in engines.values():
            assert one["why"]
            assert one["works"] == bool(one["decodes"] or one["encodes"])

        # What it says of a film is what it then does.
        formats = daemon.json("/media/m/film.mkv/probe.json")["formats"]
        response = daemon.get("/media/m/film.mkv/stream.mp4")
        playlist = daemon.get("/media/m/film.mkv/master.m3u8")
        assert formats["webm"]["action"] == "copy"
        assert daemon.stream("m/film.mkv", "webm")
        if "av1" in found["decoders"]:
            assert formats["mp4"]["action"] == "transcode"
            assert (response.status, response.complete) == (200, True)
            assert playlist.status == 200
        else:
            assert formats["mp4"]["action"] == "unavailable"
            assert "cannot decode av1" in formats["mp4"]["why"]
            assert "cannot decode av1" in response.problem(415)["detail"]
            # Players may decode it.
            assert set(re.findall(rb"^cmaf/(\w+)/", playlist.body, re.MULTILINE)) == {b"copy"}
            assert daemon.stream("m/film.mkv", "mp4", "mode=copy")
            assert daemon.stream("m/film.mkv", "wav"), "the sound can be played"

        thumbnail = daemon.get("/media/m/song.mp3/thumbnail.jpg?width=64")
        assert daemon.json("/media/m/song.mp3/probe.json")["has_cover"] == ("png" in found["decoders"])
        if "png" in found["decoders"]:
            assert thumbnail.status == 200
            (shown,) = ffprobe(thumbnail.body)["streams"]
            assert (shown["width"], shown["height"]) == (64, 38)
        else:
            assert "cannot decode png" in thumbnail.problem(415)["detail"]


def test_the_best_of_all_is_used_and_remembered(av1_film: Path, tmp_path: Path) -> None:
    """Debian's old ffmpeg is first on PATH of many machines."""
    state = ("--state-dir", str(tmp_path / "state"))
    root = ("--media", f"m={av1_film}", "--listen", "tcp:0:interface=127.0.0.1")
    face = ("-m", "twisted", "--log-format=text", "transcoded")
    unnamed = ("env", "--unset=TRANSCODED_FFMPEG", "--unset=TRANSCODED_FFPROBE")
    answers, contents = [], []
    for start in ("first", "second"):
        program = (*unnamed, sys.executable, *face, *root, *state)
        with LiveDaemon(tmp_path / start, {}, program=program) as daemon:
            answers.append(daemon.json("/api/v1/capabilities"))
            contents.append((tmp_path / "state" / NAME).read_bytes())
            used, probe = answers[-1]["ffmpeg"], answers[-1]["ffprobe"]
            said = re.findall(r"using (\w+) (\S+) \((\S+)\): (.*)", daemon.log())
            assert said == [
                ("ffmpeg", used["version"], used["path"], used["why"]),
                ("ffprobe", probe["version"], probe["path"], probe["why"]),
            ]
    assert answers[0] == answers[1]
    assert contents[0] == contents[1], "the second start has tried nothing"
    best, found = answers[0]["ffmpeg"], {one["path"]: one["can"] for one in answers[0]["ffmpeg"]["candidates"]}
    assert found[best["path"]] == max(found.values())
    assert best["path"] == NEWEST.ffmpeg
    assert answers[0]["ffprobe"]["path"] == NEWEST.ffprobe
    assert {BUNDLED.ffmpeg, NEWEST.ffmpeg} <= set(found)
