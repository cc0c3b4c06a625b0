"""Which requests start, wait or are refused, and which streams are evicted for them: pure decisions from values.

`run.streams.admission` passes in the occupants with their current state, and carries out the decisions.

* Capacity is counted in slots. A transcode takes `TRANSCODE` slots; a copy, which needs little CPU, takes `COPY`. The
  setting `max_streams` is a number of transcodes.
* The queue has a maximum length and is fair between clients: the request whose client has the fewest slots is next, and
  among equals the one that came first. Only the next request can be granted, so small requests cannot keep a large one
  waiting for ever.
* A client cannot keep others out by filling the queue. A request that finds it full displaces the newest waiting request of
  the greediest client, if that client still has more than the new one will have. What a client has (its load) is the slots
  that it was granted, and `TRANSCODE` for each place in the queue, whatever waits there: places are what the queue lacks. The
  loads come closer together with each displacement, so two clients cannot displace each other in turn; and the only request of a
  client that holds nothing is never displaced.
* The limit of a client counts what it was granted and what waits, but not what is already being ended, nor what takes no
  slots, nor what a request replaces: that is evicted first.
* A request for no slots (audio of a video that was admitted) is granted at once.
* What is made in the background (`BACKGROUND`) gives way: it gets slots that nobody waits for, never waits in the queue, and is
  evicted before all others.
* A rendition that is not watched yet is admitted only if there is room for it beside all that are watched (`demands`). While there is none,
  its requests wait and keep nobody else out. Among the requests of clients with the same slots, those of viewers who have less buffered come first.
* While requests wait, occupants that may be evicted are evicted, but no more than the queue needs. First come occupants
  that a waiting request replaces, then idle encoders, then stalled viewers; among equals the one that has been idle for
  the longest time. Last come encoders that are waited for, if their viewers have more buffered than those of the request (`demands.TURN`).
* What was granted must be given back exactly once. A request leaves the queue when it is granted, at its deadline, or
  when it is cancelled.
"""

from collections.abc import Hashable, Sequence
from enum import Enum, IntEnum
from types import MappingProxyType

import attrs

from transcoded.plan.policy.demands import FOR_NEWCOMERS, TURN, Demands, has_room

TRANSCODE = 2
"""Slots of a transcode."""

COPY = 1
"""Slots of a copy."""

BACKGROUND = "prepare"
"""Who asks for what is made in advance, as a unit of fairness. Clients have the names of addresses, so none has this one."""

MAX_RETRY = 120
"""Seconds: the maximum of `Retry-After`."""

_NONE: Demands = MappingProxyType({})


@attrs.frozen
class Ticket:
    """A request for slots.

    `number` is unique and rises with each request. `client` names who asks, as a unit of fairness. `deadline` is when it leaves the queue, in
    seconds on the same clock as `expired`. `replaces`: occupants with this name can be evicted for it even if they are
    not idle (None: none). `demander` is that of the demand which it is for (None: there is none).
    """

    number: int
    client: str
    slots: int
    deadline: float
    replaces: Hashable = None
    demander: Hashable = None


class Kind(IntEnum):
    """What an occupant is, in the order of eviction."""

    BACKGROUND = 0
    """An encoder of segments that nobody watches: they are made in advance."""
    ENCODER = 1
    """An encoder of segments. Its segments stay in the cache, and it is started again when it is needed."""
    VIEWER = 2
    """A stream to one client. Eviction breaks the stream off."""


@attrs.frozen
class Occupant:
    """A stream or encoder that was granted slots, with its current state.

    `number` is that of its ticket. `idle_s` is the time without use, in seconds; from `evictable_after` seconds on it
    can be evicted (None: never). `leaving`: it is already being ended, so its slots will be free soon. `name` is
    compared with `Ticket.replaces`. `buffered`: it is waited for, but can give way to those that have less buffered; its viewers have so many
    seconds (None: it cannot).
    """

    number: int
    slots: int
    kind: Kind
    idle_s: float = 0.0
    evictable_after: float | None = None
    leaving: bool = False
    name: Hashable = None
    buffered: float | None = None


class Answer(Enum):
    """The immediate answer to a request."""

    GRANTED = "granted"
    QUEUED = "queued"
    FULL = "full"
    """The queue is full, and its requests have at least as much right to their places."""
    TOO_MANY = "too many"
    """This client has as many streams and waiting requests as one client may have."""


@attrs.frozen
class Decision:
    """What must be done: the tickets to grant, in order, the numbers of the occupants to evict, and the tickets to refuse.

    `displaced` have left the queue already, for a request of a client that has less.
    """

    granted: Sequence[Ticket] = ()
    evict: Sequence[int] = ()
    displaced: Sequence[Ticket] = ()


@attrs.define
class Admission:
    """The state of admission.

    `capacity` is in slots. `queue_size` is the maximum length of the queue. `per_client` is the maximum number of
    granted and waiting requests for slots of one client (None: no limit). While `closed` contains a reason, nothing is granted.
    """

    capacity: int
    queue_size: int
    per_client: int | None = None
    granted: dict[int, Ticket] = attrs.Factory(dict)
    queue: list[Ticket] = attrs.Factory(list)
    closed: set[str] = attrs.Factory(set)

    @property
    def used(self) -> int:
        """The number of slots in use."""
        return sum(ticket.slots for ticket in self.granted.values())

    def ask(
        self, ticket: Ticket, occupants: Sequence[Occupant] = (), demands: Demands = _NONE
    ) -> tuple[Answer, Decision]:
        """Add a request. Returns the answer, which occupants are evicted for it, and whose place in the queue it takes.

        Occupants are evicted even if the queue is full, so that the client's next try can succeed.
        """
        if ticket.client == BACKGROUND:
            if self.queue or not self._fits(ticket):
                return Answer.FULL, Decision()
            self.granted[ticket.number] = ticket
            return Answer.GRANTED, Decision()
        replaced = self._over_limit(ticket, occupants)
        if replaced is None:
            return Answer.TOO_MANY, Decision()
        rivals = self._with_room([*self.queue, ticket], occupants, demands)
        first = ticket in rivals and ticket == min(rivals, key=lambda one: self._priority(one, demands))
        if first and self._fits(ticket):
            self.granted[ticket.number] = ticket
            return Answer.GRANTED, Decision(evict=replaced)
        displaced: Sequence[Ticket] = ()
        answer = Answer.QUEUED
        if len(self.queue) >= self.queue_size:
            displaced = self._displaced_by(ticket)
            answer = Answer.QUEUED if displaced else Answer.FULL
        waiting = [*(other for other in self.queue if other not in displaced), ticket]
        needed = self._evict(waiting, occupants, demands)
        if answer is Answer.QUEUED:
            self.queue = waiting
        return answer, Decision(evict=[*needed, *(one for one in replaced if one not in needed)], displaced=displaced)

    def leave(self, number: int) -> None:
        """Remove a granted or waiting request, if it is still there. Call `advance` next."""
        self.granted.pop(number, None)
        self.queue = [ticket for ticket in self.queue if ticket.number != number]

    def advance(self, occupants: Sequence[Occupant] = (), demands: Demands = _NONE) -> Decision:
        """Grant waiting requests in order, as long as there are slots, and evict occupants for the rest."""
        granted: list[Ticket] = []
        while rivals := self._with_room(self.queue, occupants, demands):
            ticket = min(rivals, key=lambda one: self._priority(one, demands))
            if not self._fits(ticket):
                break
            self.queue.remove(ticket)
            self.granted[ticket.number] = ticket
            granted.append(ticket)
        return Decision(granted, self._evict(self.queue, occupants, demands))

    def expired(self, now: float) -> Sequence[Ticket]:
        """Remove and return the requests whose deadline has come. `now` is in seconds."""
        late = [ticket for ticket in self.queue if ticket.deadline <= now]
        self.queue = [ticket for ticket in self.queue if ticket.deadline > now]
        return late

    def lacks_room(self, ticket: Ticket, occupants: Sequence[Occupant], demands: Demands) -> bool:
        """Whether what keeps a request waiting is that what others watch needs all CPUs."""
        return not self._with_room([ticket], occupants, demands)

    def position(self, number: int) -> int | None:
        """The position in the queue, 1 for the next; None if the request does not wait."""
        order = [ticket.number for ticket in sorted(self.queue, key=lambda one: self._priority(one, _NONE))]
        return order.index(number) + 1 if number in order else None

    def full(self) -> bool:
        """Whether a transcode would have to wait now, for longer than it takes until the background has given way."""
        return bool(self.queue) or self.capacity - self.used + self._held(BACKGROUND) < TRANSCODE

    def load(self, client: str) -> int:
        """What a client has: its slots, and `TRANSCODE` for each of its places in the queue."""
        waiting = sum(1 for ticket in self.queue if ticket.client == client)
        return self._held(client) + TRANSCODE * waiting

    def _displaced_by(self, ticket: Ticket) -> Sequence[Ticket]:
        """The waiting request whose place this one gets: none or one."""
        if not self.queue:
            return ()
        newest = {other.client: other for other in self.queue}
        greediest = max(newest.values(), key=lambda other: (self.load(other.client), other.number))
        return (greediest,) if self.load(greediest.client) > self.load(ticket.client) + TRANSCODE else ()

    def _over_limit(self, ticket: Ticket, occupants: Sequence[Occupant]) -> Sequence[int] | None:
        """The occupants to evict so that the client stays within its limit. None if it would be above it all the same."""
        if self.per_client is None:
            return ()
        state = {one.number: one for one in occupants}
        leaving = {one.number for one in occupants if one.leaving}
        mine = [
            other.number
            for other in (*self.granted.values(), *self.queue)
            if other.client == ticket.client and other.slots and other.number not in leaving
        ]
        surplus = len(mine) + 1 - self.per_client
        if not ticket.slots or surplus <= 0:
            return ()
        replaced = [
            number
            for number in mine
            if number in state and ticket.replaces is not None and _replaceable(state[number], ticket.replaces)
        ]
        return replaced[:surplus] if len(replaced) >= surplus else None

    def _evict(self, waiting: Sequence[Ticket], occupants: Sequence[Occupant], demands: Demands) -> Sequence[int]:
        """The occupants to evict for the waiting requests. None while admission is closed."""
        if self.closed:
            return ()
        waiting = self._with_room(waiting, occupants, demands)
        missing = sum(ticket.slots for ticket in waiting) - (self.capacity - self.used)
        missing -= sum(one.slots for one in occupants if one.leaving)
        replaced = {ticket.replaces for ticket in waiting if ticket.replaces is not None}
        candidates = [one for one in occupants if one.slots and not one.leaving and _evictable(one, replaced)]
        evict: list[int] = []
        for one in sorted(candidates, key=lambda one: (one.name not in replaced, one.kind, -one.idle_s)):
            if missing <= 0:
                break
            missing -= one.slots
            evict.append(one.number)
        # Each request that still lacks slots may take those of one whose viewers have more buffered.
        busy = [one for one in occupants if one.slots and not one.leaving and one.number not in evict and one.buffered]
        busy.sort(key=lambda one: -(one.buffered or 0.0))
        for one, least in zip(busy, sorted(_gives_way_from(ticket, demands) for ticket in waiting), strict=False):
            if missing <= 0 or (one.buffered or 0.0) < least:
                break
            missing -= one.slots
            evict.append(one.number)
        return evict

    def _with_room(
        self, tickets: Sequence[Ticket], occupants: Sequence[Occupant], demands: Demands
    ) -> Sequence[Ticket]:
        """Those of the tickets that do not have to wait for others to stop watching."""
        if not demands:
            return tickets
        holders = {one.demander for one in self.granted.values() if one.demander is not None}
        demands = {who: attrs.evolve(one, admitted=one.admitted or who in holders) for who, one in demands.items()}
        streams = [one for one in occupants if one.kind is Kind.VIEWER and one.slots >= TRANSCODE and not one.leaving]
        taken = sum(one.slots for one in streams if not _evictable(one, set())) / self.capacity
        return [one for one in tickets if has_room(one.demander, one.client, one.replaces, demands, taken)]

    def _fits(self, ticket: Ticket) -> bool:
        return not self.closed and ticket.slots <= self.capacity - self.used

    def _priority(self, ticket: Ticket, demands: Demands) -> tuple[bool, int, float, int]:
        """The lowest is next: requests for no slots, then slots that the client has, then what is buffered, then the order of arrival."""
        return bool(ticket.slots), self._held(ticket.client), _buffered(ticket, demands), ticket.number

    def _held(self, client: str) -> int:
        return sum(ticket.slots for ticket in self.granted.values() if ticket.client == client)


def _buffered(ticket: Ticket, demands: Demands) -> float:
    """Seconds that those have buffered who wait with this request."""
    demand = demands.get(ticket.demander)
    return 0.0 if demand is None else demand.buffered


def _gives_way_from(ticket: Ticket, demands: Demands) -> float:
    """The seconds that viewers must have buffered for their encoder to give way to this request."""
    demand = demands.get(ticket.demander)
    return FOR_NEWCOMERS if demand is None or not demand.admitted else demand.buffered + TURN


def _evictable(one: Occupant, replaced: set[Hashable]) -> bool:
    if one.evictable_after is None:
        return False
    return one.name in replaced or one.idle_s >= one.evictable_after


def _replaceable(one: Occupant, name: Hashable) -> bool:
    return one.name == name and one.evictable_after is not None


def retry_after(releases: Sequence[float], now: float, ahead: int) -> int:
    """An estimate, in whole seconds, of when a slot will be free, with `ahead` waiting requests.

    `releases` are the last times at which a slot became free, and `now` is on the same clock. Each slot takes the mean
    time from one release to the next, `now` included. Without any release, the estimate is ten seconds.
    """
    if not releases:
        return 10
    each = max(now - releases[0], 0.0) / len(releases)
    return max(1, min(MAX_RETRY, round(each * (ahead + 1))))
