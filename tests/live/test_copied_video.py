"""The video as it is in HLS and DASH: every codec that players take, bit for bit, whichever segment was asked for first."""

import random
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from tests.support.clips import made_once
from tests.support.daemon import LiveDaemon, media_url
from tests.support.films import body, playlist
from tests.support.programs import NEWEST, Programs, by_turns

PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=9")
SOUND = ("-f", "lavfi", "-i", "sine=440:d=9:r=48000", "-c:a", "aac")
X264 = ("-c:v", "libx264", "-preset", "veryfast", "-g", "40", "-bf", "2")
X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-bf", "3")
BT2020 = ("colorprim=bt2020", "colormatrix=bt2020nc")
TEN_BITS = ("-pix_fmt", "yuv420p10le")


def x265(*options: str) -> tuple[str, ...]:
    return (*X265, "-x265-params", ":".join(("log-level=none", "pools=1", "keyint=40", *options)))


@attrs.frozen
class Original:
    """A file, and what the playlist says of its video: codec, and further attributes."""

    name: str
    codecs: str
    options: tuple[str, ...]
    says: tuple[str, ...] = ()


ORIGINALS = (
    Original("h264.mp4", r"avc1\.64\w+", X264),
    Original("h264.mkv", r"avc1\.64\w+", X264),
    Original("h264.ts", r"avc1\.64\w+", X264),
    Original("hevc closed.mp4", r"hvc1\.1\.6\.L\d+\.\w+", x265("open-gop=0")),
    Original("hevc open.mkv", r"hvc1\.1\.6\.L\d+\.\w+", x265("open-gop=1")),
    Original("hevc.ts", r"hvc1\.1\.6\.L\d+\.\w+", x265("open-gop=1")),
    Original(
        "hdr10.mkv", r"hvc1\.2\.4\.L\d+\.\w+", (*x265(*BT2020, "transfer=smpte2084"), *TEN_BITS), ("VIDEO-RANGE=PQ",)
    ),
    Original(
        "hlg.mp4", r"hvc1\.2\.4\.L\d+\.\w+", (*x265(*BT2020, "transfer=arib-std-b67"), *TEN_BITS), ("VIDEO-RANGE=HLG",)
    ),
    Original(
        "vp9.webm",
        r"vp09\.00\.\d\d\.08",
        (
            "-c:v",
            "libvpx-vp9",
            "-deadline",
            "good",
            "-cpu-used",
            "8",
            "-g",
            "40",
            "-auto-alt-ref",
            "1",
            "-lag-in-frames",
            "12",
        ),
    ),
    Original(
        "vp9.mp4", r"vp09\.00\.\d\d\.08", ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "40")
    ),
    Original("av1.mp4", r"av01\.0\.\d\dM\.08", ("-c:v", "libsvtav1", "-preset", "12", "-g", "40")),
    Original(
        "av1.mkv", r"av01\.0\.\d\dM\.10", ("-pix_fmt", "yuv420p10le", "-c:v", "libsvtav1", "-preset", "12", "-g", "40")
    ),
    Original("turned.mp4", r"avc1\.64\w+", X264, ("RESOLUTION=90x160",)),
    Original("wide pixels.mkv", r"avc1\.64\w+", (*X264, "-vf", "setsar=4/3"), ("RESOLUTION=213x90",)),
)


def ffmpeg(*arguments: str) -> bytes:
    """The newest, which encodes and decodes all of them."""
    command = (NEWEST.ffmpeg, "-hide_banner", "-nostdin", "-v", "error", "-y", *arguments)
    return subprocess.run(command, check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(directory: Path) -> None:
        for one in ORIGINALS:
            path = directory / one.name
            sound = SOUND if path.suffix != ".webm" else (*SOUND[:-1], "libopus")
            plain = path.with_name(f"plain {one.name}")
            made = plain if one.name.startswith("turned") else path
            ffmpeg(*PICTURE, *sound[:4], *one.options, *sound[4:], f"file:{made}")
            if made is plain:
                ffmpeg("-display_rotation", "90", "-i", f"file:{plain}", "-c", "copy", f"file:{path}")
                plain.unlink()

    return made_once(tmp_path_factory, "copied video", make)


@pytest.fixture(scope="module")
def daemon(programs: Programs, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    with LiveDaemon(tmp_path_factory.mktemp("daemon"), {"m": root}, programs=programs) as daemon:
        yield daemon


def frames(path: Path) -> list[tuple[float, str]]:
    """Of each frame its time after the first one, in hundredths of a second, and its MD5."""
    out = ffmpeg(
        "-noautorotate", "-i", f"file:{path}", "-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", "-"
    )
    scale = re.search(rb"#tb 0: (\d+)/(\d+)", out)
    assert scale is not None
    lines = [line.split(b",") for line in out.splitlines() if not line.startswith(b"#")]
    ticks = [int(line[2]) * int(scale[1]) / int(scale[2]) for line in lines]
    return [(round(tick - ticks[0], 2), line[-1].strip().decode()) for tick, line in zip(ticks, lines, strict=True)]


@pytest.mark.parametrize(
    ("programs", "original"),
    by_turns(ORIGINALS, lambda one: one.name, each_with_newest=False),
    indirect=["programs"],
    scope="module",
)
def test_every_frame_is_that_of_the_file(daemon: LiveDaemon, root: Path, tmp_path: Path, original: Original) -> None:
    path = f"m/{original.name}"
    master = daemon.get(media_url(path, "/master.m3u8")).body.decode()
    first = next(line for line in master.splitlines() if line.startswith("#EXT-X-STREAM-INF"))
    assert re.search(rf'CODECS="{original.codecs},', first), first
    assert all(text in first for text in original.says), first
    assert re.search(r"^cmaf/(\w+)/", master, re.MULTILINE)[1] == "copy"  # type: ignore[index]  # there is one
    shown = playlist(daemon, path, "copy")
    order = list(shown.pieces)
    random.Random(original.name).shuffle(order)
    made = {piece.url: body(daemon, piece.url) for piece in order}
    assert len(made) > 2
    whole = tmp_path / "whole.mp4"
    whole.write_bytes(body(daemon, shown.init) + b"".join(made[piece.url] for piece in shown.pieces))
    expected = frames(root / original.name)
    assert len(expected) == 225
    assert frames(whole) == expected
    assert {ending["reason"] for ending in daemon.endings()} <= {"finished", "superseded", "idle"}
    assert all(stream["action"] == "copy" for stream in daemon.endings() if "action" in stream)
