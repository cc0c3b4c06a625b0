"""How much video a viewer has buffered, estimated from his requests alone: a pure calculation.

Whoever requests a segment has all before it, and plays as fast as time passes, or slower: he pauses, or waits. So what he was given since he
began, less the time since then, is the least that he has buffered. The beginning is a segment that does not follow the last one: a
click or a seek. If nothing was left he waited, and begins anew with the next segment.
"""

import attrs

_FOLLOWS = 3
"""Segments. Players request a few at a time, and leave out what they have."""


@attrs.define
class BufferEstimate:
    """What one viewer of a rendition has buffered. All times are in seconds, those of requests on one clock."""

    _number: int | None = None
    _starts: float = 0.0
    _buffered: float = 0.0
    _at: float = 0.0

    def requested(self, number: int, starts: float, now: float) -> None:
        """He requests a segment that starts at this time of the film."""
        follows = self._number is not None and self._number <= number <= self._number + _FOLLOWS
        self._buffered = self.seconds(now) + starts - self._starts if follows else 0.0
        self._number, self._starts, self._at = number, starts, now

    def seconds(self, now: float) -> float:
        """Seconds of video that he has buffered at least, without the segment that he has requested last."""
        return max(0.0, self._buffered - (now - self._at))
