"""What the one encoder of a rendition does next: a pure decision from its position and the requests of its viewers.

* It continues if a segment that somebody waits for is the next one, or will be made soon.
* It is restarted elsewhere if somebody waits but no such segment is near. While one is near, the encoder is not restarted for
  another client before it has made `TURN` segments more. So clients at two places in the file take turns, and all make
  progress, however many segments one of them requests and wherever they are.
* It is not restarted for clients that have had too many restarts (`plan.cmaf.seeks`): it waits until one may have another.
* It is paused (its output is not read any more) if nobody waits and it is more than `AHEAD` segments (of audio: `AUDIO_AHEAD`) beyond the last one
  that was requested.
* It is stopped if nobody waits, and a viewer has said that it left or nothing was requested for a long time.
"""

from collections.abc import Mapping
from enum import Enum

import attrs

AHEAD = 4
"""Segments of video that are made in advance of the last requested one."""

AUDIO_AHEAD = 2
"""Those of audio, whose encoder is many times faster, and takes the CPU from the video that the same viewer waits for."""

SOON = 0.5
"""Seconds. A segment is near if the encoder will have made the ones before it within this time, at its speed so far. A
restart takes about as long."""

TURN = 2
"""Segments that are still made for others while a client waits in vain."""


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
    not known yet). `wanted` are the segments that each client waits for. `waited_for`: somebody waits for a segment or the
    init segment. `last_requested` is the segment that was requested last, `idle_s` the seconds since that request. `left`: a
    viewer has said that it left, and no other one watches. `passed`: segments that were made since a client began to wait in
    vain. `may_restart`: a client that waits in vain may have a restart now. `is_read`: somebody who does not wait in vain reads the segment that is being made. `ahead` are the segments that are made in advance.
    """

    position: int
    pace: float | None
    wanted: Mapping[str, frozenset[int]]
    waited_for: bool
    last_requested: int
    idle_s: float
    left: bool = False
    passed: int = 0
    may_restart: bool = True
    is_read: bool = False
    ahead: int = AHEAD


def steer(now: Situation, idle_timeout: float) -> Move:
    """The next move. After `idle_timeout` seconds without a request, the encoder is stopped."""
    if now.wanted:
        in_vain = waiting_in_vain(now.position, now.pace, now.wanted)
        others_are_near = len(in_vain) < len(now.wanted)
        # In the middle of a segment that somebody reads, his response would break off.
        if in_vain and now.may_restart and not now.is_read and (not others_are_near or now.passed >= TURN):
            return Move.RESTART
        return Move.CONTINUE if others_are_near else Move.PAUSE
    if now.waited_for:
        return Move.CONTINUE
    if now.left or now.idle_s >= idle_timeout:
        return Move.STOP
    return Move.PAUSE if now.position > now.last_requested + now.ahead else Move.CONTINUE


def waiting_in_vain(position: int, pace: float | None, wanted: Mapping[str, frozenset[int]]) -> list[str]:
    """The clients for which the encoder will make nothing soon. For the values see `Situation`."""
    return [client for client, numbers in wanted.items() if not any(_near(position, pace, one) for one in numbers)]


def _near(position: int, pace: float | None, number: int) -> bool:
    distance = number - position
    return distance >= 0 and (distance <= 1 or (pace is not None and distance * pace <= SOON))
