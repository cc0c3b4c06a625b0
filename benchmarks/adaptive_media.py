"""The films of the benchmark of adaptive streaming, made once: three minutes of 1080p at 24 frames per second and 12 Mbit/s with stereo sound.

A camera moves over a detailed picture, with some grain: encoded to 720p it takes 2.5 Mbit/s at the daemon's quality, as films do. Ten seconds are encoded and
repeated as they are, so that each place of a film is as hard as any other.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs

from transcoded.run.host.tools import Tools

RATE = 24

PICTURE = (
    "mandelbrot=size=2880x1620:rate=24:start_scale=0.012:start_x=-0.7463:start_y=0.1102:maxiter=800:inner=convergence,"
    "trim=end_frame=1,format=yuv420p,gblur=sigma=1,loop=loop=-1:size=1,setpts=N/24/TB,"
    "crop=1920:1080:x='480+470*sin(n/30)':y='270+250*sin(n/40)',noise=alls=10:allf=t"
)
SOUND = "aevalsrc=0.2*sin(2*PI*330*t)+0.1*sin(2*PI*210*t)|0.2*sin(2*PI*440*t)+0.05*(random(0)-0.5):s=48000"

H264 = ("-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-sc_threshold", "0", "-pix_fmt", "yuv420p")
HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


@attrs.frozen
class Kind:
    """A film: `group` frames from keyframe to keyframe, `frames` that are encoded and repeated. `rate` and `peak` are bits per second, as ffmpeg reads them."""

    name: str
    encoder: Sequence[str]
    group: int
    frames: int
    tag: Sequence[str] = ()
    repeats: int = 18
    size: str = "1920x1080"
    rate: str = "12M"
    peak: str = "14M"


FILM = Kind("film", H264, 250, 250)
"""A film as encoders write it that are not told otherwise."""

SHORT = Kind("short", H264, 48, 240)
"""A film with a keyframe every two seconds, as they are made for streaming."""

IN_HEVC = Kind("hevc", HEVC, 48, 240, ("-tag:v", "hvc1"))

LIGHT = Kind("light", H264, 250, 250, repeats=62, size="1280x720", rate="4M", peak="4M")
"""A film of ten minutes that a machine with two processors can encode for several viewers at once. Made only for the part that needs it."""

KINDS = (FILM, SHORT, IN_HEVC)


@attrs.frozen
class Films:
    """The films below `directory`, and the programs that all contenders use. `tiny` is a short film that nobody watches."""

    directory: Path
    tools: Tools

    @property
    def ffmpeg(self) -> str:
        """The path of ffmpeg."""
        return self.tools.ffmpeg

    @property
    def ffprobe(self) -> str:
        """The path of ffprobe."""
        return self.tools.ffprobe

    @property
    def media(self) -> Path:
        """What is served."""
        return self.directory / "media"

    @property
    def tiny(self) -> Path:
        """Where the short film is."""
        return self.directory / "tiny.mp4"

    def of(self, kind: Kind) -> Path:
        """Where the film of a kind is."""
        return self.directory / f"{kind.name}.mp4"

    def provide(self, kind: Kind) -> None:
        """Make the film of a kind, if it is not there yet."""
        if not self.of(kind).exists():
            _make(self.ffmpeg, kind, self.of(kind))

    @contextmanager
    def copy(self, kind: Kind, name: str) -> Iterator[Path]:
        """A copy that no server has seen, in the folder that is served; gone afterwards."""
        self.provide(kind)
        path = self.media / f"{name}.mp4"
        shutil.copyfile(self.of(kind), path)
        try:
            yield path
        finally:
            path.unlink()


def make_films(directory: Path, tools: Tools) -> Films:
    """Make what is not there yet."""
    films = Films(directory, tools)
    films.media.mkdir(parents=True, exist_ok=True)
    for left in films.media.glob("*.mp4"):  # of a run that was ended
        left.unlink()
    for kind in KINDS:
        films.provide(kind)
    if not films.tiny.exists():
        source = ("-f", "lavfi", "-i", "testsrc2=size=320x180:rate=24", "-frames:v", "24")
        run_ffmpeg(tools.ffmpeg, [*source, *H264, str(films.tiny)])
    return films


def _make(ffmpeg: str, kind: Kind, path: Path) -> None:
    piece, listing, unfinished = (path.with_suffix(suffix) for suffix in (".piece.mp4", ".txt", ".new.mp4"))
    group = ("-g", str(kind.group), "-keyint_min", str(kind.group), "-frames:v", str(kind.frames))
    rate = ("-b:v", kind.rate, "-maxrate", kind.peak, "-bufsize", kind.rate)
    picture = f"{PICTURE},scale={kind.size}"
    run_ffmpeg(ffmpeg, ["-f", "lavfi", "-i", picture, *kind.encoder, *group, *rate, str(piece)])
    listing.write_text(f"file '{piece}'\n" * kind.repeats, encoding="utf-8")
    # The sound is encoded as a whole: pieces of it would have the encoder's delay each, and the video would begin half a frame late.
    video, sound = ("-f", "concat", "-safe", "0", "-i", str(listing)), ("-f", "lavfi", "-i", SOUND)
    length = ("-t", f"{kind.repeats * kind.frames / RATE:.6f}")
    codecs = ("-c:v", "copy", *kind.tag, "-c:a", "aac", "-b:a", "128k", "-movflags", "+faststart")
    run_ffmpeg(ffmpeg, [*video, *sound, *length, *codecs, str(unfinished)])
    os.replace(unfinished, path)
    piece.unlink()
    listing.unlink()


def run_ffmpeg(ffmpeg: str, arguments: Sequence[str]) -> str:
    """Run ffmpeg to its end; what it says. Raises `CalledProcessError`."""
    command = [ffmpeg, "-hide_banner", "-nostdin", "-nostats", "-y", *arguments]
    return subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True).stderr
