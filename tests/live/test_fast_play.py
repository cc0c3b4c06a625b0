"""The video for fast play, with real files: each segment alone is the picture of its time. Else a viewer stops where he did not want to."""

import os
import random
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import floor
from pathlib import Path
from urllib.parse import urljoin

import attrs
import psutil
import pytest

from tests.support.clips import ffmpeg, ffprobe, frame_numbers
from tests.support.daemon import LiveDaemon, media_url, until
from tests.support.films import body, counting, packets, probe_url
from tests.support.programs import Programs
from transcoded.plan.policy.admission import COPY

SIZE = "192x144"
SECONDS = 14


@attrs.frozen
class Source:
    """A film: its frames per second, and the frames from keyframe to keyframe; 1: each frame counts."""

    name: str
    rate: Fraction
    group: int


SOURCES = (
    Source("film.mp4", Fraction(25), 30),
    Source("film.mkv", Fraction(25), 30),
    Source("film.ts", Fraction(25), 30),
    Source("cinema.mkv", Fraction(24000, 1001), 53),
    # Its keyframes are too far from each other.
    Source("one group.mp4", Fraction(25), 1),
    Source("late.mkv", Fraction(25), 30),
)


def make(directory: Path) -> None:
    x264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", "2", "-sc_threshold", "0")
    sound = ("-f", "lavfi", "-i", f"sine=d={SECONDS}", "-c:a", "aac")
    counting(directory / "film.mp4", SIZE, 25 * SECONDS, "25", *sound, *x264, "-g", "30")
    counting(directory / "one group.mp4", SIZE, 25 * SECONDS, "25", *sound, *x264, "-g", "1000")
    counting(directory / "cinema.mkv", SIZE, 24 * SECONDS, "24000/1001", *sound, *x264, "-g", "53")
    film = ("-i", f"file:{directory / 'film.mp4'}")
    for name in ("film.mkv", "film.ts"):
        ffmpeg(*film, "-c", "copy", f"file:{directory / name}")
    ffmpeg(
        *film, "-itsoffset", "0.8", *film, "-map", "0:a", "-map", "1:v", "-c", "copy", f"file:{directory / 'late.mkv'}"
    )
    # Encoders of it do not come to an end by themselves in the time of a test.
    ffmpeg("-stream_loop", "200", *film, "-c", "copy", f"file:{directory / 'long.mp4'}")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=d=3:s=320x180", *x264, f"file:{directory / 'short.mp4'}")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("fast_play")
    make(directory)
    return directory


@pytest.fixture(scope="module")
def shared(programs: Programs, directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    with LiveDaemon(tmp_path_factory.mktemp("daemon"), {"m": directory}, programs=programs) as daemon:
        yield daemon


@pytest.fixture
def daemon(shared: LiveDaemon) -> Iterator[LiveDaemon]:
    yield shared
    shared.request("DELETE", "/api/v1/streams?path=m")
    shared.quiet()


def pictures(daemon: LiveDaemon, path: str) -> tuple[str, list[str], list[float]]:
    """The URLs of the init segment and of all pictures, and how long each is shown."""
    master = media_url(path, "/master.m3u8")
    text = daemon.get(master).body.decode()
    (uri,) = re.findall(r'^#EXT-X-I-FRAME-STREAM-INF:.*,URI="(cmaf/i240/[^"]+)"$', text, re.MULTILINE)
    url = urljoin(master, uri)
    text = body(daemon, url).decode()
    assert "#EXT-X-I-FRAMES-ONLY" in text
    (init,) = re.findall(r'#EXT-X-MAP:URI="([^"]+)"', text)
    found = re.findall(r"#EXTINF:([0-9.]+),\n(\S+)", text)
    return urljoin(url, init), [urljoin(url, name) for _, name in found], [float(length) for length, _ in found]


def expected(source: Source, late: int, number: int) -> int:
    """The last frame at or before the time of a picture; in files whose keyframes are dense, the last keyframe. The video begins so many frames late."""
    frame = max(0, floor(2 * number * source.rate) - late)
    return frame // source.group * source.group % 256


@pytest.mark.parametrize("order", ["forwards", "backwards", "anyhow"])
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_each_picture_alone_is_that_of_its_time(
    daemon: LiveDaemon, directory: Path, source: Source, order: str
) -> None:
    """Whichever is wanted first."""
    name = f"{order} {source.name}"
    if not (directory / name).exists():
        os.link(directory / source.name, directory / name)
    found = ffprobe(directory / source.name, "-select_streams", "v")
    late = round((float(found["streams"][0]["start_time"]) - float(found["format"]["start_time"])) * source.rate)
    init, urls, lengths = pictures(daemon, f"m/{name}")
    assert len(urls) == 7
    numbers: Sequence[int] = range(len(urls))
    if order == "backwards":
        numbers = numbers[::-1]
    elif order == "anyhow":
        numbers = random.Random(name).sample(numbers, len(numbers))
    head = body(daemon, init)
    for number in numbers:
        alone = head + body(daemon, urls[number])
        assert frame_numbers(alone) == [expected(source, late, number)], number
        ((packet,),) = packets(alone).values()
        assert packet.key
        assert (packet.pts, packet.dts) == (2 * number, 2 * number)
        assert abs(packet.duration - lengths[number]) < 0.002


def test_ffprobe_reads_the_master_playlist(daemon: LiveDaemon) -> None:
    found = probe_url(f"http://127.0.0.1:{daemon.port}{media_url('m/film.mp4', '/master.m3u8')}", "-show_streams")
    assert {one["codec_type"] for one in found["streams"]} == {"video", "audio"}


def test_its_encoder_gives_way(daemon: LiveDaemon) -> None:
    """What somebody watches comes first, and is not replaced by it."""
    master = media_url("m/long.mp4", "/master.m3u8")
    # One for each group of audio.
    video = until(lambda: re.findall(r"^cmaf/copy/\S+$", daemon.get(master).body.decode(), re.MULTILINE))[0]
    body(daemon, urljoin(master, video.replace("index.m3u8", "0.m4s")))
    _, urls, _ = pictures(daemon, "m/long.mp4")
    body(daemon, urls[3])
    encoders = {one["format"]: one for one in daemon.live()}
    assert set(encoders) == {"cmaf/copy", "cmaf/i240"}
    nice = {name: psutil.Process(one["pid"]).nice() for name, one in encoders.items()}
    assert nice == {"cmaf/copy": psutil.Process().nice(), "cmaf/i240": 19}
    assert daemon.json("/api/v1/streams")["capacity"]["used"] == 2 * COPY


def test_what_has_none(daemon: LiveDaemon) -> None:
    """A video of a moment."""
    text = daemon.get(media_url("m/short.mp4", "/master.m3u8")).body.decode()
    assert "I-FRAME" not in text
    daemon.get(media_url("m/short.mp4", "/cmaf/i240/index.m3u8")).problem(404)


def test_a_picture_is_as_large_as_is_said(daemon: LiveDaemon) -> None:
    text = daemon.get(media_url("m/film.mp4", "/master.m3u8")).body.decode()
    (told,) = re.findall(r"^#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=(\d+),.*RESOLUTION=(\d+)x(\d+)", text, re.MULTILINE)
    init, urls, _ = pictures(daemon, "m/film.mp4")
    data = body(daemon, urls[0])
    video = ffprobe(body(daemon, init) + data)["streams"][0]
    assert (video["width"], video["height"]) == (int(told[1]), int(told[2])) == (192, 144)
    assert 8 * len(data) / 2 <= int(told[0])
