"""How a child process ended: the value, and how to read it from what Twisted reports."""

import signal

import attrs
from twisted.internet.error import ProcessDone, ProcessTerminated

from transcoded.plan.endings import Reason

MAX_STDERR_TAIL = 8192
"""Bytes of stderr that are kept: the last ones."""


@attrs.frozen
class ExitStatus:
    """How a process ended. The fields are those of `Ending`; `exit_code` and `signal` are both None if it never ran."""

    reason: Reason
    exit_code: int | None
    signal: str | None
    signals_sent: tuple[str, ...]
    kill_ms: float | None
    stderr_tail: str
    proof: str


def exit_of(error: object) -> tuple[int | None, str | None]:
    """The exit code and the name of the signal, from the exception with which Twisted reports an exit.

    At most one of them is not None; both are None for an exception of another kind.
    """
    if isinstance(error, ProcessTerminated):
        return error.exitCode, None if error.signal is None else signal_name(error.signal)
    return (0, None) if isinstance(error, ProcessDone) else (None, None)


def signal_name(number: int) -> str:
    """The name of a signal, such as `SIGTERM`; `SIG40` for one that has no name (real-time signals)."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"
