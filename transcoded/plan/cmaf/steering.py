"""What the one encoder of a rendition does next: a pure decision from its position and the requests of its viewers.

* It continues if a segment that somebody waits for is the next one, or will be made soon.
* It is restarted, at the segment that was requested last, if somebody waits but no such segment is near. While one is
  near, the encoder is not restarted for another viewer: that happens after the segment was served. So viewers of two
  places in the file take turns, and both make progress.
* It is paused (its output is not read any more) if nobody waits and it is more than `AHEAD` segments beyond the last one
  that was requested.
* It is stopped if nobody waits, and a viewer has said that it left or nothing was requested for a long time.
"""

from enum import Enum

import attrs

AHEAD = 4
"""Segments that are made in advance of the last requested one."""

SOON = 0.5
"""Seconds. A segment is near if the encoder will have made the ones before it within this time, at its speed so far. A
restart takes about as long."""


class Move(Enum):
    """What the encoder does next."""

    CONTINUE = "continue"
    PAUSE = "pause"
    RESTART = "restart"
    STOP = "stop"


@attrs.frozen
class Situation:
    """An encoder and the requests for its rendition.

    `position` is the number of the segment that is being made. `pace` is the time for one segment, in seconds (None:
    not known yet). `wanted` are the segments that somebody waits for. `waited_for`: somebody waits for a segment or the
    init segment. `last_requested` is the segment that was requested last, `idle_s` the seconds since that request. `left`: a
    viewer has said that it left.
    """

    position: int
    pace: float | None
    wanted: frozenset[int]
    waited_for: bool
    last_requested: int
    idle_s: float
    left: bool = False


def steer(now: Situation, idle_timeout: float) -> Move:
    """The next move. After `idle_timeout` seconds without a request, the encoder is stopped."""
    if now.wanted:
        return Move.CONTINUE if any(_near(now, number) for number in now.wanted) else Move.RESTART
    if now.waited_for:
        return Move.CONTINUE
    if now.left or now.idle_s >= idle_timeout:
        return Move.STOP
    return Move.PAUSE if now.position > now.last_requested + AHEAD else Move.CONTINUE


def _near(now: Situation, number: int) -> bool:
    distance = number - now.position
    return distance >= 0 and (distance <= 1 or (now.pace is not None and distance * now.pace <= SOON))
