"""What stands before ffmpeg on its command line, so that the kernel keeps the promise where the daemon cannot.

Small programs of util-linux, each of which changes itself and then becomes the next (no process is added, the pid stays):
`setsid` gives the transcoder a session and process group of its own, so that all it starts can be ended together;
`setpriv --pdeathsig KILL` has the kernel end it when the daemon dies, even by SIGKILL, and `--no-new-privs` keeps it from
ever gaining rights.
"""

from collections.abc import Sequence

import attrs


@attrs.frozen
class Launcher:
    """Which programs the machine has, as absolute paths; None where it has not."""

    setsid: str | None = None
    setpriv: str | None = None

    @property
    def gaps(self) -> Sequence[str]:
        """The protections that are off on this machine, as sentences for the log."""
        return [
            sentence
            for tool, sentence in (
                (self.setsid, "no setsid: processes that a transcoder starts are not ended with it"),
                (self.setpriv, "no setpriv: transcoders outlive a daemon that is killed until its next start"),
            )
            if tool is None
        ]

    def command(self, program: str, arguments: Sequence[str]) -> list[str]:
        """The whole command line, the launcher first; element 0 is what is executed."""
        return [
            *([self.setsid] if self.setsid else []),
            *([self.setpriv, "--pdeathsig", "KILL", "--no-new-privs", "--"] if self.setpriv else []),
            program,
            *arguments,
        ]
