"""Who watches a rendition: the clients that have requested its segments.

* A client counts as a viewer until it says that it leaves, or has requested nothing for `idle_timeout` seconds.
* That a client leaves counts only if it is a viewer. So nobody can end the encoders of others. If a client leaves more often
  than once in `LEAVE_GAP` seconds, it counts that much later. So nobody can have encoders started and ended in turn.
* At most `MAX_VIEWERS` are remembered. More count as soon as there is room for them; until then, others watch anyway.
"""

from collections.abc import Callable, Iterable

import attrs

from transcoded.plan.cmaf.buffers import BufferEstimate

MAX_VIEWERS = 256

LEAVE_GAP = 1.0
"""Seconds."""


@attrs.define
class _Viewer:
    requested_at: float
    left_at: float = -LEAVE_GAP
    """When its latest departure counts."""
    watches: bool = True
    buffer: BufferEstimate = attrs.Factory(BufferEstimate)


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

    def requested(self, client: str, segment: tuple[int, float] | None = None) -> None:
        """Record that a client has requested something; if that is a segment, its number and when it starts, in seconds."""
        now = self._clock()
        viewer = self._viewers.get(client)
        if viewer is None:
            if len(self._viewers) >= MAX_VIEWERS:
                self._viewers = {one: other for one, other in self._viewers.items() if not self._is_over(other, now)}
            if len(self._viewers) >= MAX_VIEWERS:
                return
            viewer = self._viewers[client] = _Viewer(now)
        viewer.requested_at, viewer.watches = now, True
        if segment is not None:
            viewer.buffer.requested(*segment, now)

    def buffered(self, clients: Iterable[str]) -> float:
        """Seconds of video that each of these clients has buffered at least; 0 if there are none."""
        now = self._clock()
        found = (self._viewers.get(client) for client in clients)
        return min((0.0 if one is None else one.buffer.seconds(now) for one in found), default=0.0)

    def within(self, seconds: float) -> frozenset[str]:
        """The clients that have requested a segment in the last `seconds`, and have not left since."""
        now = self._clock()
        recent = (
            one for one, viewer in self._viewers.items() if viewer.watches and now - viewer.requested_at < seconds
        )
        return frozenset(recent)

    @property
    def have_left(self) -> bool:
        """Whether nobody watches any more because the last viewers have said that they leave."""
        left = [viewer.left_at for viewer in self._viewers.values() if not viewer.watches]
        return bool(left) and max(left) <= self._clock() and not self._watching()

    def leave(self, client: str) -> None:
        """Record that a client leaves."""
        viewer = self._viewers.get(client)
        if viewer is not None and viewer.watches:
            now = self._clock()
            viewer.watches = False
            if viewer.left_at <= now:
                viewer.left_at = max(now, viewer.left_at + LEAVE_GAP)

    def _watching(self) -> list[str]:
        now = self._clock()
        return [
            client
            for client, viewer in self._viewers.items()
            if viewer.watches and now - viewer.requested_at < self._idle_timeout
        ]

    def _is_over(self, viewer: _Viewer, now: float) -> bool:
        return now - viewer.requested_at >= self._idle_timeout
