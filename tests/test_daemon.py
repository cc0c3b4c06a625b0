"""The daemon: the ports of the service, what cannot be listened on, and the order of a stop."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import attrs
import pytest
import pytest_twisted
from twisted.internet.address import IPv4Address
from twisted.internet.endpoints import UNIXClientEndpoint, connectProtocol
from twisted.internet.tcp import Port
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher

from tests.support.certificate import make_certificate
from tests.support.programs import idle_programs
from tests.web.server import Raw, reactor
from transcoded import daemon as daemon_module
from transcoded.config import Settings
from transcoded.daemon import ACCEPTS_PER_TURN, new_daemon
from transcoded.process_setup import EX_USAGE


@pytest.fixture(autouse=True)
def _process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The process of the tests keeps its signals, its clock and its garbage collector."""
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT)}
    for name in ("use_monotonic_clock", "freeze_garbage"):
        monkeypatch.setattr(daemon_module, name, lambda _: None)
    for name in ("take_signals", "raise_descriptor_limit"):
        monkeypatch.setattr(daemon_module, name, lambda *_: None)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "films").mkdir()
    programs = idle_programs(tmp_path)
    return Settings(
        media=(f"films={tmp_path / 'films'}",),
        ffmpeg=programs.ffmpeg,
        ffprobe=programs.ffprobe,
        state_dir=str(tmp_path / "state"),
        listen=(f"unix:{tmp_path / 'socket'}",),
    )


def refused(settings: Settings, capsys: pytest.CaptureFixture[str]) -> str:
    """What a daemon that ends itself says on stderr."""
    with pytest.raises(SystemExit) as ended:
        new_daemon(reactor, settings)
    assert ended.value.code == EX_USAGE
    return capsys.readouterr().err


@pytest.mark.parametrize("listen", ["nonsense", "tcp:x", "ssl:0:privateKey=/nowhere"])
def test_what_is_no_endpoint_is_refused_by_name(
    settings: Settings, capsys: pytest.CaptureFixture[str], listen: str
) -> None:
    error = refused(attrs.evolve(settings, listen=(listen,)), capsys)
    assert error.startswith("transcoded: listen: ")
    assert listen in error
    assert error.count("\n") == 1


def test_a_setting_that_does_not_work_here_is_refused_by_name(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refused(attrs.evolve(settings, media=("/nowhere",)), capsys)
    assert error.startswith("transcoded: media: ")
    assert error.count("\n") == 1


@pytest_twisted.ensureDeferred
async def test_a_port_that_is_taken_is_refused_and_the_others_are_closed_by_the_stop(
    settings: Settings, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        listen = (*settings.listen, f"tcp:{number}:interface=127.0.0.1")
        daemon = new_daemon(reactor, attrs.evolve(settings, listen=listen))
        with pytest.raises(SystemExit):
            daemon.startService()
        assert f"transcoded: listen: tcp:{number}" in capsys.readouterr().err
    assert (tmp_path / "socket").exists()
    await daemon.stopService()
    assert not (tmp_path / "socket").exists()


@pytest_twisted.ensureDeferred
async def test_it_serves_on_each_of_its_ports_until_it_stops(settings: Settings, tmp_path: Path) -> None:
    paths = [tmp_path / "one", tmp_path / "two"]
    daemon = new_daemon(reactor, attrs.evolve(settings, listen=tuple(f"unix:{path}" for path in paths)))
    daemon.startService()
    for path in paths:
        assert b'{"status":"ok"}' in await healthz(path)
    await daemon.stopService()
    assert not any(path.exists() for path in paths)


@pytest_twisted.ensureDeferred
async def test_a_flood_of_connections_is_accepted_a_few_at_a_time(settings: Settings) -> None:
    """Twisted accepts 20 more in each turn as long as more come, and nobody is served meanwhile."""
    daemon = new_daemon(reactor, attrs.evolve(settings, listen=("tcp:0:interface=127.0.0.1",)))
    daemon.startService()
    (port,) = daemon._ports
    assert isinstance(port, Port)
    port.numberAccepts += 20
    assert port.numberAccepts == ACCEPTS_PER_TURN
    await daemon.stopService()


@pytest_twisted.ensureDeferred
async def test_it_tells_the_url_of_each_port_with_the_scheme_that_the_port_speaks(
    settings: Settings, tmp_path: Path
) -> None:
    """Else a user pastes http:// from the log, and the port does not answer."""
    make_certificate(tmp_path, "127.0.0.1")
    tls = f"ssl:0:interface=127.0.0.1:privateKey={tmp_path / 'key.pem'}:certKey={tmp_path / 'cert.pem'}"
    ways = ("tcp:0:interface=127.0.0.1", tls, f"haproxy:{tls}", *settings.listen)
    told: list[str] = []

    def note(event: LogEvent) -> None:
        if event.get("log_format") == "listening on {address}":
            told.append(event["address"])

    globalLogPublisher.addObserver(cast(ILogObserver, note))
    daemon = new_daemon(reactor, attrs.evolve(settings, listen=ways))
    try:
        daemon.startService()
    finally:
        globalLogPublisher.removeObserver(cast(ILogObserver, note))
    numbers = [cast(IPv4Address, port.getHost()).port for port in daemon._ports[:3]]
    assert told == [
        f"http://127.0.0.1:{numbers[0]}/",
        f"https://127.0.0.1:{numbers[1]}/",
        f"127.0.0.1:{numbers[2]} (PROXY protocol)",
        str(tmp_path / "socket"),
    ]
    await daemon.stopService()


async def healthz(path: Path) -> bytes:
    """The answer of `/healthz` on a UNIX socket."""
    client = Raw()
    await connectProtocol(UNIXClientEndpoint(reactor, str(path)), client)
    client.transport.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    await client.closed
    return client.received


@pytest_twisted.ensureDeferred
async def test_the_ports_are_open_until_the_last_process_is_reaped(settings: Settings, tmp_path: Path) -> None:
    """A client that has a stream gets its end from us, and not from a closed port."""
    daemon = new_daemon(reactor, settings)
    daemon.startService()
    open_at_the_end: list[bool] = []
    # The state directory is given back when nothing runs any more.
    daemon._transcoded._host._opened.callback(lambda: open_at_the_end.append((tmp_path / "socket").exists()))
    await daemon.stopService()
    assert open_at_the_end == [True]
    assert not (tmp_path / "socket").exists()


@pytest_twisted.ensureDeferred
async def test_the_reactor_is_stopped_after_a_drain(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped: list[object] = []
    monkeypatch.setattr(daemon_module, "stop_reactor", stopped.append)
    daemon = new_daemon(reactor, settings)
    daemon.startService()
    await daemon._transcoded.drain()
    assert stopped == [reactor]
    await daemon.stopService()
