"""Which segments are on disk, in the order of their use, under a quota. In memory, and for the reactor's thread."""

from collections.abc import Mapping, Sequence

MAX_ENTRIES = 500_000
"""Segments on disk. Each takes about 200 bytes here."""


class DiskIndex:
    """The bytes of the disk that each segment takes, by its name. `quota` is in bytes.

    What is taken out by `surplus` has to be removed from the disk. What could not be removed is added again.
    """

    def __init__(self, quota: int) -> None:
        self.quota = quota
        self._taken: dict[bytes, int] = {}
        self._weight = 0

    def __len__(self) -> int:
        """The number of segments."""
        return len(self._taken)

    def __contains__(self, name: bytes) -> bool:
        """Whether there is a segment of this name. This does not count as use."""
        return name in self._taken

    @property
    def weight(self) -> int:
        """The bytes of the disk that all take."""
        return self._weight

    def add(self, found: Mapping[bytes, int]) -> None:
        """Add segments, as the ones that were used last."""
        for name, taken in found.items():
            self.forget(name)
            self._taken[name] = taken
            self._weight += taken

    def used(self, name: bytes) -> None:
        """A segment was used, if it is there."""
        if name in self._taken:
            self._taken[name] = self._taken.pop(name)

    def forget(self, name: bytes) -> None:
        """A segment is not there any more."""
        self._weight -= self._taken.pop(name, 0)

    def surplus(self, wanted: int = 0) -> dict[bytes, int]:
        """Take out what must go, so that there is room for one more of `wanted` bytes (0: for those that are there)."""
        surplus: dict[bytes, int] = {}
        most = MAX_ENTRIES - bool(wanted)
        while self._taken and (self._weight + wanted > self.quota or len(self._taken) > most):
            name = next(iter(self._taken))
            surplus[name] = self._taken[name]
            self.forget(name)
        return surplus


def part(found: Mapping[bytes, int], names: Sequence[bytes]) -> dict[bytes, int]:
    """Those of some segments that have one of these names."""
    return {name: found[name] for name in names}
