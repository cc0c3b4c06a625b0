"""The admission queue: carries out what `plan.policy.admission` decides, with Deferreds and the clock.

* A request that has waited gets its permit in a later turn of the reactor than the one in which another permit was released.
  So nothing is started from within the end of something else.
* A request that is cancelled between the grant and its delivery gives the permit back.
* Evictions are decided here and nowhere else: occupants describe their state (`as_occupant`), and are evicted.
"""

from collections import deque
from collections.abc import Hashable, Sequence
from typing import Protocol, Self
from weakref import WeakSet

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall

from transcoded.plan.errors import Unavailable
from transcoded.plan.policy.admission import Admission, Answer, Decision, Occupant, Ticket, retry_after
from transcoded.plan.policy.demands import Demand, Demands
from transcoded.run.reactor import IReactor


class Demanding(Hashable, Protocol):
    """What asks for permits again and again, as long as a film is watched."""

    def as_demand(self) -> Demand | None:
        """What it takes of the machine; None: it is not watched, or takes next to nothing."""


class Evictable(Protocol):
    """The owner of a permit, which may be evicted."""

    def as_occupant(self, ticket: Ticket) -> Occupant:
        """Its state, for the decision. `ticket` is that of its permit."""

    def evict(self) -> None:
        """End, because the slots are needed for another request."""


class Permit:
    """The right to occupy slots. It has exactly one owner at any moment.

    Leaving the block of this context manager releases it, unless another owner has taken it over with `take`. So no slot is
    lost by an exception between the grant and the start of a process.
    """

    def __init__(self, queue: "AdmissionQueue", ticket: Ticket) -> None:
        self._queue: AdmissionQueue | None = queue
        self.ticket = ticket

    @property
    def is_held(self) -> bool:
        """Whether this object still has the slots: neither released nor taken over."""
        return self._queue is not None

    def take(self) -> "Permit":
        """Move the slots to a new permit, which is returned. This one has nothing to release any more.

        Raises RuntimeError if it is not held.
        """
        queue, self._queue = self._queue, None
        if queue is None:
            raise RuntimeError("the permit was released or taken over before")
        return Permit(queue, self.ticket)

    def occupy(self, occupant: Evictable) -> None:
        """Let `occupant` be evicted for other requests, until the permit is released."""
        if self._queue is not None:
            self._queue.occupy(self.ticket, occupant)

    def release(self) -> None:
        """Give the slots back. Does nothing if it is not held."""
        queue, self._queue = self._queue, None
        if queue is not None:
            queue.leave(self.ticket)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class AdmissionQueue:
    """Grants permits. `queue_timeout`: seconds that a request waits at most."""

    def __init__(self, reactor: IReactor, admission: Admission, queue_timeout: float) -> None:
        self._reactor = reactor
        self._admission = admission
        self._queue_timeout = queue_timeout
        self._waiting: dict[int, tuple[Deferred[Permit], IDelayedCall]] = {}
        self._occupants: dict[int, tuple[Ticket, Evictable]] = {}
        # Those that have ever asked, as long as they exist.
        self._demanding: WeakSet[Demanding] = WeakSet()
        self._releases: deque[float] = deque(maxlen=20)
        self._number = 0

    @property
    def waiting(self) -> int:
        """The number of requests that wait."""
        return len(self._admission.queue)

    @property
    def state(self) -> Admission:
        """The grants and the waiting requests. Not to be changed by callers."""
        return self._admission

    def not_ready(self) -> Sequence[str]:
        """Why a stream would not start at once, as phrases for people. Empty if it would."""
        reasons = sorted(self._admission.closed)
        if self._admission.full():
            waiting = f", {self.waiting} waiting" if self.waiting else ""
            reasons.append(f"all {self._admission.capacity} slots are taken{waiting}")
        return reasons

    def reasons(self) -> Sequence[str]:
        """As `not_ready`, for programs: `full`, `draining`, `stopping`, `memory`."""
        closed = {"memory is short": "memory"}
        words = [closed.get(reason, reason) for reason in sorted(self._admission.closed)]
        return [*words, *(["full"] if self._admission.full() else [])]

    def ask(
        self, client: str, slots: int, replaces: Hashable = None, demanding: Demanding | None = None
    ) -> "Deferred[Permit]":
        """Request a permit for so many slots. Has fired already if it was granted at once. Cancelling stops the waiting.

        `replaces`: an occupant with this name is left by the same viewer, and may be evicted for it. `demanding`: the permit is for what
        this one demands, which must fit beside what others do.

        `client` is the unit of fairness (`plan.http.clients`). Raises `Unavailable` if the queue is full or closed, or if this
        client has too many streams. Fails with it if the deadline passes, if a client that has less needs the place in the
        queue, or if the queue is stopped meanwhile. Its `Retry-After` is estimated from the latest releases.
        """
        if self._admission.closed & {"stopping", "draining"}:
            raise Unavailable("The server is stopping or draining.", self._retry_after())
        self._number += 1
        ticket = Ticket(self._number, client, slots, self._reactor.seconds() + self._queue_timeout, replaces, demanding)
        if demanding is not None:
            self._demanding.add(demanding)
        answer, decision = self._admission.ask(ticket, self._current_occupants(), self._current_demands())
        waiting: Deferred[Permit] = Deferred(lambda _: self.leave(ticket))
        if answer is Answer.QUEUED:
            self._waiting[ticket.number] = waiting, self._reactor.callLater(self._queue_timeout, self._expire)
        self._carry_out(decision)
        match answer:
            case Answer.GRANTED:
                return succeed(Permit(self, ticket))
            case Answer.QUEUED:
                return waiting
            case Answer.FULL:
                raise Unavailable(self._refusal("and the queue is full"), self._retry_after())
            case Answer.TOO_MANY:
                raise Unavailable(
                    f"{client} has {self._admission.per_client} streams, the most for one client.", self._retry_after()
                )

    def occupy(self, ticket: Ticket, occupant: Evictable) -> None:
        """Let `occupant` be evicted, until the permit of this ticket is released. Called by `Permit.occupy`."""
        self._occupants[ticket.number] = ticket, occupant

    def leave(self, ticket: Ticket) -> None:
        """Give the slots of a ticket back, or stop its waiting."""
        if ticket.number in self._admission.granted:
            self._releases.append(self._reactor.seconds())
        self._occupants.pop(ticket.number, None)
        self._forget(ticket)
        self._admission.leave(ticket.number)
        self.review()

    def review(self) -> None:
        """Decide again, because something has changed: grant what can be granted, and evict for those that wait."""
        if self._admission.queue:
            self._carry_out(self._admission.advance(self._current_occupants(), self._current_demands()))

    def tick(self, elapsed: float) -> None:
        """A task of the ticker: occupants may have become idle."""
        self.review()

    def close(self, reason: str) -> None:
        """Grant nothing until `open` is called with the same reason. What runs is not ended."""
        self._admission.closed.add(reason)

    def open(self, reason: str) -> None:
        """Remove a reason of `close`."""
        if reason in self._admission.closed:
            self._admission.closed.discard(reason)
            self.review()

    def stop(self, reason: str = "stopping") -> None:
        """Close for ever, and refuse all that wait. The reason is `stopping` or `draining`."""
        self.close(reason)
        for ticket in list(self._admission.queue):
            self._admission.leave(ticket.number)
            self._refuse(ticket, f"The server is {reason}.")

    def _current_occupants(self) -> Sequence[Occupant]:
        return [occupant.as_occupant(ticket) for ticket, occupant in self._occupants.values()]

    def _current_demands(self) -> Demands:
        return {one: demand for one in self._demanding if (demand := one.as_demand()) is not None}

    def _carry_out(self, decision: Decision) -> None:
        for occupant in [self._occupants[number][1] for number in decision.evict]:
            occupant.evict()
        for ticket in decision.displaced:
            self._refuse(ticket, self._refusal("and the queue is full: a client with fewer streams was preferred"))
        for ticket in decision.granted:
            self._waiting[ticket.number][1].cancel()
            self._reactor.callLater(0, self._deliver, ticket)

    def _deliver(self, ticket: Ticket) -> None:
        waiting = self._forget(ticket)
        if waiting is not None:
            waiting.callback(Permit(self, ticket))

    def _expire(self) -> None:
        for ticket in self._admission.expired(self._reactor.seconds()):
            if self._admission.lacks_room(ticket, self._current_occupants(), self._current_demands()):
                detail = f"What others watch needs all CPUs, and nobody left in {self._queue_timeout:g} s."
            else:
                detail = self._refusal(f"and none became free in {self._queue_timeout:g} s")
            self._refuse(ticket, detail)
        # A request behind one that needed more slots may now be granted.
        self.review()

    def _refuse(self, ticket: Ticket, detail: str) -> None:
        waiting = self._forget(ticket)
        if waiting is not None:
            self._reactor.callLater(0, _fail, waiting, Unavailable(detail, self._retry_after()))

    def _forget(self, ticket: Ticket) -> "Deferred[Permit] | None":
        deferred, timer = self._waiting.pop(ticket.number, (None, None))
        if timer is not None and timer.active():
            timer.cancel()
        return deferred

    def _refusal(self, rest: str) -> str:
        closed = sorted(self._admission.closed)
        return f"{closed[0].capitalize()}, {rest}." if closed else f"All transcoding slots are taken, {rest}."

    def _retry_after(self) -> int:
        return retry_after(list(self._releases), self._reactor.seconds(), len(self._admission.queue))


def _fail(waiting: "Deferred[Permit]", problem: Unavailable) -> None:
    if not waiting.called:
        waiting.errback(problem)
