"""Servers that are gone, connections and threads too, when their test is over."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import cast

import pytest
import pytest_twisted
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher

from tests.web.server import Server, new_guard, new_origins, reactor
from transcoded.run.files.threads import Threads
from transcoded.web.app import resource
from transcoded.web.guard import Guard
from transcoded.web.media_routes import Locate
from transcoded.web.origins import Origins

Serve = Callable[..., Server]


@pytest_twisted.async_yield_fixture
async def serve() -> AsyncIterator[Serve]:
    """Serves the routes of these objects: to everybody, or to those whom a guard lets in; `locate` finds media files."""
    servers: list[Server] = []

    def start(
        *owners: object,
        guard: Guard | None = None,
        origins: Origins | None = None,
        locate: Locate | None = None,
    ) -> Server:
        served = resource(guard or new_guard(), origins or new_origins(), *owners, locate=locate)
        servers.append(Server(served))
        return servers[-1]

    yield start
    for server in servers:
        await server.close()


@pytest.fixture
def log() -> Iterator[list[LogEvent]]:
    """What is logged from now on."""
    events: list[LogEvent] = []
    note = cast(ILogObserver, events.append)
    globalLogPublisher.addObserver(note)
    yield events
    globalLogPublisher.removeObserver(note)


def lines(log: Sequence[LogEvent]) -> list[tuple[object, ...]]:
    """The lines about ended requests."""
    return [(e["method"], e["path"], e["status"], e["request_id"]) for e in log if "request_id" in e and "status" in e]


@pytest.fixture
def threads() -> Iterator[Threads]:
    """A pool for reading files."""
    threads = Threads(reactor, 2)
    yield threads
    threads.stop()
