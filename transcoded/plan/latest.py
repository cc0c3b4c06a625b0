"""The latest values of a sequence, bounded in their number and in their weight."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

V = TypeVar("V")


class Latest(Generic[V]):
    """Keeps at most `limit` values of at most `max_weight` together; the oldest go first. `weigh` is called once for each."""

    def __init__(self, limit: int, max_weight: int, weigh: Callable[[V], int]) -> None:
        self._limit = limit
        self._max_weight = max_weight
        self._weigh = weigh
        self._values: deque[tuple[V, int]] = deque()
        self._weight = 0

    def __len__(self) -> int:
        """The number of values."""
        return len(self._values)

    def __iter__(self) -> Iterator[V]:
        """The values, the oldest first."""
        return (value for value, _ in self._values)

    @property
    def weight(self) -> int:
        """The weight of all values together."""
        return self._weight

    def popleft(self) -> V:
        """Remove the oldest value and return it. Raises IndexError if there is none."""
        value, weight = self._values.popleft()
        self._weight -= weight
        return value

    def clear(self) -> None:
        """Remove all values."""
        self._values.clear()
        self._weight = 0

    def append(self, value: V) -> None:
        """Add the newest value."""
        weight = self._weigh(value)
        self._values.append((value, weight))
        self._weight += weight
        while len(self._values) > self._limit or self._weight > self._max_weight:
            self.popleft()
