"""A few places for short work, which clients get in turns: carries out what `plan.policy.turns` decides, with Deferreds.

As with permits, whoever has waited gets a place in a later turn of the reactor than the one in which it became free, a request
that is cancelled before that gives the place back, and leaving the block of a `Place` gives it back.
"""

from collections.abc import Callable
from typing import Self

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime

from transcoded.plan.errors import Unavailable
from transcoded.plan.policy.admission import Answer
from transcoded.plan.policy.turns import Turns

QUEUE_SIZE = 512
"""Requests that wait, in all."""

QUEUE_PER_CLIENT = 128
"""Requests of one client that wait. A page of a library may ask for a hundred thumbnails at once."""


class Place:
    """The right to do one piece of work. Leaving the block of this context manager gives it back.

    `end` is called if the work takes long (`slow`) and has to end for another client's. Its owner then gives the place back soon.
    """

    def __init__(self, places: "FairPlaces", number: int) -> None:
        self._places = places
        self._number = number
        self.end: Callable[[], object] = lambda: None

    def release(self) -> None:
        """Give it back. Does nothing if it was given back before."""
        self._places.leave(self._number)

    def slow(self, *, steps_aside: bool = True) -> None:
        """The work takes long: others need not wait for it, if it may step aside. May be repeated."""
        self._places.slow(self._number, steps_aside=steps_aside)

    def late(self) -> None:
        """The work, which is slow already, takes very long: it may be ended for others."""
        self._places.late(self._number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class FairPlaces:
    """So many `places`, of which one client has `per_client` at the most; and room `aside` for slow work."""

    def __init__(
        self,
        reactor: IReactorTime,
        places: int,
        per_client: int,
        queue_size: int = QUEUE_SIZE,
        queue_per_client: int = QUEUE_PER_CLIENT,
        aside: int = 0,
        aside_per_client: int = 0,
    ) -> None:
        self._reactor = reactor
        self._turns = Turns(places, per_client, queue_size, queue_per_client, aside, aside_per_client)
        self._waiting: dict[int, Deferred[Place]] = {}
        self._given: dict[int, Place] = {}
        self._number = 0

    @property
    def running(self) -> int:
        """The places in use."""
        return self._turns.running

    def ask(self, client: str) -> "Deferred[Place]":
        """Wait for a place. Has fired already if one is free. Cancelling stops the waiting.

        `client` is the unit of fairness (`plan.http.clients`). Fails with `Unavailable` if too many requests wait, of this
        client or in all; also later, if a client that has less needs the place in the queue.
        """
        self._number += 1
        number = self._number
        answer, displaced = self._turns.ask(number, client)
        if displaced is not None:
            self._reactor.callLater(0, _refuse, self._waiting.pop(displaced))
        match answer:
            case Answer.GRANTED:
                return succeed(self._give(number))
            case Answer.QUEUED:
                waiting: Deferred[Place] = Deferred(lambda _: self.leave(number))
                self._waiting[number] = waiting
                self._end_victims()
                return waiting
            case _:
                return fail(_too_many())

    def leave(self, number: int) -> None:
        """Give a place back, or stop waiting. Called by `Place.release`."""
        self._waiting.pop(number, None)
        self._given.pop(number, None)
        self._turns.leave(number)
        self._advance()

    def slow(self, number: int, *, steps_aside: bool) -> None:
        """See `Place.slow`."""
        self._turns.slow(number, steps_aside=steps_aside)
        self._advance()

    def late(self, number: int) -> None:
        """See `Place.late`."""
        self._turns.late(number)
        self._end_victims()

    def _advance(self) -> None:
        for granted in self._turns.advance():
            self._reactor.callLater(0, self._deliver, granted)
        self._end_victims()

    def _end_victims(self) -> None:
        for number in self._turns.victims():
            self._reactor.callLater(0, self._end, number)

    def _end(self, number: int) -> None:
        place = self._given.get(number)
        if place is not None:
            place.end()

    def _give(self, number: int) -> Place:
        place = self._given[number] = Place(self, number)
        return place

    def _deliver(self, number: int) -> None:
        waiting = self._waiting.pop(number, None)
        if waiting is not None:
            waiting.callback(self._give(number))


def _refuse(waiting: "Deferred[Place]") -> None:
    if not waiting.called:
        waiting.errback(_too_many())


def _too_many() -> Unavailable:
    return Unavailable("Too many requests wait for a small job such as this one; come back in a moment.")
