"""What the lists of allowed decoders must not do: refuse a film or a song because of something that is beside it in the file."""

import struct
from pathlib import Path

import pytest

from tests.support.clips import ffmpeg, sound_seconds
from tests.support.daemon import LiveDaemon
from tests.support.programs import Programs


def with_cover(song: bytes, name: str, picture: bytes) -> bytes:
    """A song with an APEv2 tag that holds a cover. The name of the cover's file says what it is."""
    value = name.encode() + b"\0" + picture
    item = struct.pack("<II", len(value), 2) + b"Cover Art (Front)\0" + value
    return song + item + b"APETAGEX" + struct.pack("<IIII", 2000, len(item) + 32, 1, 0) + bytes(8)


@pytest.mark.parametrize(
    "name", ["cover.tga", "cover.pcx", "cover.ppm", "cover.dds", "cover.jxl", "cover.psd", "a.svg"]
)
def test_a_song_plays_whatever_its_cover_is(programs: Programs, tmp_path: Path, name: str) -> None:
    """ffprobe refused the whole file."""
    root = tmp_path / "media"
    root.mkdir()
    song = ffmpeg("-f", "lavfi", "-i", "sine=440:d=1", "-c:a", "wavpack", "-f", "wv", "-")
    (root / "song.wv").write_bytes(with_cover(song, name, bytes(100)))
    with LiveDaemon(tmp_path / "daemon", {"m": root}, programs=programs) as daemon:
        assert daemon.json("/media/m/song.wv/probe.json")
        assert daemon.stream("m/song.wv", "mp3")


def test_a_picture_that_is_not_decoded_is_no_video(programs: Programs, tmp_path: Path) -> None:
    """ffprobe may open its decoder, but neither of the programs may use it."""
    root = tmp_path / "media"
    root.mkdir()
    source = ("-f", "lavfi", "-i", "testsrc=size=64x64:rate=5:duration=1")
    ffmpeg(*source, "-c:v", "targa", f"file:{root / 'alone.mov'}")
    ffmpeg(*source, "-f", "lavfi", "-i", "sine=d=1", "-c:v", "targa", "-c:a", "aac", f"file:{root / 'sound.mov'}")
    with LiveDaemon(tmp_path / "daemon", {"m": root}, programs=programs) as daemon:
        for tail in ("probe.json", "stream.mp4", "thumbnail.jpg"):
            daemon.get(f"/media/m/alone.mov/{tail}").problem(415)
        kinds = [one["kind"] for one in daemon.json("/media/m/sound.mov/probe.json")["streams"]]
        assert kinds == ["audio"]
        assert daemon.stream("m/sound.mov", "mp3")


@pytest.mark.parametrize("fmt", ["mp4", "mkv", "ts"])
def test_a_transport_stream_with_aac_plays(programs: Programs, tmp_path: Path, fmt: str) -> None:
    """As cameras, broadcasts and recorders of streams write it. The stream broke off at its first sound."""
    root = tmp_path / "media"
    root.mkdir()
    video = ("-f", "lavfi", "-i", "testsrc=size=320x240:rate=25:duration=2", "-c:v", "libx264", "-pix_fmt", "yuv420p")
    ffmpeg(*video[:4], "-f", "lavfi", "-i", "sine=d=2", *video[4:], "-c:a", "aac", f"file:{root / 'film.ts'}")
    with LiveDaemon(tmp_path / "daemon", {"m": root}, programs=programs) as daemon:
        for query in ("", "mode=transcode"):
            data = daemon.stream("m/film.ts", fmt, query)
            assert sound_seconds(data, {"mp4": "mp4", "mkv": "matroska", "ts": "mpegts"}[fmt]) > 1.9
