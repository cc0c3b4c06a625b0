"""The fixtures of the tests of `segments`."""

from collections.abc import Callable, Iterator

import pytest

from tests.run.fakes import Machine
from tests.run.segments.world import New, World


@pytest.fixture
def new(machine: Machine) -> Iterator[Callable[..., World]]:
    worlds: list[World] = []

    def make(capacity: int = 100, queue_size: int = 10, quota: int = 1 << 20) -> World:
        worlds.append(World(machine, capacity, queue_size, quota))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


@pytest.fixture
def world(new: New) -> World:
    return new()
