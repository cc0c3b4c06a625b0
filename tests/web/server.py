"""A real server on a loopback socket for the tests of routes, and clients for it: a well-behaved one and a raw one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import attrs
import treq.client
from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IListeningPort, IPushProducer, IReactorTCP, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.web.client import Agent
from twisted.web.resource import IResource
from twisted.web.server import Request

from tests.web.schemas import Answer, Schemas
from transcoded.plan.errors import NotFound
from transcoded.plan.http.access import parse_key
from transcoded.plan.http.forwarded import parse_trusted
from transcoded.plan.http.origins import CorsRules, HostRules
from transcoded.plan.http.subkeys import Subkeys
from transcoded.run.files.library import MediaFile, Version
from transcoded.run.host.sign_outs import SignOuts
from transcoded.run.reactor import as_reactor
from transcoded.web.app import SafeResource
from transcoded.web.cookies import Cookies
from transcoded.web.guard import Guard
from transcoded.web.media_routes import Locate
from transcoded.web.origins import Origins
from transcoded.web.protocol import QuietSite

reactor = as_reactor(global_reactor)

SUBKEYS = Subkeys.of("a signing key of the tests")
NOW = 1_700_000_000.0
"""The time of every guard here, in seconds since the epoch."""

_TURNS = 30_000
"""How often `until` looks: about half a minute at least."""


def new_guard(*keys: str, now: Callable[[], float] = lambda: NOW) -> Guard:
    """A guard with these keys (none: everybody may do everything), whose clocks stand still."""
    cookies = Cookies(SUBKEYS.cookies, SignOuts(None, now), now)
    return Guard([parse_key(key) for key in keys], SUBKEYS.urls, cookies, now, lambda: 0.0)


def new_origins(cors: Sequence[str] = (), hosts: Sequence[str] = (), proxies: Sequence[str] = ()) -> Origins:
    """Serves the hosts that every daemon serves, and these, on a machine named box.lan."""
    trusted = tuple(parse_trusted(text) for text in proxies)
    return Origins(HostRules.of(hosts, "box.lan"), CorsRules.of(cors), trusted)


def turn() -> "Deferred[None]":
    """Fires in the next turn of the reactor, when what is under way has returned."""
    return deferLater(reactor, 0)


async def until(condition: Callable[[], bool]) -> None:
    """Let the reactor turn until this is true; fails if it never is."""
    for _ in range(_TURNS):
        if condition():
            return
        # Not at once: a reactor that never rests leaves no time to the threads that the condition may wait for.
        await deferLater(reactor, 0.001)
    raise AssertionError("what was waited for did not happen")


class _Site(QuietSite):
    """A site that knows its connections, so that a test can wait until the last one is gone."""

    def __init__(self, resource: IResource) -> None:
        super().__init__(resource, reactor)
        self.channels: set[Any] = set()
        self._idle: Deferred[None] | None = None

    def buildProtocol(self, addr: IAddress | None) -> Any:
        channel: Any = super().buildProtocol(addr)
        lost = channel.connectionLost

        def forget(reason: Failure) -> None:
            lost(reason)
            self.channels.discard(channel)
            if not self.channels and self._idle is not None:
                idle, self._idle = self._idle, None
                idle.callback(None)

        channel.connectionLost = forget
        self.channels.add(channel)
        return channel

    async def idle(self) -> None:
        if self.channels:
            self._idle = Deferred()
            await self._idle

    def abort(self) -> None:
        for channel in list(self.channels):
            channel.transport.abortConnection()


class TCPTransport(ITCPTransport, IPushProducer):
    """What the transport of a client is."""


class Raw(Protocol):
    """A client that says any bytes; `received` is what came back, `closed` fires when the connection is gone."""

    transport: TCPTransport

    def __init__(self) -> None:
        self.received = b""
        self.closed: Deferred[bool] = Deferred()
        self._waiting: tuple[bytes, Deferred[None]] | None = None

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        if self._waiting is not None and self._waiting[0] in self.received:
            (_, deferred), self._waiting = self._waiting, None
            deferred.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.closed.callback(reason.check(ConnectionDone) is not None)

    def until(self, data: bytes) -> "Deferred[None]":
        """Fires when this has come."""
        deferred: Deferred[None] = Deferred()
        if data in self.received:
            deferred.callback(None)
        else:
            self._waiting = (data, deferred)
        return deferred


def files_at(*paths: str) -> Locate:
    """A library that has empty files at these paths."""

    async def locate(asked: Sequence[str]) -> MediaFile:
        found = next((path for path in asked if path in paths), None)
        if found is None:
            raise NotFound("There is no such file in the library.")
        return MediaFile(found, f"/srv/{found}", Version(1, 2, 3, 4))

    return locate


class Server:
    """The resource on a port of its own. Every JSON that it answers is held against its description."""

    def __init__(self, resource: IResource) -> None:
        self._schemas = Schemas(resource.routes) if isinstance(resource, SafeResource) else None
        self._site = _Site(resource)
        self._tcp = cast(IReactorTCP, reactor)
        self._port: IListeningPort = self._tcp.listenTCP(0, cast(Any, self._site), interface="127.0.0.1")
        self.number = int(cast(Any, self._port.getHost()).port)
        self._client = treq.client.HTTPClient(Agent(reactor))

    async def close(self) -> None:
        """Stop listening and wait until nothing is connected."""
        await cast("Deferred[None]", self._port.stopListening())
        self._site.abort()
        await self._site.idle()

    async def idle(self) -> None:
        """Returns when the server knows of no connection any more."""
        await self._site.idle()

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """POST, as a library does it."""
        return await self.ask(path, "POST", headers, body)

    async def ask(
        self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """A request as a library makes it."""
        response = await self._client.request(
            method, f"http://127.0.0.1:{self.number}{path}", headers=cast(Any, headers), data=body
        )
        answered = {
            name.decode("ascii").lower(): ", ".join(value.decode("ascii") for value in values)
            for name, values in response.headers.getAllRawHeaders()
        }
        if isinstance(response.length, int) and method != "HEAD" and response.code != 204:
            # The client takes the length off a response with a body.
            answered.setdefault("content-length", str(response.length))
        answer = Answer(response.code, answered, await response.content())
        if self._schemas is not None and answer.body:
            self._schemas.check(method, path, answer)
        return answer

    async def connect(self) -> Raw:
        """A connection to say anything on."""
        client = Raw()
        await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", self.number), client)
        return client

    async def say(self, data: bytes) -> bytes:
        """What comes back for these bytes until the server closes the connection."""
        client = await self.connect()
        client.transport.write(data)
        await client.closed
        return client.received

    async def get_raw(self, target: bytes, *headers: bytes) -> Answer:
        """A request for a target exactly as it is written here."""
        lines: Sequence[bytes] = [b"GET " + target + b" HTTP/1.1", b"Host: localhost", b"Connection: close", *headers]
        return parse(await self.say(b"\r\n".join(lines) + b"\r\n\r\n"))


def parse(received: bytes) -> Answer:
    """A response from the wire."""
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        chunks = b""
        while body:
            size, _, rest = body.partition(b"\r\n")
            chunks, body = chunks + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
        body = chunks
    return Answer(int(status.split()[1]), headers, body)


@attrs.define
class Gate:
    """A handler's place to wait: `entered` fires when a request is there, which then waits for `go`."""

    entered: "Deferred[Request]" = attrs.Factory(Deferred)
    go: "Deferred[None]" = attrs.Factory(Deferred)
    left: "Deferred[str]" = attrs.Factory(Deferred)

    async def wait(self, request: Request) -> None:
        """Wait; `left` tells how it ended."""
        self.entered.callback(request)
        try:
            await self.go
        except BaseException as error:
            self.left.callback(type(error).__name__)
            raise
        self.left.callback("went on")
