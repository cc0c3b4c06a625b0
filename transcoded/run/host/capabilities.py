"""Tries what ffmpegs can do, several at the same time: carries out what `plan.media.capability_trials` asks for."""

import glob
import os
import re
import zipfile
from collections.abc import Mapping, Sequence
from importlib import resources

import attrs
import msgspec
from twisted.logger import Logger

from transcoded.plan.media.attempts import Picture, Run
from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.capability_trials import Devices, attempts, conclude, hardware_attempts
from transcoded.plan.media.codec_trials import Claims, Kind, Sample, read_claims
from transcoded.plan.media.engine_trials import ENGINES, engine_of
from transcoded.plan.media.hardware import engine_order
from transcoded.plan.media.launcher import Launcher
from transcoded.run.process.trial import Outcome, Trial
from transcoded.run.process.trials import Trials

DEADLINE = 30.0
"""Seconds for one round of trials. On an idle machine the first one takes about a second, and there are few others."""

_ADDRESSED = re.compile(r"^\[(\S+) @ 0x[0-9a-f]+\] ")
"""What ffmpeg writes before a message: the name and the address of the part that writes it."""

_log = Logger()


class _Described(msgspec.Struct):
    codec: str
    kind: Kind
    demuxer: str
    decoder: str | None
    opens: bool


@attrs.frozen
class Tried:
    """What an ffmpeg can do. `complete`: nothing was cut short by the deadline, so that it can be remembered."""

    capabilities: Capabilities
    complete: bool


@attrs.define
class _Subject:
    """An ffmpeg that is being tried: what is known so far. `free` are the engines that were tried outside of the sandbox."""

    path: str
    version: str
    claims: Claims
    proven: set[str] = attrs.Factory(set)
    problems: dict[str, str] = attrs.Factory(dict)
    free: set[str] = attrs.Factory(set)
    complete: bool = True


def try_capabilities(
    programs: Mapping[str, str], trials: Trials, launcher: Launcher, engines: str = "auto"
) -> Mapping[str, Tried]:
    """Try several ffmpegs: by their paths, their versions. Returns what each can do, by its path.

    `launcher` starts them as it starts those that transcode: in the sandbox, if there is one. An engine of which nothing works there is tried outside of it. `engines` is the setting.
    """
    samples = load_samples()
    devices = find_devices(engines)
    subjects = _claims(programs, trials, launcher)
    # The most important ones of all come before the less important ones of any, in case that the deadline comes.
    inside = _merged([[(one, run) for run in attempts(one.claims, samples)] for one in subjects])
    hardware = _merged([[(one, run) for run in hardware_attempts(one.claims, samples, devices)] for one in subjects])
    _run_rounds(inside, trials, launcher)
    _run_rounds(hardware, trials, launcher.for_hardware(confined=True))
    if launcher.sandbox is not None:
        _run_rounds(_left(hardware), trials, launcher.for_hardware(confined=False))
    found: dict[str, Tried] = {}
    for one in subjects:
        capabilities = conclude(one.version, frozenset(one.proven), one.problems, devices, frozenset(one.free))
        found[one.path] = Tried(capabilities, one.complete)
        if not one.complete:
            _log.warn(
                "{path}: not everything could be tried within {seconds:g} s; what was not is not used",
                path=one.path,
                seconds=DEADLINE,
            )
    return found


def _left(hardware: Sequence[tuple[_Subject, Run]]) -> Sequence[tuple[_Subject, Run]]:
    """The attempts of engines of which nothing was proven."""
    found = []
    for one, run in hardware:
        engine = engine_of(next(iter(run.subjects)))
        if not any(engine_of(subject) == engine for subject in one.proven):
            one.free.add(engine)
            found.append((one, run))
    return found


def load_samples() -> Sequence[Sample]:
    """The samples of the package, made by `scripts/make_codec_samples.py`."""
    with (
        resources.files("transcoded.run.host").joinpath("codec_samples.zip").open("rb") as file,
        zipfile.ZipFile(file) as archive,
    ):
        described = msgspec.json.decode(archive.read("index.json"), type=list[_Described])
        return [
            Sample(one.codec, one.kind, one.demuxer, archive.read(one.codec), one.decoder, one.opens)
            for one in described
        ]


def find_devices(engines: str = "auto") -> Devices:
    """The devices and drivers of each engine that exist here, as far as the setting `engines` allows. An engine that it names is there, whatever its device is called."""
    order, named = engine_order(engines)
    found: dict[str, Sequence[str]] = {}
    for kind in ENGINES:
        if kind.name in named:
            found[kind.name] = [named[kind.name]]
        elif kind.name in order:
            paths = sorted(path for pattern in kind.devices for path in glob.glob(pattern))
            found[kind.name] = paths or ([] if engines == "auto" else [""])
    return found


def _claims(programs: Mapping[str, str], trials: Trials, launcher: Launcher) -> list[_Subject]:
    """Ask each what it has. One that does not say so is not tried."""
    asked = [Trial(path, ["-hide_banner", what]) for path in programs for what in ("-codecs", "-filters")]
    outcomes = trials.run(launcher, asked)
    found: list[_Subject] = []
    for number, (path, version) in enumerate(programs.items()):
        said = outcomes[2 * number : 2 * number + 2]
        claims = read_claims(*(one.output.decode("utf-8", "replace") if one.problem is None else "" for one in said))
        found.append(_Subject(path, version, claims, complete=not any(one.late for one in said)))
    return found


def _run_rounds(first: Sequence[tuple[_Subject, Run]], trials: Trials, launcher: Launcher) -> None:
    """Run the attempts, and again in smaller ones what they have not proven."""
    at_once = 2 * (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    waiting = list(first)
    while waiting:
        # Thumbnails are tone-mapped, too, under the limits of a helper.
        asked = [
            Trial(one.path, run.arguments, run.stdin, helper=isinstance(run, Picture) and run.helper)
            for one, run in waiting
        ]
        outcomes = trials.run(launcher, asked, DEADLINE, at_once)
        again: list[tuple[_Subject, Run]] = []
        for (one, run), outcome in zip(waiting, outcomes, strict=True):
            again += [(one, smaller) for smaller in _judge(one, run, outcome)]
        waiting = again


def _judge(one: _Subject, run: Run, outcome: Outcome) -> Sequence[Run]:
    """Note what an outcome proves. Returns the runs in which the rest is tried again."""
    proven = run.proven(outcome.output, outcome.problem)
    one.proven.update(proven)
    if outcome.late and proven != run.subjects:
        # What hangs is not tried again: that would take as long again.
        one.complete = False
        return []
    one.problems.update(dict.fromkeys(run.subjects - proven, _cause(outcome)))
    return run.again(proven)


def _cause(outcome: Outcome) -> str:
    """What went wrong, as a clause for people. ffmpeg's first complaint names the cause, the later ones what follows from it."""
    if outcome.problem is None or not outcome.complaints:
        return outcome.problem or ("made a wrong picture" if outcome.output else "wrote no frame")
    return f"says: {_ADDRESSED.sub('', outcome.complaints[0].strip())[:200]}"


def _merged(lists: Sequence[Sequence[tuple[_Subject, Run]]]) -> Sequence[tuple[_Subject, Run]]:
    """All, taking one from each in turn."""
    longest = max(map(len, lists), default=0)
    return [each[at] for at in range(longest) for each in lists if at < len(each)]
