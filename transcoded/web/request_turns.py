"""When the requests of many connections are begun: for a short time in each turn of the reactor, and in turns between clients.

To begin a request takes a fraction of a millisecond, or some of them. A client can send two thousand requests in one piece
(pipelining), and have hundreds of connections that all ask at once. If all were begun as they come, nobody else would be
answered for seconds. So requests are begun for `BUDGET` seconds in each turn; the others wait for the next one. There each lane
begins one request after the other lanes have begun theirs. A lane is a client; its health checks have a lane of their own, so that a
load balancer does not take a busy daemon for a dead one.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

BUDGET = 0.01
"""Seconds of each turn of the reactor."""


class RequestTurns:
    """Begins requests. Nothing is called from within a call of what it begins."""

    def __init__(self, clock: IReactorTime, budget: float = BUDGET) -> None:
        self._clock = clock
        self._budget = budget
        self._waiting: OrderedDict[Hashable, deque[Callable[[], object]]] = OrderedDict()
        self._begun = 0.0
        self._beginning = False
        # Scheduled while this turn has begun requests.
        self._next: IDelayedCall | None = None

    def ask(self, lane: Hashable, begin: Callable[[], object]) -> bool:
        """Whether a request may begin now. If not, `begin` is called in a later turn."""
        if self._next is None and not self._beginning:
            self._begun = self._clock.seconds()
            self._next = self._clock.callLater(0, self._turn)
        if not self._waiting and not self._beginning and self._has_time():
            return True
        self._waiting.setdefault(lane, deque()).append(begin)
        return False

    def _turn(self) -> None:
        self._next = None
        self._begun = self._clock.seconds()
        self._beginning = True
        try:
            while self._waiting:
                lane, requests = self._waiting.popitem(last=False)
                begin = requests.popleft()
                if requests:
                    self._waiting[lane] = requests
                begin()
                if not self._has_time():
                    break
        finally:
            self._beginning = False
            if self._waiting:
                self._next = self._clock.callLater(0, self._turn)

    def _has_time(self) -> bool:
        return self._clock.seconds() - self._begun < self._budget
