"""Who waits for which segments of a rendition: one answer for all who ask for the same."""

from collections.abc import Callable, Iterable

import attrs
from twisted.internet.defer import Deferred

from transcoded.run.reactor import IReactor, OneShot

INIT = -1
"""The number under which the init segment is asked for."""


@attrs.frozen
class Requester:
    """Who asks: for the registry and for admission."""

    client: str
    request_id: str


@attrs.frozen(eq=False)
class _Request:
    requester: Requester
    answer: OneShot[bytes]


class Requests:
    """The segments that somebody waits for, in the order in which they were asked for last.

    `left` is called when the last one who waited for a segment has stopped waiting.
    """

    def __init__(self, reactor: IReactor, left: Callable[[], None]) -> None:
        self._reactor = reactor
        self._left = left
        self._requests: dict[int, _Request] = {}

    def __bool__(self) -> bool:
        """Whether anybody waits for anything."""
        return bool(self._requests)

    @property
    def segments(self) -> frozenset[int]:
        """The media segments that somebody waits for."""
        return frozenset(self._requests) - {INIT}

    @property
    def latest(self) -> int | None:
        """The media segment that was asked for last; None if somebody waits for the init segment alone."""
        return next((number for number in reversed(self._requests) if number != INIT), None)

    @property
    def requester(self) -> Requester:
        """Who asked last. There must be somebody who waits."""
        return next(reversed(self._requests.values())).requester

    def wait(self, number: int, requester: Requester) -> "Deferred[bytes]":
        """Fires with the segment. Cancelling stops the waiting."""
        before = self._requests.pop(number, None)
        answer = before.answer if before is not None else OneShot[bytes](self._reactor, lambda: self._forget(number))
        self._requests[number] = _Request(requester, answer)
        return answer.wait()

    def answer(self, number: int, data: bytes) -> None:
        """A segment is there."""
        request = self._requests.pop(number, None)
        if request is not None:
            request.answer.succeed(data)

    def fail(self, numbers: Iterable[int], problem: Exception) -> None:
        """There will be no such segments."""
        for number in numbers:
            request = self._requests.pop(number, None)
            if request is not None:
                request.answer.fail(problem)

    def fail_all(self, problem: Exception) -> None:
        """There will be none of those that somebody waits for."""
        self.fail(list(self._requests), problem)

    def _forget(self, number: int) -> None:
        self._requests.pop(number, None)
        self._left()
