"""The gate before the transcoders: carries out what `plan.admission` decides, with Deferreds and the clock."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Self

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from transcoded.plan.errors import Unavailable
from transcoded.plan.policy.admission import Admission, Answer, Ticket, retry_after
from transcoded.run.reactor import IReactor


class Permit:
    """The right to run something, which has exactly one owner at any moment.

    It is a context manager: leaving the block gives it back, unless somebody has taken it over with `take` meanwhile. So a
    fault anywhere between the grant and the start loses nothing.
    """

    def __init__(self, queue: "AdmissionQueue", ticket: Ticket) -> None:
        self._queue: AdmissionQueue | None = queue
        self.ticket = ticket

    @property
    def held(self) -> bool:
        """Whether it is in this owner's hands: neither given back nor taken over."""
        return self._queue is not None

    def take(self) -> "Permit":
        """Take it over from its owner, who has nothing to give back any more. Raises RuntimeError if it is not held."""
        queue, self._queue = self._queue, None
        if queue is None:
            raise RuntimeError("the permit was given back or taken over before")
        return Permit(queue, self.ticket)

    def release(self) -> None:
        """Give it back; does nothing if it is not held."""
        queue, self._queue = self._queue, None
        if queue is not None:
            queue.leave(self.ticket)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class AdmissionQueue:
    """Grants passes. `queue_timeout`: seconds that a request waits at the most."""

    def __init__(self, reactor: IReactor, admission: Admission, queue_timeout: float) -> None:
        self._reactor = reactor
        self._admission = admission
        self._queue_timeout = queue_timeout
        self._waiting: dict[int, tuple[Deferred[Permit], IDelayedCall]] = {}
        self._releases: deque[float] = deque(maxlen=20)
        self._number = 0
        self._makers_of_room: list[Callable[[int], None]] = []

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def admission(self) -> Admission:
        """The state, to look at."""
        return self._admission

    def before_waiting(self, make_room: Callable[[int], None]) -> None:
        """Have `make_room(units)` called before anybody is let in or queued: it may end what nobody uses."""
        self._makers_of_room.append(make_room)

    def missing(self, units: int) -> int:
        """How many units more would have to be free for these to be granted at once."""
        queued = sum(ticket.units for ticket in self._admission.queue)
        return queued + units - (self._admission.capacity - self._admission.used)

    def not_ready(self) -> Sequence[str]:
        """Why a stream would not start at once now, as sentences; empty if it would."""
        reasons = sorted(self._admission.closed)
        if self._admission.full():
            waiting = f", {self.waiting} waiting" if self.waiting else ""
            reasons.append(f"all {self._admission.capacity} units are taken{waiting}")
        return reasons

    def reasons(self) -> Sequence[str]:
        """The same in a word each: `full`, `draining`, `stopping`, `memory`."""
        closed = {"memory is short": "memory"}
        words = [closed.get(reason, reason) for reason in sorted(self._admission.closed)]
        return [*words, *(["full"] if self._admission.full() else [])]

    def enter(self, client: str, units: int) -> "Deferred[Permit]":
        """Ask for a pass; cancelling leaves the queue.

        Fails with `Unavailable` and an honest `Retry-After` if the queue is full, the deadline passes, this client has too
        many, or the gate is closed for good.
        """
        if self._admission.closed & {"stopping", "draining"}:
            raise Unavailable("The server is stopping or draining.", self._retry())
        for make_room in self._makers_of_room:
            make_room(units)
        self._number += 1
        ticket = Ticket(self._number, client, units, self._reactor.seconds() + self._queue_timeout)
        entering: Deferred[Permit] = Deferred(lambda _: self.leave(ticket))
        match self._admission.ask(ticket):
            case Answer.GRANTED:
                entering.callback(Permit(self, ticket))
            case Answer.QUEUED:
                self._waiting[ticket.number] = entering, self._reactor.callLater(self._queue_timeout, self._expire)
            case Answer.FULL:
                raise Unavailable(self._because("and the queue is full"), self._retry())
            case Answer.TOO_MANY:
                raise Unavailable(
                    f"{client} has {self._admission.per_client} streams, the most for one client.", self._retry()
                )
        return entering

    def leave(self, ticket: Ticket) -> None:
        """Give back what was granted, or leave the queue."""
        if ticket.number in self._admission.granted:
            self._releases.append(self._reactor.seconds())
        self._forget(ticket)
        self._admit(self._admission.leave(ticket.number))

    def close(self, reason: str) -> None:
        """Admit nobody until it is opened for this reason again. Who is inside stays."""
        self._admission.closed.add(reason)

    def open(self, reason: str) -> None:
        """Take a reason away."""
        if reason in self._admission.closed:
            self._admission.closed.discard(reason)
            self._admit(self._admission.advance())

    def stop(self, reason: str = "stopping") -> None:
        """Close for good and send everybody away who waits. The reason may be `draining`."""
        self.close(reason)
        for ticket in list(self._admission.queue):
            self._admission.leave(ticket.number)
            self._refuse(ticket, f"The server is {reason}.")

    def _admit(self, tickets: Sequence[Ticket]) -> None:
        for ticket in tickets:
            waiting = self._forget(ticket)
            assert waiting is not None  # noqa: S101 - what is in the queue is waited for
            waiting.callback(Permit(self, ticket))

    def _expire(self) -> None:
        for ticket in self._admission.expired(self._reactor.seconds()):
            self._refuse(ticket, self._because(f"and none became free in {self._queue_timeout:g} s"))
        # Who stood behind one that was too large may fit.
        self._admit(self._admission.advance())

    def _refuse(self, ticket: Ticket, detail: str) -> None:
        waiting = self._forget(ticket)
        if waiting is not None:
            waiting.errback(Unavailable(detail, self._retry()))

    def _forget(self, ticket: Ticket) -> "Deferred[Permit] | None":
        deferred, timer = self._waiting.pop(ticket.number, (None, None))
        if timer is not None and timer.active():
            timer.cancel()
        return deferred

    def _because(self, rest: str) -> str:
        closed = sorted(self._admission.closed)
        return f"{closed[0].capitalize()}, {rest}." if closed else f"All transcoding places are taken, {rest}."

    def _retry(self) -> int:
        return retry_after(list(self._releases), self._reactor.seconds(), len(self._admission.queue))
