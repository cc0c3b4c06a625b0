"""A bounded mapping that forgets what was used least recently: the one cache of this project."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def _one(_: object) -> int:
    return 1


class LRU(Generic[K, V]):
    """Values by key, whose weights add up to `limit` at the most.

    `weigh` gives the weight of a value, 1 unless something else is said, so that `limit` counts values. A value that weighs
    more than `limit` alone is not kept at all.
    """

    def __init__(self, limit: int, weigh: Callable[[V], int] = _one) -> None:
        self._limit = limit
        self._weigh = weigh
        self._values: OrderedDict[K, V] = OrderedDict()
        self._weight = 0

    def __len__(self) -> int:
        """How many values are kept."""
        return len(self._values)

    def __contains__(self, key: K) -> bool:
        """Whether a value is kept under this key. Asking does not count as use."""
        return key in self._values

    @property
    def weight(self) -> int:
        """The sum of the weights of all values that are kept."""
        return self._weight

    def get(self, key: K) -> V | None:
        """The value, which is now the most recently used one, or None."""
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key]

    def put(self, key: K, value: V) -> None:
        """Keep a value as the most recently used one; others may be forgotten for it."""
        self.pop(key)
        weight = self._weigh(value)
        if weight > self._limit:
            return
        self._values[key] = value
        self._weight += weight
        while self._weight > self._limit:
            _, forgotten = self._values.popitem(last=False)
            self._weight -= self._weigh(forgotten)

    def pop(self, key: K) -> V | None:
        """Forget a value and return it; None if there is none."""
        if key not in self._values:
            return None
        value = self._values.pop(key)
        self._weight -= self._weigh(value)
        return value
