"""A start at a keyframe: the video is copied, begins where the header says, and in step with the sound."""

import subprocess
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from tests.support.clips import ffprobe, frame_numbers, made_once
from tests.support.daemon import LiveDaemon, media_url
from tests.support.films import counting
from tests.support.programs import NEWEST, Programs, by_turns

RATE, GROUP, SECONDS = 25, 60, 14
CODED = ("-c:v", "libx264", "-preset", "ultrafast", "-g", str(GROUP), "-sc_threshold", "0", "-bf", "2")
TICKS = "aevalsrc=exprs='sin(2*PI*440*t)*lt(mod(t,1),0.5)':s=48000"
OUTPUTS, STARTS = ("mp4", "mkv", "ts"), ("7.3", "9.65")
NAMES = ("film.mp4", "film.mkv", "film.ts", "plain.mkv")
CASES = [*product(NAMES, OUTPUTS, STARTS), *product(NAMES[:3], OUTPUTS, STARTS[:1])]
"""So many that each file meets each ffmpeg."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(directory: Path) -> None:
        for name in NAMES:
            coded = CODED if name.startswith("film") else (*CODED[:-1], "0")
            sound = ("-f", "lavfi", "-i", f"{TICKS}:d={SECONDS}", "-c:a", "aac")
            counting(directory / name, "320x180", RATE * SECONDS, str(RATE), *sound, *coded)

    return made_once(tmp_path_factory, "keyframe starts", make)


@pytest.fixture(scope="module")
def daemon(programs: Programs, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    with LiveDaemon(tmp_path_factory.mktemp("daemon"), {"m": root}, programs=programs) as daemon:
        yield daemon


@pytest.mark.parametrize(
    ("programs", "case"), by_turns(CASES, " ".join, each_with_newest=False), indirect=["programs"], scope="module"
)
def test_the_video_is_copied_from_the_keyframe_on(
    daemon: LiveDaemon, tmp_path: Path, case: tuple[str, str, str]
) -> None:
    name, output, start = case[0], case[1], float(case[2])
    url = media_url(f"m/{name}", f"/stream.{output}?start={start}&start_at=keyframe")
    answer = daemon.get(url)
    assert answer.status == 200
    keyframe = start // (GROUP / RATE) * (GROUP / RATE)
    # A transport stream begins with what the decoder of the sound needs before it. So does Matroska, says FFmpeg 5.1.
    late = float(answer.headers["x-stream-start"]) - keyframe
    assert abs(late - (1024 / 48_000 if late > 0.01 else 0)) < 0.002
    first = round(keyframe * RATE)
    numbers = frame_numbers(answer.body)
    assert numbers == [number % 256 for number in range(first, RATE * SECONDS)]
    shown = ffprobe(answer.body, "-select_streams", "v", "-show_entries", "packet=pts_time")["packets"]
    zero = min(float(packet["pts_time"]) for packet in shown)
    path = tmp_path / f"a.{output}"
    path.write_bytes(answer.body)
    # The sound is loud in the first half of each second of the film.
    for second in (10, 12):
        at = second - keyframe + zero
        assert level(path, at + 0.1) > 0.5
        assert level(path, at + 0.6) < 0.1
    live = [one for one in daemon.endings() if one["path"] == f"m/{name}"]
    assert live[-1]["reason"] == "finished"


@pytest.mark.parametrize("name", NAMES)
def test_an_exact_start_is_told_and_is_exact(daemon: LiveDaemon, name: str) -> None:
    answer = daemon.get(media_url(f"m/{name}", "/stream.mkv?start=7.4"))
    assert float(answer.headers["x-stream-start"]) == 7.4
    assert frame_numbers(answer.body)[0] in {184, 185}
    assert "x-stream-start" not in daemon.get(media_url(f"m/{name}", "/stream.mkv?start=7.4&mode=copy")).headers
    assert float(daemon.get(media_url(f"m/{name}", "/stream.mkv")).headers["x-stream-start"]) == 0


def test_what_is_not_allowed_is_named(daemon: LiveDaemon) -> None:
    answer = daemon.get(media_url("m/film.mp4", "/stream.mp4?start_at=somewhere"))
    assert answer.status == 400
    assert "start_at" in answer.body.decode()
    assert "exact or keyframe" in answer.body.decode()


def level(path: Path, at: float) -> float:
    """The loudest sample in a tenth of a second from a time of the container's clock on."""
    cut = f"aresample=48000:async=1:first_pts=0,atrim=start={at:.3f}:duration=0.1"
    command = (NEWEST.ffmpeg, "-v", "error", "-copyts", "-i", f"file:{path}", "-map", "0:a", "-af", cut, "-f", "s16le", "-ac", "1", "-")  # fmt: skip
    data = memoryview(subprocess.run(command, check=True, capture_output=True).stdout).cast("h")
    return max(map(abs, data), default=0) / 32768
