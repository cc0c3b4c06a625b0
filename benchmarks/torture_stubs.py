"""What the torture suite puts in the place of films and programs: a few tiny real clips, and transcoders that misbehave.

The stand-in for ffmpeg is one shell script that looks at the name of its input (descriptor 4): `real-*` goes to the real ffmpeg, every
other name is a way to misbehave. A shell starts in a millisecond, so that thousands of them are cheap.
"""

import os
import subprocess
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from transcoded.plan.media.argv import MAX_ERROR_RATE

INPUT_NAME = "readlink /proc/self/fd/4"
"""Prints the path of the input: the daemon passes it on as an open descriptor, and not by its name."""

BLOCK = "printf %09000d 0"
"""Nine thousand bytes on stdout without starting a process."""


@attrs.frozen
class Kind:
    """One behaviour of a transcoder.

    `script` is its shell code (None: the real ffmpeg). `natural` is how it ends if nobody ends it (None: it never does, and is
    hung after a while), `obeys` whether SIGTERM or a closed pipe is enough.
    """

    name: str
    natural: str | None
    script: str | None = None
    obeys: bool = True
    weight: int = 2
    suffix: str = ".mp4"
    targets: tuple[str, ...] = ("stream.mp4",)


KINDS: Sequence[Kind] = (
    Kind("real-film", "finished", weight=5, targets=("stream.mp4", "stream.mp4?mode=transcode", "stream.mkv?start=1")),
    Kind("real-long", "finished", weight=10, suffix=".wav", targets=("stream.wav", "stream.wav?mode=transcode")),
    Kind("real-broken", "failed", weight=1, targets=("stream.mp4?mode=transcode",)),
    Kind("endless", "hung", "exec cat /dev/zero", weight=4),
    Kind("large", "finished", "exec head -c 3000000 /dev/zero"),
    Kind("deaf", None, f"trap '' TERM PIPE INT HUP; {BLOCK}; exec sleep 120", obeys=False),
    Kind("deaf-silent", None, "trap '' TERM PIPE; exec sleep 120", obeys=False, weight=1),
    Kind("silent", None, "exec sleep 120"),
    Kind("slow", None, f"sleep 0.3; {BLOCK}; exec sleep 120"),
    Kind("trickles", None, f"{BLOCK}; while :; do printf %0100d 0; sleep 0.2; done", weight=1),
    Kind("forks", None, f"sleep 120 & sleep 120 & {BLOCK}; wait"),
    Kind("forks-deaf", None, f"trap '' TERM; sleep 120 & {BLOCK}; wait; exec sleep 120", obeys=False),
    Kind("forks-and-leaves", "finished", f"sleep 120 & (sleep 120 & ) ; {BLOCK}; exit 0"),
    Kind("forks-and-dies", "failed", f"sleep 120 & {BLOCK}; exit 3"),
    Kind("dies", "failed", f"{BLOCK}; {BLOCK}; exit 1"),
    Kind("crashes", "failed", f"{BLOCK}; kill -SEGV $$"),
    Kind("dies-at-once", "failed", "echo no >&2; exit 3"),
    Kind("empty", "failed", "exit 0", weight=1),
    Kind("stops", None, f"{BLOCK}; kill -STOP $$; exec sleep 120"),
    Kind("stops-deaf", None, f"trap '' TERM; {BLOCK}; kill -STOP $$; exec sleep 120", obeys=False, weight=1),
    Kind("stops-at-once", None, "kill -STOP $$; exec sleep 120", weight=1),
    Kind("closes", None, f"{BLOCK}; exec >&-; exec sleep 120"),
    Kind("closes-all", None, f"{BLOCK}; exec 0<&- 1>&- 2>&- 3>&-; exec sleep 120", weight=1),
    Kind("shouts", "finished", f"head -c 200000 /dev/zero >&2; head -c 60000 /dev/zero >&3; {BLOCK}; exit 0", weight=1),
)
"""Every kind. `endless` runs until its client leaves. How `real-broken` ends, ffmpeg says itself: see `Stage.kinds`."""

FOLDERS = ("a", "b")


@attrs.frozen
class Stage:
    """Where everything is: the media root with its `FOLDERS`, and the stand-ins for the programs.

    `kinds` are the `KINDS`, with `real-broken` as this ffmpeg has it: 8.1 counts the errors of each stream and exits with 69;
    5.1 counts them all together and exits with 0, since the audio is good, and then the daemon cannot know better either.
    """

    directory: Path
    media: Path
    ffmpeg: Path
    ffprobe: Path
    kinds: Sequence[Kind]


def build(directory: Path, ffmpeg: str, ffprobe: str) -> Stage:
    """Make the clips and the scripts."""
    media = directory / "media"
    clips = directory / "clips"
    for place in (clips, *(media / folder for folder in FOLDERS)):
        place.mkdir(parents=True)
    film, long = clips / "film.mp4", clips / "long.wav"
    picture = ("-f", "lavfi", "-i", "testsrc2=size=64x36:rate=10:duration=2", "-f", "lavfi", "-i", "sine=duration=2")
    _run(ffmpeg, *picture, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", str(film))
    with wave.open(str(long), "wb") as noise:
        noise.setparams((2, 2, 48000, 0, "NONE", ""))
        noise.writeframes(os.urandom(40 << 20))
    broken = clips / "broken.mp4"
    data = bytearray(film.read_bytes())
    at = data.index(b"mdat") + 4
    data[at : at + 4000] = b"\xff" * min(4000, len(data) - at)
    broken.write_bytes(data)
    sources: Mapping[str, Path] = {"real-long": long, "real-broken": broken}
    for folder in FOLDERS:
        for kind in KINDS:
            os.link(sources.get(kind.name, film), media / folder / f"{kind.name}{kind.suffix}")
    canned = directory / "probe.json"
    canned.write_bytes(
        _run(ffprobe, "-print_format", "json=compact=1", "-show_format", "-show_streams", "-i", str(film))
    )
    kinds = [attrs.evolve(k, natural=_end_of(ffmpeg, broken)) if k.name == "real-broken" else k for k in KINDS]
    stage = Stage(directory, media, directory / "ffmpeg", directory / "ffprobe", kinds)
    cases = "".join(f"*/{kind.name}{kind.suffix}) {kind.script} ;;\n" for kind in KINDS if kind.script is not None)
    write_script(
        stage.ffmpeg,
        f'case "$({INPUT_NAME})" in\n{cases}esac\nexec {ffmpeg} "$@"',
    )
    asked = f'case "$* $({INPUT_NAME})" in *-version*|*/real-*) exec {ffprobe} "$@" ;; esac'
    write_script(stage.ffprobe, f"{asked}\nexec cat {canned}")
    return stage


def _end_of(ffmpeg: str, film: Path) -> str:
    """How a transcode of this file ends by ffmpeg's own account."""
    command = [ffmpeg, "-nostdin", "-loglevel", "quiet", "-max_error_rate", MAX_ERROR_RATE, "-i", str(film)]
    encoded = ("-c:v", "libx264", "-c:a", "aac", "-f", "matroska", "-")
    done = subprocess.run([*command, *encoded], stdout=subprocess.DEVNULL, check=False)
    return "failed" if done.returncode else "finished"


def write_script(path: Path, code: str) -> None:
    """A shell script that can be run. It replaces the old one whole, so that nobody finds it half written."""
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.write_text(f"#!/bin/sh\n{code}\n", encoding="utf-8")
    unfinished.chmod(0o755)
    unfinished.replace(path)


def _run(program: str, *arguments: str) -> bytes:
    return subprocess.run(
        [program, "-hide_banner", "-loglevel", "error", *arguments],
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    ).stdout
