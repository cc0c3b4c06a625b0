"""A mapping with a size limit, which forgets the least recently used values."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

ENTRY = 1024
"""Bytes that an entry costs besides its value: the key, which has a path and a version, and the places of both in memory.

Without this, values of no bytes would cost nothing, and any number of them could be kept.
"""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def _one(_: object) -> int:
    return 1


class LRU(Generic[K, V]):
    """Values by key. The sum of their weights is at most `limit`.

    `weigh` returns the weight of a value when it is added. By default each value has the weight 1,
    so `limit` is the number of values. With `weigh` returning bytes, `limit` is in bytes; `ENTRY` is what such a function
    counts for the key and the entry itself. A value that is heavier than `limit` is not kept.
    """

    def __init__(self, limit: int, weigh: Callable[[V], int] = _one) -> None:
        self._limit = limit
        self._weigh = weigh
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._weight = 0

    def __len__(self) -> int:
        """The number of values."""
        return len(self._values)

    def __contains__(self, key: K) -> bool:
        """Whether there is a value with this key. This does not count as use."""
        return key in self._values

    @property
    def weight(self) -> int:
        """The sum of the weights of all values."""
        return self._weight

    def get(self, key: K) -> V | None:
        """The value, or None. It is the most recently used one now."""
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key][0]

    def put(self, key: K, value: V) -> None:
        """Add or replace a value, as the most recently used one. Others are forgotten if the limit requires it."""
        self.pop(key)
        weight = self._weigh(value)
        if weight > self._limit:
            return
        self._values[key] = value, weight
        self._weight += weight
        while self._weight > self._limit:
            _, (_, forgotten) = self._values.popitem(last=False)
            self._weight -= forgotten

    def pop(self, key: K) -> V | None:
        """Remove a value and return it; None if there is none."""
        if key not in self._values:
            return None
        value, weight = self._values.pop(key)
        self._weight -= weight
        return value
