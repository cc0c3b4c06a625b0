"""The fixtures of the tests of `segments`."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.run.fakes import Machine
from tests.run.segments.disk_world import DiskWorld
from tests.run.segments.world import New, World
from transcoded.run.segments.disk import DiskTier


@pytest.fixture
def new(machine: Machine) -> Iterator[Callable[..., World]]:
    worlds: list[World] = []

    def make(capacity: int = 100, queue_size: int = 10, quota: int = 1 << 20, disk: DiskTier | None = None) -> World:
        worlds.append(World(machine, capacity, queue_size, quota, disk))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


@pytest.fixture
def world(new: New) -> World:
    return new()


@pytest.fixture
def disks(machine: Machine, tmp_path: Path) -> Iterator[Callable[..., DiskWorld]]:
    """Makes tiers, all in the same directory: one has to be closed before the next is made."""
    worlds: list[DiskWorld] = []

    def make(**more: Any) -> DiskWorld:
        worlds.append(DiskWorld(machine, tmp_path / "segments", **more))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


@pytest.fixture
def disk(disks: Callable[..., DiskWorld]) -> DiskWorld:
    return disks().start()
