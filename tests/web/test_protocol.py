"""Requests as they come over the wire: a client that takes us for a proxy gets the same answers."""

import pytest
import pytest_twisted
from twisted.web.server import Request

from tests.web.conftest import Serve
from tests.web.server import new_origins, parse
from transcoded.plan.http.parameters import Values, any_text
from transcoded.web.answers import sent
from transcoded.web.request import query_of
from transcoded.web.route import route


class Routes:
    """Routes that say what was asked."""

    @route("/", params=(any_text("a", ""),), answers=sent("*/*"))
    async def root(self, request: Request, query: Values) -> bytes:
        return b"root"

    @route("/thing", params=(any_text("a", ""),), answers=sent("*/*"))
    async def thing(self, request: Request, query: Values) -> bytes:
        return f"{request.getHeader('host')} {query_of(request)}".encode()

    @route("/files/<media:path>", answers=sent("*/*"))
    async def file(self, request: Request, path: str) -> bytes:
        return path.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    ("target", "body"),
    [
        (b"http://localhost/thing?a=1", b"localhost {'a': ['1']}"),
        (b"HTTP://localhost/thing?a=1", b"localhost {'a': ['1']}"),
        (b"hTtPs://LOCALHOST:8080/thing", b"LOCALHOST:8080 {}"),
        (b"http://localhost", b"root"),
        (b"HTTP://localhost?a=1", b"root"),
        (b"HTTP://localhost/files/http://x/caf%E9", b"http://x/caf\xe9"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_target_in_absolute_form_is_what_it_says_in_any_case(serve: Serve, target: bytes, body: bytes) -> None:
    answer = await serve(Routes()).get_raw(target)
    assert (answer.status, answer.body) == (200, body)


@pytest_twisted.ensureDeferred
async def test_its_authority_replaces_the_host(serve: Serve) -> None:
    """RFC 9112, section 3.2.2. Else a page could lead a name of its own here past the check of the host."""
    server = serve(Routes(), origins=new_origins())
    (await server.get_raw(b"HTTP://evil.example/thing")).problem(421)
    answer = parse(await server.say(b"GET HTTP://localhost/thing HTTP/1.0\r\n\r\n"))
    assert answer.body == b"localhost {}"


@pytest.mark.parametrize(
    ("target", "status"),
    [(b"ftp://localhost/thing", 400), (b"http:/localhost/thing", 400), (b"//localhost/thing", 404)],
)
@pytest_twisted.ensureDeferred
async def test_what_only_looks_like_it_is_refused(serve: Serve, target: bytes, status: int) -> None:
    (await serve(Routes()).get_raw(target)).problem(status)
