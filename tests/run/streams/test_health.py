"""The watch over everything: if it stops ticking, or ends the wrong stream, a viewer pays for somebody else's trouble."""

from collections.abc import Callable
from typing import Any, cast

import attrs
import pytest

from tests.conftest import Errors
from tests.run.fakes import Machine
from transcoded.plan.endings import Reason
from transcoded.plan.policy.admission import COPY, TRANSCODE, Admission
from transcoded.plan.policy.health import Limits, Sample
from transcoded.run.reactor import as_reactor
from transcoded.run.streams.admission import AdmissionQueue, Permit
from transcoded.run.streams.health import INTERVAL, HealthMonitor
from transcoded.run.streams.peers import Peers
from transcoded.run.streams.registry import StreamRegistry
from transcoded.run.streams.stream import Stream

PREEMPT_AFTER = 30.0


@attrs.define(eq=False)
class Watched:
    """A stream as the monitor sees it: `stalls` is whether its client takes nothing from now on."""

    id: str
    stalls: bool = False
    makes: bool = True
    permit: Permit | None = None
    reason: Reason | None = None
    broken: Exception | None = None
    rss_bytes: int = 0
    asked_for_memory: bool = False
    _made: int = 0

    @property
    def ending_already(self) -> bool:
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


class World:
    """A monitor, its clock, and the streams that it watches, the oldest first."""

    def __init__(self, machine: Machine, limits: Limits, capacity: int, memory_high: float | None) -> None:
        self.machine = machine
        self.streams: list[Watched] = []
        self.memory: Callable[[], float | None] = lambda: 0.5
        self.gate = AdmissionQueue(as_reactor(machine), Admission(capacity, 10), 1e6)
        self.peers_looked_for = 0
        self.monitor = HealthMonitor(
            as_reactor(machine),
            cast(StreamRegistry, self),
            self.gate,
            cast(Peers, self),
            limits,
            memory_high=memory_high,
            memory_in_use=lambda: self.memory(),
            preempt_after=PREEMPT_AFTER,
        )
        self.monitor.start()

    def live(self) -> list[Stream]:
        return cast(list[Stream], list(self.streams))

    def examine(self) -> None:
        self.peers_looked_for += 1

    def add(self, name: str, units: int | None = None, **how: Any) -> Watched:
        stream = Watched(name, **how)
        if units is not None:
            self.gate.enter(name, units).addCallback(lambda permit: setattr(stream, "permit", permit))
            assert stream.permit is not None
        self.streams.append(stream)
        return stream

    def wait(self, client: str, units: int = TRANSCODE) -> None:
        """Somebody comes who has to wait."""
        entering = self.gate.enter(client, units)
        assert not entering.called
        entering.addErrback(lambda _: None)

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            self.machine.advance(INTERVAL)

    def ended(self) -> dict[str, str]:
        return {stream.id: stream.reason.value for stream in self.streams if stream.reason is not None}

    def close(self) -> None:
        self.monitor.stop()
        self.gate.stop()


New = Callable[..., World]


@pytest.fixture
def new(machine: Machine) -> Any:
    worlds: list[World] = []

    def make(limits: Limits | None = None, capacity: int = 2 * TRANSCODE, memory_high: float | None = 0.9) -> World:
        worlds.append(World(machine, limits or Limits(hang_timeout=None), capacity, memory_high))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


def faulty(elapsed: float) -> None:
    raise ZeroDivisionError


def test_a_fault_in_a_tick_does_not_end_the_ticking(new: New, logged_errors: Errors) -> None:
    world = new()
    lived: list[float] = []
    world.monitor.tasks.insert(0, faulty)
    world.monitor.tasks.append(lived.append)
    world.tick(5)
    assert lived == [INTERVAL] * 5
    assert world.peers_looked_for == 5
    assert len(logged_errors.flush()) == 5


def test_one_stream_that_cannot_be_looked_at_does_not_hide_the_others(new: New, logged_errors: Errors) -> None:
    world = new(Limits(hang_timeout=3.0))
    world.add("broken", broken=RuntimeError("no such process"))
    world.add("hung", makes=False)
    world.tick(4)
    assert world.ended() == {"hung": "hung"}
    assert len(logged_errors.flush()) == 4


def test_after_the_stop_nothing_is_watched(new: New, machine: Machine) -> None:
    world = new()
    world.monitor.stop()
    world.monitor.stop()
    world.tick(3)
    assert world.peers_looked_for == 0
    assert machine.getDelayedCalls() == []


def test_a_late_tick_says_how_late_it_was(new: New, machine: Machine) -> None:
    world = new()
    world.tick()
    assert world.monitor.lag == 0.0
    machine.rightNow += 2.0
    world.machine.advance(0)
    assert world.monitor.lag == pytest.approx(1.0)


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
    assert not world.gate.enter("somebody", COPY).addErrback(lambda _: None).called
    world.tick()
    assert world.ended() == {"oldest": "overload"}
    world.tick()
    assert world.ended() == {"oldest": "overload", "older": "overload"}
    world.memory = lambda: 0.5
    world.tick()
    assert world.gate.waiting == 0, "whoever waited is let in"
    assert world.ended().keys() == {"oldest", "older"}
    world.memory = lambda: 0.95
    world.tick()
    assert world.ended().keys() == {"oldest", "older"}, "and it begins anew with the gate"


def test_where_nothing_can_be_told_of_the_memory_everybody_is_let_in(new: New) -> None:
    world = new()
    world.memory = lambda: 1.0
    world.tick()
    world.memory = lambda: None
    world.tick()
    assert world.gate.not_ready() == []
    off = new(memory_high=None)
    off.memory = lambda: 1.0
    off.tick(3)
    assert off.gate.not_ready() == []


def test_a_memory_that_cannot_be_read_is_a_fault_and_no_verdict(new: New, logged_errors: Errors) -> None:
    world = new()
    world.add("a")

    def fail() -> float:
        raise OSError("no /proc")

    world.memory = fail
    world.tick(3)
    assert world.ended() == {}
    assert len(logged_errors.flush()) == 3


def test_nobody_gives_way_while_nobody_waits(new: New) -> None:
    world = new()
    world.add("a", TRANSCODE, stalls=True)
    world.add("b", TRANSCODE, stalls=True)
    world.tick(200)
    assert world.ended() == {}


def test_the_longest_stalled_gives_way_and_only_as_many_as_are_wanted(new: New) -> None:
    world = new()
    world.add("second", TRANSCODE)
    world.tick(5)
    world.add("first", TRANSCODE, stalls=True)
    world.tick(10)
    world.streams[0].stalls = True
    world.tick(60)
    world.wait("newcomer")
    world.tick()
    assert world.ended() == {"first": "preempted"}
    world.tick(5)
    assert world.ended() == {"first": "preempted"}, "its place is about to be free, though it takes a while to die"
    world.wait("another")
    world.streams[1].permit.release()  # type: ignore[union-attr]  # it has one
    del world.streams[1]
    world.tick()
    assert world.ended() == {"second": "preempted"}, "the next who waits takes the next"


def test_who_has_paused_for_a_moment_or_takes_bytes_does_not_give_way(new: New) -> None:
    world = new()
    world.add("watching", TRANSCODE)
    paused = world.add("paused", TRANSCODE)
    world.wait("newcomer")
    paused.stalls = True
    world.tick(int(PREEMPT_AFTER) - 1)
    assert world.ended() == {}
    paused.stalls = False
    world.tick()
    paused.stalls = True
    world.tick(int(PREEMPT_AFTER) - 1)
    assert world.ended() == {}
    world.tick(3)
    assert world.ended() == {"paused": "preempted"}


def test_two_copies_give_way_for_one_transcode(new: New) -> None:
    world = new(capacity=TRANSCODE + COPY)
    for name in ("a", "b", "c"):
        world.add(name, COPY, stalls=True)
    world.tick(60)
    world.wait("newcomer", TRANSCODE)
    world.tick()
    assert len(world.ended()) == 2


def test_streams_that_take_no_place_do_not_give_way(new: New) -> None:
    world = new()
    world.add("head", stalls=True)
    world.add("a", TRANSCODE)
    world.add("b", TRANSCODE)
    world.tick(60)
    world.wait("newcomer")
    world.tick(3)
    assert world.ended() == {}


def test_what_is_remembered_of_a_stream_goes_with_it(new: New) -> None:
    world = new()
    for number in range(50):
        world.add(str(number))
        world.tick()
        world.streams.clear()
    world.tick()
    assert world.monitor._health == {}
