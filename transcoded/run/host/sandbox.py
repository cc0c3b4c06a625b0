"""The sandbox of this machine: whether bwrap is there, what it can do, and that ffmpeg and ffprobe work in it."""

import glob
import platform
import shutil
from collections.abc import Mapping

import attrs

from transcoded.plan.media.sandbox import Sandbox
from transcoded.plan.media.syscall_filter import syscall_filter
from transcoded.run.host.tools import ToolError, Tools
from transcoded.run.process.trial import Trial
from transcoded.run.process.trials import Trials

_VARIABLES = ("LD_LIBRARY_PATH", "LIBVA_DRIVER_NAME", "LC_ALL")
_DEVICES = ("/dev/dri", "/dev/nvidia*", "/dev/video*", "/dev/mpp_service")


def find_sandbox(tools: Tools, trials: Trials, environment: Mapping[str, str], *, hardware: bool = False) -> Sandbox:
    """The strictest sandbox that works here. It is tried by running ffmpeg and ffprobe in it. Raises `ToolError`.

    `environment` has the variables of child processes; the sandbox gets some of them. With `hardware` it gets the devices of
    graphics cards and of video encoders.
    """
    path = shutil.which("bwrap")
    if path is None:
        raise ToolError("sandbox", "there is no bwrap on PATH (Debian's package is bubblewrap)")
    strictest = Sandbox(
        path,
        seccomp=syscall_filter(platform.machine()),
        devices=tuple(sorted(found for pattern in _DEVICES for found in glob.glob(pattern))) if hardware else (),
        variables=tuple((name, environment[name]) for name in _VARIABLES if name in environment),
    )
    (options,) = trials.run(tools.launcher, [Trial(path, ["--help"])])
    if options.problem is None and b"--ro-bind-fd" not in options.output:
        raise ToolError("sandbox", f"{path} is too old: it cannot mount an open file (--ro-bind-fd, bubblewrap 0.10)")
    problem = ""
    # bwrap before 0.8 has no --disable-userns, and the kernel or a filter of the service manager may refuse what it needs.
    for sandbox in (strictest, attrs.evolve(strictest, strict=False)):
        launcher = attrs.evolve(tools.launcher, sandbox=sandbox)
        programs = {"ffmpeg": tools.ffmpeg, "ffprobe": tools.ffprobe}
        outcomes = trials.run(launcher, [Trial(program, ["-version"]) for program in programs.values()])
        problems = [f"{name} in it {one.problem}" for name, one in zip(programs, outcomes, strict=True) if one.problem]
        if not problems:
            return sandbox
        problem = problems[0]
    raise ToolError("sandbox", f"bwrap does not work here: {problem}")
