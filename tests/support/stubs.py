"""Programs that stand in for ffmpeg and misbehave in the way that is asked for. They answer the daemon's questions like one."""

import sys
from pathlib import Path

_HEAD = f'''#!{sys.executable} -IS
"""Made by the tests."""
import os, signal, sys, time

asked = sys.argv[1:]
if asked == ["-version"]:
    print(os.path.basename(sys.argv[0]), "version stub-1.0 Copyright")
    raise SystemExit
if "-encoders" in asked:
    for name in "libx264 libvpx-vp9 aac libmp3lame libopus flac pcm_s16le".split():
        print(f" V....D {{name}} stub")
    raise SystemExit
if "-h" in asked:
    raise SystemExit


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
