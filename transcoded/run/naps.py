"""Rest for relays: one timer for all, so that a machine with many streams looks at each of them less often.

A transcoder at the pace of its viewer writes 32 KiB some thirty times a second. Looking at its pipe at each of them costs a
turn of the reactor, a read and a send; looking every `NAP` seconds costs half of it or less, and the client has seconds of
media buffered. The beginning of a stream, and one that is faster than its pipe is deep, never rest.
"""

from typing import Protocol

from transcoded.run.ireactor import IReactor
from transcoded.run.pipes import BIG

NAP = 0.06
"""Seconds."""

AWAKE = 2 << 20
"""Bytes at the beginning of a stream that are passed on as they come: the first pictures."""


class Sleeper(Protocol):
    """What can rest."""

    def wake(self) -> None:
        """Go on."""


class Naps:
    """All that rest now. They wake together."""

    def __init__(self, reactor: IReactor) -> None:
        self._reactor = reactor
        self._resting: list[Sleeper] = []

    def worth_while(self, so_far: int, moved: int, elapsed: float) -> bool:
        """Whether a stream that moved `moved` bytes in `elapsed` seconds would fill less than half its pipe in a nap."""
        return so_far > AWAKE and moved * NAP < BIG / 2 * elapsed

    def rest(self, sleeper: Sleeper) -> None:
        """Wake it in a while."""
        if not self._resting:
            self._reactor.callLater(NAP, self._wake)
        self._resting.append(sleeper)

    def _wake(self) -> None:
        resting, self._resting = self._resting, []
        for sleeper in resting:
            sleeper.wake()
