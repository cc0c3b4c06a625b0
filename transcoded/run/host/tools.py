"""The programs: which ffmpeg and which ffprobe are used, what this ffmpeg can do, and the programs of the launcher.

They are found and tried once, before the reactor runs: a daemon whose ffmpeg does not work must not start. A candidate that does
not work is no error as long as another one does.
"""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence

import attrs

from transcoded.plan.media.attempts import source
from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.launcher import Launcher
from transcoded.plan.media.program_choice import Candidate, Choice, choose_ffmpeg, choose_ffprobe
from transcoded.plan.media.sandbox import Sandbox
from transcoded.run.host.candidates import find_candidates
from transcoded.run.host.capabilities import load_samples, try_capabilities
from transcoded.run.host.capability_memory import CapabilityMemory, key_of
from transcoded.run.host.environment import child_environment
from transcoded.run.process.ledger import open_ledger
from transcoded.run.process.trial import Outcome, Trial
from transcoded.run.process.trials import Trials

_SAMPLE = "h264"
"""The codec of the sample that an ffprobe must be able to describe."""

FindSandbox = Callable[[Launcher, Sequence[str], Sequence[str]], Sandbox | None]
"""Finds a sandbox for some ffmpegs and some ffprobes, the likely ones first. None: they run without."""


class ToolError(Exception):
    """A program does not exist or does not work. `name` is the setting to correct, `detail` says what is wrong."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"{name}: {detail}")
        self.name = name
        self.detail = detail


@attrs.frozen
class Tools:
    """The programs that are used.

    `ffmpeg_choice` and `ffprobe_choice` say which and why, `capabilities` what this ffmpeg can do. `launcher` starts them.
    """

    ffmpeg_choice: Choice
    ffprobe_choice: Choice
    launcher: Launcher

    @property
    def ffmpeg(self) -> str:
        """The absolute path of ffmpeg."""
        return self.ffmpeg_choice.used.path

    @property
    def ffprobe(self) -> str:
        """The absolute path of ffprobe."""
        return self.ffprobe_choice.used.path

    @property
    def capabilities(self) -> Capabilities:
        """What this ffmpeg can do."""
        return self.ffmpeg_choice.used.capabilities

    @property
    def version(self) -> str:
        """That of ffmpeg, as it states it."""
        return self.ffmpeg_choice.used.version

    @property
    def old(self) -> str | None:
        """A sentence that names the programs that are too old to get security fixes for long; None if there is none."""
        used = (self.ffmpeg_choice.used, self.ffprobe_choice.used)
        found = [f"{one.path} ({one.age})" for one in used if one.age is not None]
        if not found:
            return None
        return (
            f"an old ffmpeg gets no security fixes for long: {', '.join(found)}. Put one of 6.1 or later on PATH, or install "
            "transcoded[ffmpeg]"
        )


def find_tools(
    ffmpeg: str | None = None,
    ffprobe: str | None = None,
    trials: Trials | None = None,
    *,
    limits: Callable[[Launcher], Launcher] = lambda launcher: launcher,
    find_sandbox: FindSandbox | None = None,
    memory: CapabilityMemory | None = None,
    engines: str = "auto",
) -> Tools:
    """Find the programs and try them: those that are given by name, or the best of those that are there.

    Without `trials`, a new token is used, which is in no ledger. `limits` puts the settings into the launcher. What is in the `memory` is not tried
    again. `engines` is the setting. Raises `ToolError`.
    """
    trials = trials or Trials(child_environment(os.environ), open_ledger(None)[0])
    memory = memory or CapabilityMemory(None)
    launcher = limits(_find_launcher(trials))
    ffmpegs, ffprobes = _find_programs({"ffmpeg": ffmpeg, "ffprobe": ffprobe}, trials, launcher)
    # Those of the last start come first: it is they that must work in the sandbox.
    paths = [sorted(_working(some), key=lambda path: path not in memory.used) for some in (ffmpegs, ffprobes)]
    if find_sandbox is not None:
        launcher = attrs.evolve(launcher, sandbox=find_sandbox(launcher, *paths))
    ffmpegs, tried = _with_capabilities(ffmpegs, trials, launcher, memory, engines)
    if len(_working(ffprobes)) > 1:
        ffprobes, more = _with_probes(ffprobes, trials, launcher, memory)
        tried = {**tried, **more}
    ffmpeg_choice = choose_ffmpeg(ffmpegs, named=ffmpeg is not None)
    ffprobe_choice = choose_ffprobe(ffprobes, named=ffprobe is not None)
    if ffmpeg_choice is None or ffprobe_choice is None:
        name, some = ("ffmpeg", ffmpegs) if ffmpeg_choice is None else ("ffprobe", ffprobes)
        raise _none_works(name, some)
    memory.save(tried, (ffmpeg_choice.used.path, ffprobe_choice.used.path))
    return Tools(ffmpeg_choice, ffprobe_choice, launcher)


def _find_programs(
    given: Mapping[str, str | None], trials: Trials, launcher: Launcher
) -> tuple[list[Candidate], list[Candidate]]:
    """The candidates for ffmpeg and for ffprobe, each with what it says of itself. Raises `ToolError` if none of one kind works."""
    found = {name: find_candidates(name, path) for name, path in given.items()}
    there = [(name, one) for name, some in found.items() for one in some if one.problem is None]
    outcomes = trials.run(launcher, [Trial(one.path, ["-version"]) for _, one in there])
    stated = {one.path: _stated(name, one, outcome) for (name, one), outcome in zip(there, outcomes, strict=True)}
    for name, some in found.items():
        found[name] = [stated.get(one.path, one) for one in some]
        if not _working(found[name]):
            raise _none_works(name, found[name])
    return found["ffmpeg"], found["ffprobe"]


def _stated(name: str, candidate: Candidate, outcome: Outcome) -> Candidate:
    """The candidate with its version, or with what is wrong with it."""
    if outcome.problem is not None:
        return attrs.evolve(candidate, problem=f"does not run: it {outcome.problem}")
    statement = outcome.output.decode("utf-8", "replace")
    if not statement.startswith(f"{name} version "):
        return attrs.evolve(candidate, problem=f"runs, but is no {name}")
    return attrs.evolve(candidate, statement=statement)


def _with_capabilities(
    candidates: Sequence[Candidate], trials: Trials, launcher: Launcher, memory: CapabilityMemory, engines: str
) -> tuple[list[Candidate], Mapping[str, Capabilities]]:
    """The candidates with what they can do, and what is to be remembered of them."""
    working = [one for one in candidates if one.problem is None]
    keys = {one.path: key_of(one.path, one.statement, launcher, engines) for one in working}
    known = {path: entry for path, key in keys.items() if (entry := memory.get(key)) is not None}
    unknown = {one.path: one.version for one in working if one.path not in known}
    tried = try_capabilities(unknown, trials, launcher, engines) if unknown else {}
    found = {**known, **{path: one.capabilities for path, one in tried.items()}}
    lasting = {keys[path]: one.capabilities for path, one in tried.items() if one.complete}
    return [attrs.evolve(one, capabilities=found.get(one.path, Capabilities())) for one in candidates], lasting


def _with_probes(
    candidates: Sequence[Candidate], trials: Trials, launcher: Launcher, memory: CapabilityMemory
) -> tuple[list[Candidate], Mapping[str, Capabilities]]:
    """The candidates for ffprobe, those that cannot describe a file with their problem, and what is to be remembered of them."""
    keys = {one.path: key_of(one.path, one.statement, launcher) for one in candidates if one.problem is None}
    asked = [path for path, key in keys.items() if memory.get(key) is None]
    problems = _probe_problems(asked, trials, launcher) if asked else {}
    # Those that work are remembered, as what can at least describe the sample.
    lasting = {keys[path]: Capabilities(decoders=frozenset({_SAMPLE})) for path in asked if path not in problems}
    return [attrs.evolve(one, problem=problems.get(one.path, one.problem)) for one in candidates], lasting


def _probe_problems(paths: Sequence[str], trials: Trials, launcher: Launcher) -> Mapping[str, str]:
    """What is wrong with each of some ffprobes that cannot describe a sample."""
    sample = next(one for one in load_samples() if one.codec == _SAMPLE)
    asked = ["-loglevel", "error", "-show_streams", "-f", sample.demuxer, *source(sample.data)]
    outcomes = trials.run(launcher, [Trial(path, asked) for path in paths])
    return {
        path: f"cannot describe a file: it {outcome.problem or 'says nothing of its stream'}"
        for path, outcome in zip(paths, outcomes, strict=True)
        if outcome.problem is not None or f"codec_name={_SAMPLE}".encode("ascii") not in outcome.output
    }


def _working(candidates: Sequence[Candidate]) -> list[str]:
    return [one.path for one in candidates if one.problem is None]


def _none_works(name: str, candidates: Sequence[Candidate]) -> ToolError:
    if not candidates:
        return ToolError(
            name, f"no {name} on PATH, and none bundled: install it, or transcoded[ffmpeg], or say where it is."
        )
    return ToolError(name, "; ".join(f"{one.path} {one.problem}" for one in candidates) + ".")


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
