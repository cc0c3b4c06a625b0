"""Who may do what. Whatever is let in wrongly here lets a stranger watch, or stop what others watch."""

from collections.abc import Sequence

import attrs
import msgspec
import pytest
import pytest_twisted
from twisted.logger import capturedLogs
from twisted.web.server import Request

from tests.web.conftest import Serve
from tests.web.schemas import Answer
from tests.web.server import NOW, SIGNING_KEY, Server, files_at, new_guard
from transcoded.plan.http.access import Access, signed_query
from transcoded.plan.http.forwarded import parse_trusted
from transcoded.plan.http.parameters import Values, any_text
from transcoded.run.files.library import MediaFile
from transcoded.web.answers import json_body, sent
from transcoded.web.guard import COOKIE, Guard
from transcoded.web.request import client_of, query_of
from transcoded.web.route import route

ADMIN, READER = "boss-secret-1", "reader-secret-2"
KEYS = (f"boss:admin={ADMIN}", f"tv:read={READER}")
FILM = "films/a b.mkv"
URL = "/media/films/a%20b.mkv"


class Routes:
    """One route of each kind; they say who asked."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard

    @route("/media/<media:path>", params=(any_text("start", ""),), answers=sent("*/*"))
    async def file(self, request: Request, file: MediaFile, query: Values) -> bytes:
        return json_body(request, msgspec.json.encode({"path": file.path, "query": query_of(request)}))

    @route("/media/<media:path>/master.m3u8", params=(any_text("b", ""),), answers=sent("*/*"))
    async def playlist(self, request: Request, file: MediaFile, query: Values) -> bytes:
        return self.guard.inherited_query(request).encode()

    @route("/api/v1/streams", answers=sent("*/*"))
    async def look(self, request: Request) -> bytes:
        return self.who(request)

    @route("/api/v1/streams", methods=("DELETE",), answers=sent("*/*"))
    async def change(self, request: Request) -> bytes:
        return self.who(request)

    @route("/healthz", access=Access.OPEN, answers=sent("*/*"))
    async def open(self, request: Request) -> bytes:
        return self.who(request)

    @route("/login", methods=("POST",), access=Access.OPEN, params=(any_text("key", ""),), answers=sent("*/*"))
    async def login(self, request: Request, query: Values) -> bytes:
        key = (request.args or {})[b"key"][0].decode()
        self.guard.remember(request, self.guard.check(key, client_of(request)))
        return b""

    def who(self, request: Request) -> bytes:
        session = self.guard.session(request, "192.0.2.1")
        return json_body(request, msgspec.json.encode(None if session is None else [session.name, session.via]))


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
def guard() -> Guard:
    return new_guard(*KEYS)


@pytest.fixture
def server(serve: Serve, guard: Guard) -> Server:
    return serve(Routes(guard), guard=guard, locate=files_at(FILM))


def query(path: str = FILM, expires: float = NOW + 60) -> str:
    return signed_query(SIGNING_KEY, path, int(expires))


async def sign_in(server: Server, secret: str = ADMIN) -> str:
    """The cookie that a browser would send from now on."""
    answer = await server.ask(f"/login?key={secret}", "POST")
    assert answer.status == 200
    return answer.headers["set-cookie"].partition(";")[0]


# Keys.


@pytest_twisted.ensureDeferred
async def test_without_keys_everybody_may_do_everything(serve: Serve) -> None:
    server = serve(Routes(new_guard()), locate=files_at(FILM))
    for method, path in (("GET", "/api/v1/streams"), ("DELETE", "/api/v1/streams"), ("GET", URL)):
        assert (await server.ask(path, method)).status == 200


@pytest.mark.parametrize(
    ("method", "path", "nobody", "reader", "admin"),
    [
        ("GET", "/healthz", 200, 200, 200),
        ("GET", "/api/v1/streams", 401, 200, 200),
        ("HEAD", "/api/v1/streams", 401, 200, 200),
        ("DELETE", "/api/v1/streams", 401, 403, 200),
        ("GET", URL, 401, 200, 200),
        ("HEAD", URL, 401, 200, 200),
    ],
)
@pytest_twisted.ensureDeferred
async def test_each_may_do_what_their_key_allows(
    server: Server, method: str, path: str, nobody: int, reader: int, admin: int
) -> None:
    for status, headers in ((nobody, {}), (reader, bearer(READER)), (admin, bearer(ADMIN))):
        answer = await server.ask(path, method, headers)
        assert answer.status == status
        if status >= 400 and method != "HEAD":
            answer.problem(status)
        if status == 401:
            assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest_twisted.ensureDeferred
async def test_a_wrong_key_is_refused_even_where_none_is_needed_to_play(server: Server) -> None:
    for secret in ("wrong-secret-3", ADMIN + " x", ADMIN.upper(), "", "\xff"):
        (await server.ask(f"{URL}?{query()}", headers=bearer(secret))).problem(401)
    assert (await server.ask("/api/v1/streams", headers={"Authorization": f"bEARER  {READER} "})).status == 200
    (await server.ask("/api/v1/streams", headers={"Authorization": f"Basic {READER}"})).problem(401)
    (await server.ask("/api/v1/streams", headers={"Authorization": READER})).problem(401)


@pytest_twisted.ensureDeferred
async def test_who_guesses_is_stopped_and_told_for_how_long_and_the_right_key_does_not_show_either(
    server: Server, guard: Guard
) -> None:
    for _ in range(guard._attempts.max_failures):
        (await server.ask("/api/v1/streams", headers=bearer("a-guess-at-it"))).problem(401)
    for secret in ("a-guess-at-it", ADMIN):
        answer = await server.ask("/api/v1/streams", headers=bearer(secret))
        answer.problem(429)
        assert int(answer.headers["retry-after"]) > 0
    (await server.ask(f"/login?key={ADMIN}", "POST")).problem(429)
    assert (await server.ask(f"{URL}?{query()}")).status == 200, "who was given a URL goes on watching"


@pytest_twisted.ensureDeferred
async def test_who_guesses_through_a_trusted_proxy_locks_out_nobody_else(serve: Serve) -> None:
    guard = attrs.evolve(new_guard(*KEYS), proxies=[parse_trusted("127.0.0.1")])
    server = serve(Routes(guard), guard=guard, locate=files_at(FILM))
    for _ in range(guard._attempts.max_failures):
        await server.ask("/login?key=a-guess-at-it", "POST", {"X-Forwarded-For": "198.51.100.6"})
    for claimed in ("198.51.100.6", "198.51.100.7, 198.51.100.6"):
        (await server.ask(f"/login?key={ADMIN}", "POST", {"X-Forwarded-For": claimed})).problem(429)
    assert (await server.ask(f"/login?key={ADMIN}", "POST", {"X-Forwarded-For": "198.51.100.7"})).status == 200


# Cookies.


@pytest_twisted.ensureDeferred
async def test_a_browser_that_signed_in_is_known_by_its_cookie(server: Server) -> None:
    for secret, name in ((ADMIN, "boss"), (READER, "tv")):
        cookie = await sign_in(server, secret)
        answer = await server.ask("/api/v1/streams", headers={"Cookie": cookie})
        assert answer.json == [name, "cookie"]
    (await server.ask("/api/v1/streams", "DELETE", {"Cookie": cookie})).problem(403)


@pytest_twisted.ensureDeferred
async def test_the_cookie_cannot_be_read_by_a_script_nor_be_sent_in_clear_or_by_another_site(server: Server) -> None:
    answer = await server.ask(f"/login?key={ADMIN}", "POST")
    value, *flags = answer.headers["set-cookie"].split("; ")
    assert {flag.lower().partition("=")[0] for flag in flags} >= {"secure", "httponly", "samesite", "path", "max-age"}
    assert "SameSite=strict" in answer.headers["set-cookie"]
    assert "Path=/" in flags
    assert ADMIN not in value


@pytest_twisted.ensureDeferred
async def test_a_cookie_that_was_made_up_or_changed_is_none(server: Server) -> None:
    cookie = await sign_in(server, READER)
    for wrong in (
        cookie[:-1],
        cookie + "x",
        cookie.replace("=", "=x", 1),
        f"{COOKIE.decode()}=\xff",
        f"{COOKIE.decode()}=",
    ):
        (await server.ask("/api/v1/streams", headers={"Cookie": wrong})).problem(401)


@pytest.mark.parametrize("keys", [(KEYS[1],), (f"boss:admin={ADMIN}-changed", KEYS[1])], ids=["gone", "changed"])
@pytest_twisted.ensureDeferred
async def test_a_key_that_is_taken_away_takes_its_sessions_with_it(serve: Serve, keys: Sequence[str]) -> None:
    before, after = new_guard(*KEYS), new_guard(*keys)
    cookie = await sign_in(serve(Routes(before), guard=before))
    answer = await serve(Routes(after), guard=after).ask("/api/v1/streams", headers={"Cookie": cookie})
    answer.problem(401)


@pytest_twisted.ensureDeferred
async def test_under_a_prefix_the_cookie_is_for_what_is_below_it(server: Server) -> None:
    answer = await server.ask(f"/login?key={ADMIN}", "POST", {"X-Forwarded-Prefix": "/tv/live"})
    assert "Path=/tv/live" in answer.headers["set-cookie"]
    for evil in ("//evil.example", "/a; Domain=evil.example", "tv", "/tv/"):
        answer = await server.ask(f"/login?key={ADMIN}", "POST", {"X-Forwarded-Prefix": evil})
        assert "evil" not in answer.headers["set-cookie"]
        assert "Path=/;" in answer.headers["set-cookie"]


# Signed URLs.


@pytest_twisted.ensureDeferred
async def test_a_signed_url_opens_its_file_and_all_below_it_to_look_and_not_to_touch(server: Server) -> None:
    for path in (URL, f"{URL}/master.m3u8"):
        assert (await server.ask(f"{path}?{query()}")).status == 200
        assert (await server.ask(f"{path}?{query()}", "HEAD")).status == 200
    for method in ("GET", "DELETE"):
        (await server.ask(f"/api/v1/streams?{query()}", method)).problem(401)


@pytest.mark.parametrize(
    "target",
    [
        f"/media/films/b.mkv?{query()}",
        f"/media/films?{query()}",
        f"/media/films/A%20B.mkv?{query()}",
        f"/media/films//a%20b.mkv?{query()}",
        f"/media/films/a%20b.mkv/?{query()}",
        f"/media/films/x/../a%20b.mkv?{query()}",
        f"/media/films/a%2520b.mkv?{query()}",
        f"{URL}?{query('films/b.mkv')}",
        f"{URL}?{query(expires=NOW)}",
        f"{URL}?{query(expires=NOW - 60)}",
        f"{URL}?{query()}0",
        f"{URL}?{query()[:-1]}",
        f"{URL}?{query().replace('expires=', 'expires=9')}",
        f"{URL}?{query().partition('&')[0]}",
        f"{URL}?{query().partition('&')[2]}",
        f"{URL}?signature=&{query()}",
        f"{URL}",
    ],
)
@pytest_twisted.ensureDeferred
async def test_and_nothing_else(server: Server, target: str) -> None:
    (await server.get_raw(target.encode())).problem(401)


@pytest_twisted.ensureDeferred
async def test_a_signature_is_no_parameter_of_the_route(server: Server) -> None:
    """The routes refuse parameters that they do not know."""
    assert (await server.ask(f"{URL}?{query()}&start=5")).json == {"path": FILM, "query": {"start": ["5"]}}


@pytest_twisted.ensureDeferred
async def test_a_playlist_hands_the_signature_on(server: Server) -> None:
    assert (await server.ask(f"{URL}/master.m3u8?{query()}")).body.decode() == query()
    assert (await server.ask(f"{URL}/master.m3u8", headers=bearer(READER))).body == b""


@pytest.mark.parametrize("signature", ["x%0A%23EXT", "a&b=c", "%22", "a b", "..%2F"])
@pytest_twisted.ensureDeferred
async def test_and_nothing_that_only_looks_like_one(server: Server, signature: str) -> None:
    answer = await server.ask(f"{URL}/master.m3u8?expires=1&signature={signature}", headers=bearer(READER))
    assert b"\n" not in answer.body
    assert b'"' not in answer.body
    assert b"." not in answer.body


# Secrets.


@pytest_twisted.ensureDeferred
async def test_no_key_cookie_or_signature_is_logged_or_repeated(server: Server) -> None:
    answers: list[Answer] = []
    with capturedLogs() as events:
        cookie = await sign_in(server)
        for headers in (bearer(ADMIN), bearer("a-wrong-secret"), {"Cookie": cookie}, {"Cookie": cookie + "x"}):
            for target in (f"{URL}?{query()}", f"/api/v1/streams?{query()}", f"/nothing?{query()}"):
                answers.append(await server.ask(target, headers=headers))
                answers.append(await server.ask(target, "DELETE", headers))
    said = "\n".join(str(dict(event)) for event in events) + "\n".join(str(answer) for answer in answers)
    for secret in (ADMIN, "a-wrong-secret", cookie.partition("=")[2], query().partition("signature=")[2], "signature="):
        assert secret not in said
