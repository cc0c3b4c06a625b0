"""Metrics: alerts hang on these names, and the leak gauge is the promise of this program as a number."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import cast

import attrs
import pytest
import pytest_twisted

from tests.web.conftest import Serve
from tests.web.examples import LivingStream, new_ending
from tests.web.server import Server, reactor
from transcoded.plan.endings import Reason
from transcoded.plan.lru import ENTRY
from transcoded.plan.policy.admission import COPY, TRANSCODE, Admission
from transcoded.run.files.threads import Threads
from transcoded.run.process.lifecycle import State
from transcoded.run.process.processes import TOKEN
from transcoded.run.process.spawner import Spawner
from transcoded.run.segments.cache import SegmentCache
from transcoded.run.segments.disk import DiskTier
from transcoded.run.segments.disk_files import DiskFiles
from transcoded.run.streams.admission import AdmissionQueue, Permit
from transcoded.run.streams.registry import StreamRegistry
from transcoded.run.streams.stream import Stream
from transcoded.web.metrics import Metrics

SLEEP = [sys.executable, "-ISc", "import time; print(flush=True); time.sleep(1000)"]
OURS = "0123456789abcdef" * 2


@attrs.define(eq=False)
class Running:
    """The part of a stream that is counted."""

    state: State = State.RUNNING
    bytes_sent: int = 0

    @property
    def child(self) -> "Running":
        return self


class World:
    """What is counted."""

    def __init__(self, serve: Serve) -> None:
        self.streams: list[Running] = []
        self.known: set[int] = set()
        self.admission = AdmissionQueue(reactor, Admission(2 * TRANSCODE, 10), 1e6)
        self.lag = 0.0
        self.cache = SegmentCache(1 << 20)
        self.metrics = Metrics(
            cast(StreamRegistry, self), cast(Spawner, self), self.admission, OURS, lambda: self.lag, self.cache
        )
        self.server: Server = serve(self.metrics)

    def live(self) -> list[Stream]:
        return cast(list[Stream], self.streams)

    def pids(self) -> set[int]:
        return self.known

    async def read(self) -> dict[str, float]:
        """All values by name and labels."""
        answer = await self.server.ask("/metrics")
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        lines = [line for line in answer.body.decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


@pytest.fixture
def world(serve: Serve) -> Iterator[World]:
    world = World(serve)
    yield world
    world.admission.stop()


Start = Callable[[str | None], int]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts real children, with a token or without; they run their own program when it returns."""
    started: list[subprocess.Popen[bytes]] = []

    def run(token: str | None) -> int:
        environment = {} if token is None else {TOKEN: token}
        process = subprocess.Popen(SLEEP, env=environment, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        process.stdout.read(1)
        return process.pid

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest_twisted.ensureDeferred
async def test_the_names_that_alerts_and_dashboards_use(world: World) -> None:
    metrics = world.metrics
    metrics.stream_opened(cast(Stream, LivingStream("a", uptime=0.25)))
    metrics.stream_ended(new_ending("a", Reason.CLIENT_GONE, bytes_sent=100, kill_ms=20.0))
    metrics.stream_ended(new_ending("b", Reason.FINISHED, bytes_sent=23))
    metrics.segment_served(0.5)
    world.lag = 0.125
    found = await world.read()
    assert found['transcoded_endings_total{format="mp4",reason="client-gone"}'] == 1
    assert found['transcoded_endings_total{format="mp4",reason="finished"}'] == 1
    assert found["transcoded_bytes_sent_total"] == 123
    assert (found["transcoded_kill_seconds_count"], found["transcoded_kill_seconds_sum"]) == (1, 0.02)
    assert found['transcoded_kill_seconds_bucket{le="0.01"}'] == 0
    assert found['transcoded_kill_seconds_bucket{le="0.025"}'] == 1
    assert (found["transcoded_first_byte_seconds_count"], found["transcoded_first_byte_seconds_sum"]) == (1, 0.25)
    assert (found["transcoded_segment_seconds_count"], found["transcoded_segment_seconds_sum"]) == (1, 0.5)
    assert found["transcoded_reactor_lag_seconds"] == 0.125


@pytest_twisted.ensureDeferred
async def test_how_it_stands_now(world: World) -> None:
    world.streams = [Running(State.STARTING), Running(), Running(), Running(State.TERMINATING)]
    passes: list[Permit] = []
    world.admission.ask("a", TRANSCODE).addCallback(passes.append)
    world.admission.ask("b", COPY).addCallback(passes.append)
    world.admission.ask("c", TRANSCODE).addErrback(lambda _: None)
    found = await world.read()
    states = {name: value for name, value in found.items() if name.startswith("transcoded_streams{")}
    assert sum(states.values()) == 4
    assert states['transcoded_streams{state="running"}'] == 2
    assert states['transcoded_streams{state="killed"}'] == 0, "a state that nobody is in is told, too"
    assert not any("reaped" in name for name in states)
    assert (found["transcoded_queue"], found["transcoded_capacity_units"], found["transcoded_capacity_used_units"]) == (
        1,
        4,
        3,
    )


@pytest_twisted.ensureDeferred
async def test_the_cache_by_tier(world: World, tmp_path: Path) -> None:
    """Whoever pays for a disk wants to know whether it is worth it, and whether it fails."""
    world.cache.put("a", bytes(1000))
    world.cache.hits, world.cache.misses = 3, 2
    found = await world.read()
    assert found['transcoded_cache_hits_total{tier="memory"}'] == 3
    assert found['transcoded_cache_misses_total{tier="memory"}'] == 2
    assert found['transcoded_cache_bytes{tier="memory"}'] == 1000 + ENTRY
    assert found['transcoded_cache_entries{tier="memory"}'] == 1
    assert not [name for name in found if 'tier="disk"' in name or "cache_errors" in name]
    files = DiskFiles.open(str(tmp_path))
    with closing(files):
        disk = DiskTier(reactor, Threads(reactor), files, 1 << 20, "", world.cache)
        disk.hits, disk.misses, disk.damaged = 2, 1, 1
        world.cache.second = disk
        found = await world.read()
    assert found['transcoded_cache_hits_total{tier="disk"}'] == 2
    assert found['transcoded_cache_misses_total{tier="disk"}'] == 1
    assert found['transcoded_cache_bytes{tier="disk"}'] == found['transcoded_cache_entries{tier="disk"}'] == 0
    assert found["transcoded_cache_damaged_total"] == 1
    assert found["transcoded_cache_errors_total"] == found["transcoded_cache_dropped_total"] == 0


@pytest_twisted.ensureDeferred
async def test_bytes_count_while_they_flow(world: World) -> None:
    """A film lasts two hours; told at its end alone, a rate would show nothing and then a peak."""
    world.streams = [Running(bytes_sent=1000), Running(bytes_sent=20)]
    assert (await world.read())["transcoded_bytes_sent_total"] == 1020
    world.streams.pop()
    world.metrics.stream_ended(new_ending("a", Reason.FINISHED, bytes_sent=23))
    assert (await world.read())["transcoded_bytes_sent_total"] == 1023


@pytest_twisted.ensureDeferred
async def test_a_thousand_films_do_not_make_a_thousand_series(world: World) -> None:
    """Renditions are named after heights, paths after films: an unbounded label fills the memory of Prometheus."""
    for number in range(50):
        world.metrics.stream_ended(
            new_ending(str(number), Reason.IDLE, path=f"films/{number}.mkv", format_=f"cmaf/v{number}")
        )
    found = await world.read()
    assert found['transcoded_endings_total{format="cmaf",reason="idle"}'] == 50
    assert len(found) < 150


@pytest_twisted.ensureDeferred
async def test_each_metric_is_explained(world: World) -> None:
    body = (await world.server.ask("/metrics")).body.decode()
    for line in body.splitlines():
        if not line.startswith("#"):
            name = re.split(r"[ {]", line)[0]
            family = re.sub(r"_(bucket|count|sum)$", "", name)
            assert re.search(rf"^# HELP {family} \S+", body, re.MULTILINE), name
            assert name.startswith("transcoded_")


@pytest_twisted.ensureDeferred
async def test_processes_that_are_known_are_no_leak(world: World, start: Start) -> None:
    world.known = {start(OURS), start(OURS)}
    found = await world.read()
    assert (found["transcoded_processes"], found["transcoded_processes_leaked"]) == (2, 0)


@pytest_twisted.ensureDeferred
async def test_a_stray_one_is(world: World, start: Start) -> None:
    world.known = {start(OURS)}
    start(OURS)
    found = await world.read()
    assert (found["transcoded_processes"], found["transcoded_processes_leaked"]) == (2, 1)


@pytest_twisted.ensureDeferred
async def test_what_else_an_embedding_application_runs_is_not_ours(world: World, start: Start) -> None:
    for token in (None, "", OURS[:-1] + "0", OURS + "0"):
        start(token)
    found = await world.read()
    assert (found["transcoded_processes"], found["transcoded_processes_leaked"]) == (0, 0)


@pytest_twisted.ensureDeferred
async def test_one_that_is_dead_and_about_to_be_reaped_is_none(world: World, start: Start) -> None:
    pid = start(OURS)
    os.kill(pid, 9)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    found = await world.read()
    assert (found["transcoded_processes"], found["transcoded_processes_leaked"]) == (0, 0)


@pytest_twisted.ensureDeferred
async def test_a_mistyped_parameter_is_told(world: World) -> None:
    (await world.server.ask("/metrics?x=1")).problem(400)
