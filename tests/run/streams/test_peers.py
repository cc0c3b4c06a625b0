"""The connections under the streams: one whose peer is dead is noticed, whatever the reason for its silence; no other is cut."""

import socket
from collections.abc import Iterator

import attrs
import pytest

from transcoded.plan.policy.tcp import KEEPALIVE, SILENCE, TcpInfo
from transcoded.run.streams import peers as module
from transcoded.run.streams.peers import Peer, Peers


@attrs.frozen
class Pair:
    """Both ends of a TCP connection: ours, and the viewer's."""

    ours: socket.socket
    theirs: socket.socket


@pytest.fixture(params=[("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)], ids=["v4", "v6"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    host, family = request.param
    try:
        server = socket.create_server((host, 0), family=family)
    except OSError as error:
        pytest.skip(f"no {host} here: {error}")
    with server, socket.create_connection(server.getsockname()[:2]) as theirs:
        ours, _ = server.accept()
        with ours:
            yield Pair(ours, theirs)


@pytest.fixture
def connections() -> Peers:
    return Peers()


def watch(connections: Peers, handle: socket.socket, told: list[str], name: str = "gone") -> Peer:
    connection = connections.watch(handle, lambda: told.append(name))
    assert connection is not None
    return connection


def test_a_watched_connection_asks_by_itself_whether_its_peer_lives(connections: Peers, pair: Pair) -> None:
    watch(connections, pair.ours, [])
    idle, interval, count = KEEPALIVE
    assert pair.ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert pair.ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == idle
    assert pair.ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == interval
    assert pair.ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == count


def test_no_timeout_is_set_that_would_cut_a_paused_viewer(connections: Peers, pair: Pair) -> None:
    watch(connections, pair.ours, [])
    assert pair.ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0


def test_a_live_one_is_left_alone_and_tells_what_was_taken(connections: Peers, pair: Pair) -> None:
    told: list[str] = []
    connection = watch(connections, pair.ours, told)
    pair.ours.sendall(b"x" * 5000)
    received = 0
    while received < 5000:
        received += len(pair.theirs.recv(5000))
    pair.theirs.sendall(b"y")
    assert pair.ours.recv(1) == b"y"
    connections.tick(1.0)
    info = connection.info()
    assert told == []
    assert info is not None
    assert info.bytes_acked is not None
    assert info.bytes_acked >= 5000


def test_a_dead_one_is_told_of_once_and_the_others_are_not(
    connections: Peers, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    watch(connections, pair.ours, told, "dead")
    watch(connections, pair.theirs, told, "alive")
    dead = pair.ours.fileno()
    real = Peer.info

    def info(self: Peer) -> TcpInfo | None:
        return TcpInfo(6, 0, SILENCE) if self._socket.fileno() == dead else real(self)

    monkeypatch.setattr(module.Peer, "info", info)
    connections.tick(1.0)
    connections.tick(1.0)
    assert told == ["dead"]


def test_one_that_is_forgotten_is_not_watched_any_more(
    connections: Peers, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    connection = watch(connections, pair.ours, told)
    connection.forget()
    connection.forget()
    monkeypatch.setattr(module.Peer, "info", lambda self: TcpInfo(6, 0, SILENCE))
    connections.tick(1.0)
    assert told == []


def test_when_one_goes_others_may_go_with_it(connections: Peers, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """To end a stream may end another: the list of them changes while it is looked through."""
    told: list[str] = []
    watched: list[Peer] = []

    def gone() -> None:
        told.append("gone")
        for connection in watched:
            connection.forget()

    for handle in (pair.ours, pair.theirs):
        connection = connections.watch(handle, gone)
        assert connection is not None
        watched.append(connection)
    monkeypatch.setattr(module.Peer, "info", lambda self: TcpInfo(6, 0, SILENCE))
    connections.tick(1.0)
    connections.tick(1.0)
    assert 1 <= len(told) <= 2


def test_a_socket_that_is_closed_meanwhile_is_no_error(connections: Peers, pair: Pair) -> None:
    told: list[str] = []
    connection = watch(connections, pair.ours, told)
    pair.ours.close()
    assert connection.info() is None
    connections.tick(1.0)
    assert told == []


def test_what_is_no_tcp_connection_is_not_watched(connections: Peers) -> None:
    one, two = socket.socketpair()
    with one, two:
        assert connections.watch(one, lambda: None) is None
    assert connections.watch(None, lambda: None) is None
    assert connections.watch(object(), lambda: None) is None
