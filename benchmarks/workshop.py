"""What the loads need, made once in a directory: programs compiled, media encoded, and one child command for all servers.

`child NAME` is what every server runs for the stream NAME. The daemon under test runs an ffmpeg; a stand-in for it answers
with the same children where the input is named after one, and is the real ffmpeg in everything else.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import attrs

from transcoded.plan.http.parameters import read_query
from transcoded.plan.media.argv import PROGRESS_FD, Options, probe_argv, stream_argv
from transcoded.plan.media.choose import choose
from transcoded.plan.media.ffprobe import decode
from transcoded.plan.media.formats import FORMATS
from transcoded.plan.media.params import STREAM_PARAMETERS, stream_params
from transcoded.run.host.tools import Tools, find_tools

HERE = Path(__file__).resolve().parent
PATTERN_BYTES = 6 << 20
RATE = 1_000_000
"""Bytes a second of a paced stream."""
BURST = 3 << 20
"""Bytes that a paced stream brings at once, so that it is in its steady state soon."""


class CannotMeasure(Exception):
    """Something that a benchmark cannot do without is not there."""


@attrs.frozen
class Workshop:
    """Everything in `directory`. `ffmpeg_argv` are the real streams' commands by name; `notes` say what is left out."""

    directory: Path
    tools: Tools
    firehose_bytes: int
    ffmpeg_argv: Mapping[str, Sequence[str]]
    notes: Sequence[str]

    def program(self, name: str) -> str | None:
        """The path of a compiled program, None where it could not be compiled."""
        path = self.directory / "bin" / name
        return str(path) if path.exists() else None

    @property
    def child(self) -> str:
        """`child NAME` writes the stream NAME."""
        return str(self.directory / "bin" / "child")

    @property
    def stub(self) -> str:
        """The ffmpeg for the daemon."""
        return str(self.directory / "bin" / "ffmpeg")

    @property
    def media(self) -> Path:
        """The library for the daemon: `NAME.mp4` for each stream."""
        return self.directory / "media"


def set_up(directory: Path, *, quick: bool) -> Workshop:
    """Make it all. What is in the directory already is used again."""
    tools = find_tools()
    for name in ("bin", "media"):
        (directory / name).mkdir(exist_ok=True)
    notes = _compile(directory / "bin")
    media = directory / "media"
    _encode_all(tools, media, quick=quick)
    firehose_bytes = (1 << 28) if quick else (1 << 31)
    generators = {
        "firehose": f"fast {firehose_bytes}",
        "stalled": f"fast {1 << 40}",
        "paced": f"paced {RATE} {BURST}",
        "pattern": f"pattern {PATTERN_BYTES}",
    }
    for name in generators:
        (media / f"{name}.mp4").unlink(missing_ok=True)
        os.link(media / "film.mp4", media / f"{name}.mp4")
    argv = {
        "remux": _stream_command(tools, media / "remux.mp4", {}),
        "film": _stream_command(tools, media / "film.mp4", {}),
        "picture": _stream_command(tools, media / "film.mp4", {"height": ["720"]}),
    }
    source = directory / "bin" / "source"
    cases = [f"{name}) exec {source} {what} ;;" for name, what in generators.items()]
    cases += [f"{name}) exec {shlex.join(command)} {PROGRESS_FD}>/dev/null ;;" for name, command in argv.items()]
    _script(directory / "bin" / "child", ["case $1 in", *cases, "esac", "exit 2"])
    # The daemon passes its input on as an open descriptor; earlier versions of it named the file in the arguments.
    inputs = [f"*/{name}.mp4*) exec {source} {what} ;;" for name, what in generators.items()]
    _script(
        directory / "bin" / "ffmpeg",
        ['case "$(readlink /proc/self/fd/4) $*" in', *inputs, "esac", f'exec {shlex.quote(tools.ffmpeg)} "$@"'],
    )
    return Workshop(directory, tools, firehose_bytes, argv, notes)


def _script(path: Path, lines: Sequence[str]) -> None:
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]), encoding="utf-8")
    path.chmod(0o755)


def _compile(target: Path) -> Sequence[str]:
    """Compile what has a compiler here; what has none as sentences."""
    notes = []
    gcc, go = shutil.which("gcc") or shutil.which("cc"), shutil.which("go")
    if gcc is None:
        raise CannotMeasure("a C compiler (gcc) is needed: the clients and the generators are C")
    for source in (*sorted((HERE / "rig").glob("*.c")), HERE / "peers" / "splice.c"):
        subprocess.run([gcc, "-O2", "-o", str(target / source.stem), str(source)], check=True)
    if go is None:
        notes.append("go is not here, so its relay is left out (apt-get install golang-go)")
    else:
        command = [go, "build", "-o", str(target / "relay"), str(HERE / "peers" / "relay.go")]
        if subprocess.run(command, check=False).returncode:
            notes.append("the Go relay does not compile here and is left out")
    if shutil.which("node") is None:
        notes.append("node is not here, so its relay is left out")
    return notes


def _encode_all(tools: Tools, media: Path, *, quick: bool) -> None:
    """`film.mp4`: ten seconds of 1080p with sound; `remux.mp4`: 600 MB of H.264 at some 24 Mbit/s."""
    film, big, clip = media / "film.mp4", media / "remux.mp4", media / "clip.mp4"
    tone = ("-f", "lavfi", "-i", "sine=frequency=330:sample_rate=48000")
    codecs = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "50", "-c:a", "aac")
    if not film.exists():
        picture = "testsrc2=size=1920x1080:rate=25,noise=alls=6:allf=t"
        _ffmpeg(tools, ["-f", "lavfi", "-i", picture, *tone, "-t", "10", *codecs, "-crf", "23", str(film)])
    if not big.exists():
        picture, seconds = "testsrc2=size=1280x720:rate=50,noise=alls=20:allf=t", 10
        copies = 3 if quick else 20
        rate = ("-b:v", "24M", "-maxrate", "24M", "-bufsize", "12M")
        _ffmpeg(tools, ["-f", "lavfi", "-i", picture, *tone, "-t", str(seconds), *codecs, *rate, str(clip)])
        listing = media / "clip.txt"
        listing.write_text(f"file '{clip}'\n" * copies, encoding="utf-8")
        _ffmpeg(tools, ["-f", "concat", "-safe", "0", "-i", str(listing), "-c", "copy", str(big)])
        clip.unlink()
        listing.unlink()


def _ffmpeg(tools: Tools, arguments: Sequence[str]) -> None:
    command = [tools.ffmpeg, "-hide_banner", "-nostdin", "-loglevel", "error", "-y", *arguments]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def _stream_command(tools: Tools, path: Path, query: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """What the daemon runs for a file: asked of its own planner, so that nobody is given other work than it."""
    done = subprocess.run([tools.ffprobe, *probe_argv(str(path))], capture_output=True, check=True)
    plan = choose(
        decode(done.stdout, path.stat().st_size),
        FORMATS["mp4"],
        stream_params(read_query(query, STREAM_PARAMETERS)),
        tools.capabilities,
    )
    return [tools.ffmpeg, *stream_argv(plan, str(path), Options(capabilities=tools.capabilities))]


def versions(workshop: Workshop) -> Mapping[str, str]:
    """What the figures depend on."""
    found = {"python": sys.version.split()[0], "ffmpeg": workshop.tools.version, "kernel": os.uname().release}
    for name, command in (("go", ["go", "version"]), ("node", ["node", "--version"])):
        if shutil.which(name):
            found[name] = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return found


def keep(document: Mapping[str, object], prefix: str = "") -> Path:
    """Write what a run has measured as JSON into the folder of results. Returns the path."""
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    path = results / f"{prefix}{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path
