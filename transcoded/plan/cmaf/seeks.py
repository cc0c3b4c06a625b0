"""Whose turn it is to have the encoder of a rendition started where it wants it, and how often: pure decisions.

* Clients take turns: the one for which this was done least recently is next; among equals the one that waits longest.
* A client may have `BURST` starts at once, and then one each `INTERVAL` seconds (a token bucket). A viewer who drags the
  playhead about does not notice that; a client that seeks without end does not keep the machine busy with starts.
"""

from collections.abc import Sequence

import attrs

from transcoded.plan.lru import LRU

BURST = 4
"""Starts that a client may have at once."""

INTERVAL = 0.5
"""Seconds after which it may have one more."""

REMEMBERED = 256
"""Clients that are remembered for one rendition."""


@attrs.frozen
class _Had:
    """The starts of a client: the number of its latest one, how many it had left then, and when that was."""

    number: int
    left: float
    at: float


@attrs.define
class Seeks:
    """The starts of the encoder of one rendition. All times are in seconds on one clock."""

    _number: int = 0
    _had: LRU[str, _Had] = attrs.Factory(lambda: LRU(REMEMBERED))

    def next(self, waiting: Sequence[str], now: float) -> str | None:
        """The client for which the encoder is started next. None if each of them has had too many starts.

        `waiting` are the clients, the one that has waited longest first.
        """
        allowed = [client for client in waiting if self._left(client, now) >= 1]
        return min(allowed, key=self._latest, default=None)

    def started(self, client: str, now: float) -> None:
        """Record that the encoder was started for this client."""
        self._number += 1
        self._had.put(client, _Had(self._number, self._left(client, now) - 1, now))

    def _latest(self, client: str) -> int:
        had = self._had.get(client)
        return 0 if had is None else had.number

    def _left(self, client: str, now: float) -> float:
        had = self._had.get(client)
        return BURST if had is None else min(BURST, had.left + (now - had.at) / INTERVAL)
