"""Who gets the next of a few places: clients take turns, and each may wait with so many requests. Pure decisions.

It is for short work such as probes and thumbnails. Streams have `admission`, which knows slots and evictions.

* Clients take turns: when a place becomes free, the client that has been served least recently gets it, whoever has come
  first. A client that has nothing waits for one request of each other client at the most.
* No client has more than `per_client` places at a time, so slow files of one client do not take all places.
* A request that finds the queue full displaces the newest one of the client that has most, if that client still has more than
  the new one will have.

Work that is usually short can take long: a disk sleeps, a mount does not answer, a file is hostile. Whoever runs it says so:

* A request that is `slow` steps aside. It runs on, but its place is free for another one. There is room for `aside` requests
  there, and for `aside_per_client` of one client; without room, it steps aside when there is some.
* For a client that waits and has nothing at all, a slow request of the client that has most is ended, if that one has several.
* For other clients that wait, only a request that is `late` is ended: one of their own, if those fill all that they may have, else
  one of the client that has most, if it has more.

So a client that has nothing waits for the slow requests of others no longer than it takes to be slow, and one whose own requests
are all slow no longer than it takes to be late.
"""

from collections import Counter
from collections.abc import Iterable

import attrs

from transcoded.plan.policy.admission import Answer


@attrs.define
class Turns:
    """Requests by their numbers, which are unique and rise.

    `places` and `per_client` are the requests that may run at a time, in all and for one client; `queue_size` and
    `queue_per_client` are those that may wait; `aside` and `aside_per_client` those that run and have stepped aside.
    """

    places: int
    per_client: int
    queue_size: int
    queue_per_client: int
    aside: int = 0
    aside_per_client: int = 0
    _running: dict[int, str] = attrs.field(factory=dict, init=False)
    _aside: dict[int, str] = attrs.field(factory=dict, init=False)
    # Of those that run, in the order in which they became slow; whether each may step aside.
    _slow: dict[int, bool] = attrs.field(factory=dict, init=False)
    _late: set[int] = attrs.field(factory=set, init=False)
    # Of those that run: the ones that are being ended, and for which waiting request.
    _ended_for: dict[int, int] = attrs.field(factory=dict, init=False)
    # Clients in the order of their turns, each with its requests in order of arrival.
    _waiting: dict[str, list[int]] = attrs.field(factory=dict, init=False)

    @property
    def running(self) -> int:
        """The requests that run, also those that have stepped aside."""
        return len(self._running) + len(self._aside)

    @property
    def waiting(self) -> int:
        """The requests that wait."""
        return sum(map(len, self._waiting.values()))

    def ask(self, number: int, client: str) -> tuple[Answer, int | None]:
        """Add a request. Returns the answer, and the waiting request that it has displaced (None: none)."""
        # Whoever waits may not run: `advance` has given away what was free.
        if self._may_run(client):
            self._running[number] = client
            return Answer.GRANTED, None
        mine = self._waiting.get(client, [])
        if len(mine) >= self.queue_per_client:
            return Answer.TOO_MANY, None
        displaced = None
        if self.waiting >= self.queue_size:
            displaced = self._displaced_by(client)
            if displaced is None:
                return Answer.FULL, None
            self.leave(displaced)
        self._waiting.setdefault(client, []).append(number)
        return Answer.QUEUED, displaced

    def slow(self, number: int, *, steps_aside: bool = True) -> None:
        """A request that runs takes long. Call `advance` next. It may be repeated, if it may step aside now."""
        if number in self._running:
            self._slow[number] = steps_aside

    def late(self, number: int) -> None:
        """A request that is slow takes very long. Call `victims` next."""
        if number in self._slow:
            self._late.add(number)

    def leave(self, number: int) -> None:
        """Remove a request that runs or waits, if it is still there. Call `advance` next."""
        for running in (self._running, self._aside, self._slow, self._ended_for):
            running.pop(number, None)
        self._late.discard(number)
        for client, numbers in list(self._waiting.items()):
            if number in numbers:
                numbers.remove(number)
                if not numbers:
                    del self._waiting[client]

    def advance(self) -> list[int]:
        """Let slow requests step aside, and give the free places to the clients whose turn it is. Returns the requests that have got one."""
        for number, steps_aside in self._slow.items():
            client = self._running.get(number)
            if steps_aside and client is not None and self._has_room_aside(client):
                self._aside[number] = self._running.pop(number)
        granted = []
        while (client := next((one for one in self._waiting if self._may_run(one)), None)) is not None:
            numbers = self._waiting.pop(client)
            number = numbers.pop(0)
            if numbers:
                # Its next turn comes after those of all others.
                self._waiting[client] = numbers
            self._running[number] = client
            granted.append(number)
        return granted

    def victims(self) -> list[int]:
        """Requests that run and are to be ended for others that wait. Each is named once. Call it after `advance`."""
        found = []
        for client, numbers in self._waiting.items():
            # One for each request that waits: what has been asked to end may be unable to.
            if numbers[0] not in self._ended_for.values():
                victim = self._victim_for(client)
                if victim is not None:
                    self._ended_for[victim] = numbers[0]
                    found.append(victim)
        return found

    def _victim_for(self, client: str) -> int | None:
        load = self._load()
        if not load[client]:
            greediest = max(load, key=lambda other: load[other], default=client)
            return self._oldest(self._slow, greediest) if load[greediest] > 1 else None
        late = [number for number in self._slow if number in self._late]
        if Counter(self._running.values())[client] >= self.per_client:
            return self._oldest(late, client)
        greediest = max(load, key=lambda other: load[other])
        return self._oldest(late, greediest) if load[greediest] > load[client] else None

    def _oldest(self, numbers: Iterable[int], client: str) -> int | None:
        """The first of these requests that belongs to a client and is not being ended."""
        return next((one for one in numbers if self._client_of(one) == client and one not in self._ended_for), None)

    def _client_of(self, number: int) -> str | None:
        return self._running.get(number) or self._aside.get(number)

    def _load(self) -> Counter[str]:
        """How many requests of each client run."""
        return Counter([*self._running.values(), *self._aside.values()])

    def _may_run(self, client: str) -> bool:
        return len(self._running) < self.places and Counter(self._running.values())[client] < self.per_client

    def _has_room_aside(self, client: str) -> bool:
        return len(self._aside) < self.aside and Counter(self._aside.values())[client] < self.aside_per_client

    def _displaced_by(self, client: str) -> int | None:
        load = self._load()
        load.update({other: len(numbers) for other, numbers in self._waiting.items()})
        greediest = max(self._waiting, key=lambda other: load[other], default=client)
        return self._waiting[greediest][-1] if load[greediest] > load[client] + 1 else None
