"""The frame of all routes: whatever comes in, the client gets a sentence, and the operator a log without noise."""

import re

import attrs
import msgspec
import pytest
import pytest_twisted
from twisted.internet.defer import CancelledError
from twisted.logger import LogEvent
from twisted.web.server import Request

from tests.conftest import Errors
from tests.web.conftest import Serve, lines
from tests.web.server import Gate, parse
from transcoded.plan.errors import NotMedia, RangeNotSatisfiable, TranscodeFailed, Unavailable
from transcoded.plan.http.parameters import Values, any_text
from transcoded.web.answers import Body, json_body, sent
from transcoded.web.request import client_of, header_of, query_of
from transcoded.web.route import route

ECHOED = tuple(any_text(name, "") for name in ("a", "b", "c"))
encode = msgspec.json.encode


@attrs.define
class Routes:
    gate: Gate = attrs.Factory(Gate)

    @route("/echo", params=ECHOED, answers=sent("*/*"))
    async def echo(self, request: Request, query: Values) -> bytes:
        header = header_of(request)
        document = {"query": query_of(request), "client": client_of(request), "x": header("X-Test"), "y": header("Y")}
        return json_body(request, encode(document), status=203)

    @route("/pulse", params=(any_text("ill", ""),), quiet=True, answers=sent("*/*"))
    async def pulse(self, request: Request, query: Values) -> bytes:
        if query_of(request):
            raise Unavailable("Ill.", 1)
        return b"alive"

    @route("/begin/<kind>", answers=sent("*/*"))
    async def begin(self, request: Request, kind: str) -> bytes | Body:
        request.write(b"half")
        return await self.fail(request, kind) or b""

    @route("/fail/<kind>", answers=sent("*/*"))
    async def fail(self, request: Request, kind: str) -> bytes:
        raise {
            "media": NotMedia('A "text", ünïcode\nand no film.'),
            "range": RangeNotSatisfiable(77),
            "full": Unavailable("Full.", 9),
            "ffmpeg": TranscodeFailed("It ended.", "one\ntwo"),
            "bug": ZeroDivisionError("the secret of the house"),
            "cancel": CancelledError(),
        }[kind]

    @route("/wait", params=(any_text("x", ""),), answers=sent("*/*"))
    async def wait(self, request: Request, query: Values) -> bytes:
        await self.gate.wait(request)
        return b"done"

    @route("/thing", methods=("DELETE",), answers=sent("*/*"))
    async def delete(self, request: Request) -> bytes:
        return b"deleted"

    @route("/thing", methods=("POST",), answers=sent("*/*"))
    async def post(self, request: Request) -> bytes:
        return b"posted"

    @route("/files/<media:path>", answers=sent("*/*"))
    async def file(self, request: Request, path: str) -> bytes:
        return json_body(request, encode({"file": path}))

    @route("/files/<media:path>/part.<name>", answers=sent("*/*"))
    async def part(self, request: Request, path: str, name: str) -> bytes:
        return json_body(request, encode({"file": path, "part": name}))


@pytest_twisted.ensureDeferred
async def test_a_handler_sees_the_request_as_text(serve: Serve) -> None:
    answer = await serve(Routes()).ask("/echo?a=%C3%A9&b=&c=%20", headers={"X-Test": "yes"})
    assert answer.status == 203
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    query = {"a": ["é"], "b": [""], "c": [" "]}
    assert answer.json == {"query": query, "client": "127.0.0.1", "x": "yes", "y": None}


@pytest_twisted.ensureDeferred
async def test_errors_are_problem_documents_with_their_status_and_headers(serve: Serve) -> None:
    server = serve(Routes())
    problem = (await server.ask("/fail/media")).problem(415)
    assert problem["detail"] == 'A "text", ünïcode\nand no film.'
    answer = await server.ask("/fail/range")
    answer.problem(416)
    assert answer.headers["content-range"] == "bytes */77"
    assert answer.headers["cache-control"] == "no-store"
    answer = await server.ask("/fail/full")
    answer.problem(503)
    assert answer.headers["retry-after"] == "9"
    assert (await server.ask("/fail/ffmpeg")).problem(500)["stderr_tail"] == ["one", "two"]


@pytest_twisted.ensureDeferred
async def test_a_fault_of_ours_is_told_to_the_log_and_not_to_the_client(serve: Serve, logged_errors: Errors) -> None:
    answer = await serve(Routes()).ask("/fail/bug")
    problem = answer.problem(500)
    assert b"secret" not in answer.body
    assert b"ZeroDivision" not in answer.body
    (event,) = logged_errors.flush()
    assert event["request_id"] == problem["request_id"]
    assert event["log_failure"].check(ZeroDivisionError)


@pytest.mark.parametrize(
    ("target", "file"),
    [
        (b"/files/a/b.mkv", {"file": "a/b.mkv"}),
        (b"/files/a/b.mkv/part.mp4", {"file": "a/b.mkv", "part": "mp4"}),
        (b"/files/a/part.1/part.mp4", {"file": "a/part.1", "part": "mp4"}),
        (b"/files/a//b/", {"file": "a//b/"}),
        (b"/files/a%20b%0Ac%25%3F%23", {"file": "a b\nc%?#"}),
        (b"/files/-i%27%22%C3%A9", {"file": "-i'\"é"}),
        (b"/files/a%2Fb", {"file": "a/b"}),
        (b"/files/../../etc/passwd", {"file": "../../etc/passwd"}),
        (b"/files/%2e%2e/%00", {"file": "../\0"}),
        (b"/files/%252e", {"file": "%2e"}),
    ],
    ids=lambda value: value.decode() if isinstance(value, bytes) else "",
)
@pytest_twisted.ensureDeferred
async def test_the_path_of_a_file_comes_as_it_was_sent(serve: Serve, target: bytes, file: dict[str, str]) -> None:
    """No redirect, nothing merged, decoded once: that the library can refuse what leads out, it must see it."""
    answer = await serve(Routes()).get_raw(target)
    assert (answer.status, answer.json) == (200, file)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"/", 404),
        (b"/nothing", 404),
        (b"/files/", 404),
        (b"/thing/x", 404),
        (b"/%FF", 400),
        (b"/thing", 405),
    ],
)
@pytest_twisted.ensureDeferred
async def test_where_there_is_nothing_the_client_gets_a_problem_document(
    serve: Serve, target: bytes, status: int
) -> None:
    (await serve(Routes()).get_raw(target)).problem(status)


@pytest_twisted.ensureDeferred
async def test_methods(serve: Serve) -> None:
    server = serve(Routes())
    answer = await server.ask("/thing", "PUT")
    answer.problem(405)
    assert answer.headers["allow"] == "DELETE, OPTIONS, POST"
    answer = await server.ask("/thing", "OPTIONS")
    assert (answer.status, answer.body, answer.headers["allow"]) == (204, b"", "DELETE, OPTIONS, POST")
    assert (await server.ask("/echo", "OPTIONS")).headers["allow"] == "GET, HEAD, OPTIONS"
    assert (await server.ask("/thing", "DELETE")).body == b"deleted"
    assert (await server.ask("/thing", "POST")).body == b"posted"
    answer = await server.ask("/echo", "HEAD")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (203, b"", "application/json")
    answer = await server.ask("/fail/media", "HEAD")
    assert (answer.status, answer.body) == (415, b"")


@pytest_twisted.ensureDeferred
async def test_a_sane_request_id_is_kept_and_another_is_not(serve: Serve, log: list[LogEvent]) -> None:
    server = serve(Routes())
    for sane in ("abc", "01J-x_y.z~/+=", "x" * 128):
        assert (await server.ask("/echo", headers={"X-Request-Id": sane})).headers["x-request-id"] == sane
    for insane in ("", "a b", "x" * 129, '"><script>'):
        made = (await server.ask("/echo", headers={"X-Request-Id": insane})).headers["x-request-id"]
        assert re.fullmatch("[0-9a-f]{16}", made)
    assert (await server.get_raw(b"/nothing", b"X-Request-Id: mine")).problem(404)["request_id"] == "mine"
    assert lines(log)[0] == ("GET", "/echo", 203, "abc")
    assert lines(log)[-1] == ("GET", "/nothing", 404, "mine")
    assert len(lines(log)) == 8


@pytest_twisted.ensureDeferred
async def test_no_query_is_logged_since_it_may_hold_a_key(serve: Serve, log: list[LogEvent]) -> None:
    server = serve(Routes())
    for path in ("/echo", "/nothing", "/fail/media"):
        await server.ask(f"{path}?signature=hush")
    assert len(lines(log)) == 3
    assert "hush" not in repr(log)


@pytest_twisted.ensureDeferred
async def test_what_programs_ask_every_few_seconds_is_logged_for_debugging_alone(
    serve: Serve, log: list[LogEvent]
) -> None:
    server = serve(Routes())
    await server.ask("/pulse")
    await server.ask("/pulse?ill=1")
    await server.ask("/echo")
    assert [(e["path"], e["status"], e["log_level"].name) for e in log if "status" in e] == [
        ("/pulse", 200, "debug"),
        ("/pulse", 503, "info"),
        ("/echo", 203, "info"),
    ]


@pytest_twisted.ensureDeferred
async def test_a_client_that_leaves_has_its_handler_cancelled_and_is_logged_as_499(
    serve: Serve, log: list[LogEvent]
) -> None:
    routes = Routes()
    client = await serve(routes).connect()
    client.transport.write(b"GET /wait?x HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: gone\r\n\r\n")
    await routes.gate.entered
    client.transport.abortConnection()
    assert await routes.gate.left == "CancelledError"
    assert lines(log) == [("GET", "/wait", 499, "gone")]


@pytest.mark.parametrize(
    ("kind", "status", "logged"),
    [
        pytest.param("full", 503, 0, id="an error"),
        pytest.param("bug", 500, 1, id="a fault"),
        pytest.param("cancel", 503, 0, id="cancelled inside"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_response_that_has_begun_is_broken_off_and_logged_as_a_failure_of_ours(
    serve: Serve, log: list[LogEvent], logged_errors: Errors, kind: str, status: int, logged: int
) -> None:
    """A problem document in the middle of a film would end it as if all was well; and it was not the client who left."""
    client = await serve(Routes()).connect()
    client.transport.write(f"GET /begin/{kind} HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: ours\r\n\r\n".encode())
    assert not await client.closed, "reset"
    assert b"title" not in client.received
    assert not client.received.endswith(b"0\r\n\r\n")
    assert lines(log) == [("GET", f"/begin/{kind}", status, "ours")]
    assert len(logged_errors.flush()) == logged


@pytest_twisted.ensureDeferred
async def test_a_connection_serves_one_request_after_the_other(serve: Serve) -> None:
    routes = Routes()
    client = await serve(routes).connect()
    client.transport.write(
        b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\nGET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    await routes.gate.entered
    routes.gate.go.callback(None)
    await client.until(b"There is nothing at this URL.")
    assert client.received.index(b"done") < client.received.index(b"404")


GARBAGE = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "no version": b"GET /echo\r\n\r\n",
    "a method that is none": b"G\xffT /echo HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a header that is none": b"GET /echo HTTP/1.1\r\nHost x\r\n\r\n",
    "two lengths": b"GET /echo HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "a path that is not ASCII": b"GET /files/\xe9 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "an endless line": b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n\r\n",
    "a host that is no text": b"GET /echo HTTP/1.1\r\nHost: \xff\xfe\r\nConnection: close\r\n\r\n",
    "a host with an endless label": b"GET /echo HTTP/1.1\r\nHost: " + b"a" * 64 + b"\r\nConnection: close\r\n\r\n",
    "a host of dots": b"GET /echo HTTP/1.1\r\nHost: a..b\r\nConnection: close\r\n\r\n",
    "a host with a space": b"GET /echo HTTP/1.1\r\nHost: a b:c\r\nConnection: close\r\n\r\n",
    "a method of its own": b"BREW /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "the server itself": b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "a tunnel": b"CONNECT x:443 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "no host": b"GET /echo HTTP/1.0\r\n\r\n",
    "a query that is no text": b"GET /echo?\xff=%FF&&=&%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "headers that are no text": b"GET /echo HTTP/1.1\r\nHost: localhost\r\nX-Test: \xff\r\nRange: \xff\r\nConnection: close\r\n\r\n",
    "a form in a GET": (
        b"POST /thing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=\xff\r\n"
        b"Content-Length: 3\r\n\r\n--\xff"
    ),
}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
@pytest_twisted.ensureDeferred
async def test_garbage_gets_no_page_and_leaves_no_traceback(serve: Serve, data: bytes) -> None:
    """That nothing is logged is seen to by the fixture of every test."""
    received = await serve(Routes()).say(data)
    assert not received or received.startswith(b"HTTP/1.")
    assert b"Traceback" not in received
    assert b"<html" not in received.lower()
    if b"\r\n\r\n" in received and parse(received).body:
        parse(received).json  # noqa: B018 - it must be JSON


@pytest_twisted.ensureDeferred
async def test_a_route_that_was_cancelled_by_itself_does_not_hang(serve: Serve) -> None:
    """A probe that several requests share can be cancelled by another; this client is still there."""
    client = await serve(Routes()).connect()
    client.transport.write(b"GET /fail/cancel HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    await client.closed
    assert client.received.startswith(b"HTTP/1.1 5")
