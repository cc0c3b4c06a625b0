"""Server-sent events: a dashboard that misses an end shows a stream that is long gone, for ever."""

from collections.abc import AsyncIterator
from typing import Any, cast

import attrs
import msgspec
import pytest
import pytest_twisted
from twisted.web.server import Request

from tests.web.conftest import Serve
from tests.web.examples import LivingStream, new_ending
from tests.web.server import Raw, Server, turn
from transcoded.plan.endings import Reason
from transcoded.run.segments.prepare_info import PrepareInfo, PrepareState
from transcoded.run.streams.stream import Stream
from transcoded.web import events
from transcoded.web.events import (
    HEARTBEAT,
    MAX_REMEMBERED_BYTES,
    PATIENCE,
    REMEMBERED,
    Events,
    _Event,
    _Listener,
)


@attrs.frozen
class Told:
    """One event as a browser reads it."""

    id: str
    name: str
    data: Any

    @property
    def number(self) -> int:
        return int(self.id.partition("-")[2])


def read(received: bytes) -> list[Told]:
    """The events in a response that has come so far (chunked); an event that has not come whole is none."""
    _, _, body = received.partition(b"\r\n\r\n")
    text = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        if len(rest) < int(size, 16):
            break
        text, body = text + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    events = []
    for block in text.decode().split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in block.splitlines() if line and not line.startswith((":", "retry"))
        )
        if "data" in fields:
            events.append(Told(fields["id"], fields["event"], msgspec.json.decode(fields["data"])))
    return events


class World:
    """The route, and streams that live and die as the test says."""

    def __init__(self, serve: Serve) -> None:
        self.streams: dict[str, LivingStream] = {}
        self.events = Events(lambda: cast(list[Stream], list(self.streams.values())))
        self.server: Server = serve(self.events)
        self.clients: list[Raw] = []

    def start(self, name: str) -> None:
        self.streams[name] = LivingStream(name)
        self.events.stream_started(cast(Stream, self.streams[name]))
        self.events.stream_opened(cast(Stream, self.streams[name]))

    def end(self, name: str, reason: Reason = Reason.FINISHED) -> None:
        del self.streams[name]
        self.events.stream_ended(new_ending(name, reason))

    async def listen(self, *headers: bytes) -> Raw:
        """A reader, as soon as it is known."""
        client = await self.server.connect()
        self.clients.append(client)
        lines = [b"GET /api/v1/events HTTP/1.1", b"Host: localhost", *headers]
        client.transport.write(b"\r\n".join(lines) + b"\r\n\r\n")
        await client.until(b"retry: 2000")
        return client

    async def after(self, name: str, client: Raw) -> list[Told]:
        """All that a reader was told, up to the end of this stream."""
        await client.until(f'"id":"{name}"'.encode())
        await turn()
        return read(client.received)


@pytest_twisted.async_yield_fixture
async def world(serve: Serve) -> AsyncIterator[World]:
    world = World(serve)
    yield world
    world.events.stop()
    await world.server.idle()


@pytest_twisted.ensureDeferred
async def test_starts_and_ends_come_in_order_to_all(world: World) -> None:
    clients = [await world.listen() for _ in range(2)]
    world.start("one")
    world.start("two")
    world.end("one", Reason.STOPPED)
    world.end("two")
    for client in clients:
        await client.until(b'"reason":"finished"')
        told = read(client.received)
        assert [(event.name, event.data["id"]) for event in told] == [
            ("stream-started", "one"),
            ("stream-started", "two"),
            ("stream-ended", "one"),
            ("stream-ended", "two"),
        ]
        assert [event.data["reason"] for event in told[2:]] == ["stopped", "finished"]
        numbers = [event.number for event in told]
        assert numbers == sorted(set(numbers))


@pytest_twisted.ensureDeferred
async def test_it_is_an_event_stream_that_nobody_on_the_way_may_keep(world: World) -> None:
    client = await world.listen()
    head = client.received.partition(b"\r\n\r\n")[0].lower()
    for line in (b"200 ok", b"content-type: text/event-stream", b"cache-control: no-store", b"x-accel-buffering: no"):
        assert line in head
    answer = await world.server.ask("/api/v1/events", "HEAD")
    assert (answer.status, answer.body) == (200, b"")


@pytest_twisted.ensureDeferred
async def test_each_tick_tells_how_the_streams_stand(world: World) -> None:
    client = await world.listen()
    world.start("one")
    world.streams["one"].bytes_sent = 12345
    world.events.tick(1.0)
    await client.until(b"12345")
    assert read(client.received)[-1].name == "stream-updated"
    assert read(client.received)[-1].data["bytes_sent"] == 12345


@pytest_twisted.ensureDeferred
async def test_a_quiet_connection_is_kept_open(world: World) -> None:
    client = await world.listen()
    for _ in range(int(HEARTBEAT) - 1):
        world.events.tick(1.0)
    await turn()
    assert b": still here" not in client.received
    world.events.tick(1.0)
    await client.until(b": still here\n\n")
    assert read(client.received) == []


@pytest_twisted.ensureDeferred
async def test_who_comes_back_is_told_what_was_missed_and_nothing_twice(world: World) -> None:
    client = await world.listen()
    world.start("one")
    seen = (await world.after("one", client))[-1]
    client.transport.abortConnection()
    await client.closed
    await world.server.idle()
    world.start("two")
    world.events.tick(1.0)
    world.end("one")
    again = await world.listen(b"Last-Event-ID: " + seen.id.encode())
    world.end("two")
    await again.until(b'"id":"two","request_id":"r","path":"films/a.mkv","format":"mp4","reason"')
    told = read(again.received)
    assert [(event.name, event.data["id"]) for event in told] == [
        ("stream-started", "two"),
        ("stream-ended", "one"),
        ("stream-ended", "two"),
    ]
    assert all(event.number > seen.number for event in told)


@pytest_twisted.ensureDeferred
async def test_who_comes_back_to_another_daemon_is_told_all_that_it_knows(world: World) -> None:
    """Numbers begin anew with each daemon: those of the last mean nothing here."""
    world.start("one")
    client = await world.listen(b"Last-Event-ID: 0123abcd-999")
    assert [event.data["id"] for event in await world.after("one", client)] == ["one"]


@pytest.mark.parametrize("last", [b"", b"x", b"-", b"x-y", b"\xff-5", b"5", b"x-" + b"9" * 5000, b"-1"])
@pytest_twisted.ensureDeferred
async def test_an_id_that_is_none_is_no_error(world: World, last: bytes) -> None:
    client = await world.listen(b"Last-Event-ID: " + last)
    world.start("one")
    await world.after("one", client)


@pytest_twisted.ensureDeferred
async def test_nor_is_one_of_ours_with_a_number_that_nobody_counts_to(world: World) -> None:
    epoch = world.events._epoch.encode()
    await world.listen(b"Last-Event-ID: " + epoch + b"-" + b"9" * 5000)
    assert len(world.events._listeners) == 1


@pytest_twisted.ensureDeferred
async def test_what_is_remembered_is_bounded(world: World) -> None:
    for number in range(REMEMBERED + 100):
        world.start(f"s{number}")
    client = await world.listen(b"Last-Event-ID: x-0")
    told = await world.after(f"s{REMEMBERED + 99}", client)
    assert len(told) == REMEMBERED


@pytest_twisted.ensureDeferred
async def test_a_reader_that_does_not_keep_up_is_cut_off_and_the_others_are_not(world: World) -> None:
    slow, quick = await world.listen(), await world.listen()
    slow.transport.pauseProducing()
    rounds = 0
    # Not so many that the first of their events alone are more than a connection may have waiting.
    for number in range(30):
        world.start(f"s{number}")
    while len(world.events._listeners) == 2:
        world.events.tick(1.0)
        await turn()
        rounds += 1
        assert rounds < 20_000, "all of it is buffered"
    slow.transport.resumeProducing()
    assert await slow.closed is False, "an abort, and no clean end"
    world.end("s0")
    await quick.until(b'"reason":"finished"')


def buffered(world: World) -> list[int]:
    """The bytes that the server holds for each of its connections, outside the kernel."""
    transports = [channel.transport for channel in world.server._site.channels]
    return [len(one.dataBuffer) + sum(map(len, one._tempDataBuffer)) for one in transports]


@pytest_twisted.ensureDeferred
async def test_what_a_silent_reader_has_missed_is_not_buffered_for_it(world: World) -> None:
    """Two hundred of them took 445 MB."""
    for number in range(REMEMBERED // 2):
        world.start(f"s{number}")
        world.events.stream_ended(msgspec.structs.replace(new_ending(f"s{number}"), stderr_tail="x" * 4000))
    clients = [await world.listen(b"Last-Event-ID: x-0") for _ in range(3)]
    for client in clients:
        client.transport.pauseProducing()
    await turn()
    assert max(buffered(world)) < 2 * 65536
    for client in clients:
        client.transport.resumeProducing()
    told = await world.after(f"s{REMEMBERED // 2 - 1}", clients[0])
    assert len(told) == REMEMBERED


@attrs.define
class Sent:
    """A request whose client takes `room` events, and then no more until the test says so."""

    room: int
    data: list[bytes] = attrs.Factory(list)
    listener: _Listener | None = None

    def write(self, data: bytes) -> None:
        self.data.append(data)
        self.room -= 1
        if self.room <= 0 and self.listener is not None:
            self.listener.pauseProducing()


def listening(room: int, missed: int) -> tuple[Sent, _Listener]:
    """A listener that has missed the events 0, 1, … and has got those for which its client has room."""
    sent = Sent(room)
    sent.listener = _Listener(cast(Request, sent), "x", [_Event(number, b"%d" % number) for number in range(missed)])
    sent.listener.replay()
    return sent, sent.listener


def test_what_a_client_has_missed_is_sent_as_fast_as_it_reads() -> None:
    sent, listener = listening(room=2, missed=5)
    assert sent.data == [b"0", b"1"]
    listener.send(_Event(5, b"5"), kept=True)
    listener.send(_Event(6, b"an update"), kept=False)
    assert sent.data == [b"0", b"1"]
    sent.room = 100
    listener.resumeProducing()
    assert sent.data == [b"0", b"1", b"2", b"3", b"4", b"5"], "in order, and without an update that is old by now"
    listener.send(_Event(7, b"7"), kept=False)
    assert sent.data[-1] == b"7"
    assert not listener.closed.called


def test_a_silent_client_that_has_events_to_read_is_sent_away_after_a_while() -> None:
    sent, listener = listening(room=2, missed=5)
    listener.tick(PATIENCE - 1)
    sent.room = 1
    listener.resumeProducing()
    assert sent.data[-1] == b"2"
    listener.tick(PATIENCE - 1)
    assert not listener.closed.called, "it has read one meanwhile"
    listener.tick(1)
    assert listener.closed.called


def test_what_waits_for_a_client_is_bounded() -> None:
    _, listener = listening(room=1, missed=REMEMBERED)
    listener.send(_Event(0, b"x"), kept=True)
    assert not listener.closed.called
    listener.send(_Event(0, b"x"), kept=True)
    assert listener.closed.called


@pytest_twisted.ensureDeferred
async def test_what_is_remembered_is_bounded_in_bytes(world: World) -> None:
    """What a failing process says is in the events, and a file decides what ffmpeg says about it."""
    for number in range(REMEMBERED):
        world.events.stream_ended(msgspec.structs.replace(new_ending(f"s{number}"), stderr_tail="\0" * 8192))
    kept = sum(len(event.data) for event in world.events._recent)
    assert MAX_REMEMBERED_BYTES // 2 < kept <= MAX_REMEMBERED_BYTES


@pytest_twisted.ensureDeferred
async def test_one_client_may_listen_a_few_times_and_all_together_not_without_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MAX_LISTENERS_PER_CLIENT", 2)
    for _ in range(2):
        await world.listen()
    refused = await world.server.ask("/api/v1/events")
    assert "2 times, the most for one client" in refused.problem(503)["detail"]
    monkeypatch.setattr(events, "MAX_LISTENERS", 2)
    assert "2 clients listen" in (await world.server.ask("/api/v1/events")).problem(503)["detail"]
    world.clients[0].transport.abortConnection()
    await world.clients[0].closed
    monkeypatch.undo()
    await world.listen()


@pytest_twisted.ensureDeferred
async def test_who_leaves_is_forgotten(world: World) -> None:
    for _ in range(3):
        client = await world.listen()
        client.transport.abortConnection()
        await client.closed
        await world.server.idle()
    assert len(world.events._listeners) == 0
    world.start("one")


@pytest_twisted.ensureDeferred
async def test_at_the_end_of_the_daemon_everybody_is_sent_away(world: World) -> None:
    clients = [await world.listen() for _ in range(3)]
    world.events.stop()
    for client in clients:
        await client.closed
    await world.server.idle()
    assert len(world.events._listeners) == 0


def prepared(state: PrepareState, done: int) -> PrepareInfo:
    return PrepareInfo(
        id="p1",
        path="films/a.mkv",
        renditions=("v360",),
        from_=0.0,
        seconds=40.0,
        done=done,
        total=10,
        bytes=1000,
        state=state,
        reason=None,
    )


@pytest_twisted.ensureDeferred
async def test_prepares_are_told_and_their_states_are_kept_for_who_misses_them(world: World) -> None:
    """A page that waits for `done` and was away for a moment would wait for ever."""
    client = await world.listen()
    world.events.prepare_updated(prepared(PrepareState.RUNNING, 0), True)
    world.events.prepare_updated(prepared(PrepareState.RUNNING, 5), False)
    world.events.prepare_updated(prepared(PrepareState.DONE, 10), True)
    await client.until(b'"done":10')
    told = read(client.received)
    assert [(event.name, event.data["state"], event.data["done"]) for event in told] == [
        ("prepare-updated", "running", 0),
        ("prepare-updated", "running", 5),
        ("prepare-updated", "done", 10),
    ]
    assert told[0].data["from"] == 0.0
    later = await world.listen(f"Last-Event-ID: {told[0].id}".encode())
    await later.until(b'"done":10')
    assert [event.data["done"] for event in read(later.received)] == [10]
