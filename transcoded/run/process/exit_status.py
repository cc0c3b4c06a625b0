"""How a child process ended: as a value, and read from what Twisted tells."""

import signal

import attrs
from twisted.internet.error import ProcessDone, ProcessTerminated

from transcoded.plan.endings import Reason


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


def exit_of(how: object) -> tuple[int | None, str | None]:
    """The exit code and the name of the signal, from the exception by which Twisted tells an exit; one of them is None."""
    if isinstance(how, ProcessTerminated):
        return how.exitCode, None if how.signal is None else _name(how.signal)
    return (0, None) if isinstance(how, ProcessDone) else (None, None)


def _name(number: int) -> str:
    """A signal's name; those for real-time use have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"
