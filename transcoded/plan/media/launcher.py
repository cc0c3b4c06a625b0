"""The programs that start ffmpeg, so that the kernel ends it even if the daemon cannot.

They are small programs of util-linux and coreutils. Each changes a property of its own process and then executes the
next one: there is still one process, with the same pid.

* `setsid` makes a new session and process group, so that ffmpeg and all processes that it starts can be ended together.
* `setpriv --pdeathsig KILL` makes the kernel end ffmpeg when the daemon dies, even by SIGKILL. `--no-new-privs` keeps
  ffmpeg from gaining privileges.
* `nice`, `ionice` and `prlimit` apply settings.
* `bwrap`, if the sandbox is on, stays as the parent process. What it runs sees no network, no other processes, and only
  those files that it needs: programs, libraries and its input.
"""

from collections.abc import Sequence

import attrs

from transcoded.plan.media.argv import INPUT_FD, INPUT_PATH

_SANDBOX_INPUT = "/input"
_INPUT_URL, _SANDBOX_URL = f"file:{INPUT_PATH}", f"file:{_SANDBOX_INPUT}"


@attrs.frozen
class Launcher:
    """The absolute paths of these programs (None: not on this machine, or off), and the settings for them.

    `niceness` is 0 to 19. `io_class` is 1 to 3, as in ionice(1). `address_space` is in bytes.
    """

    setsid: str | None = None
    setpriv: str | None = None
    nice: str | None = None
    ionice: str | None = None
    prlimit: str | None = None
    niceness: int | None = None
    io_class: int | None = None
    address_space: int | None = None
    bwrap: str | None = None

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
                    self.address_space is not None and self.prlimit is None,
                    "no prlimit: the setting stream_address_space_max has no effect",
                ),
            )
            if missing
        ]

    def command(self, program: str, arguments: Sequence[str], *, has_input: bool = True) -> list[str]:
        """The whole command line: launcher, program, arguments.

        `has_input`: there is an open input file at `INPUT_FD`, and the arguments may name it by `INPUT_PATH`. In the sandbox
        it is mounted read-only, and the arguments are changed to its path there: through the descriptor itself, a program
        could open the file for writing if the daemon may write it.
        """
        command: list[str] = []
        # setpriv comes first. Before it has run, for about a millisecond, a child would survive the death of the
        # daemon.
        if self.setpriv:
            command += [self.setpriv, "--pdeathsig", "KILL", "--no-new-privs", "--"]
        if self.setsid:
            command += [self.setsid]
        if self.nice and self.niceness is not None:
            command += [self.nice, "-n", str(self.niceness), "--"]
        if self.ionice and self.io_class is not None:
            command += [self.ionice, "-c", str(self.io_class)]
        if self.prlimit and self.address_space is not None:
            command += [self.prlimit, f"--as={self.address_space}", "--"]
        if self.bwrap:
            command += [self.bwrap, *_SANDBOX, "--ro-bind", program, program]
            if has_input:
                command += ["--ro-bind-fd", str(INPUT_FD), _SANDBOX_INPUT]
            command += ["--"]
            arguments = [_SANDBOX_URL if argument == _INPUT_URL else argument for argument in arguments]
        return [*command, program, *arguments]


_SANDBOX = (
    *("--unshare-all", "--die-with-parent", "--cap-drop", "ALL"),
    *("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"),  # noqa: S108 - a file system of the sandbox, in memory
    # A dynamically linked ffmpeg needs its libraries, and hardware acceleration the device of the graphics card.
    *("--ro-bind", "/usr", "/usr", "--ro-bind-try", "/etc/alternatives", "/etc/alternatives"),
    *("--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache", "--dev-bind-try", "/dev/dri", "/dev/dri"),
    *(part for name in ("bin", "lib", "lib32", "lib64") for part in ("--symlink", f"usr/{name}", f"/{name}")),
)
"""Options of bwrap(1): new namespaces for everything, also for network and processes."""
