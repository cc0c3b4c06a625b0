"""What stands before ffmpeg on its command line, so that the kernel keeps the promise where the daemon cannot.

Small programs of util-linux and coreutils, each of which changes itself and then becomes the next: no process is added, the
pid stays. `setsid` gives the transcoder a session and process group of its own, so that all it starts can be ended together;
`setpriv --pdeathsig KILL` has the kernel end it when the daemon dies, even by SIGKILL, and `--no-new-privs` keeps it from
ever gaining rights; `nice`, `ionice` and `prlimit` carry out settings. With the sandbox, `bwrap` stays as the parent: what it
runs sees no network, no other process, and of the disk only the programs and the files that it is to read.
"""

from collections.abc import Sequence

import attrs


@attrs.frozen
class Launcher:
    """Which programs the machine has, as absolute paths (None where it has not), and what is asked of them.

    `niceness` 0 to 19; `io_class` 1 to 3 with the meaning of ionice(1); `address_space` bytes.
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
        """The protections that are off on this machine, as sentences for the log."""
        return [
            sentence
            for missing, sentence in (
                (self.setsid is None, "no setsid: processes that a transcoder starts are not ended with it"),
                (self.setpriv is None, "no setpriv: transcoders outlive a daemon that is killed, until its next start"),
                (self.niceness is not None and self.nice is None, "no nice: the setting nice has no effect"),
                (self.io_class is not None and self.ionice is None, "no ionice: the setting ionice has no effect"),
                (
                    self.address_space is not None and self.prlimit is None,
                    "no prlimit: the setting stream_address_space_max has no effect",
                ),
            )
            if missing
        ]

    def command(self, program: str, arguments: Sequence[str], reads: Sequence[str] = ()) -> list[str]:
        """The whole command line, the launcher first; element 0 is what is executed. `reads`: the files it is for."""
        command: list[str] = []
        # First of all: until it has spoken to the kernel, about a millisecond, a killed daemon does not take its child along.
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
            for path in reads:
                command += ["--ro-bind", path, path]
            command += ["--"]
        return [*command, program, *arguments]


_SANDBOX = (
    *("--unshare-all", "--die-with-parent", "--cap-drop", "ALL"),
    *("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"),  # noqa: S108 - the sandbox's own, in memory
    # A dynamically linked ffmpeg needs its libraries, and a graphics card its device.
    *("--ro-bind", "/usr", "/usr", "--ro-bind-try", "/etc/alternatives", "/etc/alternatives"),
    *("--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache", "--dev-bind-try", "/dev/dri", "/dev/dri"),
    *(part for name in ("bin", "lib", "lib32", "lib64") for part in ("--symlink", f"usr/{name}", f"/{name}")),
)
"""The sandbox, from bwrap(1): name spaces of its own for everything, network and processes among them."""
