"""Who gets the next of a few places: clients take turns, and each may wait with so many requests. Pure decisions.

It is for short work such as probes and thumbnails. Streams have `admission`, which knows slots and evictions.

* Clients take turns: when a place becomes free, the client that has been served least recently gets it, whoever has come
  first. A client that has nothing waits for one request of each other client at the most.
* No client has more than `per_client` places at a time, so slow files of one client do not take all places.
* A request that finds the queue full displaces the newest one of the client that has most, if that client still has more than
  the new one will have.
"""

from collections import Counter

import attrs

from transcoded.plan.policy.admission import Answer


@attrs.define
class Turns:
    """Requests by their numbers, which are unique and rise.

    `places` and `per_client` are the requests that may run at a time, in all and for one client; `queue_size` and
    `queue_per_client` are those that may wait.
    """

    places: int
    per_client: int
    queue_size: int
    queue_per_client: int
    _running: dict[int, str] = attrs.Factory(dict)
    # Clients in the order of their turns, each with its requests in order of arrival.
    _waiting: dict[str, list[int]] = attrs.Factory(dict)

    @property
    def running(self) -> int:
        """The places in use."""
        return len(self._running)

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

    def leave(self, number: int) -> None:
        """Remove a request that runs or waits, if it is still there. Call `advance` next."""
        self._running.pop(number, None)
        for client, numbers in list(self._waiting.items()):
            if number in numbers:
                numbers.remove(number)
                if not numbers:
                    del self._waiting[client]

    def advance(self) -> list[int]:
        """Give the free places to the clients whose turn it is. Returns the requests that have got one."""
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

    def _may_run(self, client: str) -> bool:
        return len(self._running) < self.places and Counter(self._running.values())[client] < self.per_client

    def _displaced_by(self, client: str) -> int | None:
        load = Counter(self._running.values())
        load.update({other: len(numbers) for other, numbers in self._waiting.items()})
        greediest = max(self._waiting, key=lambda other: load[other], default=client)
        return self._waiting[greediest][-1] if load[greediest] > load[client] + 1 else None
