"""How much an encode costs, and what follows from it: pure decisions from what was measured.

* The cost of an encode is the time of a CPU that a second of film takes: 0.5 is half a core for as long as it is watched. It is learned for each kind of work
  (`Work`) and each preset, from the encoders that run.
* An encoder that somebody waits for begins with the fastest preset: the first segments come sooner. When it is so far ahead that it would be paused, another one goes on
  with the slowest preset that is fast enough.
* An encoder that makes less than `KEEPS_UP` seconds of film in a second goes on with the next faster preset, at the next segment. All presets write the same init
  segment.
* Admission counts what an encode costs: one that takes half of all CPUs takes half of all slots, and none takes fewer than a transcode does.
* Renditions are admitted as long as what all that are watched cost fits into all CPUs (`plan.policy.demands`).
* What not even the fastest preset makes in time on all CPUs is not offered.
"""

from collections.abc import Sequence

import attrs

from transcoded.plan.cmaf.renditions import VideoRendition
from transcoded.plan.lru import LRU
from transcoded.plan.policy.admission import TRANSCODE

PRESETS: Sequence[str] = ("veryfast", "superfast")
"""Presets of x264 whose parameter sets are equal, the slowest first. `ultrafast` has others: no CABAC, no 8x8 transform."""

KEEPS_UP = 1.1
"""Seconds of film that must be made in a second: what is just fast enough is too slow after the first disturbance."""

ROOM = 1.2
"""What is admitted may take five of six parts of the CPUs. The rest is for the starts of encoders that take turns, for copies, and for the daemon."""

_WEIGHT = 0.25
"""How much a new measurement counts."""

_KINDS = 1000
"""Kinds of work that are remembered."""


@attrs.frozen
class Work:
    """What is done for a rendition, as far as it decides the cost: codec and pixels of the source, pixels and frames per second of the encode."""

    codec: str
    source: int
    pixels: int
    rate: int
    hdr: bool
    burns: bool
    engine: str = "software"

    @classmethod
    def of(cls, rendition: VideoRendition, engine: str = "software") -> "Work":
        """That of an encoded rendition. `engine` is the name of the chain that makes it."""
        stream = rendition.stream
        return cls(
            codec=stream.codec,
            source=stream.width * stream.height,
            pixels=rendition.width * rendition.height,
            rate=round(rendition.rate),
            hdr=stream.hdr is not None,
            burns=rendition.burn is not None,
            engine=engine,
        )


@attrs.define
class Costs:
    """What was learned. `cores` are the CPUs that there are, `capacity` are the slots of admission."""

    cores: float
    capacity: int
    _learned: LRU[tuple[Work, str], float] = attrs.Factory(lambda: LRU(_KINDS))

    def learn(self, work: Work, preset: str, cpu_seconds: float, film_seconds: float) -> None:
        """An encoder has used so many seconds of a CPU for so many seconds of film."""
        if cpu_seconds <= 0 or film_seconds <= 0:
            return
        cost, before = cpu_seconds / film_seconds, self._learned.get((work, preset))
        self._learned.put((work, preset), cost if before is None else before + _WEIGHT * (cost - before))

    def cost(self, work: Work, preset: str) -> float | None:
        """Cores that it takes to make it in real time; None: not known."""
        return self._learned.get((work, preset))

    def first_preset(self, work: Work) -> int:
        """The number of the slowest preset that is not known to be too slow."""
        for number, preset in enumerate(PRESETS):
            if not self._is_too_slow(work, preset):
                return number
        return len(PRESETS) - 1

    def slots(self, work: Work, preset: str) -> int:
        """The slots that it takes."""
        cost = self.cost(work, preset)
        if cost is None:
            return min(TRANSCODE, self.capacity)
        return min(max(TRANSCODE, round(cost / self.cores * self.capacity)), self.capacity)

    def share(self, work: Work) -> float:
        """The part of all CPUs that is kept for it as long as it is watched, with the fastest preset that is known; 0.5 is half of them.

        What is not known yet takes as much as the capacity allows for a transcode.
        """
        known = (self.cost(work, preset) for preset in reversed(PRESETS))
        cost = next((cost for cost in known if cost is not None), None)
        return min(1.0, TRANSCODE / self.capacity if cost is None else cost * ROOM / self.cores)

    def is_hopeless(self, work: Work) -> bool:
        """Whether it cannot be played here as it is made: the fastest preset was tried, and would need more CPUs than there are."""
        return self._is_too_slow(work, PRESETS[-1])

    def _is_too_slow(self, work: Work, preset: str) -> bool:
        cost = self.cost(work, preset)
        return cost is not None and cost * KEEPS_UP > self.cores


def is_too_slow(pace: float | None, film_seconds: float) -> bool:
    """Whether an encoder that takes `pace` seconds for a segment of `film_seconds` does not keep up."""
    return pace is not None and film_seconds < pace * KEEPS_UP
