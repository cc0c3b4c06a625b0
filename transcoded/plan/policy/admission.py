"""Who may start, who waits, who is turned away: decided at once and from values alone, carried out by `run.streams.admission`.

* Capacity is counted in units: a transcode takes `TRANSCODE`, a copy-only stream, which costs a fraction of the CPU, `COPY`.
  `max_streams` is the number of transcodes.
* The queue is bounded, and fair between clients: next is who holds the fewest units, and among equals who came first. Only
  the next is looked at, so that a small stream never overtakes a large one for ever.
* What takes no units (sound beside a picture that is admitted) waits for nobody.
* Whoever is granted something gives it back exactly once; whoever waits leaves by being granted, by its deadline, or by hand.
"""

from collections.abc import Sequence
from enum import Enum

import attrs

TRANSCODE = 2
COPY = 1

MAX_RETRY = 120


@attrs.frozen
class Ticket:
    """A wish: a number of its own, who asks, how many units it takes, and when it gives up waiting (seconds)."""

    number: int
    client: str
    units: int
    deadline: float


class Answer(Enum):
    """What becomes of a wish at once."""

    GRANTED = "granted"
    QUEUED = "queued"
    FULL = "full"
    """The queue is full."""
    TOO_MANY = "too many"
    """This client has as much as one client may have."""


@attrs.define
class Admission:
    """The state of the gate. `per_client` None: no limit for one client. `closed` holds the reasons for which it admits nobody."""

    capacity: int
    queue_size: int
    per_client: int | None = None
    granted: dict[int, Ticket] = attrs.Factory(dict)
    queue: list[Ticket] = attrs.Factory(list)
    closed: set[str] = attrs.Factory(set)

    @property
    def used(self) -> int:
        """Units that are given out."""
        return sum(ticket.units for ticket in self.granted.values())

    def ask(self, ticket: Ticket) -> Answer:
        """A new wish."""
        if self.per_client is not None:
            mine = sum(1 for t in (*self.granted.values(), *self.queue) if t.client == ticket.client)
            if mine >= self.per_client:
                return Answer.TOO_MANY
        first = all(self._turn(ticket) < self._turn(other) for other in self.queue)
        if self._fits(ticket) and (first or not ticket.units):
            self.granted[ticket.number] = ticket
            return Answer.GRANTED
        if len(self.queue) >= self.queue_size:
            return Answer.FULL
        self.queue.append(ticket)
        return Answer.QUEUED

    def leave(self, number: int) -> Sequence[Ticket]:
        """Whoever had or wanted this goes; the tickets that are granted by it. May be repeated."""
        self.granted.pop(number, None)
        self.queue = [ticket for ticket in self.queue if ticket.number != number]
        return self.advance()

    def advance(self) -> Sequence[Ticket]:
        """Grant what can be granted, in order."""
        permit = []
        while self.queue:
            ticket = min(self.queue, key=self._turn)
            if not self._fits(ticket):
                break
            self.queue.remove(ticket)
            self.granted[ticket.number] = ticket
            permit.append(ticket)
        return permit

    def expired(self, now: float) -> Sequence[Ticket]:
        """Those that have waited long enough; they are out of the queue."""
        late = [ticket for ticket in self.queue if ticket.deadline <= now]
        self.queue = [ticket for ticket in self.queue if ticket.deadline > now]
        return late

    def position(self, number: int) -> int | None:
        """Place in the queue, 1 for the next; None for who is not in it."""
        order = [ticket.number for ticket in sorted(self.queue, key=self._turn)]
        return order.index(number) + 1 if number in order else None

    def wanting(self) -> int:
        """How many units would have to be given back for the next in the queue."""
        if not self.queue or self.closed:
            return 0
        return max(0, min(self.queue, key=self._turn).units - (self.capacity - self.used))

    def full(self) -> bool:
        """Whether a transcode would have to wait now."""
        return bool(self.queue) or self.capacity - self.used < TRANSCODE

    def _fits(self, ticket: Ticket) -> bool:
        return not self.closed and ticket.units <= self.capacity - self.used

    def _turn(self, ticket: Ticket) -> tuple[int, int]:
        held = sum(other.units for other in self.granted.values() if other.client == ticket.client)
        return held, ticket.number


def retry_after(releases: Sequence[float], now: float, ahead: int) -> int:
    """Whole seconds after which another try is worth while, with so many ahead.

    `releases` are the times at which units became free lately. Without any the past says nothing, and the answer is ten
    seconds; else one place takes the mean time between them, or the time since the last if that is longer.
    """
    if not releases:
        return 10
    span = max(now - releases[0], 0.0)
    each = max(span / len(releases), now - releases[-1] if len(releases) == 1 else 0.0)
    return max(1, min(MAX_RETRY, round(each * (ahead + 1))))
