"""What systemd is told: without READY it kills the daemon at its start, without WATCHDOG in the middle of a film."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from transcoded.run.host.systemd import Notifier


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket on which systemd listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        yield listener


def test_the_life_of_a_service(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    notifier = Notifier()
    told = []
    for tell in (notifier.ready, lambda: notifier.watchdog(1.0), notifier.draining, notifier.stopping):
        tell()
        told.append(manager.recv(1000).decode().split("\n")[0])
    assert told == ["READY=1", "WATCHDOG=1", "STATUS=draining", "STOPPING=1"]


def test_no_watchdog_is_fed_that_nobody_asked_for(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    Notifier(manager.getsockname()).watchdog(1.0)
    with pytest.raises(BlockingIOError):
        manager.recv(1000)


def test_an_abstract_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("")
        name = listener.getsockname()
        listener.setblocking(False)
        Notifier("@" + name[1:].decode("ascii")).ready()
        assert listener.recv(1000).startswith(b"READY=1")


def test_without_a_manager_or_with_one_that_is_gone_nothing_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    for notifier in (Notifier(), Notifier(str(tmp_path / "gone")), Notifier("x" * 300)):
        notifier.ready()
        notifier.stopping()


def test_a_manager_that_does_not_read_does_not_stop_the_daemon(manager: socket.socket) -> None:
    """A blocked send would stand still with every stream."""
    notifier = Notifier(manager.getsockname())
    for _ in range(10_000):
        notifier.ready()
