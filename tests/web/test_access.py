"""Signing in and signing URLs: what the page and other front ends do with keys."""

from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest
import pytest_twisted

from tests.web.conftest import Serve
from tests.web.schemas import Answer
from tests.web.server import NOW, Server, new_guard
from transcoded.plan.http.forwarded import parse_trusted
from transcoded.run.files.async_library import AsyncLibrary
from transcoded.run.files.library import Library
from transcoded.run.files.threads import Threads
from transcoded.web.access import AccessRoutes

ADMIN, READER = "boss-secret-0123456789", "reader-secret-0123456789"
BOSS = {"Authorization": f"Bearer {ADMIN}"}
TV = {"Authorization": f"Bearer {READER}"}


@pytest.fixture
def server(serve: Serve, threads: Threads, tmp_path: Path) -> Server:
    (tmp_path / "a b.mkv").touch()
    (tmp_path / "é?#.mkv").touch()
    (tmp_path / ".hidden.mkv").touch()
    (tmp_path / "folder").mkdir()
    guard = new_guard(f"boss:admin={ADMIN}", f"tv:read={READER}")
    return serve(AccessRoutes(guard, AsyncLibrary(Library({"films": str(tmp_path)}), threads)), guard=guard)


async def post(server: Server, path: str, body: bytes, *headers: str) -> Answer:
    return await server.post(path, body, dict(line.split(": ", 1) for line in headers))


async def sign(server: Server, body: Any, headers: dict[str, str] | None = None) -> Answer:
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return await server.post("/api/v1/sign", data, {"Content-Type": "application/json", **(headers or BOSS)})


FORM = "Content-Type: application/x-www-form-urlencoded"


@pytest_twisted.ensureDeferred
async def test_who_one_is(server: Server) -> None:
    (await server.ask("/api/v1/session")).problem(401)
    assert (await server.ask("/api/v1/session", headers=BOSS)).json == {"role": "admin", "via": "key", "name": "boss"}
    assert (await server.ask("/api/v1/session", headers=TV)).json == {"role": "read", "via": "key", "name": "tv"}
    (await server.ask("/api/v1/session?x=1", headers=TV)).problem(400)


@pytest_twisted.ensureDeferred
async def test_where_nobody_may_sign_in_this_is_said_before_anybody_types_a_key(serve: Serve, threads: Threads) -> None:
    guard = attrs.evolve(new_guard(f"tv:read={READER}"), proxies=[parse_trusted("127.0.0.1")])
    server = serve(AccessRoutes(guard, AsyncLibrary(Library({}), threads)), guard=guard)
    far = {"X-Forwarded-For": "198.51.100.6"}
    assert "plain_http_login" in (await server.ask("/api/v1/session", headers=far)).problem(403)["detail"]
    assert (await server.ask("/api/v1/session", headers={**far, **TV})).status == 200, (
        "who has a key is not asked for one"
    )
    (await server.ask("/api/v1/session", headers={**far, "X-Forwarded-Proto": "https"})).problem(401)


@pytest_twisted.ensureDeferred
async def test_signing_in_and_out_with_the_form(server: Server) -> None:
    answer = await post(server, "/login", f"key={READER}".encode(), FORM)
    assert (answer.status, answer.body) == (204, b"")
    cookie = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
    assert (await server.ask("/api/v1/session", headers=cookie)).json["via"] == "cookie"
    out = await post(server, "/logout", b"")
    assert out.status == 204
    assert "Max-Age=0" in out.headers["set-cookie"]
    assert out.headers["set-cookie"].partition(";")[0] == "transcoded_session="


@pytest.mark.parametrize(
    ("body", "status"), [(b"key=wrong-secret", 401), (b"key=", 401), (b"", 400), (b"key=a&key=b", 400), (b"x=1", 400)]
)
@pytest_twisted.ensureDeferred
async def test_a_form_that_lets_nobody_in(server: Server, body: bytes, status: int) -> None:
    answer = await post(server, "/login", body, FORM)
    answer.problem(status)
    assert "set-cookie" not in answer.headers


@pytest_twisted.ensureDeferred
async def test_a_key_in_a_url_is_refused_since_proxies_log_urls(server: Server) -> None:
    (await server.ask(f"/login?key={READER}", "POST")).problem(400)


@pytest_twisted.ensureDeferred
async def test_a_foreign_page_cannot_sign_anybody_in(server: Server) -> None:
    answer = await post(server, "/login", f"key={READER}".encode(), FORM, "Origin: https://evil.example")
    answer.problem(403)


@pytest.mark.parametrize(
    ("path", "url"), [("films/a b.mkv", "/media/films/a%20b.mkv"), ("films/é?#.mkv", "/media/films/%C3%A9%3F%23.mkv")]
)
@pytest_twisted.ensureDeferred
async def test_a_signed_url_is_good_for_its_file_and_its_time(server: Server, path: str, url: str) -> None:
    answer = (await sign(server, {"path": path, "expires_in": 60})).json
    assert answer["expires"] == NOW + 60
    assert answer["url"].startswith(f"{url}?expires={int(NOW) + 60}&signature=")
    prefixed = await sign(server, {"path": path}, {**BOSS, "X-Forwarded-Prefix": "/tv"})
    assert prefixed.json["url"].startswith(f"/tv{url}?")
    assert prefixed.json["expires"] == NOW + 3600


@pytest_twisted.ensureDeferred
async def test_only_an_admin_gives_films_to_others(server: Server) -> None:
    (await sign(server, {"path": "films/a b.mkv"}, TV)).problem(403)
    (await server.post("/api/v1/sign", b'{"path": "films/a b.mkv"}', {})).problem(401)


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        pytest.param({"path": "films/nothing.mkv"}, 404, "", id="no file"),
        pytest.param({"path": "films/.hidden.mkv"}, 404, "", id="hidden"),
        pytest.param({"path": "films/folder"}, 404, "", id="a directory"),
        pytest.param({"path": "films/../../etc/passwd"}, 404, "", id="out of the library"),
        pytest.param({"path": "films/a\0b"}, 404, "", id="NUL"),
        pytest.param({"path": ""}, 404, "", id="nothing"),
        pytest.param({"path": "films/a b.mkv", "expires_in": 0}, 400, "expires_in", id="no time"),
        pytest.param({"path": "films/a b.mkv", "expires_in": 10**9}, 400, "expires_in", id="for ever"),
        pytest.param({"path": "films/a b.mkv", "expires_in": 10**30}, 400, "expires_in", id="longer"),
        pytest.param({"path": "films/a b.mkv", "expires_in": "60"}, 400, "expires_in", id="as text"),
        pytest.param({"path": "films/a b.mkv", "expire_in": 60}, 400, "expire_in", id="mistyped"),
        pytest.param({"expires_in": 60}, 400, "path", id="no path"),
        pytest.param([], 400, "", id="a list"),
        pytest.param(b"", 400, "", id="no body"),
        pytest.param(b"{", 400, "", id="no JSON"),
        pytest.param(b'{"path": "\xff"}', 400, "", id="no text"),
        pytest.param(b'{"path": "\\ud800"}', 400, "", id="half a character"),
        pytest.param(b"[" * 60_000, 400, "", id="deep"),
        pytest.param(b" " * 70_000, 413, "longer", id="long"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_what_cannot_be_signed_is_told(server: Server, body: Any, status: int, named: str) -> None:
    assert named in (await sign(server, body)).problem(status)["detail"]
