"""Why a stream ended, and the record of it: the closed set of reasons and the Ending."""

from enum import StrEnum

import msgspec


class Reason(StrEnum):
    """Why a stream ended. The first reason wins; the set is closed and part of the HTTP contract."""

    FINISHED = "finished"
    """All of it was made and given to the client."""
    FAILED = "failed"
    """The transcoder ended by itself with an error, or could not be started."""
    CLIENT_GONE = "client-gone"
    """The connection was closed by the client, was lost, or is dead."""
    CLIENT_STALLED = "client-stalled"
    """The client took no byte for `stall_timeout`."""
    STOPPED = "stopped"
    """Ended by hand through the API."""
    FILE_RELEASED = "file-released"
    """Somebody needs the file: it is to be moved or deleted."""
    HUNG = "hung"
    """The transcoder made no progress for `hang_timeout` though nothing held it up."""
    EXPIRED = "expired"
    """It ran for `max_duration`."""
    OVERLOAD = "overload"
    """Memory ran short, on the machine or for this stream."""
    PREEMPTED = "preempted"
    """Others were waiting and its client had taken nothing for long."""
    IDLE = "idle"
    """Nobody asked for its segments any more."""
    SUPERSEDED = "superseded"
    """Another process took over at another place of the file."""
    SHUTDOWN = "shutdown"
    """The daemon stopped."""


PROVEN = "proven"
"""The proof of an end: the exit was observed, the process group is empty, the pipes are closed."""


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """One ended stream.

    `exit_code` and `signal` (its name) tell how the process died, one of them None; both are None where none was ever
    started. `signals_sent` in order. `kill_ms`: from the decision to end it until it was reaped, None where it ended
    by itself. `started`, `ended`: RFC 3339, UTC. `duration_s`: between them, by the monotonic clock. `proof`: `proven`, or
    what could not be proven, in a sentence for an operator; where no process was started there is nothing to prove.
    """

    id: str
    request_id: str
    path: str
    format: str
    reason: Reason
    exit_code: int | None
    signal: str | None
    signals_sent: tuple[str, ...]
    kill_ms: float | None
    duration_s: float
    bytes_sent: int
    client: str
    started: str
    ended: str
    stderr_tail: str
    # Lines that were written before there was this field were all believed to be proven.
    proof: str = PROVEN
