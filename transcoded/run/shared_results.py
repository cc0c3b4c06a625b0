"""Results that are made once for each key and shared: all that ask while one is made wait for it, and later ones get what is kept."""

from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from transcoded.plan.lru import LRU
from transcoded.run.reactor import IReactor, OneShot

K = TypeVar("K")
V = TypeVar("V")


class SharedResults(Generic[K, V]):
    """Results by key. `limit` and `weigh` are those of the `LRU` that keeps them; a failure is not kept.

    A result goes on being made if nobody waits for it any more, unless `cancel_abandoned`.
    """

    def __init__(
        self, reactor: IReactor, limit: int, weigh: Callable[[V], int], *, cancel_abandoned: bool = False
    ) -> None:
        self._reactor = reactor
        self._cancel_abandoned = cancel_abandoned
        self._kept: LRU[K, V] = LRU(limit, weigh)
        self._making: dict[K, OneShot[V]] = {}

    def get(self, key: K, make: Callable[[], Coroutine["Deferred[Any]", Any, V]]) -> "Deferred[V]":
        """The result with this key. If it is neither kept nor being made, it is what `make` returns. Fails as `make` does.

        Cancelling it ends this wait, and with `cancel_abandoned`, for the last one that waits, also the making.
        """
        kept = self._kept.get(key)
        if kept is not None:
            return succeed(kept)
        result = self._making.get(key)
        if result is None:
            making = Deferred.fromCoroutine(make())
            result = self._making[key] = OneShot(
                self._reactor, on_abandoned=making.cancel if self._cancel_abandoned else None
            )
            result.follow(making.addBoth(self._made, key))
        return result.wait()

    def _made(self, result: V | Failure, key: K) -> V | Failure:
        del self._making[key]
        if not isinstance(result, Failure):
            self._kept.put(key, result)
        return result
