"""Answers: a client decides by the status and the type of a response what its body is."""

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
import pytest
import pytest_twisted
from twisted.web.server import Request

from tests.web.conftest import Serve
from transcoded.plan.errors import BadParameter, NotReady, TranscodedError
from transcoded.web.answers import JSON, Body, json_body, json_of, nothing, sent
from transcoded.web.route import route


class Thing(msgspec.Struct):
    """Something to send."""

    name: str


class Teapot(TranscodedError):
    """A status for which Twisted has no phrase."""

    status = 418
    title = "Teapot"


class Routes:
    """One route for each kind of answer."""

    def __init__(self) -> None:
        self.dropped: list[str] = []
        self.made_times = 0

    @route("/thing", answers=json_of(Thing, 202))
    async def thing(self, request: Request) -> Thing:
        return Thing("é")

    @route("/body", answers=sent("text/plain"))
    async def body(self, request: Request) -> bytes:
        return b"body"

    @route("/written", answers=sent("text/plain"))
    async def written(self, request: Request) -> Body:
        return Body(7, lambda: self._write(request), lambda: self.dropped.append("written"))

    async def _write(self, request: Request) -> None:
        request.write(b"written")

    @route("/made", answers=sent("text/plain"))
    async def made(self, request: Request) -> Body:
        return Body(None, self._make)

    async def _make(self) -> bytes:
        self.made_times += 1
        return b"made"

    @route("/encoded", answers=sent(JSON))
    async def encoded(self, request: Request) -> bytes:
        return json_body(request, b"{}")

    @route("/nothing", answers=nothing())
    async def nothing(self, request: Request) -> None:
        return None

    @route("/fail/<kind>", answers=sent("*/*"))
    async def fail(self, request: Request, kind: str) -> bytes:
        request.setHeader("ETag", '"of the body"')
        request.setHeader("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")
        raise {
            "parameter": BadParameter("height", "9 is not allowed."),
            "ready": NotReady("Full.", ["full"]),
            "teapot": Teapot("Short and stout."),
        }[kind]


@pytest.mark.parametrize(
    ("path", "status", "body", "headers"),
    [
        ("/thing", 202, '{"name":"é"}'.encode(), {"content-type": JSON, "cache-control": "no-store"}),
        ("/body", 200, b"body", {"content-length": "4"}),
        ("/written", 200, b"written", {"content-length": "7"}),
        ("/made", 200, b"made", {}),
        ("/encoded", 200, b"{}", {"content-type": JSON, "cache-control": "no-store", "content-length": "2"}),
        ("/nothing", 204, b"", {}),
    ],
)
@pytest_twisted.ensureDeferred
async def test_each_kind_of_answer(
    serve: Serve, path: str, status: int, body: bytes, headers: Mapping[str, str]
) -> None:
    routes = Routes()
    server = serve(routes)
    answer = await server.ask(path)
    assert (answer.status, answer.body) == (status, body)
    assert headers.items() <= answer.headers.items()
    made, routes.dropped = routes.made_times, []
    head = await server.ask(path, "HEAD")
    assert (head.status, head.body) == (status, b"")
    assert headers.items() <= head.headers.items()
    assert head.headers.get("content-length") == answer.headers.get("content-length")
    assert routes.made_times == made, "HEAD makes nothing"
    assert routes.dropped == (["written"] if path == "/written" else [])


@pytest.mark.parametrize(
    ("kind", "status", "members"),
    [
        ("parameter", 400, {"title": "Bad parameter", "parameter": "height", "detail": "height: 9 is not allowed."}),
        ("ready", 503, {"title": "Not ready", "reasons": ["full"]}),
        ("teapot", 418, {"title": "Teapot", "detail": "Short and stout."}),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_problem_has_its_members_and_no_header_of_the_body_it_replaces(
    serve: Serve, kind: str, status: int, members: Mapping[str, object]
) -> None:
    server = serve(Routes())
    answer = await server.ask(f"/fail/{kind}")
    assert members.items() <= answer.problem(status).items()
    assert not {"etag", "last-modified"} & answer.headers.keys()
    assert answer.headers["cache-control"] == "no-store"
    client = await server.connect()
    client.transport.write(f"GET /fail/{kind} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    await client.closed
    assert client.received.startswith(f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode())
