"""Server-sent events: a dashboard that misses an end shows a stream that is long gone, for ever."""

from collections.abc import AsyncIterator
from typing import Any, cast

import attrs
import msgspec
import pytest
import pytest_twisted

from tests.web.conftest import Serve
from tests.web.examples import LivingStream, new_ending
from tests.web.server import Raw, Server, turn
from transcoded.plan.endings import Reason
from transcoded.run.streams.stream import Stream
from transcoded.web.events import HEARTBEAT, REMEMBERED, Events


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
    for number in range(60):
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
