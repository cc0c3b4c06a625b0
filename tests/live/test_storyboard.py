"""Storyboards with real files: each tile is the picture that its time names. Else a viewer lands elsewhere than he saw."""

import re
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from pathlib import Path

import attrs
import pytest

from tests.support.clips import BITS, ffmpeg, ffprobe
from tests.support.daemon import LiveDaemon, media_url, until
from tests.support.films import SIZE, counting
from tests.support.pictures import Frame, frames
from tests.support.programs import NEWEST, Programs, by_turns
from transcoded.plan.media.argv import PROGRESS_FD, Options, probe_argv
from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.ffprobe import decode
from transcoded.plan.media.probe import Media
from transcoded.plan.media.storyboard import Storyboard, storyboard
from transcoded.plan.media.storyboard_argv import storyboard_argv

GROUP = 30
"""Frames from keyframe to keyframe; there are 25 a second."""

NAMES = ("film.mkv", "film.mp4", "film.ts", "film.avi")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films of ten seconds, with frames that count and are reordered."""
    directory = tmp_path_factory.mktemp("storyboards")
    x264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", "2", "-sc_threshold", "0")
    sound = ("-f", "lavfi", "-i", "sine=d=10", "-c:a", "aac", "-shortest")
    counting(directory / NAMES[0], SIZE, 250, "25", *sound, *x264, "-g", str(GROUP))
    for name in NAMES[1:]:
        ffmpeg(
            "-i",
            f"file:{directory / NAMES[0]}",
            "-c",
            "copy",
            *(("-bsf:v", "h264_mp4toannexb") if name.endswith("avi") else ()),
            f"file:{directory / name}",
        )
    ffmpeg("-f", "lavfi", "-i", "sine=d=3", "-c:a", "aac", f"file:{directory / 'song.m4a'}")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=d=0.5:s=320x180", *x264, f"file:{directory / 'short.mp4'}")
    # What is read for one sheet of it does not fit into the moment in which the client leaves.
    loop = ("-stream_loop", "300", "-i", f"file:{directory / NAMES[1]}", "-c", "copy")
    ffmpeg(*loop, f"file:{directory / 'long.ts'}")
    return directory


@pytest.fixture(scope="module")
def shared(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    with LiveDaemon(tmp_path_factory.mktemp("daemon"), {"m": directory}, programs=NEWEST) as daemon:
        yield daemon


@pytest.fixture
def daemon(shared: LiveDaemon) -> Iterator[LiveDaemon]:
    yield shared
    shared.quiet()


def tiles(sheet: Frame, columns: int, number: int, width: int, height: int) -> list[int]:
    """The numbers that the tiles of a sheet show."""
    found = []
    for tile in range(number):
        x, y = tile % columns * width, tile // columns * height + height / 2
        bits = [
            sheet.at((x + (bit + 0.5) * width / BITS) / sheet.width, y / sheet.height)[1] > 127 for bit in range(BITS)
        ]
        found.append(sum(1 << bit for bit, value in enumerate(bits) if value))
    return found


def expected(times: Sequence[int], late: int = 0) -> list[int]:
    """The keyframes at or before these times, if the video begins so many frames after the file."""
    return [max(0, time * 25 - late) // GROUP * GROUP for time in times]


def probed(programs: Programs, path: Path) -> Media:
    output = subprocess.run([programs.ffprobe, *probe_argv(str(path))], capture_output=True, check=True, timeout=60)
    return decode(output.stdout, path.stat().st_size)


def made(programs: Programs, media: Media, board: Storyboard, sheet: int, path: Path) -> Frame:
    """A sheet, made by this ffmpeg."""
    able = attrs.evolve(Capabilities.everything("scale"), input_options=frozenset())
    argv = storyboard_argv(media, board, sheet, str(path), Options(capabilities=able))
    argv = ["/dev/null" if part == f"pipe:{PROGRESS_FD}" else part for part in argv]
    done = subprocess.run([programs.ffmpeg, *argv], capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    kept = path.with_name(f"{programs.name}-{path.name}.jpg")
    kept.write_bytes(done.stdout)
    (frame,) = frames(kept)
    return frame


@pytest.mark.parametrize(("programs", "name"), by_turns(NAMES))
@pytest.mark.parametrize("through", [True, False], ids=["through", "apart"])
def test_a_tile_shows_the_keyframe_at_or_before_its_time(
    programs: Programs, name: str, through: bool, directory: Path
) -> None:
    path = directory / name
    media = probed(programs, path)
    board = storyboard(media, Capabilities.everything(), interval=1, width=192)
    board = attrs.evolve(board, through=through, columns=3, rows=2, tiles=10)
    for sheet in (0, 1):
        frame = made(programs, media, board, sheet, path)
        assert (frame.width, frame.height) == (3 * board.width, 2 * board.height), "the last sheet has the same size"
        times = list(board.of_sheet(sheet))
        shown = tiles(frame, 3, len(times), board.width, board.height)
        # The sound begins before the video, or frames count from the first that is decoded; the index of AVI goes by that.
        late = 3 if name.endswith("ts") or (name.endswith("avi") and through) else 0
        assert shown == expected(times, late)
    # The last two places of the last sheet.
    assert max(frame.at(5 / 6, 0.75)) < 10


@pytest.mark.parametrize("through", [True, False], ids=["through", "apart"])
def test_a_tile_without_a_picture_does_not_cost_the_sheet(through: bool, directory: Path) -> None:
    """The sound is longer than the video, or the header promises more than there is."""
    path = directory / NAMES[1]
    media = probed(NEWEST, path)
    board = storyboard(attrs.evolve(media, duration=13.0), Capabilities.everything(), interval=2, width=192)
    board = attrs.evolve(board, through=through, columns=3, rows=3)
    frame = made(NEWEST, media, board, 0, path)
    shown = tiles(frame, 3, 7, board.width, board.height)
    assert shown[:5] == expected([0, 2, 4, 6, 8])
    assert set(shown[5:]) <= {0, 240}, "the last keyframe, or black"


def test_what_a_player_finds_at_a_time_of_the_webvtt(daemon: LiveDaemon, directory: Path) -> None:
    url = media_url("m/film.mp4", "/storyboard.vtt?interval=2&width=96")
    got = daemon.get(url)
    assert got.headers["content-type"] == "text/vtt; charset=utf-8"
    text = got.body.decode()
    assert daemon.get(url, {"If-None-Match": got.headers["etag"]}).status == 304
    cues = re.findall(r"^([\d:.]+) --> ([\d:.]+)\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)$", text, re.MULTILINE)
    assert [cue[0] for cue in cues] == [f"00:00:{time:02}.000" for time in range(0, 2 * len(cues), 2)]
    assert len(cues) == ceil(float(ffprobe(directory / "film.mp4")["format"]["duration"]) / 2)
    (sheet,) = {cue[2] for cue in cues}
    with ThreadPoolExecutor(3) as viewers:
        (picture,) = {
            one.body for one in viewers.map(lambda _: daemon.get(media_url("m/film.mp4", f"/{sheet}")), range(3))
        }
    kept = directory / "sheet.jpg"
    kept.write_bytes(picture)
    (frame,) = frames(kept)
    for number, cue in enumerate(cues):
        x, y, width, height = map(int, cue[3:])
        bits = [
            frame.at((x + (bit + 0.5) * width / BITS) / frame.width, (y + height / 2) / frame.height)[1] > 127
            for bit in range(BITS)
        ]
        assert sum(1 << bit for bit, value in enumerate(bits) if value) == expected([2 * number])[0]
    assert not daemon.census()


def test_playlists_name_sheets_that_are_there(daemon: LiveDaemon) -> None:
    master = daemon.get(media_url("m/film.mp4", "/master.m3u8")).body.decode()
    images = re.findall(
        r'^#EXT-X-IMAGE-STREAM-INF:.*CODECS="jpeg",RESOLUTION=192x144,URI="([^"]+)"$', master, re.MULTILINE
    )
    (playlist,) = images
    text = daemon.get(media_url("m/film.mp4", f"/{playlist}")).body.decode()
    assert "#EXT-X-IMAGES-ONLY" in text
    sheets = re.findall(r"^#EXT-X-TILES:RESOLUTION=192x144,LAYOUT=2x1,DURATION=10\n(\S+)$", text, re.MULTILINE)
    assert sheets
    for sheet in sheets:
        assert daemon.get(media_url("m/film.mp4", f"/storyboard/{sheet}")).headers["content-type"] == "image/jpeg"
    manifest = daemon.get(media_url("m/film.mp4", "/manifest.mpd")).body.decode()
    assert 'mimeType="image/jpeg"' in manifest
    assert 'media="storyboard/$Number$.jpg?v=' in manifest
    for other in ("master.m3u8", "manifest.mpd"):
        song = daemon.get(media_url("m/song.m4a", f"/{other}")).body.decode()
        assert "storyboard" not in song


@pytest.mark.parametrize(
    ("path", "tail", "status", "told"),
    [
        ("film.mp4", "/storyboard.vtt?interval=0", 400, "from 1 to 600"),
        ("film.mp4", "/storyboard.vtt?interval=601", 400, "'601' is not allowed"),
        ("film.mp4", "/storyboard/0.jpg?width=63", 400, "from 64 to 640"),
        ("film.mp4", "/storyboard/0.jpg?width=641", 400, "'641' is not allowed"),
        ("film.mp4", "/storyboard/1.jpg", 404, "1 sheets"),
        ("film.mp4", "/storyboard/x.jpg", 404, "0.jpg"),
        ("song.m4a", "/storyboard.vtt", 415, "no video"),
        ("song.m4a", "/storyboard/0.jpg", 415, "no video"),
    ],
)
def test_what_there_is_not_is_said(daemon: LiveDaemon, path: str, tail: str, status: int, told: str) -> None:
    assert told in daemon.get(media_url(f"m/{path}", tail)).problem(status)["detail"]


def test_a_film_shorter_than_an_interval_has_one_tile(daemon: LiveDaemon) -> None:
    text = daemon.get(media_url("m/short.mp4", "/storyboard.vtt")).body.decode()
    assert text.count("-->") == 1
    assert re.search("00:00:00.000 --> 00:00:00.5[0-9]{2}", text)
    sheet = daemon.get(media_url("m/short.mp4", "/storyboard/0.jpg"))
    (stream,) = ffprobe(sheet.body)["streams"]
    assert (stream["width"], stream["height"]) == (320, 180)


def test_a_client_that_leaves_ends_the_sheet_it_waits_for(daemon: LiveDaemon) -> None:
    connection = daemon.open(media_url("m/long.ts", "/storyboard/4.jpg?interval=20"))
    until(lambda: daemon.json("/api/v1/streams")["capacity"]["used"] and daemon.census())
    connection.close()
    until(lambda: not daemon.census())
    # The process is gone from the table a moment before its slots are given back.
    until(lambda: daemon.json("/api/v1/streams")["capacity"]["used"] == 0)
