"""A segment that is read while it is being made: its bytes so far, and who reads them."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from transcoded.plan.errors import TranscodedError
from transcoded.run.reactor import IReactor, OneShot


class GrowingSegment:
    """The chunks of segment `number`, for any number of readers. `on_left` is called when the last of them has left.

    It ends with `finish` or `fail`, once.
    """

    def __init__(self, reactor: IReactor, number: int, on_left: Callable[[], None]) -> None:
        self.number = number
        self._reactor = reactor
        self._on_left = on_left
        self._data = bytearray()
        self._changed: OneShot[None] = OneShot(reactor)
        self._is_over = False
        self._problem: TranscodedError | None = None
        self._readers: Counter[str] = Counter()

    @property
    def readers(self) -> frozenset[str]:
        """The clients that read it, as units of fairness."""
        return frozenset(self._readers)

    @contextmanager
    def read_by(self, unit: str) -> Iterator[None]:
        """A client reads it, as a unit of fairness, until it leaves the block."""
        self._readers[unit] += 1
        try:
            yield
        finally:
            self._readers[unit] -= 1
            if not self._readers[unit]:
                del self._readers[unit]
            if not self._readers:
                self._on_left()

    async def read(self, offset: int) -> bytes:
        """The bytes from `offset` on, as soon as there are any; none at the end. Raises the error with which it has ended."""
        while offset >= len(self._data) and not self._is_over:
            await self._changed.wait()
        if offset < len(self._data):
            with memoryview(self._data) as view:
                return bytes(view[offset:])
        if self._problem is not None:
            # A new traceback for each reader: one exception would gather those of all.
            raise self._problem.with_traceback(None)
        return b""

    async def whole(self, unit: str) -> bytes:
        """All of it, for a client as a unit of fairness, when it is complete. Raises the error with which it has ended."""
        length = 0
        with self.read_by(unit):
            while data := await self.read(length):
                length += len(data)
        return bytes(self._data)

    def add(self, data: bytes) -> None:
        """The next bytes are made."""
        self._data += data
        self._tell()

    def finish(self) -> None:
        """It is complete."""
        self._end(None)

    def fail(self, problem: TranscodedError) -> None:
        """Nothing more will come, and it is not complete."""
        self._end(problem)

    def _end(self, problem: TranscodedError | None) -> None:
        if not self._is_over:
            self._is_over, self._problem = True, problem
            self._tell()

    def _tell(self) -> None:
        changed, self._changed = self._changed, OneShot(self._reactor)
        changed.succeed(None)
