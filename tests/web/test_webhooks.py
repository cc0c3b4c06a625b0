"""Webhooks: told once and in order to a receiver that works, tried again for one that does not, and never at the streams' cost."""

import hmac
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import attrs
import msgspec
import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock, deferLater
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.python.failure import Failure
from zope.interface import directlyProvides, providedBy

from tests.web.examples import LivingStream, new_ending
from tests.web.server import reactor, turn
from transcoded.run.reactor import as_reactor
from transcoded.run.streams.stream import Stream
from transcoded.web.webhooks import MAX_WAITING, PAUSES, TIMEOUT, Webhooks

OK = b"HTTP/1.1 204 No Content\r\n\r\n"
BROKEN = b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n"
SECRET = "a secret of the webhooks"
HANG_UP = b""
SILENCE = b"silence"
ENDLESS_HEADERS = b"HTTP/1.1 200 OK\r\n" + b"X-More: and more\r\n" * 10_000


class StillReactor:
    """The real reactor, but its time goes on when the test says so."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.callLater = self.clock.callLater
        self.seconds = self.clock.seconds
        directlyProvides(self, *providedBy(reactor))

    def __getattr__(self, name: str) -> Any:
        return getattr(reactor, name)


@attrs.frozen
class Post:
    """One request of the daemon's."""

    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> str:
        return f"{msgspec.json.decode(self.body)['event']} {msgspec.json.decode(self.body)['data']['id']}"


class Receiver(Factory):
    """A server that answers as it was told to, and `OK` from then on."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.answers: list[bytes] = []
        self.connected: set[Connection] = set()
        self._waiting: list[tuple[int, Deferred[None]]] = []
        self._idle: list[Deferred[None]] = []

    def buildProtocol(self, addr: object) -> "Connection":
        return Connection(self)

    async def got(self, count: int) -> Sequence[str]:
        """The events, as soon as so many requests have come."""
        if len(self.posts) < count:
            waiting: Deferred[None] = Deferred()
            self._waiting.append((count, waiting))
            await waiting
        await turn()
        return [post.event for post in self.posts]

    async def idle(self) -> None:
        """Returns when nobody is connected."""
        if self.connected:
            waiting: Deferred[None] = Deferred()
            self._idle.append(waiting)
            await waiting

    def came(self, post: Post) -> bytes:
        self.posts.append(post)
        reached = [waiting for count, waiting in self._waiting if count <= len(self.posts)]
        self._waiting = [one for one in self._waiting if one[0] > len(self.posts)]
        for waiting in reached:
            waiting.callback(None)
        return self.answers.pop(0) if self.answers else OK

    def lost(self, connection: "Connection") -> None:
        self.connected.discard(connection)
        if not self.connected:
            idle, self._idle = self._idle, []
            for waiting in idle:
                waiting.callback(None)


class Connection(Protocol):
    """One connection to the receiver."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._data = b""

    def connectionMade(self) -> None:
        self._receiver.connected.add(self)

    def dataReceived(self, data: bytes) -> None:
        self._data += data
        head, separator, rest = self._data.partition(b"\r\n\r\n")
        lines = head.decode("ascii").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        if not separator or len(rest) < int(headers["content-length"]):
            return
        length = int(headers["content-length"])
        self._data = rest[length:]
        answer = self._receiver.came(Post(headers, rest[:length]))
        if answer == HANG_UP:
            cast(Any, self.transport).abortConnection()
        elif answer != SILENCE:
            cast(Any, self.transport).write(answer)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._receiver.lost(self)


def moment() -> "Deferred[None]":
    """Fires a little later in real time, which a thread needs to resolve a name."""
    return deferLater(reactor, 0.002)


class World:
    """The webhooks of a daemon, their time, and one receiver."""

    def __init__(self) -> None:
        self.still = StillReactor()
        self.secret: str | None = SECRET
        self.receiver = Receiver()
        self.port: IListeningPort
        self.listen(0)
        self.number = int(cast(Any, self.port.getHost()).port)
        self.url = f"http://127.0.0.1:{self.number}/hook?token=hush-hush"
        self.hooks = self.new(self.url)

    def listen(self, port: int) -> None:
        """Be there (again)."""
        self.port = cast(IListeningPort, cast(Any, reactor).listenTCP(port, self.receiver, interface="127.0.0.1"))

    def new(self, *urls: str) -> Webhooks:
        return Webhooks(as_reactor(self.still), urls, self.secret, self.still.seconds)

    def start(self, name: str) -> None:
        self.hooks.stream_started(cast(Stream, LivingStream(name)))

    def end(self, name: str) -> None:
        self.hooks.stream_ended(new_ending(name))

    async def rests(self, pause: float) -> None:
        """Returns when it rests for so long before its next attempt."""
        for _ in range(10_000):
            due = [call.getTime() - self.still.seconds() for call in self.still.clock.getDelayedCalls()]
            if any(abs(seconds - pause) < 1e-6 for seconds in due):
                return
            await turn()
        raise AssertionError(f"it does not rest for {pause} s")

    async def close(self) -> None:
        self.hooks.stop()
        for connection in list(self.receiver.connected):
            cast(Any, connection.transport).abortConnection()
        await self.receiver.idle()
        await cast("Deferred[None]", self.port.stopListening())
        for _ in range(3):
            await turn()


@pytest_twisted.async_yield_fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    world = World()
    yield world
    await world.close()


async def attempt(world: World, number: int, pause: float) -> None:
    """The next attempt comes after this pause and no sooner."""
    await world.rests(pause)
    world.still.clock.advance(pause - 0.01)
    await turn()
    assert len(world.receiver.posts) == number - 1
    world.still.clock.advance(0.01)
    await world.receiver.got(number)


@pytest_twisted.ensureDeferred
async def test_starts_and_ends_are_told_in_order(world: World) -> None:
    world.start("one")
    world.hooks.stream_opened(cast(Stream, LivingStream("one")))
    world.start("two")
    world.end("one")
    assert await world.receiver.got(3) == ["stream-started one", "stream-started two", "stream-ended one"]
    post = world.receiver.posts[2]
    assert post.headers["content-type"] == "application/json"
    assert msgspec.json.decode(post.body)["data"]["reason"] == "finished"


def signature(timestamp: str, body: bytes) -> str:
    return "sha256=" + hmac.digest(SECRET.encode(), timestamp.encode() + b"." + body, "sha256").hex()


@pytest_twisted.ensureDeferred
async def test_the_receiver_can_see_that_it_is_true_and_when_it_was_told(world: World) -> None:
    """Anybody who knows its URL could tell it something else, and who has recorded an event could tell it again."""
    world.receiver.answers = [BROKEN]
    world.still.clock.advance(1_700_000_000.7)
    world.end("one")
    await world.receiver.got(1)
    await attempt(world, 2, PAUSES[0])
    first, second = world.receiver.posts
    for post, timestamp in ((first, "1700000000"), (second, "1700000001")):
        assert post.headers["x-transcoded-timestamp"] == timestamp
        assert post.headers["x-transcoded-signature"] == signature(timestamp, post.body)


@pytest_twisted.ensureDeferred
async def test_without_a_secret_nothing_looks_as_if_it_were_signed(world: World) -> None:
    world.secret = None
    world.hooks = world.new(world.url)
    world.end("one")
    await world.receiver.got(1)
    assert not [name for name in world.receiver.posts[0].headers if name.startswith("x-transcoded")]


@pytest.mark.parametrize("answer", [BROKEN, HANG_UP, ENDLESS_HEADERS], ids=["500", "hangs up", "headers without end"])
@pytest_twisted.ensureDeferred
async def test_a_receiver_that_fails_is_tried_again_after_longer_and_longer_pauses(world: World, answer: bytes) -> None:
    world.receiver.answers = [answer] * len(PAUSES)
    world.start("one")
    world.start("two")
    await world.receiver.got(1)
    for number, pause in enumerate(PAUSES, 2):
        await attempt(world, number, pause)
    told = await world.receiver.got(len(PAUSES) + 2)
    assert told == ["stream-started one"] * (len(PAUSES) + 1) + ["stream-started two"]
    assert len({post.body for post in world.receiver.posts[:-1]}) == 1
    assert list(PAUSES) == sorted(PAUSES)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest_twisted.ensureDeferred
async def test_a_redirect_leads_nowhere_and_counts_as_a_failure(world: World, status: int) -> None:
    """A receiver could else make the daemon ask something in its own network."""
    elsewhere = World()
    try:
        moved = f"HTTP/1.1 {status} Moved\r\nLocation: {elsewhere.url}\r\nContent-Length: 0\r\n\r\n"
        world.receiver.answers = [moved.encode()]
        world.start("one")
        await world.receiver.got(1)
        await attempt(world, 2, PAUSES[0])
        assert not elsewhere.receiver.posts
        assert not elsewhere.receiver.connected
    finally:
        await elsewhere.close()


@pytest_twisted.ensureDeferred
async def test_after_all_attempts_it_is_given_up_with_a_line_that_holds_no_secret(world: World) -> None:
    world.receiver.answers = [BROKEN] * (len(PAUSES) + 1)
    with capturedLogs() as logged:
        world.start("one")
        await world.receiver.got(1)
        for number, pause in enumerate(PAUSES, 2):
            await attempt(world, number, pause)
        world.start("two")
        assert (await world.receiver.got(len(PAUSES) + 2))[-1] == "stream-started two"
    warned = [event for event in logged if event["log_level"] == LogLevel.warn]
    assert len(warned) == 1
    said = "".join(f"{event}{formatEvent(event)}" for event in logged)
    assert "hush-hush" not in said
    assert str(world.number) not in said
    assert SECRET not in said


@pytest_twisted.ensureDeferred
async def test_one_that_never_answers_is_given_up_in_time(world: World) -> None:
    world.receiver.answers = [SILENCE]
    world.start("one")
    await world.receiver.got(1)
    world.still.clock.advance(TIMEOUT)
    await attempt(world, 2, PAUSES[0])
    await world.receiver.got(2)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nand then nothing", id="with a length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", id="in chunks"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000, id="until it closes"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_an_answer_without_an_end_is_no_reason_to_wait_nor_to_keep_the_connection(
    world: World, answer: bytes
) -> None:
    world.receiver.answers = [answer] * 3
    world.start("one")
    world.end("one")
    # The time of the daemon stands still: nothing of this needs a deadline to go on.
    for _ in range(4000):
        if [post.event for post in world.receiver.posts][-1:] == ["stream-ended one"]:
            break
        await moment()
    assert world.receiver.posts[-1].event == "stream-ended one"
    for _ in range(2000):
        if len(world.receiver.connected) <= 1:
            break
        await turn()
    assert len(world.receiver.connected) <= 1, "each attempt leaves a connection open"


@pytest_twisted.ensureDeferred
async def test_nobody_at_the_other_end_is_like_one_that_fails(world: World) -> None:
    number = world.number
    await cast("Deferred[None]", world.port.stopListening())
    world.start("one")
    for _ in range(20):
        world.still.clock.advance(0.1)
        await turn()
    world.listen(number)
    for _ in range(2000):
        if world.receiver.posts:
            break
        world.still.clock.advance(0.1)
        await moment()
    assert [post.event for post in world.receiver.posts] == ["stream-started one"]


@pytest_twisted.ensureDeferred
async def test_a_slow_receiver_does_not_hold_up_another(world: World) -> None:
    other = World()
    try:
        world.receiver.answers = [SILENCE]
        world.hooks = world.new(world.url, other.url)
        world.start("one")
        world.end("one")
        assert await other.receiver.got(2) == ["stream-started one", "stream-ended one"]
        assert await world.receiver.got(1) == ["stream-started one"]
    finally:
        await other.close()


@pytest_twisted.ensureDeferred
async def test_what_waits_is_bounded_and_the_oldest_goes(world: World) -> None:
    world.receiver.answers = [SILENCE]
    world.start("first")
    await world.receiver.got(1)
    for number in range(MAX_WAITING + 10):
        world.start(str(number))
    (hook,) = world.hooks._hooks
    assert len(hook._waiting) == MAX_WAITING
    assert msgspec.json.decode(hook._waiting[0])["data"]["id"] == "10"


@pytest_twisted.ensureDeferred
async def test_a_stop_can_wait_until_the_last_ends_are_told(world: World) -> None:
    await world.hooks.when_idle()
    world.receiver.answers = [BROKEN]
    world.end("one")
    world.end("two")
    told = world.hooks.when_idle()
    await world.rests(PAUSES[0])
    assert not told.called
    world.still.clock.advance(PAUSES[0])
    await told
    assert [post.event for post in world.receiver.posts] == ["stream-ended one"] * 2 + ["stream-ended two"]


@pytest.mark.parametrize("when", ["asleep", "asked", "idle"])
@pytest_twisted.ensureDeferred
async def test_at_the_end_of_the_daemon_nothing_is_left_under_way(world: World, when: str) -> None:
    if when != "idle":
        world.receiver.answers = [BROKEN if when == "asleep" else SILENCE]
        world.start("one")
        world.start("two")
        await world.receiver.got(1)
    if when == "asleep":
        await world.rests(PAUSES[0])
    world.hooks.stop()
    world.hooks.stop()
    world.still.clock.advance(1000)
    await turn()
    assert len(world.receiver.posts) == (0 if when == "idle" else 1)
    assert [hook._busy for hook in world.hooks._hooks] == [None]
