"""Files with damage in them: what can be played is played, and what cannot is an error, not a film that breaks off."""

import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.clips import Clips, ffmpeg, ffprobe, made_once, sound_seconds
from tests.support.daemon import LiveDaemon, media_url
from tests.support.programs import Programs

SECONDS = 4.0
FORMATS = "mp4 webm mkv ts mp3 opus flac aac wav".split()

X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25")
X265 = (
    "-c:v",
    "libx265",
    "-preset",
    "ultrafast",
    "-pix_fmt",
    "yuv420p",
    "-x265-params",
    "log-level=none:pools=2:keyint=25",
)
VP9 = (
    "-c:v",
    "libvpx-vp9",
    "-deadline",
    "realtime",
    "-cpu-used",
    "8",
    "-pix_fmt",
    "yuv420p",
    "-b:v",
    "200k",
    "-g",
    "25",
)
AV1 = ("-c:v", "libsvtav1", "-preset", "12", "-pix_fmt", "yuv420p", "-g", "25")
FILMS = {
    "h264": (*X264, "-c:a", "aac"),
    "hevc": (*X265, "-tag:v", "hvc1", "-c:a", "aac"),
    "vp9": (*VP9, "-c:a", "libopus"),
    "av1": (*AV1, "-c:a", "libopus"),
}


def noise(data: bytes) -> bytes:
    """A fifth of a file, in its middle, is random."""
    first, behind = len(data) * 4 // 10, len(data) * 6 // 10
    return data[:first] + random.Random(2).randbytes(behind - first) + data[behind:]


def zeros(data: bytes) -> bytes:
    """Three fifths of a file are zeros, as in a download whose pieces come in any order."""
    first, behind = len(data) * 3 // 10, len(data) * 9 // 10
    return data[:first] + bytes(behind - first) + data[behind:]


def cut(data: bytes) -> bytes:
    """The last two fifths of a file are missing."""
    return data[: len(data) * 6 // 10]


DAMAGE: tuple[Callable[[bytes], bytes], ...] = (noise, zeros, cut)


def make_films(clips: Clips, directory: Path) -> None:
    """Each film, damaged in each way, and one whose audio goes on behind its video."""
    for name, arguments in FILMS.items():
        whole = directory / f".{name}.mp4"
        source = ("-i", f"file:{clips.film.path}")
        ffmpeg(*source, *arguments, "-strict", "-2", "-movflags", "+faststart", f"file:{whole}")
        for damage in DAMAGE:
            (directory / f"{name}-{damage.__name__}.mp4").write_bytes(damage(whole.read_bytes()))
    tone = ("-f", "lavfi", "-i", "sine=duration=12")
    longer = (*("-i", f"file:{clips.film.path}"), *tone, "-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "aac")
    ffmpeg(*longer, f"file:{directory / 'longer.mkv'}")


@pytest.fixture(scope="module")
def films(clips: Clips, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "damaged", partial(make_films, clips))


@pytest.fixture(scope="module")
def shared_daemon(programs: Programs, films: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    """A daemon with each ffmpeg."""
    with LiveDaemon(tmp_path_factory.mktemp(programs.name), {"m": films}, programs=programs) as daemon:
        yield daemon


@pytest.fixture
def daemon(shared_daemon: LiveDaemon) -> Iterator[LiveDaemon]:
    yield shared_daemon
    shared_daemon.quiet()


def last_time(data: bytes, kind: str) -> float:
    """The time of the last packet of the first stream of this kind, in seconds after the beginning of the stream."""
    found = ffprobe(data, "-select_streams", f"{kind}:0", "-show_packets", "-show_entries", "packet=pts_time,dts_time")
    times = [float(packet.get("pts_time", packet.get("dts_time"))) for packet in found["packets"]]
    return max(times) - min(times)


@pytest.mark.parametrize("how", ["noise", "zeros", "cut"])
@pytest.mark.parametrize(
    ("codec", "fmt"),
    [
        *(("h264", fmt) for fmt in ("mp4", "mkv", "ts")),
        *(("hevc", fmt) for fmt in ("mp4", "mkv", "ts")),
        *(("vp9", fmt) for fmt in ("mp4", "mkv", "webm")),
        *(("av1", fmt) for fmt in ("mp4", "mkv", "webm")),
    ],
)
def test_a_copy_goes_on_behind_damage(daemon: LiveDaemon, codec: str, fmt: str, how: str) -> None:
    """A muxer gives up at a packet that it cannot convert. The viewer would lose the rest of the film for a second of it."""
    data = daemon.stream(f"m/{codec}-{how}.mp4", fmt, "mode=copy")
    assert daemon.endings(1)[0]["reason"] == "finished"
    expected = SECONDS * (0.5 if how == "cut" else 0.85)
    assert last_time(data, "v") > expected
    assert last_time(data, "a") > expected


@pytest.mark.parametrize("how", ["noise", "zeros", "cut"])
@pytest.mark.parametrize("fmt", ["mp4", "webm", "mkv", "ts"])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_transcode_goes_on_behind_damage(daemon: LiveDaemon, codec: str, fmt: str, how: str) -> None:
    """However much of it cannot be decoded: ffmpeg would call it a failure at the end if that is more than two thirds."""
    data = daemon.stream(f"m/{codec}-{how}.mp4", fmt, "mode=transcode")
    assert daemon.endings(1)[0]["reason"] == "finished"
    # Behind the zeros there is no keyframe.
    assert last_time(data, "v") > SECONDS * {"noise": 0.85, "zeros": 0.15, "cut": 0.5}[how]


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_start_behind_the_end_of_a_download_that_broke_off_says_so(daemon: LiveDaemon, fmt: str) -> None:
    """ffmpeg writes a header then and exits with success: the client would get a film without a frame."""
    problem = daemon.get(media_url("m/h264-cut.mp4", f"/stream.{fmt}?start=3.5")).problem(400)
    assert problem["parameter"] == "start"


@pytest.mark.parametrize("fmt", ["mp4", "webm", "mkv", "ts"])
def test_audio_that_goes_on_behind_the_video_is_played_from_there(daemon: LiveDaemon, fmt: str) -> None:
    """The video counts as the first media, but there is none."""
    data = daemon.stream("m/longer.mkv", fmt, "start=9&mode=transcode")
    assert sound_seconds(data, {"mp4": "mov", "mkv": "matroska", "ts": "mpegts"}.get(fmt, fmt)) == pytest.approx(
        3, abs=0.2
    )
