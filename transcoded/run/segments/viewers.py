"""Who watches a rendition: the clients that have requested its segments.

* A client counts as a viewer until it says that it leaves, or has requested nothing for `idle_timeout` seconds.
* That a client leaves counts only if it is a viewer, and at most once in `LEAVE_GAP` seconds. So nobody can end the encoders
  of others, and nobody can have encoders started and ended in turn.
* At most `MAX_VIEWERS` are remembered. More count as soon as there is room for them; until then, others watch anyway.
"""

from collections.abc import Callable

import attrs

MAX_VIEWERS = 256

LEAVE_GAP = 1.0
"""Seconds."""


@attrs.define
class _Viewer:
    requested_at: float
    left_at: float | None = None
    watches: bool = True


class Viewers:
    """The viewers of one rendition, as units of fairness. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float], idle_timeout: float) -> None:
        self._clock = clock
        self._idle_timeout = idle_timeout
        self._viewers: dict[str, _Viewer] = {}

    @property
    def only(self) -> str | None:
        """The one viewer; None if there are several or none."""
        watching = self._watching()
        return watching[0] if len(watching) == 1 else None

    def requested(self, client: str) -> None:
        """Record that a client has requested a segment."""
        now = self._clock()
        known = self._viewers.get(client)
        if known is not None:
            known.requested_at, known.watches = now, True
            return
        if len(self._viewers) >= MAX_VIEWERS:
            self._viewers = {one: viewer for one, viewer in self._viewers.items() if not self._is_over(viewer, now)}
        if len(self._viewers) < MAX_VIEWERS:
            self._viewers[client] = _Viewer(now)

    def leave(self, client: str) -> bool:
        """Record that a client leaves, if that counts. Returns whether it counts and nobody watches any more."""
        viewer, now = self._viewers.get(client), self._clock()
        if viewer is None or not viewer.watches:
            return False
        if viewer.left_at is not None and now - viewer.left_at < LEAVE_GAP:
            return False
        viewer.left_at, viewer.watches = now, False
        return not self._watching()

    def _watching(self) -> list[str]:
        now = self._clock()
        return [
            client
            for client, viewer in self._viewers.items()
            if viewer.watches and now - viewer.requested_at < self._idle_timeout
        ]

    def _is_over(self, viewer: _Viewer, now: float) -> bool:
        return now - viewer.requested_at >= self._idle_timeout
