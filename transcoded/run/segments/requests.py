"""The segment requests of a rendition that wait. All requests for one segment get the same answer: its bytes, or what can be read while it is made.

Each client has requests of its own, so that those of one client can fail, or be preferred, without those of the others.
"""

from collections.abc import Callable, Iterable, Sequence

import attrs
from twisted.internet.defer import Deferred

from transcoded.run.reactor import IReactor, OneShot
from transcoded.run.segments.growing import GrowingSegment

INIT = -1
"""The number that stands for the init segment."""


@attrs.frozen
class Requester:
    """Who requests a segment: the client's address and the id of the request, for the registry.

    `unit` is the client as a unit of fairness (`plan.http.clients`), for admission and for turns.
    """

    client: str
    request_id: str
    unit: str


Answer = bytes | GrowingSegment


@attrs.frozen(eq=False)
class _Request:
    requester: Requester
    answer: OneShot[Answer]


class Requests:
    """The segments that are waited for, in the order of their latest requests.

    `on_abandoned` is called when all waiters of one client for a segment have been cancelled.
    """

    def __init__(self, reactor: IReactor, on_abandoned: Callable[[], None]) -> None:
        self._reactor = reactor
        self._on_abandoned = on_abandoned
        # By the number of the segment and the unit of the client.
        self._requests: dict[tuple[int, str], _Request] = {}

    def __bool__(self) -> bool:
        """Whether any segment is waited for."""
        return bool(self._requests)

    @property
    def numbers(self) -> Sequence[int]:
        """What is waited for: numbers of media segments, and `INIT`."""
        return [number for number, _ in self._requests]

    @property
    def segments(self) -> frozenset[int]:
        """The numbers of the media segments that are waited for."""
        return frozenset(number for number, _ in self._requests) - {INIT}

    @property
    def by_unit(self) -> dict[str, frozenset[int]]:
        """The numbers of the media segments that are waited for, by the unit of the client."""
        found: dict[str, set[int]] = {}
        for number, unit in self._requests:
            if number != INIT:
                found.setdefault(unit, set()).add(number)
        return {unit: frozenset(numbers) for unit, numbers in found.items()}

    @property
    def clients(self) -> list[str]:
        """The clients for which an encoder can be started, the one that has waited longest first.

        They are those that wait for a media segment, if there are any: every encoder makes the init segment.
        """
        return list(self.by_unit) or list(dict.fromkeys(unit for _, unit in self._requests))

    def start_for(self, unit: str) -> int | None:
        """Where an encoder for this client begins; None if it waits for no media segment.

        That is at the segment that it requested last, or at the first one of those that lead to it without a gap: a player
        may request several at the same time.
        """
        latest = next((number for number, one in reversed(self._requests) if one == unit and number != INIT), None)
        while latest is not None and (latest - 1, unit) in self._requests and latest > 0:
            latest -= 1
        return latest

    def requester(self, unit: str) -> Requester:
        """The requester of the latest request of this client. There must be one that waits."""
        return next(request.requester for (_, one), request in reversed(self._requests.items()) if one == unit)

    def wait(self, number: int, requester: Requester) -> "Deferred[Answer]":
        """Wait for a segment. Cancelling stops the waiting."""
        key = number, requester.unit
        before = self._requests.pop(key, None)
        answer = before.answer if before is not None else OneShot[Answer](self._reactor, lambda: self._forget(key))
        self._requests[key] = _Request(requester, answer)
        return answer.wait()

    def answer(self, number: int, data: Answer) -> None:
        """Give a segment to all that wait for it."""
        for key in [key for key in self._requests if key[0] == number]:
            self._requests.pop(key).answer.succeed(data)

    def fail(self, numbers: Iterable[int], problem: Exception) -> None:
        """Fail the requests for these segments."""
        failing = frozenset(numbers)
        for key in [key for key in self._requests if key[0] in failing]:
            self._requests.pop(key).answer.fail(problem)

    def fail_client(self, unit: str, problem: Exception) -> None:
        """Fail the requests of one client."""
        for key in [key for key in self._requests if key[1] == unit]:
            self._requests.pop(key).answer.fail(problem)

    def fail_all(self, problem: Exception) -> None:
        """Fail all requests."""
        self.fail([number for number, _ in self._requests], problem)

    def _forget(self, key: tuple[int, str]) -> None:
        self._requests.pop(key, None)
        self._on_abandoned()
