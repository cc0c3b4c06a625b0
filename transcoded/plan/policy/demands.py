"""What the renditions that are watched take of the machine: pure values and a decision, for admission.

An encoder of segments comes and goes while its rendition is watched: it is paused when it is far ahead, evicted for another one, and started again. So the
encoders that run at a moment do not say how many viewers can be served. What does is the time of the CPUs that all renditions that are
watched take, each made as fast as it is watched (`Demand.share`).

* A rendition that is watched keeps its share until its viewers leave. A new one is admitted if the shares of all fit into the machine, or if it is the only one.
* What a client has probably left does not count for what it asks for: another rendition of the same file, and what it has watched alone and has
  not asked anything of for longer than a player that plays does (`QUIET`).
* Encoders take turns: one that is waited for gives way if its viewers have at least `TURN` seconds more buffered than
  those of a request that waits; to those who do not watch yet, only if they have `FOR_NEWCOMERS` seconds.
"""

from collections.abc import Hashable, Mapping

import attrs

QUIET = 3.0
"""Seconds. A player that plays requests a segment about every two seconds."""

TURN = 8.0
"""Seconds of video. Each turn costs the start of an encoder, half a second or so."""

FOR_NEWCOMERS = 2 * TURN
"""Seconds of video that viewers must have buffered for their encoder to give way to somebody who does not watch yet: so many last until it is their turn again."""

_ROUNDING = 1e-9


@attrs.frozen
class Demand:
    """A rendition that is watched.

    `share` is the part of all CPUs that it takes to make it as fast as it is watched: 0.5 is half of them. `admitted`: it was, and its
    viewers have not left since. `buffered` are the seconds that each of its viewers has at least. `only` is its one viewer, as a unit of fairness (None: there are several), and `name` is that of
    its occupant (`Occupant.name`). Nothing was requested of it for `idle_s` seconds.
    """

    share: float
    admitted: bool = False
    buffered: float = 0.0
    only: str | None = None
    name: Hashable = None
    idle_s: float = 0.0

    def is_left_by(self, client: str, replaces: Hashable) -> bool:
        """Whether a client that asks for something else has left this, as far as can be known."""
        same_file = replaces is not None and self.name == replaces
        return same_file or (self.only == client and self.idle_s >= QUIET)


Demands = Mapping[Hashable, Demand]
"""By what demands."""


def has_room(who: Hashable, client: str, replaces: Hashable, demands: Demands, taken: float) -> bool:
    """Whether what `who` demands fits beside what was admitted. `taken` is the share of progressive streams.

    What is not among the demands needs no room.
    """
    mine = demands.get(who)
    if mine is None or mine.admitted:
        return True
    others = taken + sum(
        one.share
        for other, one in demands.items()
        if other != who and one.admitted and not one.is_left_by(client, replaces)
    )
    return not others or others + mine.share <= 1 + _ROUNDING
