"""How a stream ended: the closed set of reasons, and the record, the Ending."""

from enum import StrEnum
from sys import getsizeof

import msgspec


class Reason(StrEnum):
    """Why a stream ended. If several apply, the first one counts. The set is closed and part of the HTTP contract."""

    FINISHED = "finished"
    """The whole output was made and sent to the client."""
    FAILED = "failed"
    """The process ended with an error by itself, or could not be started."""
    CLIENT_GONE = "client-gone"
    """The client closed the connection, or the connection was lost."""
    CLIENT_STALLED = "client-stalled"
    """The client took no byte for `stall_timeout`."""
    STOPPED = "stopped"
    """Ended by a request to the API."""
    FILE_RELEASED = "file-released"
    """The file was released through the API, because it will be moved or deleted."""
    HUNG = "hung"
    """The process made no progress for `hang_timeout`, and the client was not the cause."""
    EXPIRED = "expired"
    """It ran for `max_duration`."""
    OVERLOAD = "overload"
    """The machine had too little memory, or this stream took too much."""
    PREEMPTED = "preempted"
    """Its client had taken nothing for `preempt_after`, and other requests were waiting."""
    IDLE = "idle"
    """No request for its segments came for `idle_timeout`."""
    SUPERSEDED = "superseded"
    """Another encoder took over at another time of the file."""
    SHUTDOWN = "shutdown"
    """The daemon stopped."""


PROVEN = "proven"
"""The value of `Ending.proof` if the exit was observed, the process group is empty and the pipes are closed."""


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """One ended stream.

    `exit_code` or `signal` (its name) is how the process ended, and the other is None; both are None if it could not be
    started. `signals_sent` are in order. `kill_ms` is the time from the decision to end it until it was reaped, in
    milliseconds; None: it ended by itself. `started` and `ended` are in UTC (RFC 3339). `duration_s` is the time between
    them on the monotonic clock, in seconds. `proof` is `proven`, or a sentence about what could not be proven; it is
    `proven` if no process was started. `engine` is what encoded its video (`plan.media.capabilities.EngineName`); None: nothing did.
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
    # The log can have lines of an older version, which did not write these fields.
    proof: str = PROVEN
    engine: str | None = None

    @property
    def weight(self) -> int:
        """About how many bytes of memory it takes, rather too many than too few."""
        return 2048 + getsizeof(self.stderr_tail) + getsizeof(self.path)
