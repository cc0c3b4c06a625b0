"""What stands before ffmpeg on its command line, so that the kernel keeps the promise where the daemon cannot.

Small programs of util-linux and coreutils, each of which changes itself and then becomes the next: no process is added, the
pid stays. `setsid` gives the transcoder a session and process group of its own, so that all it starts can be ended together;
`setpriv --pdeathsig KILL` has the kernel end it when the daemon dies, even by SIGKILL, and `--no-new-privs` keeps it from
ever gaining rights; `nice`, `ionice` and `prlimit` carry out settings.
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

    def command(self, program: str, arguments: Sequence[str]) -> list[str]:
        """The whole command line, the launcher first; element 0 is what is executed."""
        command: list[str] = []
        if self.setsid:
            command += [self.setsid]
        if self.setpriv:
            command += [self.setpriv, "--pdeathsig", "KILL", "--no-new-privs", "--"]
        if self.nice and self.niceness is not None:
            command += [self.nice, "-n", str(self.niceness), "--"]
        if self.ionice and self.io_class is not None:
            command += [self.ionice, "-c", str(self.io_class)]
        if self.prlimit and self.address_space is not None:
            command += [self.prlimit, f"--as={self.address_space}", "--"]
        return [*command, program, *arguments]
