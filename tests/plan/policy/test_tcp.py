"""Dead or paused: if they are confused, a paused viewer loses its stream, or a transcoder runs for nobody."""

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.policy.tcp import KEEPALIVE, RTO_MAX_MS, SILENCE, TcpInfo, dead, parse

SIZE = 8 + 24 * 4


def kernel(retransmits: int, probes: int, last_ack_ms: int, acked: int | None = None) -> bytes:
    """The bytes of struct tcp_info (linux/tcp.h)."""
    words = [0] * 24
    words[12] = last_ack_ms
    head = struct.pack("=8B24I", 1, 0, retransmits, probes, 0, 0, 0, 0, *words)
    return head if acked is None else head + struct.pack("=3Q", 1, 2, acked) + bytes(64)


def test_the_fields_of_the_kernel_are_read() -> None:
    assert parse(kernel(3, 4, 16_500, 1 << 40)) == TcpInfo(3, 4, 16.5, 1 << 40)
    assert parse(kernel(1, 0, 10)) == TcpInfo(1, 0, 0.01, None), "an old kernel"
    assert parse(kernel(1, 0, 10)[:-1]) is None
    assert parse(b"") is None


def test_a_real_connection_has_acknowledged_bytes_and_is_not_dead() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        served, _ = server.accept()
        with served:
            served.sendall(b"x" * 1000)
            received = b""
            while len(received) < 1000:
                received += client.recv(1000)
            client.sendall(b"y")
            assert served.recv(1) == b"y", "this packet has the acknowledgment too"
            info = parse(served.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 232))
    assert info is not None
    assert info.bytes_acked is not None
    assert info.bytes_acked >= 1000
    assert (info.retransmits, info.probes) == (0, 0)
    assert not dead(info)


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        pytest.param(TcpInfo(0, 0, 3600.0), False, id="nothing sent for an hour"),
        pytest.param(TcpInfo(0, 1, 20.0), False, id="a paused viewer, one probe not answered yet"),
        pytest.param(TcpInfo(0, 5, 0.2), False, id="a paused viewer that answers probes"),
        pytest.param(TcpInfo(1, 0, 20.0), False, id="one packet lost"),
        pytest.param(TcpInfo(6, 0, SILENCE - 0.1), False, id="a bad connection, for a short time"),
        pytest.param(TcpInfo(2, 0, SILENCE), True, id="data is not acknowledged"),
        pytest.param(TcpInfo(0, 2, SILENCE), True, id="probes are not answered"),
    ],
)
def test_a_peer_is_dead_after_silence_and_two_unanswered_packets(info: TcpInfo, expected: bool) -> None:
    assert dead(info) is expected


def test_a_dead_peer_is_found_within_thirty_seconds() -> None:
    idle, interval, count = KEEPALIVE
    assert idle + interval * count <= 30, "without data to send, by keepalive"
    assert SILENCE + RTO_MAX_MS / 1000 + 1 <= 30, (
        "with data or probes: at the next one after the silence, seen in the next tick"
    )


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_an_error(raw: bytes) -> None:
    info = parse(raw)
    assert (info is None) is (len(raw) < SIZE)
