"""Delayed reads: one timer for all relays, so that a machine with many slow streams looks at each of them less often.

A transcoder at the pace of its viewer writes 32 KiB some thirty times a second. Looking at its pipe at each of them costs a
turn of the reactor, a read and a send; looking every `DELAY` seconds costs half of it or less, and the client has seconds of
media buffered. Never delayed are the first `PROMPT_BYTES` bytes of a stream, and one that would fill half its pipe in a delay.

* A reader waits for `DELAY` seconds at the most, and at least for `DELAY - SLACK`.
* At most `MAX_AT_ONCE` readers go on in one turn of the reactor; the others follow in the next turns, in their order.
* There is one timer while somebody waits, and none otherwise.
"""

from collections import deque
from typing import Protocol

from transcoded.run.reactor import IReactor

DELAY = 0.1
"""Seconds."""

SLACK = 0.02
"""Seconds that a reader may go on earlier, together with others."""

MAX_AT_ONCE = 8
"""Readers that go on in one turn of the reactor: requests must not wait for all of them."""

PROMPT_BYTES = 2 << 20
"""Bytes at the beginning of a stream that are passed on as they come: the first pictures."""


class DelayedReader(Protocol):
    """What can be delayed."""

    def delay_over(self) -> None:
        """The delay is over."""


class ReadCoalescer:
    """All readers that are delayed now, in the order in which they go on. One timer for all."""

    def __init__(self, reactor: IReactor) -> None:
        self._reactor = reactor
        self._delayed: deque[tuple[float, DelayedReader]] = deque()

    def delay(self, reader: DelayedReader) -> None:
        """Have it read on in a while. Whoever asks for that stops reading until then."""
        if not self._delayed:
            self._reactor.callLater(DELAY, self._release_due)
        self._delayed.append((self._reactor.seconds() + DELAY, reader))

    def _release_due(self) -> None:
        """Let those go on whose time has come or comes soon, some in this turn and some in the next."""
        delayed, now = self._delayed, self._reactor.seconds()
        due: list[DelayedReader] = []
        while delayed and delayed[0][0] <= now + SLACK and len(due) < MAX_AT_ONCE:
            due.append(delayed.popleft()[1])
        # Before they go on, some of whom are delayed again behind all others: so the timer is set once.
        if delayed:
            self._reactor.callLater(max(0.0, delayed[0][0] - now) if len(due) < MAX_AT_ONCE else 0, self._release_due)
        for reader in due:
            reader.delay_over()


class RateEstimator:
    """How fast a stream is, over stretches long enough that one small write among large ones does not count.

    `capacity` is what its pipe holds: less than was asked for where the user's budget of pipe pages is spent.
    """

    def __init__(self, now: float, capacity: int) -> None:
        self._capacity = capacity
        self._since = now
        self._window_bytes = 0
        self._total = 0

    def may_be_delayed(self, moved: int, now: float) -> bool:
        """Take note of a block, and tell whether the stream would fill less than half its pipe in a delay."""
        self._total += moved
        if self._total <= PROMPT_BYTES:
            self._since = now
            return False
        self._window_bytes += moved
        elapsed = now - self._since
        if elapsed < DELAY / 2:
            return False
        slow = moved < self._capacity / 2 and self._window_bytes * DELAY < self._capacity / 2 * elapsed
        self._since, self._window_bytes = now, 0
        return slow
