"""The ways past Twisted's buffers: a byte that is lost, doubled or framed wrongly garbles a film in the middle."""

import os
import random
import select
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress

import attrs
import pytest

from tests.run.fakes import Machine, Viewer
from transcoded.run.reactor import as_reactor
from transcoded.run.relay.pipes import BIG, open_pipe
from transcoded.run.relay.sinks import ConsumerSink, SendmsgSink, SocketSink, SpliceSink


@attrs.define
class FlowControl:
    """The relay's side: notes whether it is held up."""

    held: bool = False
    lost: int = 0

    def pause(self) -> None:
        self.held = True

    def resume(self) -> None:
        self.held = False

    def client_lost(self) -> None:
        self.lost += 1


def chunked(machine: Machine, flow: FlowControl, viewer: Viewer, ours: socket.socket) -> SocketSink:
    return SendmsgSink(as_reactor(machine), flow, viewer, ours, chunked=True)


def plain(machine: Machine, flow: FlowControl, viewer: Viewer, ours: socket.socket) -> SocketSink:
    return SendmsgSink(as_reactor(machine), flow, viewer, ours, chunked=False)


def spliced(machine: Machine, flow: FlowControl, viewer: Viewer, ours: socket.socket) -> SocketSink:
    return SpliceSink(as_reactor(machine), flow, viewer, ours)


Make = Callable[[Machine, FlowControl, Viewer, socket.socket], SocketSink]
WAYS = [pytest.param(way, id=way.__name__) for way in (chunked, plain, spliced)]


class World:
    """A transcoder's pipe, a sink, and a viewer's socket with tiny buffers: everything moves when the test says so."""

    def __init__(self, machine: Machine, make: Make, tcp: bool = False) -> None:
        self.machine = machine
        self.flow, self.viewer = FlowControl(), Viewer()
        self.ours, self.theirs = tcp_pair() if tcp else socket.socketpair()
        for one in (self.ours, self.theirs):
            one.setblocking(False)
        self.ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        if not tcp:  # TCP would answer a tiny window with long pauses
            self.theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        self.pipe, self._writer = open_pipe(BIG)
        os.set_blocking(self._writer, False)
        self.sink = make(machine, self.flow, self.viewer, self.ours)
        self.written = self.received = b""
        self.closed_by_us = False

    def write(self, data: bytes) -> None:
        """As the transcoder, as much as its pipe takes."""
        with suppress(BlockingIOError):
            self.written += data[: os.write(self._writer, data)]

    def pump(self) -> int | None:
        """As the relay: not while it is held up. None: nothing now."""
        if self.flow.held:
            return None
        try:
            return self.sink.pump(self.pipe)
        except BlockingIOError:
            return None

    def take(self, most: int) -> None:
        """As the viewer."""
        with suppress(BlockingIOError):
            data = self.theirs.recv(most)
            self.closed_by_us |= not data
            self.received += data

    def turn(self) -> None:
        """As the reactor."""
        for writer in self.machine.getWriters():
            if select.select([], [writer.fileno()], [], 0)[1]:
                writer.doWrite()

    def finish(self) -> None:
        """The transcoder ends, and the viewer takes everything."""
        os.close(self._writer)
        self._writer = -1
        while self.pump() != 0:
            self.take(1 << 20)
            self.turn()
        assert not self.flow.held, "the end is seen when all was handed on"
        self.sink.close()
        self.ours.close()
        while not self.closed_by_us:
            self.take(1 << 20)

    def close(self) -> None:
        self.sink.close()
        for fd in (self.pipe, self._writer):
            if fd >= 0:
                os.close(fd)
        self.ours.close()
        self.theirs.close()


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        theirs = socket.create_connection(server.getsockname())
        return server.accept()[0], theirs


def unframed(data: bytes) -> bytes:
    """What is in the chunks (RFC 9112, section 7.1); all of them must be whole."""
    body = b""
    while data:
        size, _, rest = data.partition(b"\r\n")
        length = int(size, 16)
        assert length > 0, "a chunk of nothing ends a body"
        assert rest[length : length + 2] == b"\r\n"
        body, data = body + rest[:length], rest[length + 2 :]
    return body


@pytest.fixture
def new(machine: Machine) -> Iterator[Callable[..., World]]:
    worlds: list[World] = []

    def make(way: Make, *, tcp: bool = False) -> World:
        worlds.append(World(machine, way, tcp))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


New = Callable[..., World]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("way", WAYS)
def test_whatever_stalls_when_all_bytes_come_once_and_in_order(new: New, way: Make, seed: int) -> None:
    world, dice = new(way), random.Random(seed)
    steps: list[Callable[[], object]] = [
        lambda: world.write(dice.randbytes(dice.choice([1, 100, 5000, 70_000]))),
        world.pump,
        world.pump,
        lambda: world.take(dice.choice([1, 1000, 100_000])),
        world.turn,
    ]
    for _ in range(1500):
        dice.choice(steps)()
    world.finish()
    assert len(world.written) > 100_000
    assert (unframed(world.received) if way is chunked else world.received) == world.written


@pytest.mark.parametrize("size", [1, 5000, 1_000_000])
@pytest.mark.parametrize("way", WAYS)
def test_what_was_read_before_comes_first_however_much_the_client_takes_at_once(new: New, way: Make, size: int) -> None:
    """The header of a film, and what was read with it."""
    world = new(way)
    world.written = random.Random(size).randbytes(size)
    world.sink.send(world.written)
    assert size < 1_000_000 or world.flow.held, "a client that does not take it at once holds up the pipe"
    world.write(b"and then the rest")
    world.finish()
    assert (unframed(world.received) if way is chunked else world.received) == world.written


@pytest.mark.parametrize("way", WAYS)
def test_over_tcp_too(new: New, way: Make) -> None:
    world = new(way, tcp=True)
    for number in range(30):
        world.write(bytes([number]) * 10_000)
        world.pump()
        world.turn()
        if number % 7 == 0:
            world.take(50_000)
    world.finish()
    assert (unframed(world.received) if way is chunked else world.received) == world.written


@pytest.mark.parametrize("way", WAYS)
def test_for_a_client_that_takes_nothing_one_block_is_held_at_the_most(new: New, way: Make) -> None:
    world = new(way)
    taken = 0
    for _ in range(50):
        world.write(bytes(BIG))
        taken += world.pump() or 0
        world.turn()
    assert world.flow.held
    assert taken <= 2 * BIG, "the rest is in the pipe, where it holds up the transcoder"
    assert world.machine.getWriters() == [world.sink]


@pytest.mark.parametrize("way", WAYS)
def test_when_nothing_comes_nobody_is_held_up(new: New, way: Make) -> None:
    world = new(way)
    with pytest.raises(BlockingIOError):
        world.sink.pump(world.pipe)
    assert not world.flow.held
    assert world.machine.getWriters() == []


@pytest.mark.parametrize("way", WAYS)
def test_the_end_of_the_output_is_told(new: New, way: Make) -> None:
    world = new(way)
    world.write(b"last")
    assert world.pump() == 4
    os.close(world._writer)
    world._writer = -1
    assert world.pump() == 0


@pytest.mark.parametrize("way", WAYS)
def test_while_it_is_open_a_reset_by_the_transport_does_not_get_through_and_after_it_does(
    new: New, machine: Machine, way: Make
) -> None:
    """The rule at the top of the module: to break a response visibly, the duplicate must be closed first."""
    world = new(way, tcp=True)
    world.write(b"half a film")
    world.pump()
    world.sink.close()
    machine.advance(0)
    world.ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    world.ours.close()
    world.theirs.setblocking(True)
    world.theirs.settimeout(30)
    with pytest.raises(ConnectionResetError):
        while world.theirs.recv(100):
            pass


@pytest.mark.parametrize("way", WAYS)
def test_after_the_close_a_clean_end_gets_through(new: New, machine: Machine, way: Make) -> None:
    world = new(way, tcp=True)
    world.sink.close()
    world.sink.close()
    machine.advance(0)
    assert world.viewer.unregistered == 1
    world.ours.close()
    world.theirs.setblocking(True)
    world.theirs.settimeout(30)
    assert world.theirs.recv(100) == b""


@pytest.mark.parametrize("way", WAYS)
def test_a_client_that_goes_is_not_touched_any_more(new: New, way: Make) -> None:
    world = new(way)
    for _ in range(10):
        world.write(bytes(BIG))
        world.pump()
    world.sink.stopProducing()
    assert world.flow.lost == 1
    assert world.machine.getWriters() == []
    assert world.sink.fileno() == -1
    world.sink.close()
    assert world.viewer.unregistered == 0, "a request that is gone raises if it is asked to part from its producer"


@pytest.mark.parametrize("way", WAYS)
def test_a_connection_that_breaks_is_no_error_here_since_the_transport_is_about_to_tell(new: New, way: Make) -> None:
    world = new(way)
    world.theirs.close()
    for _ in range(5):
        world.write(bytes(1000))
        world.pump()
        world.turn()
    world.sink.connectionLost(None)  # type: ignore[arg-type]  # the reason is not looked at
    world.sink.send(bytes(1000))
    world.write(bytes(1000))
    world.pump()


@pytest.mark.parametrize("way", WAYS)
def test_what_twisteds_own_transport_says_of_its_buffers_changes_nothing(new: New, way: Make) -> None:
    world = new(way)
    world.sink.pauseProducing()
    assert not world.flow.held
    world.write(bytes(BIG))
    while not world.flow.held:
        world.write(bytes(1000))
        world.pump()
    world.sink.resumeProducing()
    assert world.flow.held


def test_through_any_consumer_the_consumer_decides() -> None:
    flow, viewer = FlowControl(), Viewer(room=10)
    sink = ConsumerSink(flow, viewer)
    pipe, writer = open_pipe(BIG)
    try:
        os.write(writer, b"0123456789")
        assert sink.pump(pipe) == 10
        assert flow.held
        viewer.take()
        assert not flow.held
        os.close(writer)
        assert sink.pump(pipe) == 0
        sink.close()
        sink.close()
        assert (viewer.data, viewer.unregistered) == (b"0123456789", 1)
    finally:
        os.close(pipe)


def test_through_any_consumer_one_that_is_gone_is_not_written_to() -> None:
    flow, viewer = FlowControl(), Viewer()
    sink = ConsumerSink(flow, viewer)
    pipe, writer = open_pipe(BIG)
    try:
        sink.stopProducing()
        os.write(writer, b"late")
        sink.pump(pipe)
        sink.close()
        assert (viewer.blocks, viewer.unregistered, flow.lost) == ([], 0, 1)
    finally:
        os.close(pipe)
        os.close(writer)
