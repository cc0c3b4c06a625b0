"""Delayed reads: one timer for all relays, so that the pipes of many slow streams are read less often.

A transcoder that is as fast as its viewer writes 32 KiB about thirty times a second. To read its pipe each time costs a turn of
the reactor, a read and a send. To read it every `DELAY` seconds costs half of that or less, and the client does not notice:
it has seconds of media in its buffer. Two things are never delayed: the first `PROMPT_BYTES` bytes of a stream, and a stream
that would fill half its pipe during a delay.

* A reader is delayed for at most `DELAY` seconds, and at least for `DELAY - SLACK`.
* At most `MAX_AT_ONCE` readers go on in one turn of the reactor; the others follow in the next turns, in their order.
* There is one timer while a reader is delayed, and none otherwise.
"""

from collections import deque
from typing import Protocol

from transcoded.run.reactor import IReactor

DELAY = 0.1
"""Seconds that a read is delayed."""

SLACK = 0.02
"""Seconds by which a reader may go on earlier, together with others."""

MAX_AT_ONCE = 8
"""Readers that go on in one turn of the reactor. It is bounded so that requests do not wait for all of them."""

PROMPT_BYTES = 2 << 20
"""Bytes at the beginning of a stream that are passed on without a delay, so that the first frames are shown soon."""


class DelayedReader(Protocol):
    """A reader that can be delayed."""

    def delay_over(self) -> None:
        """Called when the delay is over."""


class ReadCoalescer:
    """The readers that are delayed now, in the order in which they will go on."""

    def __init__(self, reactor: IReactor) -> None:
        self._reactor = reactor
        self._delayed: deque[tuple[float, DelayedReader]] = deque()

    def delay(self, reader: DelayedReader) -> None:
        """Call `delay_over` of the reader later. The reader must not read until then."""
        if not self._delayed:
            self._reactor.callLater(DELAY, self._release_due)
        self._delayed.append((self._reactor.seconds() + DELAY, reader))

    def _release_due(self) -> None:
        """Let readers go on whose delay is over or nearly over: `MAX_AT_ONCE` of them now, the others in the next turn."""
        delayed, now = self._delayed, self._reactor.seconds()
        due: list[DelayedReader] = []
        while delayed and delayed[0][0] <= now + SLACK and len(due) < MAX_AT_ONCE:
            due.append(delayed.popleft()[1])
        # The timer is set before they go on: some are then delayed again, and `delay` must not set a second one.
        if delayed:
            self._reactor.callLater(max(0.0, delayed[0][0] - now) if len(due) < MAX_AT_ONCE else 0, self._release_due)
        for reader in due:
            reader.delay_over()


class RateEstimator:
    """Estimates the rate of a stream over periods that are long enough to be independent of single writes.

    `now` is the time in seconds, `capacity` the size of its pipe in bytes (`pipe_capacity`).
    """

    def __init__(self, now: float, capacity: int) -> None:
        self._capacity = capacity
        self._since = now
        self._window_bytes = 0
        self._total = 0

    def may_be_delayed(self, moved: int, now: float) -> bool:
        """Count a block of `moved` bytes. Returns whether the stream fills less than half its pipe during a delay."""
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
