"""Long responses: a viewer who leaves must be noticed, and a film that is cut short must not look whole."""

from collections.abc import Sequence
from typing import Any

import attrs
import pytest
import pytest_twisted
from twisted.web.server import Request

from tests.web.conftest import Serve
from tests.web.server import Gate
from transcoded.web.answers import Body, sent
from transcoded.web.responses import abort, make_last
from transcoded.web.route import route


@attrs.define
class Routes:
    gate: Gate = attrs.Factory(Gate)
    served: int = 0
    steps: Sequence[str] = ()

    @route("/last", answers=sent("*/*"))
    async def last(self, request: Request) -> bytes:
        make_last(request)
        await self.gate.wait(request)
        return b"the last"

    @route("/cut", answers=sent("*/*"))
    async def cut(self, request: Request) -> Body:
        return Body(None, lambda: self._cut(request))

    async def _cut(self, request: Request) -> None:
        for step in self.steps:
            if step == "length":
                request.setHeader(b"Content-Length", b"10")
            elif step == "write":
                request.write(b"12345")
        await abort(request, 500)
        self.gate.left.callback("aborted")

    @route("/other", answers=sent("*/*"))
    async def other(self, request: Request) -> bytes:
        self.served += 1
        return b"other"


REQUEST = b"GET /last HTTP/1.1\r\nHost: localhost\r\n\r\n"
OTHER = b"GET /other HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    "behind", [b"", OTHER, OTHER * 2000, b"\0" * 100_000], ids=["nothing", "one", "many", "garbage"]
)
@pytest_twisted.ensureDeferred
async def test_whatever_is_pipelined_behind_a_stream_its_viewers_leaving_is_noticed(
    serve: Serve, behind: bytes
) -> None:
    """Twisted stops reading after 16 KiB, and a connection that is not read is never seen to close."""
    routes = Routes()
    client = await serve(routes).connect()
    client.transport.write(REQUEST + behind)
    await routes.gate.entered
    client.transport.write(behind)
    client.transport.loseConnection()
    assert await routes.gate.left == "CancelledError"
    assert not routes.served


@pytest_twisted.ensureDeferred
async def test_a_stream_is_the_last_response_of_its_connection(serve: Serve) -> None:
    routes = Routes()
    client = await serve(routes).connect()
    client.transport.write(REQUEST + OTHER)
    await routes.gate.entered
    routes.gate.go.callback(None)
    assert await client.closed, "closed in order"
    head, _, _ = client.received.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    assert client.received.endswith(b"\r\n\r\nthe last")
    assert not routes.served


@pytest.mark.parametrize("steps", [["write"], ["length", "write"], []], ids=["in chunks", "with a length", "at once"])
@pytest_twisted.ensureDeferred
async def test_a_body_that_is_cut_short_cannot_be_taken_for_a_whole_one(serve: Serve, steps: Sequence[str]) -> None:
    routes = Routes(steps=steps)
    client = await serve(routes).connect()
    client.transport.write(b"GET /cut HTTP/1.1\r\nHost: localhost\r\n\r\n" + OTHER)
    await client.closed
    assert await routes.gate.left == "aborted"
    assert not client.received.endswith(b"0\r\n\r\n")
    assert len(client.received.partition(b"\r\n\r\n")[2]) < 20
    assert not routes.served


@pytest_twisted.ensureDeferred
async def test_what_is_used_of_twisted_beyond_its_interface_is_still_there(serve: Serve) -> None:
    """`pyproject.toml` bounds its version for these; without them a loss goes unnoticed, or the first bytes come twice."""
    routes = Routes()
    client = await serve(routes).connect()
    client.transport.write(REQUEST)
    request = await routes.gate.entered
    assert isinstance(request.channel._dataBuffer, list)
    assert callable(request.channel._networkProducer.resumeProducing)
    connection: Any = request.channel.transport
    while hasattr(connection, "transport"):
        connection = connection.transport
    assert isinstance(connection._tempDataBuffer, list)
    assert isinstance(connection.dataBuffer, bytes)
    routes.gate.go.callback(None)
    await client.closed
