"""Which connections are open, and which one has to go if there are too many.

A connection *waits* while the server waits for it: for a request, for the rest of one, for the next one. It can be closed, since
nobody loses anything that was promised. While it gets an answer it *works*, and is never closed for another.

So an attacker who holds many connections, idle or slow, loses his own: a new connection takes the place of the one that has
waited longest, of the same client if that has too many, else of all. Only if all of them work, the new one is refused.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

import attrs

C = TypeVar("C", bound=Hashable)


@attrs.frozen
class Entry(Generic[C]):
    """What happens to a new connection: whether it may stay, and which other one is closed for it."""

    admitted: bool
    evicted: C | None = None


class ConnectionTable(Generic[C]):
    """The open connections: at most `limit`, and of one client at most `client_limit`; None: no limit for a client."""

    def __init__(self, limit: int, client_limit: int | None) -> None:
        self._limit = limit
        self._client_limit = client_limit
        self._clients: dict[C, str | None] = {}
        self._waiting: OrderedDict[C, None] = OrderedDict()
        # For each client: its connections that wait, in order, and the number of all.
        self._waiting_of: dict[str, OrderedDict[C, None]] = {}
        self._count_of: dict[str, int] = {}

    def __len__(self) -> int:
        """How many are open."""
        return len(self._clients)

    def enter(self, connection: C, client: str | None) -> "Entry[C]":
        """Take in a new connection, which waits. `client` is None for one that is not counted for its client."""
        evicted: C | None = None
        crowd = self._crowd(client)
        if crowd is not None:
            evicted = next(iter(crowd), None)
            if evicted is None:
                return Entry(admitted=False)
            self.leave(evicted)
        self._clients[connection] = client
        if client is not None:
            self._count_of[client] = self._count_of.get(client, 0) + 1
        self.waits(connection)
        return Entry(admitted=True, evicted=evicted)

    def _crowd(self, client: str | None) -> "OrderedDict[C, None] | None":
        """The waiting connections of which one must go before one of this client can enter. None: there is room."""
        limit = self._client_limit
        if client is not None and limit is not None and self._count_of.get(client, 0) >= limit:
            return self._waiting_of.get(client, OrderedDict())
        return self._waiting if len(self._clients) >= self._limit else None

    def waits(self, connection: C) -> None:
        """The server waits for this connection, from now on. Unknown ones are ignored, here and below."""
        if connection not in self._clients:
            return
        self._waiting[connection] = None
        client = self._clients[connection]
        if client is not None:
            self._waiting_of.setdefault(client, OrderedDict())[connection] = None

    def works(self, connection: C) -> None:
        """The connection gets an answer, from now on."""
        self._waiting.pop(connection, None)
        client = self._clients.get(connection)
        if client is not None and client in self._waiting_of:
            self._waiting_of[client].pop(connection, None)

    def leave(self, connection: C) -> None:
        """The connection is closed."""
        if connection not in self._clients:
            return
        self.works(connection)
        client = self._clients.pop(connection)
        if client is None:
            return
        self._count_of[client] -= 1
        if not self._count_of[client]:
            del self._count_of[client]
            self._waiting_of.pop(client, None)
