"""The only place that starts child processes while the daemon runs: for streams and for commands.

Each child is started through the launcher, has the daemon's token in its environment, and has a line in the ledger from its
start until its end is proven. If the end could not be proven the line stays, and the next daemon ends the process.
"""

import os
from collections.abc import Mapping, Sequence

from transcoded.plan.endings import PROVEN
from transcoded.plan.errors import TranscodeFailed, Unavailable
from transcoded.plan.media.first_media import FirstMedia
from transcoded.plan.media.hardware import Hardware
from transcoded.plan.media.launcher import Launcher
from transcoded.run.process.child import ChildProcess, ProcessListener
from transcoded.run.process.exit_status import ExitStatus
from transcoded.run.process.ledger import Ledger
from transcoded.run.process.seccomp import SECCOMP_FD, open_filter
from transcoded.run.process.stdio import open_stdio
from transcoded.run.reactor import IReactor
from transcoded.run.relay.pipes import BIG


class Spawner:
    """Starts children, and knows those that live.

    `environment` has all variables that children get, besides the token of the ledger.
    """

    def __init__(self, reactor: IReactor, launcher: Launcher, environment: Mapping[str, str], ledger: Ledger) -> None:
        self._reactor = reactor
        self._launcher = launcher
        self._environment = {**environment, **ledger.environment()}
        self._ledger = ledger
        self._living: set[ChildProcess] = set()

    def pids(self) -> set[int]:
        """The pids of the living children: from their start until their end is reported to their listeners."""
        return {child.pid for child in self._living if child.pid is not None}

    def spawn(
        self,
        listener: ProcessListener,
        program: str,
        arguments: Sequence[str],
        input_file: int,
        grace: float,
        *,
        helper: bool = False,
        background: bool = False,
        first_media: FirstMedia | None = None,
        subtitles: int | None = None,
        pipe: int = BIG,
        hardware: Hardware | None = None,
    ) -> ChildProcess:
        """Start a program. `grace` are the seconds from SIGTERM to SIGKILL.

        `input_file` is the descriptor of the file that it reads. The child gets it as `INPUT_FD`; the caller keeps its own.
        `helper`: it is not an encoder, and has the limits of a helper. `background`: it gets what others leave of the CPU. `first_media` finds the byte of its output at which the
        listener is told that there is some; None: any byte. `subtitles` is a descriptor of what is drawn into the video, which the
        child gets as `SUBTITLES_FD`; the caller keeps its own. `pipe` is the size in bytes of the pipe of its output.
        `hardware` is how it gets at hardware; None: it does not.

        The listener is not called before this method has returned. Raises `Unavailable` if the system has no process,
        descriptor or memory left, `TranscodeFailed` if the program does not exist or does not accept such arguments. Then
        nothing was started, nothing is left open, and the listener is never called.
        """
        launcher = self._launcher
        if hardware is not None:
            launcher = launcher.for_hardware(confined=hardware == "confined")
        sandbox = launcher.sandbox
        seccomp = None if sandbox is None else sandbox.seccomp
        seccomp_fd = None if seccomp is None else SECCOMP_FD
        command = launcher.command(program, arguments, helper=helper, background=background, seccomp_fd=seccomp_fd)
        try:
            with open_stdio(input_file, subtitles, pipe) as stdio, open_filter(seccomp) as filter_of_child:
                child = ChildProcess(self._reactor, listener, grace, stdio, self._forget, first_media)
                descriptors = {**stdio.of_child, **filter_of_child}
                self._reactor.spawnProcess(child, command[0], command, self._environment, childFDs=descriptors)
        except (FileNotFoundError, PermissionError, ValueError) as error:
            # Python raises ValueError for a NUL character in an argument.
            why = (isinstance(error, OSError) and error.strerror) or str(error)
            raise TranscodeFailed(f"{os.path.basename(program)} cannot be run.", why) from error
        except Exception as error:  # no descriptor, process or memory is left: that may be different soon
            why = (isinstance(error, OSError) and error.strerror) or type(error).__name__
            raise Unavailable(f"The server cannot start a transcoder now: {why}.") from error
        self._living.add(child)
        self._ledger.started(child.begin())
        return child

    def _forget(self, child: ChildProcess, status: ExitStatus) -> None:
        self._living.discard(child)
        if child.pid is not None and status.proof == PROVEN:
            self._ledger.ended(child.pid)
