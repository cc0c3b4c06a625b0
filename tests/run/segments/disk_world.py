"""A disk tier in a real directory, whose threads do what the test says, for the tests of `segments`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from tests.plan.examples import MEDIA
from tests.run.fakes import Machine, new_file
from tests.run.segments.world import VIDEO
from transcoded.plan.errors import TimedOut, TranscodedError
from transcoded.plan.lru import ENTRY
from transcoded.run.files.threads import DiskThreads
from transcoded.run.reactor import as_reactor
from transcoded.run.segments.cache import SegmentCache
from transcoded.run.segments.disk import DiskTier
from transcoded.run.segments.disk_files import DiskFiles
from transcoded.run.segments.encoder import Source

SOURCE = Source(new_file(), MEDIA, VIDEO)
DATA = b"the bytes of a segment"
ROOM = 10 * (8192 + 4096)


class HeldThreads(DiskThreads):
    """Threads that do each call at once; or, while they are `held`, at `step`."""

    def __init__(self) -> None:
        self.held = False
        self.calls: list[tuple[Callable[[], Any], Callable[[Any], object], Deferred[Any]]] = []
        self.count = 0

    def run(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> "Deferred[Any]":
        return self.acquire(lambda _: None, call, *args, **kwargs)

    def acquire(
        self, discard: Callable[[Any], object], call: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> "Deferred[Any]":
        result: Deferred[Any] = Deferred()
        self.count += 1
        self.calls.append((lambda: call(*args, **kwargs), discard, result))
        if not self.held:
            self.step()
        return result

    def step(self) -> None:
        """Do the oldest call."""
        call, discard, result = self.calls.pop(0)
        try:
            found = call()
        except (OSError, TranscodedError) as error:
            if not result.called:
                result.errback(error)
            return
        if result.called:
            discard(found)
        else:
            result.callback(found)

    def give_up(self) -> None:
        """Tell who waits for the oldest call that it takes too long. It goes on."""
        self.calls[0][2].errback(TimedOut("the disk"))

    def hang(self) -> Callable[[], object]:
        """Begin the oldest call, and tell who waits for it that it takes too long. Returns what ends it."""
        call, discard, result = self.calls.pop(0)
        found = call()
        result.errback(TimedOut("the disk"))
        return lambda: discard(found)

    def release(self) -> None:
        """Do all that was held, and each call at once from now on."""
        self.held = False
        while self.calls:
            self.step()


class DiskWorld:
    """A tier, which has been started and knows what is on disk."""

    def __init__(self, machine: Machine, path: Path, quota: int = ROOM, memory: int = 100 * ENTRY) -> None:
        self.machine = machine
        self.path = path
        self.threads = HeldThreads()
        self.files = DiskFiles.open(str(path))
        self.memory = SegmentCache(memory)
        self.tier = DiskTier(as_reactor(machine), self.threads, self.files, quota, "version 1", self.memory)

    def start(self) -> "DiskWorld":
        self.tier.start()
        self.machine.turn()
        return self

    def put(self, *numbers: int, data: bytes = DATA, source: Source = SOURCE) -> None:
        for number in numbers:
            self.tier.put(source, number, data)
        self.machine.turn()

    def get(self, number: int, source: Source = SOURCE) -> "Deferred[bytes | None]":
        found = Deferred.fromCoroutine(self.tier.get(source, number))
        self.machine.turn()
        return found

    @property
    def names(self) -> list[str]:
        """The segments on disk."""
        return sorted(one.name for one in self.path.iterdir() if one.suffix == ".seg")

    @property
    def taken(self) -> int:
        """The bytes of the disk that they take, in whole blocks."""
        return sum(-(-one.stat().st_size // 4096) * 4096 for one in self.path.iterdir() if one.suffix == ".seg")

    def close(self) -> None:
        self.tier.stop()
        self.threads.release()
        self.machine.turn()
        self.files.close()
