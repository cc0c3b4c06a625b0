"""What the one encoder of a rendition should do next: a pure decision from how it and its viewers stand.

* If a segment that somebody waits for is the next one, or will be made soon, the encoder continues.
* If none of them is, it is restarted at the segment that was asked for last. An encoder that is about to make a segment that
  somebody waits for is not restarted for another viewer's: that happens once the segment is served. So two who watch
  different places take turns, and both get on.
* Nobody waits and it is `AHEAD` segments beyond the last that was asked for: it is not read any more, and sleeps.
* Nobody waits, and the viewer has said that he left, or nobody has asked for long: it is stopped.
"""

from enum import Enum

import attrs

AHEAD = 4
"""Segments that are made beyond the last that was asked for."""

SOON = 0.5
"""Seconds: a segment is made soon if it is made within them, at the encoder's pace so far. Starting anew at the right place
takes about as long."""


class Move(Enum):
    """What the encoder should do."""

    CONTINUE = "continue"
    PAUSE = "pause"
    RESTART = "restart"
    STOP = "stop"


@attrs.frozen
class Situation:
    """How an encoder and those who watch its rendition stand.

    `position` is the segment that is being made, `pace` the seconds that one takes (None: not known yet), `wanted` the
    segments that somebody waits for, `waited_for` whether anybody waits for anything (the init segment included),
    `furthest` the last segment that was asked for, `idle_s` the seconds since then, `left` whether a viewer has said that he
    has left.
    """

    position: int
    pace: float | None
    wanted: frozenset[int]
    waited_for: bool
    furthest: int
    idle_s: float
    left: bool = False


def steer(now: Situation, idle_timeout: float) -> Move:
    """The next move. `idle_timeout`: seconds without a request after which an encoder is stopped."""
    if now.wanted:
        return Move.CONTINUE if any(_near(now, number) for number in now.wanted) else Move.RESTART
    if now.waited_for:
        return Move.CONTINUE
    if now.left or now.idle_s >= idle_timeout:
        return Move.STOP
    return Move.PAUSE if now.position > now.furthest + AHEAD else Move.CONTINUE


def _near(now: Situation, number: int) -> bool:
    distance = number - now.position
    return distance >= 0 and (distance <= 1 or (now.pace is not None and distance * now.pace <= SOON))
