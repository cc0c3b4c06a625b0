"""The watch over everything: if it stops ticking, or ends the wrong stream, a viewer pays for somebody else's trouble."""

from collections.abc import Callable
from typing import Any, cast

import attrs
import pytest

from tests.conftest import Errors
from tests.run.fakes import Machine
from transcoded.plan.endings import Reason
from transcoded.plan.errors import NotMedia, Unavailable
from transcoded.plan.policy.admission import COPY, TRANSCODE, Admission
from transcoded.plan.policy.health import Limits, Sample, StreamHealth
from transcoded.run.process.commands import Commands
from transcoded.run.reactor import as_reactor
from transcoded.run.streams.admission import AdmissionQueue
from transcoded.run.streams.health import HealthMonitor, MemoryGuard
from transcoded.run.streams.registry import StreamRegistry
from transcoded.run.streams.stream import Stream


@attrs.define(eq=False)
class Watched:
    """A stream as the monitor sees it: `stalls` is whether its client takes nothing from now on."""

    id: str
    stalls: bool = False
    makes: bool = True
    reason: Reason | None = None
    broken: Exception | None = None
    rss_bytes: int = 0
    asked_for_memory: bool = False
    health: StreamHealth = StreamHealth()
    _made: int = 0

    @property
    def is_ending(self) -> bool:
        return self.reason is not None

    def sample(self, *, memory: bool) -> Sample:
        if self.broken is not None:
            raise self.broken
        self.asked_for_memory = memory
        if self.makes and not self.stalls:
            self._made += 1
        return Sample(self._made, None, self.stalls, self._made, self.rss_bytes if memory else None)

    def end(self, reason: Reason) -> None:
        assert self.reason is None, "ended twice"
        self.reason = reason


@attrs.define(eq=False)
class Helper:
    """A command as the monitor sees it."""

    memory: int | None = None
    error: Exception | None = None
    broken: Exception | None = None

    @property
    def is_ending(self) -> bool:
        return self.error is not None

    def rss_bytes(self) -> int | None:
        if self.broken is not None:
            raise self.broken
        return self.memory

    def end(self, reason: Reason, error: Exception) -> None:
        assert self.error is None, "ended twice"
        assert reason is Reason.OVERLOAD
        self.error = error


@attrs.define
class Helpers:
    """The commands that run."""

    running: list[Helper] = attrs.Factory(list)

    def live(self) -> list[Helper]:
        return list(self.running)


class World:
    """A monitor, its clock, and the streams that it watches, the oldest first."""

    def __init__(self, machine: Machine, limits: Limits, memory_high: float | None) -> None:
        self.machine = machine
        self.streams: list[Watched] = []
        self.memory: Callable[[], float | None] = lambda: 0.5
        self.queue = AdmissionQueue(as_reactor(machine), Admission(TRANSCODE, 10), 1e6)
        registry = cast(StreamRegistry, self)
        self.helpers = Helpers()
        commands = cast(Commands, self.helpers)
        self.tasks = [
            HealthMonitor(registry, commands, limits).tick,
            MemoryGuard(registry, commands, self.queue, memory_high, lambda: self.memory()).tick,
        ]

    def live(self) -> list[Stream]:
        return cast(list[Stream], list(self.streams))

    def add(self, name: str, **how: Any) -> Watched:
        self.streams.append(Watched(name, **how))
        return self.streams[-1]

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            for task in self.tasks:
                task(1.0)

    def ended(self) -> dict[str, str]:
        return {stream.id: stream.reason.value for stream in self.streams if stream.reason is not None}

    def close(self) -> None:
        self.queue.stop()
        self.machine.advance(0)


New = Callable[..., World]


@pytest.fixture
def new(machine: Machine) -> Any:
    worlds: list[World] = []

    def make(limits: Limits | None = None, memory_high: float | None = 0.9) -> World:
        worlds.append(World(machine, limits or Limits(hang_timeout=None), memory_high))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


def test_one_stream_that_cannot_be_looked_at_does_not_hide_the_others(new: New, logged_errors: Errors) -> None:
    world = new(Limits(hang_timeout=3.0))
    world.add("broken", broken=RuntimeError("no such process"))
    world.add("hung", makes=False)
    world.tick(4)
    assert world.ended() == {"hung": "hung"}
    assert len(logged_errors.flush()) == 4


def test_the_hung_and_the_stalled_are_ended_once_and_the_well_go_on(new: New) -> None:
    world = new(Limits(hang_timeout=10.0, stall_timeout=20.0))
    for name, how in {"well": {}, "hung": {"makes": False}, "paused": {"stalls": True}}.items():
        world.add(name, **how)
    world.tick(12)
    assert world.ended() == {"hung": "hung"}
    world.tick(60)
    assert world.ended() == {"hung": "hung", "paused": "client-stalled"}


def test_the_memory_of_each_is_looked_at_only_if_there_is_a_limit(new: New) -> None:
    world = new()
    stream = world.add("a")
    world.tick()
    assert not stream.asked_for_memory
    world = new(Limits(stream_memory_max=1000))
    small, large = world.add("small", rss_bytes=999), world.add("large", rss_bytes=1000)
    world.tick()
    assert world.ended() == {"large": "overload"}
    assert small.asked_for_memory
    assert large.asked_for_memory


def test_when_memory_is_short_first_nobody_is_let_in_then_the_oldest_go_one_by_one(new: New) -> None:
    world = new()
    for name in ("oldest", "older", "new"):
        world.add(name)
    world.memory = lambda: 0.95
    world.tick()
    assert world.ended() == {}, "to let nobody in may be enough"
    waiting = world.queue.ask("somebody", COPY)
    assert not waiting.called
    world.tick()
    assert world.ended() == {"oldest": "overload"}
    world.tick()
    assert world.ended() == {"oldest": "overload", "older": "overload"}
    world.memory = lambda: 0.5
    world.tick()
    world.machine.advance(0)
    assert waiting.called, "whoever waited is admitted"
    assert world.ended().keys() == {"oldest", "older"}
    world.memory = lambda: 0.95
    world.tick()
    assert world.ended().keys() == {"oldest", "older"}, "and it begins anew with the gate"


def test_a_helper_that_is_too_large_is_ended_and_the_file_is_to_blame(new: New, logged_errors: Errors) -> None:
    """ffprobe of a file of 4 KB can take 3 GB."""
    world = new(Limits(hang_timeout=None, stream_memory_max=1000))
    small, broken, large = Helper(999), Helper(broken=RuntimeError("no /proc")), Helper(1000)
    world.helpers.running = [small, broken, large, Helper(None)]
    world.tick(2)
    assert isinstance(large.error, NotMedia)
    assert small.error is None
    assert len(logged_errors.flush()) == 2
    unlimited = new()
    unlimited.helpers.running = [Helper(1 << 60)]
    unlimited.tick()
    assert unlimited.helpers.running[0].error is None


def test_when_memory_is_short_helpers_go_before_streams_the_largest_first(new: New) -> None:
    """Nobody watches a thumbnail."""
    world = new()
    world.add("stream")
    small, large = Helper(10), Helper(20)
    world.helpers.running = [small, large]
    world.memory = lambda: 0.95
    world.tick(2)
    assert isinstance(large.error, Unavailable)
    assert (small.error, world.ended()) == (None, {})
    world.tick()
    assert isinstance(small.error, Unavailable)
    assert world.ended() == {}
    world.tick()
    assert world.ended() == {"stream": "overload"}


def test_where_nothing_can_be_told_of_the_memory_everybody_is_let_in(new: New) -> None:
    world = new()
    world.memory = lambda: 1.0
    world.tick()
    world.memory = lambda: None
    world.tick()
    assert world.queue.not_ready() == []
    off = new(memory_high=None)
    off.memory = lambda: 1.0
    off.tick(3)
    assert off.queue.not_ready() == []
