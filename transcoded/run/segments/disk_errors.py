"""Errors of the disk of the segment cache: counted, logged once in a while, and followed by a rest in which nothing is written."""

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from transcoded.plan.errors import TranscodedError
from transcoded.plan.lru import LRU

REST = 30.0
"""Seconds."""

AGAIN = 3600.0
"""Seconds after which the same error is logged once more."""

_KINDS = 100
"""Kinds of errors of which it is known when they were told."""

_log = Logger()


class DiskErrors:
    """The errors of one directory. `count` is their number."""

    def __init__(self, reactor: IReactorTime, path: str) -> None:
        self.count = 0
        self._reactor = reactor
        self._path = path
        self._resting_until = 0.0
        self._told: LRU[object, float] = LRU(_KINDS)

    @property
    def is_resting(self) -> bool:
        """Whether there was an error in the last `REST` seconds."""
        return self._reactor.seconds() < self._resting_until

    def note(self, error: OSError | TranscodedError, what: str) -> None:
        """Something could not be done: `what` is `read` or `written`."""
        self.count += 1
        self._resting_until = self._reactor.seconds() + REST
        if isinstance(error, OSError):
            self.tell((what, error.errno), f"cannot be {what}: {error.strerror or error}")
        else:
            self.tell((what, None), f"cannot be {what}: {error}")

    def tell(self, kind: object, detail: str) -> None:
        """Log it, unless that was done for this kind in the last `AGAIN` seconds."""
        now = self._reactor.seconds()
        told = self._told.get(kind)
        if told is None or now - told >= AGAIN:
            self._told.put(kind, now)
            _log.warn("the segment cache on disk ({path}) {detail}", path=self._path, detail=detail)
