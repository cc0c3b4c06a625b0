"""Bodies of requests: what is refused, and what is read from the others."""

import msgspec
import pytest
import pytest_twisted
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, connectProtocol
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from tests.web.conftest import Serve
from tests.web.server import Raw, new_guard, new_origins, parse, reactor
from transcoded.plan.http.parameters import any_text
from transcoded.web.answers import json_of, sent
from transcoded.web.app import resource
from transcoded.web.bodies import MAX_BODY
from transcoded.web.route import route

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """A body with one field."""

    number: int


class Routes:
    """A route for each kind of body."""

    @route("/body", methods=("POST",), body=Body, answers=json_of(Body))
    async def body(self, request: Request, body: Body) -> Body:
        return body

    @route("/form", methods=("POST",), form=any_text("key", ""), answers=sent("*/*"))
    async def form(self, request: Request, form: str) -> bytes:
        return form.encode()

    @route("/none", methods=("POST", "GET"), answers=sent("*/*"))
    async def none(self, request: Request) -> bytes:
        return b"none"


@pytest.mark.parametrize(
    ("body", "kind", "status", "detail"),
    [
        (b'{"number": 5}', JSON, 200, ""),
        (b'{"number": 5}', f"{JSON}; charset=utf-8", 200, ""),
        (b'{"number": 5}', FORM, 200, ""),
        (b'{"number": 5}', "text/plain", 415, "application/json"),
        (b'{"number": 5}', "multipart/form-data; boundary=x", 415, "multipart"),
        (b'{"number": "5"}', JSON, 400, "$.number"),
        (b'{"numbre": 5}', JSON, 400, "numbre"),
        (b"{}", JSON, 400, "number"),
        (b"", JSON, 400, "not valid JSON"),
        (b"\xff", JSON, 400, "not valid JSON"),
        (b'{"number": 5}'.ljust(MAX_BODY), JSON, 200, ""),
        (b'{"number": 5}'.ljust(MAX_BODY + 1), JSON, 413, str(MAX_BODY)),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_json_body(serve: Serve, body: bytes, kind: str, status: int, detail: str) -> None:
    answer = await serve(Routes()).post("/body", body, {"Content-Type": kind})
    if status == 200:
        assert answer.json == {"number": 5}
    else:
        assert detail in answer.problem(status)["detail"]


@pytest.mark.parametrize(
    ("body", "kind", "status", "detail"),
    [
        (b"key=a%20b+%C3%A9", FORM, 200, "a b \u00e9"),
        (b"key=", FORM, 200, ""),
        (b"x=1&key=\xff", FORM, 200, "\ufffd"),
        (b"key=a&key=b", FORM, 400, "exactly once"),
        (b"x=1", FORM, 400, "exactly once"),
        (b"", FORM, 400, "exactly once"),
        (b"&".join([b"key=a"] * 11), FORM, 400, "10 fields"),
        (b"key=a", JSON, 415, FORM),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_form(serve: Serve, body: bytes, kind: str, status: int, detail: str) -> None:
    answer = await serve(Routes()).post("/form", body, {"Content-Type": kind})
    if status == 200:
        assert answer.body.decode() == detail
    else:
        assert detail in answer.problem(status)["detail"]


@pytest_twisted.ensureDeferred
async def test_a_route_without_a_body(serve: Serve) -> None:
    server = serve(Routes())
    assert (await server.post("/none", b"", {})).status == 200
    for method in ("POST", "GET"):
        (await server.ask("/none", method, {}, b"x")).problem(400)


@pytest.mark.parametrize(
    ("head", "size", "status"),
    [
        (b"POST /video/body", MAX_BODY + 1, 413),
        (b"POST /video/none", 200_000, 413),
        (b"POST /video/none", 3, 400),
        (b"POST /video/form\r\nContent-Type: multipart/form-data; boundary=b", 0, 415),
    ],
)
@pytest_twisted.ensureDeferred
async def test_in_another_site_the_resource_refuses_what_its_requests_have_let_in(
    head: bytes, size: int, status: int
) -> None:
    root = Resource()
    root.putChild(b"video", resource(new_guard(), new_origins(), Routes()))
    port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(Site(root, timeout=None))
    try:
        client = Raw()
        await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port), client)
        line, _, more = head.partition(b"\r\n")
        lines = [line + b" HTTP/1.1", b"Host: localhost", b"Connection: close", b"Content-Length: %d" % size]
        client.transport.write(b"\r\n".join([*lines, *([more] if more else [])]) + b"\r\n\r\n" + bytes(size))
        await client.closed
        parse(client.received).problem(status)
    finally:
        await port.stopListening()
