"""The time that a client may take, and how many there may be: else a few slow ones keep all others out."""

from collections.abc import Sequence

import attrs
import pytest
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection
from twisted.logger import LogEvent, capturedLogs
from twisted.web.http import HTTPChannel
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from transcoded.plan.http.forwarded import parse_trusted
from transcoded.web.channel import (
    BODY_SECONDS,
    CLOSE_SECONDS,
    HEAD_SECONDS,
    IDLE_SECONDS,
    LINGER_BYTES,
    LINGER_SECONDS,
    UNREAD_SECONDS,
    Channel,
)
from transcoded.web.connections import LOG_INTERVAL, Connections
from transcoded.web.protocol import QuietSite
from transcoded.web.request_turns import BUDGET, RequestTurns

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
HOME = IPv4Address("TCP", "192.0.2.1", 1)


class Wire(StringTransportWithDisconnection):
    """A connection that notes how it is closed. `stuck`: the client does not close its end."""

    aborted = False
    half_closed = False
    stuck = False

    def abortConnection(self) -> None:
        self.aborted = True
        super().loseConnection()

    def loseConnection(self) -> None:
        if not self.stuck:
            super().loseConnection()

    def loseWriteConnection(self) -> None:
        self.half_closed = True


class Held(Resource):
    """Answers when the test says so."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []

    def render(self, request: Request) -> object:
        self.requests.append(request)
        return NOT_DONE_YET


@attrs.define
class Frame:
    """A site with connections on wires."""

    limit: int = 3
    client_limit: int | None = 2
    proxies: Sequence[str] = ()
    clock: Clock = attrs.Factory(Clock)
    page: Held = attrs.Factory(Held)
    site: QuietSite = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        proxies = tuple(parse_trusted(text) for text in self.proxies)
        connections = Connections(self.clock, self.limit, self.client_limit, proxies)
        self.site = QuietSite(self.page, self.clock, connections)

    def connect(self, peer: IAddress = HOME) -> tuple[Channel, Wire]:
        channel = self.site.buildProtocol(peer)
        wire = Wire(peerAddress=peer)
        wire.protocol = channel
        channel.makeConnection(wire)
        return channel, wire


@pytest.fixture
def frame() -> Frame:
    return Frame()


def test_the_private_names_of_twisted_exist() -> None:
    for name in (
        "_networkProducer",
        "_waitingForTransport",
        "_respondToBadRequestAndDisconnect",
        "_command",
        "_path",
        "_version",
        "_buffer",
    ):
        assert name in set(dir(HTTPChannel)) | set(HTTPChannel.lineReceived.__code__.co_names) | set(
            HTTPChannel.connectionMade.__code__.co_names
        ), name


def test_a_connection_without_a_byte_is_closed(frame: Frame) -> None:
    _, wire = frame.connect()
    frame.clock.advance(HEAD_SECONDS - 1)
    assert wire.connected
    frame.clock.advance(1)
    assert not wire.connected


def test_the_head_must_come_in_time_and_no_byte_puts_that_off(frame: Frame) -> None:
    channel, wire = frame.connect()
    frame.clock.advance(1)
    for byte in REQUEST[: int(HEAD_SECONDS)]:
        assert wire.connected
        channel.dataReceived(bytes([byte]))
        frame.clock.advance(1)
    assert not wire.connected
    assert not frame.page.requests


def test_the_body_must_come_in_time(frame: Frame) -> None:
    channel, wire = frame.connect()
    channel.dataReceived(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n")
    for _ in range(int(BODY_SECONDS)):
        assert wire.connected
        channel.dataReceived(b"a")
        frame.clock.advance(1)
    assert not wire.connected


def test_an_answer_takes_any_time_and_the_next_request_may_wait_for_a_while(frame: Frame) -> None:
    channel, wire = frame.connect()
    for _ in range(2):
        channel.dataReceived(REQUEST)
        frame.clock.advance(1_000_000)
        frame.page.requests.pop().finish()
        frame.clock.advance(IDLE_SECONDS - 1)
        assert wire.connected
    channel.dataReceived(REQUEST[:5])
    frame.clock.advance(HEAD_SECONDS - 1)
    assert wire.connected
    channel.dataReceived(REQUEST[5:])
    frame.page.requests.pop().finish()
    frame.clock.advance(IDLE_SECONDS)
    assert not wire.connected
    assert not wire.aborted


def test_what_is_written_may_be_read_slowly(frame: Frame) -> None:
    """A viewer who pauses at the end of a film gets the rest of it later."""
    channel, wire = frame.connect()
    channel.dataReceived(REQUEST)
    channel.pauseProducing()
    frame.page.requests.pop().finish()
    frame.clock.advance(UNREAD_SECONDS - 1)
    assert wire.connected
    channel.resumeProducing()
    frame.clock.advance(IDLE_SECONDS - 1)
    assert wire.connected
    frame.clock.advance(1)
    assert not wire.connected
    channel, wire = frame.connect()
    channel.dataReceived(REQUEST)
    channel.pauseProducing()
    frame.page.requests.pop().finish()
    frame.clock.advance(UNREAD_SECONDS)
    assert wire.aborted, "a client that never reads is not kept for ever"


def test_a_client_that_does_not_close_is_cut_off(frame: Frame) -> None:
    _, wire = frame.connect()
    wire.stuck = True
    frame.clock.advance(HEAD_SECONDS)
    assert wire.connected
    frame.clock.advance(CLOSE_SECONDS)
    assert wire.aborted


def test_a_refusal_can_be_read_by_a_client_that_still_sends(frame: Frame) -> None:
    for end in ("time", "bytes", "client"):
        channel, wire = frame.connect()
        channel.dataReceived(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n" + bytes(1000))
        assert wire.value().startswith(b"HTTP/1.1 413 ")
        assert wire.half_closed
        channel.dataReceived(REQUEST * 10)
        assert wire.connected
        if end == "time":
            frame.clock.advance(LINGER_SECONDS)
        elif end == "bytes":
            channel.dataReceived(bytes(LINGER_BYTES))
        else:
            wire.loseConnection()
        assert not wire.connected
        assert wire.aborted == (end != "client")
        assert wire.value().count(b"HTTP/1.1 ") == 1
    assert not frame.page.requests
    assert not [call for call in frame.clock.getDelayedCalls() if call.getTime() > frame.clock.seconds()]


def test_a_new_connection_takes_the_place_of_one_that_waits_and_of_none_that_is_answered(frame: Frame) -> None:
    busy, busy_wire = frame.connect()
    busy.dataReceived(REQUEST)
    _, first = frame.connect()
    _, second = frame.connect()
    assert (busy_wire.connected, first.aborted, second.connected) == (True, True, True)
    _, elsewhere = frame.connect(IPv4Address("TCP", "192.0.2.2", 1))
    _, last = frame.connect(IPv4Address("TCP", "192.0.2.3", 1))
    assert (second.aborted, elsewhere.connected, last.connected) == (True, True, True)
    frame.page.requests.pop().finish()
    assert busy_wire.connected


def test_if_all_are_answered_a_new_one_is_closed_before_it_is_read(frame: Frame) -> None:
    for _ in range(2):
        frame.connect()[0].dataReceived(REQUEST)
    channel, wire = frame.connect()
    assert wire.aborted
    channel.dataReceived(REQUEST)
    assert len(frame.page.requests) == 2


@pytest.mark.parametrize("peer", [IPv4Address("TCP", "192.0.2.77", 1), UNIXAddress(None)], ids=str)
def test_a_proxy_is_not_taken_for_one_client(peer: IAddress) -> None:
    frame = Frame(limit=3, client_limit=1, proxies=["192.0.2.77"])
    wires = [frame.connect(peer)[1] for _ in range(3)]
    assert all(wire.connected for wire in wires)
    frame.connect(peer)
    assert [wire.connected for wire in wires] == [False, True, True]


def test_behind_the_proxy_protocol_the_real_client_counts(frame: Frame) -> None:
    """Its address is known when the first byte comes."""
    viewers = [frame.connect() for _ in range(2)]
    for number, (channel, wire) in enumerate(viewers):
        wire.peerAddr = IPv4Address("TCP", f"198.51.100.{number}", 1)
        channel.dataReceived(REQUEST)
    assert frame.connect()[1].connected
    assert all(wire.connected for _, wire in viewers)


def test_many_closed_connections_are_one_line_of_the_log(frame: Frame) -> None:
    with capturedLogs() as events:
        for _ in range(50):
            frame.connect()
        frame.clock.advance(0)
        for _ in range(50):
            frame.connect()[0].dataReceived(b"GET")
        frame.clock.advance(LOG_INTERVAL)
    assert [(event["crowded"], event["slow"]) for event in closings(events)] == [(48, 0), (50, 2)]
    with capturedLogs() as events:
        frame.connect()
        frame.connect()
        frame.connect()
        frame.site.doStart()
        frame.site.doStop()
    assert len(closings(events)) == 1, "what is not logged yet is logged at the end"
    with capturedLogs() as events:
        frame.clock.advance(LOG_INTERVAL)
    assert not closings(events)


def closings(events: Sequence[LogEvent]) -> Sequence[LogEvent]:
    return [event for event in events if "crowded" in event]


def test_only_http_1_is_spoken(frame: Frame) -> None:
    assert frame.site.acceptableProtocols() == [b"http/1.1"]


def test_what_is_sent_behind_a_request_waits_for_a_later_turn(frame: Frame) -> None:
    """Thousands of requests fit into one piece."""
    channel, _ = frame.connect()

    def answer_slowly(request: Request) -> bytes:
        frame.clock.rightNow += BUDGET
        frame.page.requests.append(request)
        return b""

    frame.page.render = answer_slowly  # type: ignore[method-assign]  # the page of this test answers at once
    channel.dataReceived(REQUEST * 3)
    assert len(frame.page.requests) == 1
    frame.clock.advance(0)
    assert len(frame.page.requests) == 3


def test_a_client_that_leaves_in_the_queue_is_not_answered(frame: Frame) -> None:
    channel, wire = frame.connect()
    channel.turns = RequestTurns(frame.clock, 0)
    channel.dataReceived(REQUEST)
    wire.abortConnection()
    frame.clock.advance(0)
    assert not frame.page.requests


def test_nothing_is_begun_for_a_client_before_it_has_read_what_is_buffered(frame: Frame) -> None:
    channel, wire = frame.connect()
    channel.dataReceived(REQUEST)
    channel.pauseProducing()
    frame.page.requests.pop().finish()
    channel.dataReceived(REQUEST)
    frame.clock.advance(UNREAD_SECONDS - 1)
    assert not frame.page.requests
    channel.resumeProducing()
    assert len(frame.page.requests) == 1
    assert wire.connected


def test_a_client_that_never_reads_loses_its_connection(frame: Frame) -> None:
    channel, wire = frame.connect()
    channel.dataReceived(REQUEST)
    channel.pauseProducing()
    frame.page.requests.pop().finish()
    channel.dataReceived(REQUEST)
    frame.clock.advance(UNREAD_SECONDS)
    assert wire.aborted
