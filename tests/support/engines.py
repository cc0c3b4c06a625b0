"""Stand-ins for an ffmpeg with a graphics card: programs that list `h264_nvenc`, encode with x264 instead, and fail as cards do.

How one behaves is decided by a file beside it, `behaviour`, so a test can change it while the daemon runs:

* `works`; `refuses`: each encode fails at once, as without a driver; `hangs`: gives nothing and is deaf to SIGTERM;
* `dies N`: ends with an error after N bytes of output; `half`: fails on files, but passes its trial;
* `sessions N`: refuses to encode more than N times at once, as cards for consumers do.
"""

import sys
from pathlib import Path

_PROGRAM = """#!{python}
import os, signal, subprocess, sys, time
here = os.path.dirname(os.path.abspath(__file__))
arguments = sys.argv[1:]
real = {real!r}
if "-codecs" in arguments:
    listed = subprocess.run([real, *arguments], capture_output=True, text=True).stdout
    print(listed.replace("(encoders: libx264 ", "(encoders: libx264 h264_nvenc "))
    sys.exit(0)
if "h264_nvenc" not in arguments:
    os.execv(real, [real, *arguments])
with open(os.path.join(here, "behaviour")) as file:
    kind, _, number = file.read().strip().partition(" ")
is_trial = not any(one.startswith("file:") for one in arguments)
with open(os.path.join(here, "asked"), "a") as file:
    file.write("trial\\n" if is_trial else "file\\n")
if kind == "refuses" or (kind == "half" and not is_trial):
    print("[h264_nvenc @ 0x1] Cannot load libcuda.so.1", file=sys.stderr)
    sys.exit(1)
if kind == "hangs" and not is_trial:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(1)
taken = None
if kind == "sessions" and not is_trial:
    for session in range(int(number)):
        path = os.path.join(here, f"session-{{session}}")
        try:
            with open(path) as file:
                os.kill(int(file.read()), 0)
        except (OSError, ValueError):
            with open(path, "w") as file:
                file.write(str(os.getpid()))
            break
    else:
        print("[h264_nvenc @ 0x1] OpenEncodeSessionEx failed: out of memory (10): (no details)", file=sys.stderr)
        sys.exit(1)
# With two values; they are those of this encoder alone.
dropped = {{"-rc", "-cq", "-forced-idr", "-no-scenecut", "-delay", "-preset"}}
software, skip = [], False
for one in arguments:
    if skip:
        skip = False
    elif one in dropped:
        skip = True
    else:
        software.append("libx264" if one == "h264_nvenc" else one)
if "-b:v" in software and software[software.index("-b:v") + 1] == "0":
    at = software.index("-b:v")
    software[at : at + 2] = ["-crf", "24"]
at = software.index("libx264") + 1
# Another profile than that of the daemon's own encodes, so that its parameter sets are others.
software[at:at] = ["-preset", "superfast", "-tune", "zerolatency"]
software = ["main" if one == "high" else one for one in software]
if kind == "dies" and not is_trial:
    child = subprocess.Popen([real, *software], stdout=subprocess.PIPE, pass_fds=[int(name) for name in os.listdir("/proc/self/fd") if int(name) > 2 and os.path.exists("/proc/self/fd/" + name)])
    left = int(number)
    while left and (block := child.stdout.read1(min(left, 65536))):
        left -= len(block)
        sys.stdout.buffer.write(block)
        sys.stdout.buffer.flush()
    child.kill()
    child.wait()
    if not left:
        print("[h264_nvenc @ 0x1] EncodePicture failed!: device lost", file=sys.stderr)
    sys.exit(1)
os.execv(real, [real, *software])
"""


class Card:
    """A stand-in in a directory of its own."""

    def __init__(self, directory: Path, real: str, behaviour: str = "works") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self.ffmpeg = directory / "ffmpeg"
        self.behave(behaviour)
        self.ffmpeg.write_text(_PROGRAM.format(python=sys.executable, real=real), encoding="utf-8")
        self.ffmpeg.chmod(0o755)

    def behave(self, how: str) -> None:
        """From now on as the module says."""
        (self._directory / "behaviour").write_text(how, encoding="utf-8")

    @property
    def asked(self) -> int:
        """How often it was to encode a file."""
        path = self._directory / "asked"
        return path.read_text("utf-8").split().count("file") if path.exists() else 0
