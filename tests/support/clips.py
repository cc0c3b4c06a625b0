"""Media to test with, made by the bundled ffmpeg once per run: short, small, and each odd in its own way.

The picture of every clip counts its frames: eight columns, black or white, are the number's bits (`frame_numbers` reads them
back, after any codec and scaling), so that a seek can be checked to the frame.
"""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest

from tests.support.programs import BUNDLED

BITS = 8
_QUIET = ("-hide_banner", "-nostdin", "-loglevel", "error", "-y")
_X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
_X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-x265-params", "log-level=none:pools=2")


@attrs.frozen
class Clip:
    """One file: its picture (0x0: none) as displayed, frames per second, seconds, and its number of audio streams."""

    path: Path
    seconds: float
    width: int = 0
    height: int = 0
    fps: Fraction = Fraction(25)
    audio: int = 1

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name


@attrs.frozen
class Clips:
    """All clips, in one directory that can be served. Tests that change it clean up after themselves: others use it meanwhile."""

    directory: Path
    film: Clip
    tracks: Clip
    silent: Clip
    web: Clip
    song: Clip
    broadcast: Clip
    phone: Clip
    old: Clip
    uneven: Clip
    dvd: Clip
    surround: Clip
    long: Clip

    @classmethod
    def of(cls, directory: Path) -> "Clips":
        """What `make_clips` makes there."""
        return cls(
            directory=directory,
            film=Clip(directory / "film.mp4", 4, 320, 180),
            tracks=Clip(directory / "tracks.mkv", 3, 320, 180, Fraction(24), 2),
            silent=Clip(directory / "silent.mov", 3, 321, 181, Fraction(30000, 1001), 0),
            web=Clip(directory / "web.webm", 3, 320, 240, Fraction(30)),
            song=Clip(directory / "song.mp3", 4),
            broadcast=Clip(directory / "broadcast.ts", 4, 352, 288),
            phone=Clip(directory / "phone.mp4", 4, 180, 320),
            old=Clip(directory / "old.avi", 3, 320, 240),
            uneven=Clip(directory / "uneven.mkv", 4, 320, 180),
            dvd=Clip(directory / "dvd.mpg", 3, 352, 288),
            surround=Clip(directory / "surround.wav", 3),
            long=Clip(directory / "long.mkv", 450 * 4, 320, 180),
        )

    def all(self) -> Sequence[Clip]:
        """Every clip but the long one."""
        return [
            clip
            for field in attrs.fields(Clips)
            if isinstance(clip := getattr(self, field.name), Clip) and clip is not self.long
        ]


ODD_NAMES = (
    "with spaces  and .mp3",
    " leading.mp3",
    'it\'s "quoted" `so` $HOME.mp3',
    "100%.mp3",
    "%41%2e%2f.mp3",
    "%03d.mp3",
    "new\nline\r.mp3",
    "-i.mp3",
    "--help",
    "naïve 日本語 🎬.mp3",
    "number #1 who? a&b;c=d+e.mp3",
    "back\\slash.mp3",
    "file:pipe:0.mp3",
    "http:example.mp3",
    "concat:a|b.mp3",
    "[x]*{y}~!@^,.mp3",
    "stream.mp4",
    "probe.json",
    "tab\tand\x01control\x7f.mp3",
    "\u202egnp.mp3",
    "x" * 251 + ".mp3",
)
"""File names that break what is put together from text."""


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A directory that all workers of this run share. It is made by the one that wants it first, while the others wait."""
    base = factory.getbasetemp()
    common = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    directory, unfinished = common / name, common / f"{name}.unfinished"
    with (common / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not directory.exists():
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(directory)
    return directory


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    """The clips, made when they are first wanted."""
    return Clips.of(made_once(tmp_path_factory, "clips", make_clips))


def make_clips(directory: Path) -> None:
    """Make all clips in a directory."""
    made = _Maker(directory, Clips.of(directory))
    with ThreadPoolExecutor(2) as pool:
        film = pool.submit(made.film)
        others = ("tracks", "silent", "web", "song", "broadcast", "old", "uneven", "dvd", "surround")
        running = [pool.submit(getattr(made, name)) for name in others]
        film.result()
        running += [pool.submit(getattr(made, name)) for name in ("phone", "long")]
        for each in running:
            each.result()


def ffmpeg(*arguments: str, stdin: bytes | None = None) -> bytes:
    """Run the bundled ffmpeg with these arguments; its stdout."""
    return _run([BUNDLED.ffmpeg, *_QUIET, *arguments], stdin)


def ffprobe(source: str | Path | bytes, *arguments: str) -> Any:
    """What the bundled ffprobe says (`-show_streams -show_format` and `arguments`) of a file, or of bytes."""
    data = source if isinstance(source, bytes) else None
    name = "pipe:0" if data is not None else f"file:{source!s}"
    asked = ("-loglevel", "error", "-of", "json", "-show_streams", "-show_format", *arguments, "-i", name)
    return msgspec.json.decode(_run([BUNDLED.ffprobe, *asked], data))


def frame_numbers(data: bytes, *, sideways: bool = False) -> list[int]:
    """The numbers that the frames of a stream show, in the order in which they are presented. `sideways`: bits go down."""
    size = f"1:{BITS}" if sideways else f"{BITS}:1"
    shown = (
        "-map",
        "0:v:0",
        "-fps_mode",
        "passthrough",
        "-vf",
        f"scale={size}:flags=area,format=gray",
        "-f",
        "rawvideo",
        "-",
    )
    raw = ffmpeg("-i", "pipe:0", *shown, stdin=data)
    return [
        sum(1 << bit for bit, value in enumerate(raw[at : at + BITS]) if value > 127) for at in range(0, len(raw), BITS)
    ]


def frame_times(data: bytes) -> list[float]:
    """The presentation times of the frames of a stream, in seconds."""
    found = ffprobe(data, "-select_streams", "v:0", "-show_frames", "-show_entries", "frame=pts_time")
    return [float(frame["pts_time"]) for frame in found["frames"]]


def sound_seconds(data: bytes, fmt: str) -> float:
    """Seconds of sound in a stream, by decoding it all."""
    raw = ffmpeg("-f", fmt, "-i", "pipe:0", "-map", "0:a:0", "-ac", "1", "-ar", "8000", "-f", "s16le", "-", stdin=data)
    return len(raw) / 16000


@attrs.frozen
class _Maker:
    directory: Path
    clips: Clips

    def film(self) -> None:
        """What most films are: H.264 with B-frames and one keyframe, AAC."""
        aac = ("-c:a", "aac", "-b:a", "64k", "-movflags", "+faststart")
        self._make(self.clips.film, *_sine(4), *_X264, "-bf", "2", "-g", "250", *aac)

    def tracks(self) -> None:
        """HEVC in 10 bits, two sounds in two languages, one of them 5.1, and subtitles."""
        lines = self.directory / ".lines.srt"
        lines.write_text("1\n00:00:00,500 --> 00:00:02,000\nHello\n", encoding="utf-8")
        self._make(
            self.clips.tracks,
            *(*_sine(3), *_sine(3, 880), "-i", f"file:{lines}"),
            *("-map", "0", "-map", "1", "-map", "2", "-map", "3", *_X265),
            *("-c:a:0", "ac3", "-ac:a:0", "6", "-metadata:s:a:0", "language=ger", "-disposition:a:0", "0"),
            *("-c:a:1", "aac", "-ac:a:1", "1", "-metadata:s:a:1", "language=eng", "-disposition:a:1", "default"),
            *("-c:s", "srt", "-metadata:s:s:0", "language=fre"),
        )

    def silent(self) -> None:
        """NTSC's frame rate, odd dimensions, 4:4:4, and no sound."""
        self._make(self.clips.silent, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv444p")

    def web(self) -> None:
        """VP9 and Opus."""
        vp9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-pix_fmt", "yuv420p", "-b:v", "200k")
        self._make(self.clips.web, *_sine(3), *vp9, "-c:a", "libopus", "-b:a", "64k")

    def song(self) -> None:
        """An MP3 with cover art."""
        cover = self.directory / ".cover.jpg"
        bare = self.directory / ".bare.mp3"
        ffmpeg("-f", "lavfi", "-i", "color=red:size=64x64:rate=1:duration=1", "-frames:v", "1", f"file:{cover}")
        ffmpeg(*_sine(4), "-c:a", "libmp3lame", "-b:a", "96k", f"file:{bare}")
        ffmpeg(
            *("-i", f"file:{bare}", "-i", f"file:{cover}", "-map", "0", "-map", "1", "-c", "copy"),
            *("-disposition:v:0", "attached_pic", "-id3v2_version", "3", "-metadata", "title=Song"),
            f"file:{self.clips.song.path}",
        )

    def broadcast(self) -> None:
        """MPEG-2 and MP2 in a transport stream whose clock does not begin at 0."""
        mpeg2 = ("-c:v", "mpeg2video", "-b:v", "1M", "-g", "12", "-bf", "2", "-c:a", "mp2", "-b:a", "128k")
        self._make(self.clips.broadcast, *_sine(4), *mpeg2, "-output_ts_offset", "1000")

    def old(self) -> None:
        """AVI, MPEG-4 part 2 with B-frames, and MP3."""
        mpeg4 = ("-c:v", "mpeg4", "-bf", "2", "-b:v", "500k", "-c:a", "libmp3lame", "-b:a", "64k")
        self._make(self.clips.old, *_sine(3), *mpeg4)

    def uneven(self) -> None:
        """A variable frame rate: after the first second every third frame is missing."""
        some = ("-vf", "select='lt(n,25)+mod(n,3)'", "-fps_mode", "vfr")
        self._make(self.clips.uneven, *_sine(4), *_X264, *some, "-c:a", "flac")

    def dvd(self) -> None:
        """Interlaced and anamorphic, MPEG-2 and AC-3 in a program stream."""
        mpeg2 = ("-c:v", "mpeg2video", "-flags", "+ilme+ildct", "-b:v", "2M", "-aspect", "16:9", "-field_order", "tt")
        fields = ("-vf", "setfield=tff")
        self._make(self.clips.dvd, *_sine(3), *fields, *mpeg2, "-c:a", "ac3", "-ac", "2")

    def surround(self) -> None:
        """Sound only: 24 bits, six channels, 96 kHz."""
        ffmpeg(*_sine(3), "-ac", "6", "-ar", "96000", "-c:a", "pcm_s24le", f"file:{self.clips.surround.path}")

    def phone(self) -> None:
        """As phones do: stored lying, with a note to turn it."""
        lying = ("-display_rotation", "-90", "-i", f"file:{self.clips.film.path}", "-c", "copy")
        ffmpeg(*lying, f"file:{self.clips.phone.path}")

    def long(self) -> None:
        """Half an hour, for what must not come to its end."""
        ffmpeg(
            "-stream_loop", "449", "-i", f"file:{self.clips.film.path}", "-c", "copy", f"file:{self.clips.long.path}"
        )

    def _make(self, clip: Clip, *arguments: str) -> None:
        size = f"{clip.width}x{clip.height}"
        picture = ("-f", "rawvideo", "-pix_fmt", "gray", "-video_size", size, "-framerate", str(clip.fps))
        frames = _counting(clip.width, clip.height, round(clip.seconds * clip.fps))
        ffmpeg(*picture, "-i", "pipe:0", *arguments, f"file:{clip.path}", stdin=frames)


def _sine(seconds: float, frequency: int = 440) -> Sequence[str]:
    return ("-f", "lavfi", "-i", f"sine=frequency={frequency}:sample_rate=44100:duration={seconds}")


def _counting(width: int, height: int, frames: int) -> bytes:
    """Raw gray frames, each showing its number."""
    return b"".join(
        bytes(235 if number >> (x * BITS // width) & 1 else 16 for x in range(width)) * height
        for number in range(frames)
    )


def _run(command: Sequence[str], stdin: bytes | None) -> bytes:
    done = subprocess.run(command, input=stdin or b"", capture_output=True, check=False, timeout=120, env=_ENVIRONMENT)
    if done.returncode:
        raise AssertionError(
            f"{' '.join(command)} ended with {done.returncode}: {done.stderr.decode('utf-8', 'replace')}"
        )
    return done.stdout


_ENVIRONMENT = {**os.environ, "LC_ALL": "C"}
