"""Each suffix that a listing shows is one of a demuxer that opens such a file by its content: a child gets no name."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from tests.support.clips import made_once
from tests.support.programs import BUNDLED, Programs
from transcoded.plan.media.argv import INPUT_FD, INPUT_PATH, probe_argv
from transcoded.plan.media.media_types import MEDIA, is_media

VIDEO = ("-f", "lavfi", "-i", "testsrc2=s=176x144:r=25:d=0.4")
LARGE = ("-f", "lavfi", "-i", "testsrc2=s=720x576:r=25:d=0.4")
SOUND = ("-f", "lavfi", "-i", "sine=d=0.4:r=48000")
STEREO = ("-f", "lavfi", "-i", "sine=d=2:r=48000", "-ac", "2", "-strict", "-2")
FILES: dict[str, tuple[str, Sequence[str]]] = {
    "amv": (
        "avi",
        (*VIDEO, "-f", "lavfi", "-i", "sine=d=0.4:r=22050", "-r", "15", "-block_size", "1470", "-strict", "-1"),
    ),
    "3g2": ("mov,mp4,m4a,3gp,3g2,mj2", (*VIDEO, "-c:v", "mpeg4")),
    "mk3d": ("matroska,webm", (*VIDEO, "-f", "matroska")),
    "m2t": ("mpegts", (*VIDEO, *SOUND, "-f", "mpegts")),
    "m2ts": ("mpegts", (*VIDEO, *SOUND, "-f", "mpegts", "-mpegts_m2ts_mode", "1")),
    "evo": ("mpeg", (*VIDEO, *SOUND, "-c:a", "ac3", "-f", "vob")),
    "m2p": ("mpeg", (*VIDEO, *SOUND, "-f", "mpeg")),
    "mpv": ("mpegvideo", (*VIDEO, "-c:v", "mpeg2video", "-f", "mpeg2video")),
    "asf": ("asf", (*VIDEO, *SOUND)),
    "wtv": ("wtv", (*VIDEO, *SOUND)),
    "flv": ("flv", (*VIDEO, "-c:v", "flv")),
    "ogm": ("ogg", (*VIDEO, "-c:v", "libvpx", "-f", "ogg")),
    "rm": ("rm", (*VIDEO, "-c:v", "rv10")),
    "mxf": ("mxf", (*LARGE, *SOUND)),
    "gxf": ("gxf", (*LARGE, *SOUND, "-c:v", "mpeg2video", "-pix_fmt", "yuv422p")),
    "nut": ("nut", VIDEO),
    "dv": ("dv", (*LARGE, "-pix_fmt", "yuv420p")),
    "ivf": ("ivf", (*VIDEO, "-c:v", "libvpx")),
    "y4m": ("yuv4mpegpipe", VIDEO),
    "gif": ("gif", VIDEO),
    "h264": ("h264", (*VIDEO, "-c:v", "libx264")),
    "265": ("hevc", (*VIDEO, "-c:v", "libx265", "-f", "hevc", "-x265-params", "log-level=none")),
    "h261": ("h261", VIDEO),
    "h263": ("h263", VIDEO),
    "drc": ("dirac", (*VIDEO, "-c:v", "vc2", "-f", "dirac")),
    "mpa": ("mp3", (*SOUND, "-c:a", "mp2", "-f", "mp2")),
    "adts": ("aac", (*SOUND, "-c:a", "aac", "-f", "adts")),
    "latm": ("loas", (*SOUND, "-c:a", "aac")),
    "ac3": ("ac3", SOUND),
    "ec3": ("eac3", (*SOUND, "-c:a", "eac3", "-f", "eac3")),
    "dts": ("dts", (*STEREO, "-c:a", "dca")),
    "thd": ("truehd", (*STEREO, "-c:a", "truehd")),
    "mlp": ("mlp", (*STEREO, "-c:a", "mlp")),
    "rf64": ("wav", (*SOUND, "-f", "wav", "-rf64", "always")),
    "w64": ("w64", SOUND),
    "aifc": ("aiff", (*SOUND, "-f", "aiff")),
    "caf": ("caf", SOUND),
    "au": ("au", SOUND),
    "voc": ("voc", SOUND),
    "wv": ("wv", SOUND),
    "tta": ("tta", SOUND),
    "sox": ("sox", SOUND),
    "ircam": ("ircam", SOUND),
    "spx": ("ogg", (*SOUND, "-ar", "16000", "-c:a", "libopus", "-f", "ogg")),
}
"""By suffix: the demuxer, and how the bundled ffmpeg makes such a file."""


def make(directory: Path) -> None:
    for suffix, (_, arguments) in FILES.items():
        command = [BUNDLED.ffmpeg, "-v", "error", "-nostdin", *arguments, str(directory / f"file.{suffix}")]
        done = subprocess.run(command, capture_output=True, check=False, text=True)
        if done.returncode:
            (directory / f"file.{suffix}").unlink(missing_ok=True)
            (directory / f"{suffix}.failed").write_text(done.stderr, "utf-8")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "suffixes", make)


@pytest.mark.parametrize("suffix", FILES)
def test_it_is_listed_and_opened_by_its_content(files: Path, programs: Programs, suffix: str) -> None:
    path, (demuxer, _) = files / f"file.{suffix}", FILES[suffix]
    failed = files / f"{suffix}.failed"
    assert path.exists(), failed.read_text("utf-8")
    assert is_media(path.name)
    assert any(f".{suffix}" in texts.split() for texts in MEDIA[demuxer].values())
    with path.open("rb") as file:
        command = [
            *("sh", "-c", f'exec "$@" {INPUT_FD}<&0', "sh"),
            *(programs.ffprobe, *probe_argv(INPUT_PATH)),
        ]
        done = subprocess.run(command, stdin=file, capture_output=True, check=False, text=True)
    found = msgspec.json.decode(done.stdout)
    assert found["format"]["format_name"] == demuxer, done.stderr
    assert found["streams"][0]["codec_name"]
