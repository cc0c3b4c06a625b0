"""The programs that start ffmpeg, so that the kernel ends it even if the daemon cannot.

They are small programs of util-linux and coreutils. Each changes a property of its own process and then executes the
next one: there is still one process, with the same pid.

* `setsid` makes a new session and process group, so that ffmpeg and all processes that it starts can be ended together.
* `setpriv --pdeathsig KILL` makes the kernel end ffmpeg when the daemon dies, even by SIGKILL. `--no-new-privs` keeps
  ffmpeg from gaining privileges.
* `nice`, `ionice` and `prlimit` apply settings.
* `bwrap`, if there is a `Sandbox`, stays as the parent process.
"""

from collections.abc import Sequence

import attrs

from transcoded.plan.media.argv import INPUT_FD, INPUT_PATH
from transcoded.plan.media.sandbox import SEALED, Sandbox

_SANDBOX_INPUT = "/input"
_INPUT_URL, _SANDBOX_URL = f"file:{INPUT_PATH}", f"file:{_SANDBOX_INPUT}"


LOWEST_PRIORITY = 19


@attrs.frozen
class Launcher:
    """The absolute paths of these programs (None: not on this machine, or off), and the settings for them.

    `niceness` is 0 to 19. `io_class` is 1 to 3, as in ionice(1). `address_space` is the limit of an encoder in bytes, and
    `helper_address_space` that of a helper, such as ffprobe.
    """

    setsid: str | None = None
    setpriv: str | None = None
    nice: str | None = None
    ionice: str | None = None
    prlimit: str | None = None
    niceness: int | None = None
    io_class: int | None = None
    address_space: int | None = None
    helper_address_space: int | None = None
    sandbox: Sandbox | None = None

    @property
    def gaps(self) -> Sequence[str]:
        """The protections and settings that have no effect on this machine, as texts for the log."""
        return [
            sentence
            for missing, sentence in (
                (self.setsid is None, "no setsid: processes that a transcoder starts are not ended with it"),
                (self.setpriv is None, "no setpriv: if the daemon is killed, its transcoders run until its next start"),
                (self.niceness is not None and self.nice is None, "no nice: the setting nice has no effect"),
                (self.io_class is not None and self.ionice is None, "no ionice: the setting ionice has no effect"),
                (
                    (self.address_space or self.helper_address_space) is not None and self.prlimit is None,
                    "no prlimit: the settings stream_address_space_max and helper_address_space_max have no effect",
                ),
            )
            if missing
        ]

    def for_hardware(self, *, confined: bool) -> "Launcher":
        """That of programs which use hardware: `confined` to a sandbox with its devices, else in none.

        There is no limit of the address space: a CUDA context with 256 MiB reserves 13 GiB, and the surfaces of a transcode come on top.
        """
        sandbox = self.sandbox.with_hardware() if confined and self.sandbox is not None else None
        return attrs.evolve(self, sandbox=sandbox, address_space=None)

    def command(
        self,
        program: str,
        arguments: Sequence[str],
        *,
        has_input: bool = True,
        helper: bool = False,
        background: bool = False,
        seccomp_fd: int | None = None,
    ) -> list[str]:
        """The whole command line: launcher, program, arguments.

        `has_input`: there is an open input file at `INPUT_FD`, and the arguments may name it by `INPUT_PATH`. In the sandbox
        it is mounted read-only, and the arguments are changed to its path there: through the descriptor itself, a program
        could open the file for writing if the daemon may write it.

        `helper`: it is not an encoder. `background`: nobody waits for it while a video stops, so all others come first. `seccomp_fd`: where the sandbox reads its filter from, by its number in the child.
        """
        address_space = self.helper_address_space if helper else self.address_space
        command: list[str] = []
        # setpriv comes first. Before it has run, for about a millisecond, a child would survive the death of the
        # daemon.
        if self.setpriv:
            command += [self.setpriv, "--pdeathsig", "KILL", "--no-new-privs", "--"]
        if self.setsid:
            command += [self.setsid]
        niceness = LOWEST_PRIORITY if background else self.niceness
        if self.nice and niceness is not None:
            command += [self.nice, "-n", str(niceness), "--"]
        if self.ionice and self.io_class is not None:
            command += [self.ionice, "-c", str(self.io_class)]
        if self.prlimit and address_space is not None:
            command += [self.prlimit, f"--as={address_space}", "--"]
        if self.sandbox is not None:
            command += self.sandbox.options(program, seccomp_fd)
            if has_input:
                command += ["--ro-bind-fd", str(INPUT_FD), _SANDBOX_INPUT]
            command += [*SEALED, "--"]
            arguments = [_SANDBOX_URL if argument == _INPUT_URL else argument for argument in arguments]
        return [*command, program, *arguments]
