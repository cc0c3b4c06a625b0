"""Rest for relays: one timer for all, so that a machine with many streams looks at each of them less often.

A transcoder at the pace of its viewer writes 32 KiB some thirty times a second. Looking at its pipe at each of them costs a
turn of the reactor, a read and a send; looking every `NAP` seconds costs half of it or less, and the client has seconds of
media buffered. The beginning of a stream, and one that is faster than its pipe is deep, never rest.
"""

from collections import deque
from typing import Protocol

from transcoded.run.reactor import IReactor

NAP = 0.1
"""Seconds."""

SLACK = 0.02
"""Seconds that a sleeper may wake earlier, together with others."""

AT_ONCE = 8
"""Sleepers that wake in one turn of the reactor: requests must not wait for all of them."""

AWAKE = 2 << 20
"""Bytes at the beginning of a stream that are passed on as they come: the first pictures."""


class CoalescedReader(Protocol):
    """What can rest."""

    def wake(self) -> None:
        """Go on."""


class ReadCoalescer:
    """All that rest now, in the order in which they wake. One timer for all."""

    def __init__(self, reactor: IReactor) -> None:
        self._reactor = reactor
        self._resting: deque[tuple[float, CoalescedReader]] = deque()

    def rest(self, sleeper: CoalescedReader) -> None:
        """Wake it in a while."""
        if not self._resting:
            self._reactor.callLater(NAP, self._wake)
        self._resting.append((self._reactor.seconds() + NAP, sleeper))

    def _wake(self) -> None:
        """Wake those whose time has come or comes soon, some in this turn and some in the next."""
        resting, now = self._resting, self._reactor.seconds()
        woken: list[CoalescedReader] = []
        while resting and resting[0][0] <= now + SLACK and len(woken) < AT_ONCE:
            woken.append(resting.popleft()[1])
        # Before they are woken, who lie down again behind all others: so the timer is set once.
        if resting:
            self._reactor.callLater(max(0.0, resting[0][0] - now) if len(woken) < AT_ONCE else 0, self._wake)
        for sleeper in woken:
            sleeper.wake()


class RateEstimator:
    """How fast a stream is, over stretches long enough that one small write among large ones does not count.

    `capacity` is what its pipe holds: less than was asked for where the user's budget of pipe pages is spent.
    """

    def __init__(self, now: float, capacity: int) -> None:
        self._capacity = capacity
        self._since = now
        self._moved = 0
        self._so_far = 0

    def worth_a_nap(self, moved: int, now: float) -> bool:
        """Take note of a block, and tell whether the stream would fill less than half its pipe in a nap."""
        self._so_far += moved
        if self._so_far <= AWAKE:
            self._since = now
            return False
        self._moved += moved
        elapsed = now - self._since
        if elapsed < NAP / 2:
            return False
        slow = moved < self._capacity / 2 and self._moved * NAP < self._capacity / 2 * elapsed
        self._since, self._moved = now, 0
        return slow
