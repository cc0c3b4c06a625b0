"""Who may start, who waits, who is turned away, and who gives way: decided at once and from values alone.

`run.streams.admission` carries it out: it hands in the occupants as they stand, and does what the decision says.

* Capacity is counted in slots: a transcode takes `TRANSCODE`, a copy, which costs a fraction of the CPU, `COPY`.
  `max_streams` is the number of transcodes.
* The queue is bounded and fair between clients: next is the client that holds the fewest slots, and among equals the one
  who came first. Only the next is looked at, so a small request never overtakes a large one for ever.
* What takes no slots (audio beside a video that was admitted) waits for nobody.
* While somebody waits, occupants that can give way are evicted, no more of them than the queue needs: first those that the
  request replaces, then idle encoders, then stalled viewers, each time the one that has been idle longest.
* Whoever is granted something gives it back exactly once. Whoever waits leaves the queue by being granted, by its deadline,
  or because it was cancelled.
"""

from collections.abc import Hashable, Sequence
from enum import Enum, IntEnum

import attrs

TRANSCODE = 2
COPY = 1

MAX_RETRY = 120
"""Seconds; the longest `Retry-After`."""


@attrs.frozen
class Ticket:
    """A request for slots: its number, who asks, how many slots, and when it gives up waiting (seconds).

    `replaces` names what it takes over from: occupants of an equal name give way to it at once. None: nothing.
    """

    number: int
    client: str
    slots: int
    deadline: float
    replaces: Hashable = None


class Kind(IntEnum):
    """What an occupant is, in the order in which they give way."""

    ENCODER = 0
    """An encoder of segments. What it has made stays, and it is started again when it is needed."""
    VIEWER = 1
    """A stream to one client, which breaks off."""


@attrs.frozen
class Occupant:
    """Somebody who was granted slots, as it stands now.

    `idle_s`: seconds without use. It can give way once they reach `evictable_after` (None: never). `leaving`: its end has
    been decided, so its slots count as free soon. `name` is compared with `Ticket.replaces`.
    """

    number: int
    slots: int
    kind: Kind
    idle_s: float = 0.0
    evictable_after: float | None = None
    leaving: bool = False
    name: Hashable = None


class Answer(Enum):
    """What becomes of a request at once."""

    GRANTED = "granted"
    QUEUED = "queued"
    FULL = "full"
    """The queue is full."""
    TOO_MANY = "too many"
    """This client has as much as one client may have."""


@attrs.frozen
class Decision:
    """What is to be done: who of the queue is granted, in order, and the numbers of the occupants to evict."""

    granted: Sequence[Ticket] = ()
    evict: Sequence[int] = ()


@attrs.define
class Admission:
    """The state. `per_client` None: no limit for one client. `closed` holds the reasons for which nobody is admitted."""

    capacity: int
    queue_size: int
    per_client: int | None = None
    granted: dict[int, Ticket] = attrs.Factory(dict)
    queue: list[Ticket] = attrs.Factory(list)
    closed: set[str] = attrs.Factory(set)

    @property
    def used(self) -> int:
        """Slots that are given out."""
        return sum(ticket.slots for ticket in self.granted.values())

    def ask(self, ticket: Ticket, occupants: Sequence[Occupant] = ()) -> tuple[Answer, Decision]:
        """A new request: its answer, and who is evicted for it.

        A request that finds the queue full has occupants evicted as well: the next try finds room.
        """
        if self.per_client is not None:
            mine = sum(1 for other in (*self.granted.values(), *self.queue) if other.client == ticket.client)
            if mine >= self.per_client:
                return Answer.TOO_MANY, Decision()
        first = all(self._turn(ticket) < self._turn(other) for other in self.queue)
        if self._fits(ticket) and (first or not ticket.slots):
            self.granted[ticket.number] = ticket
            return Answer.GRANTED, Decision()
        evict = Decision(evict=self._evict([*self.queue, ticket], occupants))
        if len(self.queue) >= self.queue_size:
            return Answer.FULL, evict
        self.queue.append(ticket)
        return Answer.QUEUED, evict

    def leave(self, number: int) -> None:
        """Whoever had or wanted this goes. May be repeated. `advance` says who is next."""
        self.granted.pop(number, None)
        self.queue = [ticket for ticket in self.queue if ticket.number != number]

    def advance(self, occupants: Sequence[Occupant] = ()) -> Decision:
        """Grant what can be granted, in order, and make room for those who still wait."""
        granted: list[Ticket] = []
        while self.queue:
            ticket = min(self.queue, key=self._turn)
            if not self._fits(ticket):
                break
            self.queue.remove(ticket)
            self.granted[ticket.number] = ticket
            granted.append(ticket)
        return Decision(granted, self._evict(self.queue, occupants))

    def expired(self, now: float) -> Sequence[Ticket]:
        """Those that have waited long enough; they are out of the queue."""
        late = [ticket for ticket in self.queue if ticket.deadline <= now]
        self.queue = [ticket for ticket in self.queue if ticket.deadline > now]
        return late

    def position(self, number: int) -> int | None:
        """Place in the queue, 1 for the next; None for who is not in it."""
        order = [ticket.number for ticket in sorted(self.queue, key=self._turn)]
        return order.index(number) + 1 if number in order else None

    def full(self) -> bool:
        """Whether a transcode would have to wait now."""
        return bool(self.queue) or self.capacity - self.used < TRANSCODE

    def _evict(self, waiting: Sequence[Ticket], occupants: Sequence[Occupant]) -> Sequence[int]:
        """Who gives way to those who wait; nobody while nobody is admitted anyway."""
        if self.closed:
            return ()
        missing = sum(ticket.slots for ticket in waiting) - (self.capacity - self.used)
        missing -= sum(one.slots for one in occupants if one.leaving)
        replaced = {ticket.replaces for ticket in waiting if ticket.replaces is not None}
        candidates = [one for one in occupants if one.slots and not one.leaving and _gives_way(one, replaced)]
        evict: list[int] = []
        for one in sorted(candidates, key=lambda one: (one.name not in replaced, one.kind, -one.idle_s)):
            if missing <= 0:
                break
            missing -= one.slots
            evict.append(one.number)
        return evict

    def _fits(self, ticket: Ticket) -> bool:
        return not self.closed and ticket.slots <= self.capacity - self.used

    def _turn(self, ticket: Ticket) -> tuple[int, int]:
        held = sum(other.slots for other in self.granted.values() if other.client == ticket.client)
        return held, ticket.number


def _gives_way(one: Occupant, replaced: set[Hashable]) -> bool:
    if one.evictable_after is None:
        return False
    return one.name in replaced or one.idle_s >= one.evictable_after


def retry_after(releases: Sequence[float], now: float, ahead: int) -> int:
    """Whole seconds after which another try is worth while, with so many ahead.

    `releases` are the times at which slots became free lately. Without any the past says nothing, and the answer is ten
    seconds; else one slot takes the mean time between them, or the time since the last if that is longer.
    """
    if not releases:
        return 10
    span = max(now - releases[0], 0.0)
    each = max(span / len(releases), now - releases[-1] if len(releases) == 1 else 0.0)
    return max(1, min(MAX_RETRY, round(each * (ahead + 1))))
