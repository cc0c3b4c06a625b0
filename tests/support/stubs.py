"""Programs that stand in for ffmpeg and misbehave with a film in the way that is asked for. Whatever has no film, the bundled ffmpeg does."""

import sys
from pathlib import Path

from tests.support.programs import BUNDLED

_HEAD = f'''#!{sys.executable} -IS
"""Made by the tests."""
import os, signal, sys, time

asked = sys.argv[1:]
if asked == ["-version"]:
    print(os.path.basename(sys.argv[0]), "version stub-1.0 Copyright")
    raise SystemExit
if not any(one.startswith("file:") for one in asked):
    real = {BUNDLED.ffprobe!r} if "ffprobe" in os.path.basename(sys.argv[0]) else {BUNDLED.ffmpeg!r}
    os.execv(real, [real, *asked])


HEADER = bytes.fromhex("00000010") + b"ftypisom" + bytes(4) + bytes.fromhex("00000018") + b"moov" + bytes(16)
"""What an MP4 without media begins with."""


def say(count=100_000):
    """Write that many bytes."""
    while count > 0:
        count -= os.write(1, b"x" * min(count, 65536))


def insist(count=1 << 50):
    """The same, but a pipe that is closed does not end it."""
    try:
        say(count)
    except OSError:
        pass


def for_ever():
    while True:
        time.sleep(1000)


def deaf():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


'''


def stub(directory: Path, name: str) -> Path:
    """Write such a program. What it does when it is run for a film is in a file beside it: see `teach`."""
    path = directory / name
    path.write_text(f"{_HEAD}exec(open({str(path) + '.script'!r}).read())\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def teach(program: Path, script: str) -> None:
    """Say what it does from now on: Python that may use `HEADER`, `say`, `insist`, `for_ever` and `deaf`."""
    Path(f"{program}.script").write_text(script, encoding="utf-8")
