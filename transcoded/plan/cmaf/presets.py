"""Which preset the encoders of one rendition have, one after the other: the rules of `governor`, for one rendition."""

from enum import Enum

import attrs

from transcoded.plan.cmaf.governor import PRESETS, Costs, Work, is_too_slow
from transcoded.plan.cmaf.renditions import Rendition, VideoRendition

_SAID = 3
"""Segments in a row that are made too slowly with the fastest preset, before the log says so."""


class Pace(Enum):
    """What follows from the time that a segment has taken."""

    FINE = "fine"
    GO_ON = "go on"
    """Another encoder goes on with the next segment, with a faster preset."""
    SAY = "say"
    """There is no faster one: the log says it, once."""


@attrs.define
class Presets:
    """The presets of one rendition. `work` is None if nothing is learned of it: then all have the first preset."""

    costs: Costs | None
    work: Work | None
    # The numbers of the slowest preset that is fast enough, and of that of the encoder; where another encoder goes on; how many segments in a row were too slow.
    _enough: int = 0
    _current: int = 0
    _goes_on_at: int | None = None
    _slow: int = 0

    @classmethod
    def of(cls, rendition: Rendition, costs: Costs | None) -> "Presets":
        """Those of a rendition. Fast play gets what others leave, so it is not asked to keep up."""
        encodes = isinstance(rendition, VideoRendition) and not rendition.copied and not rendition.intra
        work = Work.of(rendition) if costs is not None and encodes and isinstance(rendition, VideoRendition) else None
        return cls(costs, work)

    @property
    def name(self) -> str:
        """That of the encoder."""
        return PRESETS[self._current]

    @property
    def can_be_slower(self) -> bool:
        """Whether the encoder has a faster one than is needed, because somebody waited for its first segments."""
        return self._current > self._enough

    def slots(self) -> int | None:
        """The slots of the next encoder; None: nothing was learned."""
        if self.costs is None or self.work is None:
            return None
        self._enough = max(self._enough, self.costs.first_preset(self.work))
        return self.costs.slots(self.work, PRESETS[self._enough])

    def share(self) -> float | None:
        """The part of all CPUs that it takes to make it as it is watched; None: nothing is learned of it."""
        return None if self.costs is None or self.work is None else self.costs.share(self.work)

    def start(self, first: int, *, in_background: bool) -> bool:
        """An encoder is started at segment `first`. Returns whether it goes on where the last one was ended for its preset."""
        goes_on = first == self._goes_on_at
        self._goes_on_at = None
        self._slow = 0
        is_urgent = self.work is not None and not goes_on and not in_background
        self._current = len(PRESETS) - 1 if is_urgent else self._enough
        return goes_on

    def go_on_at(self, number: int) -> None:
        """The encoder is ended; another one goes on with this segment."""
        self._goes_on_at = number

    def hurry(self) -> None:
        """Others need the CPUs: from the next encoder on, the fastest preset is enough."""
        self._enough = len(PRESETS) - 1

    def made(self, pace: float | None, film_seconds: float) -> Pace:
        """A segment was made, in `pace` seconds (None: not known)."""
        if self.work is None:
            return Pace.FINE
        self._slow = self._slow + 1 if is_too_slow(pace, film_seconds) else 0
        # What is nearly fast enough has a second chance.
        if not self._slow or (self._slow == 1 and (pace or 0.0) <= film_seconds):
            return Pace.FINE
        if self._current + 1 < len(PRESETS):
            self._enough = self._current + 1
            return Pace.GO_ON
        self._enough = self._current
        return Pace.SAY if self._slow == _SAID else Pace.FINE
