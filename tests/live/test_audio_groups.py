"""Audio of HLS and DASH: what is copied is that of the file, packet by packet; what is mixed to 5.1 has a sound in each place; and no seam is heard."""

import random
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import pytest

from tests.support.clips import made_once
from tests.support.daemon import LiveDaemon, media_url
from tests.support.films import body, playlist, released
from tests.support.programs import NEWEST, by_turns

SECONDS = 13
PICTURE = ("-f", "lavfi", "-i", f"testsrc2=s=64x36:r=25:d={SECONDS}", "-c:v", "libx264", "-preset", "ultrafast")
RATE = 8000
_STRICT = ("-strict", "-2")


def tone(rate: int, channels: str = "stereo") -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"aevalsrc=exprs=0.2*sin(2*PI*440*t)*(1+sin(2*PI*t)):s={rate}:d={SECONDS}:c=mono", "-af", f"aformat=channel_layouts={channels}")  # fmt: skip


@attrs.frozen
class Original:
    """A file, and the codec string of its sound."""

    name: str
    codecs: str
    options: tuple[str, ...]
    rate: int = 48_000
    layout: str = "stereo"


ORIGINALS = (
    Original("aac.mp4", "mp4a.40.2", ("-c:a", "aac"), 44_100),
    Original("aac.mkv", "mp4a.40.2", ("-c:a", "aac"), 44_100),
    Original("aac 5.1.mkv", "mp4a.40.2", ("-c:a", "aac"), layout="5.1"),
    Original("ac3.mkv", "ac-3", ("-c:a", "ac3"), layout="5.1(side)"),
    Original("ac3.mp4", "ac-3", ("-c:a", "ac3")),
    Original("eac3.mkv", "ec-3", ("-c:a", "eac3"), 44_100, "5.1(side)"),
    Original("eac3.mp4", "ec-3", ("-c:a", "eac3"), layout="5.1(side)"),
    Original("flac.mkv", "fLaC", ("-c:a", "flac"), 44_100),
    Original("flac.mp4", "fLaC", ("-c:a", "flac", *_STRICT)),
    Original("opus.mkv", "opus", ("-c:a", "libopus")),
    Original("opus.mp4", "opus", ("-c:a", "libopus", *_STRICT)),
)

each_original = pytest.mark.parametrize(
    ("programs", "original"),
    by_turns(ORIGINALS, lambda one: one.name, each_with_newest=False),
    indirect=["programs"],
    scope="module",
)


def ffmpeg(*arguments: str) -> bytes:
    command = (NEWEST.ffmpeg, "-hide_banner", "-nostdin", "-v", "error", "-y", *arguments)
    return subprocess.run(command, check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(directory: Path) -> None:
        for one in ORIGINALS:
            sound = tone(one.rate, one.layout)
            ffmpeg(*PICTURE[:4], *sound[:4], *PICTURE[4:], *sound[4:], *one.options, f"file:{directory / one.name}")

    return made_once(tmp_path_factory, "audio groups", make)


@pytest.fixture
def daemon(shared: LiveDaemon) -> Iterator[LiveDaemon]:
    with released(shared) as daemon:
        yield daemon


def packets(path: Path) -> list[tuple[float, str]]:
    """Of each packet of sound its time in seconds, and its MD5."""
    out = ffmpeg("-i", f"file:{path}", "-map", "0:a", "-c", "copy", "-copyts", "-f", "framemd5", "-")
    scale = next(line for line in out.splitlines() if line.startswith(b"#tb 0:")).split()[-1].split(b"/")
    lines = [line.split(b",") for line in out.splitlines() if not line.startswith(b"#")]
    return [(int(line[2]) * int(scale[0]) / int(scale[1]), line[5].strip().decode()) for line in lines]


def in_random_order(daemon: LiveDaemon, path: str, rendition: str, target: Path) -> Path:
    """All segments of a rendition, each asked for by one who seeks all the time, joined."""
    shown = playlist(daemon, path, rendition)
    order = list(shown.pieces)
    random.Random(rendition).shuffle(order)
    made = {piece.url: body(daemon, piece.url) for piece in order}
    assert len(made) > 4
    target.write_bytes(body(daemon, shown.init) + b"".join(made[piece.url] for piece in shown.pieces))
    return target


@each_original
def test_every_packet_is_that_of_the_file(daemon: LiveDaemon, root: Path, tmp_path: Path, original: Original) -> None:
    path = f"f/{original.name}"
    master = daemon.get(media_url(path, "/master.m3u8")).body.decode()
    own = next(line for line in master.splitlines() if "STREAM-INF" in line and 'AUDIO="own"' in line)
    assert f',{original.codecs}"' in own
    found = packets(in_random_order(daemon, path, "a0-copy", tmp_path / "own.mp4"))
    expected = packets(root / original.name)
    assert [md5 for _, md5 in found] == [md5 for _, md5 in expected]
    shift = expected[0][0] - found[0][0]
    assert all(abs(one[0] + shift - two[0]) < 0.002 for one, two in zip(found, expected, strict=True))


@each_original
def test_what_is_copied_sounds_when_it_did(daemon: LiveDaemon, root: Path, tmp_path: Path, original: Original) -> None:
    """The loudness over time is that of the file: neither early nor late, and without a gap."""
    copied = levels(in_random_order(daemon, f"f/{original.name}", "a0-copy", tmp_path / "own.mp4"))
    expected = levels(root / original.name)
    for place in range(2, min(len(copied), len(expected)) - 2):
        assert abs(copied[place] - expected[place]) < 0.03, place


@pytest.mark.parametrize(
    ("programs", "name"),
    by_turns(["ac3.mkv", "aac 5.1.mkv", "ac3.mkv"], each_with_newest=False),
    indirect=["programs"],
    scope="module",
)
def test_surround_sound_stays_in_its_places_without_a_seam(
    daemon: LiveDaemon, root: Path, tmp_path: Path, name: str
) -> None:
    made = in_random_order(daemon, f"f/{name}", "a0-6", tmp_path / "six.mp4")
    pcm = ffmpeg("-i", f"file:{made}", "-map", "0:a", "-ar", str(RATE), "-f", "s16le", "-")
    channels = int(subprocess.run((NEWEST.ffprobe, "-v", "error", "-show_entries", "stream=channels", "-of", "csv=p=0", str(made)), check=True, capture_output=True).stdout)  # fmt: skip
    assert channels == 6
    assert abs(len(pcm) / 2 / 6 / RATE - SECONDS) < 0.05
    copied, expected = levels(made), levels(root / name)
    for place in range(2, min(len(copied), len(expected)) - 2):
        assert abs(copied[place] - expected[place]) < 0.05, place


def levels(path: Path) -> Sequence[float]:
    """The loudness of each tenth of a second of the first channel, from 0 to 1, by the container's clock."""
    pcm = memoryview(
        ffmpeg(
            "-i",
            f"file:{path}",
            "-map",
            "0:a",
            "-af",
            "pan=mono|c0=c0,aresample=async=1:first_pts=0",
            "-ar",
            str(RATE),
            "-f",
            "s16le",
            "-",
        )
    ).cast("h")
    step = RATE // 10
    return [max(map(abs, pcm[at : at + step])) / 32768 for at in range(0, len(pcm) - step, step)]
