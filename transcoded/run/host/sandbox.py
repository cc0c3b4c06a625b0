"""The sandbox of this machine: whether bwrap is there, what it can do, and that ffmpeg and ffprobe work in it."""

import glob
import platform
import shutil
from collections.abc import Mapping, Sequence

import attrs

from transcoded.plan.media.launcher import Launcher
from transcoded.plan.media.sandbox import Sandbox
from transcoded.plan.media.syscall_filter import syscall_filter
from transcoded.run.host.tools import ToolError
from transcoded.run.process.trial import Trial
from transcoded.run.process.trials import Trials

_VARIABLES = ("LD_LIBRARY_PATH", "LIBVA_DRIVER_NAME", "LC_ALL")
_DEVICES = ("/dev/dri", "/dev/nvidia*", "/dev/video*", "/dev/mpp_service")


def find_sandbox(
    launcher: Launcher,
    ffmpegs: Sequence[str],
    ffprobes: Sequence[str],
    trials: Trials,
    environment: Mapping[str, str],
    *,
    hardware: bool = False,
) -> Sandbox:
    """The strictest sandbox in which one of the ffmpegs and one of the ffprobes run, all absolute paths. Raises `ToolError`.

    The first ones are tried alone at first, since they will do nearly always. `environment` has the variables of child
    processes; the sandbox gets some of them. With `hardware` it gets the devices of graphics cards and of video encoders.
    """
    path = shutil.which("bwrap")
    if path is None:
        raise ToolError("sandbox", "there is no bwrap on PATH (Debian's package is bubblewrap)")
    found = tuple(sorted(path for pattern in _DEVICES for path in glob.glob(pattern)))
    strictest = Sandbox(
        path,
        seccomp=syscall_filter(platform.machine()),
        devices=found if hardware else (),
        hardware=found,
        variables=tuple((name, environment[name]) for name in _VARIABLES if name in environment),
    )
    (options,) = trials.run(launcher, [Trial(path, ["--help"])])
    if options.problem is None and b"--ro-bind-fd" not in options.output:
        raise ToolError("sandbox", f"{path} is too old: it cannot mount an open file (--ro-bind-fd, bubblewrap 0.10)")
    attempts = [(ffmpegs[:1], ffprobes[:1]), *([(ffmpegs, ffprobes)] if len(ffmpegs) + len(ffprobes) > 2 else [])]
    problem = ""
    for some_ffmpegs, some_ffprobes in attempts:
        # bwrap before 0.8 has no --disable-userns, and the kernel or a filter of the service manager may refuse what it needs.
        for sandbox in (strictest, attrs.evolve(strictest, strict=False)):
            wrong = _problem(attrs.evolve(launcher, sandbox=sandbox), some_ffmpegs, some_ffprobes, trials)
            if wrong is None:
                return sandbox
            problem = wrong
    raise ToolError("sandbox", f"bwrap does not work here: {problem}")


def _problem(launcher: Launcher, ffmpegs: Sequence[str], ffprobes: Sequence[str], trials: Trials) -> str | None:
    """What is wrong if none of the ffmpegs or none of the ffprobes runs; None if one of each does."""
    outcomes = iter(trials.run(launcher, [Trial(program, ["-version"]) for program in (*ffmpegs, *ffprobes)]))
    for name, programs in (("ffmpeg", ffmpegs), ("ffprobe", ffprobes)):
        problems = [next(outcomes).problem for _ in programs]
        if None not in problems:
            return f"{name} in it {problems[-1]}"
    return None
