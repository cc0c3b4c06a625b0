"""The segment requests of a rendition that wait. All requests for one segment get the same answer."""

from collections.abc import Callable, Iterable, Sequence

import attrs
from twisted.internet.defer import Deferred

from transcoded.run.reactor import IReactor, OneShot

INIT = -1
"""The number that stands for the init segment."""


@attrs.frozen
class Requester:
    """Who requests a segment: the client's address and the id of the request, for the registry and for admission."""

    client: str
    request_id: str


@attrs.frozen(eq=False)
class _Request:
    requester: Requester
    answer: OneShot[bytes]


class Requests:
    """The segments that are waited for, in the order of their latest requests.

    `on_abandoned` is called when all waiters of a segment have been cancelled.
    """

    def __init__(self, reactor: IReactor, on_abandoned: Callable[[], None]) -> None:
        self._reactor = reactor
        self._on_abandoned = on_abandoned
        self._requests: dict[int, _Request] = {}

    def __bool__(self) -> bool:
        """Whether any segment is waited for."""
        return bool(self._requests)

    @property
    def numbers(self) -> Sequence[int]:
        """What is waited for: numbers of media segments, and `INIT`."""
        return list(self._requests)

    @property
    def segments(self) -> frozenset[int]:
        """The numbers of the media segments that are waited for."""
        return frozenset(self._requests) - {INIT}

    @property
    def latest(self) -> int | None:
        """The media segment that was requested last; None if no media segment is waited for."""
        return next((number for number in reversed(self._requests) if number != INIT), None)

    @property
    def requester(self) -> Requester:
        """The requester of the latest request. There must be one that waits."""
        return next(reversed(self._requests.values())).requester

    def wait(self, number: int, requester: Requester) -> "Deferred[bytes]":
        """Wait for a segment. Fires with its bytes. Cancelling stops the waiting."""
        before = self._requests.pop(number, None)
        answer = before.answer if before is not None else OneShot[bytes](self._reactor, lambda: self._forget(number))
        self._requests[number] = _Request(requester, answer)
        return answer.wait()

    def answer(self, number: int, data: bytes) -> None:
        """Give a segment to all that wait for it."""
        request = self._requests.pop(number, None)
        if request is not None:
            request.answer.succeed(data)

    def fail(self, numbers: Iterable[int], problem: Exception) -> None:
        """Fail the requests for these segments."""
        for number in numbers:
            request = self._requests.pop(number, None)
            if request is not None:
                request.answer.fail(problem)

    def fail_all(self, problem: Exception) -> None:
        """Fail all requests."""
        self.fail(list(self._requests), problem)

    def _forget(self, number: int) -> None:
        self._requests.pop(number, None)
        self._on_abandoned()
