"""The connections of a site: how many there may be, and what is logged about those that are closed.

An attacker can make thousands of connections in a second, so nothing is logged for one of them. One line tells how many were
closed since the line before, at most once in a minute.
"""

from collections.abc import Hashable
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger, LogLevel

from transcoded.plan.http.forwarded import Trusted, is_trusted, network_of
from transcoded.plan.policy.connections import ConnectionTable

LOG_INTERVAL = 60.0
"""Seconds between two lines of the log."""

_log = Logger()


class Closable(Hashable, Protocol):
    """A connection."""

    def evict(self) -> None:
        """Close it at once."""


class Connections:
    """The open connections of all ports. `limit` is for all, `client_limit` for each address; None: no limit for an address.

    Trusted proxies, and the clients of UNIX sockets, are only counted among all.
    """

    def __init__(
        self, clock: IReactorTime, limit: int, client_limit: int | None, proxies: tuple[Trusted, ...] = ()
    ) -> None:
        self._clock = clock
        self._proxies = proxies
        self._table: ConnectionTable[Closable] = ConnectionTable(limit, client_limit)
        # Closed since the last line of the log, when the next may be written, and the call that writes it.
        self._crowded = self._slow = 0
        self._next = clock.seconds()
        self._pending: IDelayedCall | None = None

    def enter(self, connection: Closable, host: str | None) -> bool:
        """Take in a new connection from this address; None: it has none. False: it must be closed at once."""
        entry = self._table.enter(connection, self.client(host))
        if entry.evicted is not None:
            entry.evicted.evict()
        if entry.evicted is not None or not entry.admitted:
            self._crowded += 1
            self._report_later()
        return entry.admitted

    def client(self, host: str | None) -> str | None:
        """The client that has this address; None for trusted proxies and UNIX sockets, behind which there are many."""
        return None if host is None or is_trusted(host, self._proxies) else network_of(host)

    def waits(self, connection: Closable) -> None:
        """The server waits for this connection."""
        self._table.waits(connection)

    def works(self, connection: Closable) -> None:
        """The connection gets an answer."""
        self._table.works(connection)

    def leave(self, connection: Closable) -> None:
        """The connection is gone."""
        self._table.leave(connection)

    def too_slow(self) -> None:
        """Note that a connection was closed because its request did not come in time."""
        self._slow += 1
        self._report_later()

    def stop(self) -> None:
        """Log what is not logged yet."""
        if self._pending is not None:
            self._pending.cancel()
            self._report()

    def _report_later(self) -> None:
        """Log soon, but no sooner than `LOG_INTERVAL` after the last time."""
        if self._pending is None:
            self._pending = self._clock.callLater(max(0.0, self._next - self._clock.seconds()), self._report)

    def _report(self) -> None:
        self._pending = None
        self._next = self._clock.seconds() + LOG_INTERVAL
        _log.emit(
            LogLevel.warn if self._crowded else LogLevel.info,
            "connections closed: {crowded} over the limits (max_connections, max_connections_per_client), "
            "{slow} with a request that did not come in time; {open} are open",
            crowded=self._crowded,
            slow=self._slow,
            open=len(self._table),
        )
        self._crowded = self._slow = 0
