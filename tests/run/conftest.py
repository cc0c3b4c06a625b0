"""The pretended machine of these tests, and the proof that no descriptor is left open by any of them."""

import gc
from collections.abc import Iterator

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.task import deferLater

from tests.run.fakes import Machine, open_descriptors
from transcoded.run.process import child as process


@pytest.fixture(scope="session", autouse=True)
def _a_warm_start() -> Iterator[None]:
    """The reactor has opened its own pipes, and a garbage collection after each test need not look at the libraries."""
    pytest_twisted.blockon(deferLater(reactor, 0))
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def descriptors() -> Iterator[None]:
    """Fails the test that leaves a descriptor open: each is a stream that a long-lived daemon cannot start any more."""
    before = open_descriptors()
    yield
    pytest_twisted.blockon(deferLater(reactor, 0))
    left = open_descriptors() - before
    assert not left, f"descriptors left open: {left}"


@pytest.fixture
def machine(descriptors: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A machine on which nothing is left at the end: no reader in the reactor, no timer."""
    machine = Machine()
    monkeypatch.setattr(process, "signal_group", machine.groups.signal)
    monkeypatch.setattr(process, "group_members", machine.groups.members)
    monkeypatch.setattr(process, "open_leader", lambda pid: None)
    yield machine
    machine.release()
    # Descriptors are closed in the turn after the one in which they were let go.
    machine.advance(0)
    assert not machine.getReaders(), "readers left in the reactor"
    assert not machine.getWriters(), "writers left in the reactor"
    assert not machine.getDelayedCalls(), "delayed calls left in the reactor"
