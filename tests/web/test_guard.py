"""Who may do what. Whatever is let in wrongly here lets a stranger watch, or stop what others watch."""

from collections.abc import Mapping, Sequence

import attrs
import msgspec
import pytest
import pytest_twisted
from twisted.logger import LogLevel, capturedLogs
from twisted.web.server import Request

from tests.web.conftest import Serve
from tests.web.schemas import Answer
from tests.web.server import NOW, SUBKEYS, Server, files_at, new_guard
from transcoded.plan.http.access import Access
from transcoded.plan.http.forwarded import parse_trusted
from transcoded.plan.http.parameters import Values, any_text
from transcoded.plan.http.sign_in import LIFETIME, cookie_name
from transcoded.plan.http.signed_urls import signed_query
from transcoded.run.files.library import MediaFile
from transcoded.run.host.sign_outs import SignOuts
from transcoded.web.answers import json_body, sent
from transcoded.web.cookies import Cookies
from transcoded.web.guard import Guard
from transcoded.web.request import client_of, query_of
from transcoded.web.route import route

ADMIN, READER = "boss-secret-0123456789", "reader-secret-0123456789"
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
        self.guard.require_safe_way(request, client_of(request))
        key = (request.args or {})[b"key"][0].decode()
        self.guard.remember(request, self.guard.check(key, client_of(request)))
        return b""

    @route("/logout", methods=("POST",), access=Access.OPEN, answers=sent("*/*"))
    async def logout(self, request: Request) -> bytes:
        self.guard.forget(request)
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
    return signed_query(SUBKEYS.urls, path, int(expires))


async def sign_in(server: Server, secret: str = ADMIN, headers: Mapping[str, str] | None = None) -> str:
    """The cookie that a browser would send from now on."""
    answer = await server.ask(f"/login?key={secret}", "POST", headers)
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
    for secret in ("wrong-secret-0123456789", ADMIN + " x", ADMIN.upper(), "", "\xff"):
        (await server.ask(f"{URL}?{query()}", headers=bearer(secret))).problem(401)
    assert (await server.ask("/api/v1/streams", headers={"Authorization": f"bEARER  {READER} "})).status == 200
    (await server.ask("/api/v1/streams", headers={"Authorization": f"Basic {READER}"})).problem(401)
    (await server.ask("/api/v1/streams", headers={"Authorization": READER})).problem(401)


@pytest_twisted.ensureDeferred
async def test_who_guesses_is_told_for_how_long_to_wait_and_no_right_key_is_refused_for_it(
    server: Server, guard: Guard
) -> None:
    guess = bearer("a-guess-at-the-secret")
    for _ in range(guard._wrong_keys.per_client):
        (await server.ask("/api/v1/streams", headers=guess)).problem(401)
    answer = await server.ask("/api/v1/streams", headers=guess)
    answer.problem(429)
    assert int(answer.headers["retry-after"]) > 0
    (await server.ask("/login?key=a-guess-at-the-secret", "POST")).problem(429)
    assert (await server.ask("/api/v1/streams", headers=bearer(READER))).status == 200
    assert (await server.ask(f"/login?key={ADMIN}", "POST")).status == 200
    assert (await server.ask(f"{URL}?{query()}")).status == 200


@pytest_twisted.ensureDeferred
async def test_wrong_keys_cost_the_log_one_line_and_no_secret_is_in_it(server: Server, guard: Guard) -> None:
    with capturedLogs() as events:
        for _ in range(3 * guard._wrong_keys.per_client):
            await server.ask("/api/v1/streams", headers=bearer("a-guess-at-the-secret"))
    (warned,) = [event for event in events if event["log_level"] == LogLevel.warn]
    assert warned["network"] == "127.0.0.1"
    assert "a-guess" not in str(list(events))


@pytest_twisted.ensureDeferred
async def test_who_guesses_through_a_trusted_proxy_is_counted_by_his_own_address(serve: Serve) -> None:
    guard = attrs.evolve(new_guard(*KEYS), proxies=[parse_trusted("127.0.0.1")])
    server = serve(Routes(guard), guard=guard, locate=files_at(FILM))
    guess = bearer("a-guess-at-the-secret")
    for _ in range(guard._wrong_keys.per_client):
        await server.ask("/api/v1/streams", headers={**guess, "X-Forwarded-For": "198.51.100.6"})
    for claimed in ("198.51.100.6", "198.51.100.7, 198.51.100.6"):
        (await server.ask("/api/v1/streams", headers={**guess, "X-Forwarded-For": claimed})).problem(429)
    (await server.ask("/api/v1/streams", headers={**guess, "X-Forwarded-For": "198.51.100.7"})).problem(401)


# Cookies.


@pytest_twisted.ensureDeferred
async def test_a_browser_that_signed_in_is_known_by_its_cookie(server: Server) -> None:
    for secret, name in ((ADMIN, "boss"), (READER, "tv")):
        cookie = await sign_in(server, secret)
        answer = await server.ask("/api/v1/streams", headers={"Cookie": cookie})
        assert answer.json == [name, "cookie"]
    (await server.ask("/api/v1/streams", "DELETE", {"Cookie": cookie})).problem(403)


HTTPS = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.6"}
PLAIN = {"X-Forwarded-Proto": "http", "X-Forwarded-For": "198.51.100.6"}


@pytest.fixture
def behind_proxy(serve: Serve) -> Server:
    """Behind a trusted proxy, which speaks TLS with some clients."""
    guard = attrs.evolve(new_guard(*KEYS), proxies=[parse_trusted("127.0.0.1")])
    return serve(Routes(guard), guard=guard, locate=files_at(FILM))


@pytest.mark.parametrize(
    ("more", "name", "path", "secure"),
    [
        ({}, "transcoded_session", "/", False),
        ({"X-Forwarded-Prefix": "/tv"}, "transcoded_session", "/tv", False),
        (HTTPS, "__Host-transcoded_session", "/", True),
        ({**HTTPS, "X-Forwarded-Prefix": "/tv"}, "__Secure-transcoded_session", "/tv", True),
    ],
)
@pytest_twisted.ensureDeferred
async def test_the_cookie_is_as_safe_as_the_way_it_came(
    behind_proxy: Server, more: dict[str, str], name: str, path: str, secure: bool
) -> None:
    for target, age in ((f"/login?key={ADMIN}", LIFETIME), ("/logout", 0)):
        answer = await behind_proxy.ask(target, "POST", more)
        (named, value), *flags = [part.split("=") for part in answer.headers["set-cookie"].split("; ")]
        wanted = [["Max-Age", str(age)], ["Path", path], ["HttpOnly"], ["SameSite", "strict"]]
        assert sorted(flags) == sorted([*wanted, *([["Secure"]] if secure else [])])
        assert named == name
        assert ADMIN not in value


@pytest_twisted.ensureDeferred
async def test_a_cookie_of_https_is_worth_nothing_over_plain_http_nor_the_other_way_round(behind_proxy: Server) -> None:
    safe, plain = await sign_in(behind_proxy, headers=HTTPS), await sign_in(behind_proxy)
    renamed = [
        f"{cookie_name('', https=not https)}={cookie.partition('=')[2]}"
        for https, cookie in ((True, safe), (False, plain))
    ]
    for headers, good, bad in ((HTTPS, safe, (plain, renamed[1])), (PLAIN, plain, (safe, renamed[0]))):
        assert (await behind_proxy.ask("/api/v1/streams", headers={**headers, "Cookie": good})).status == 200
        for cookie in bad:
            (await behind_proxy.ask("/api/v1/streams", headers={**headers, "Cookie": cookie})).problem(401)


@pytest.mark.parametrize("header", ["http", "https, http", "http, https", "", "httpsx"])
@pytest_twisted.ensureDeferred
async def test_signing_in_over_plain_http_from_another_machine_is_refused_with_what_to_do(
    behind_proxy: Server, header: str
) -> None:
    answer = await behind_proxy.ask(f"/login?key={ADMIN}", "POST", {**PLAIN, "X-Forwarded-Proto": header})
    for remedy in ("HTTPS", "trusted_proxy", "plain_http_login"):
        assert remedy in answer.problem(403)["detail"]
    assert "set-cookie" not in answer.headers


@pytest_twisted.ensureDeferred
async def test_whether_the_key_was_right_does_not_show_then(behind_proxy: Server) -> None:
    (await behind_proxy.ask("/login?key=a-guess-at-the-secret", "POST", PLAIN)).problem(403)


@pytest_twisted.ensureDeferred
async def test_a_setting_allows_it(serve: Serve) -> None:
    guard = attrs.evolve(new_guard(*KEYS), proxies=[parse_trusted("127.0.0.1")], plain_http_login=True)
    server = serve(Routes(guard), guard=guard)
    cookie = await sign_in(server, headers=PLAIN)
    assert cookie.startswith("transcoded_session=")
    assert (await server.ask("/api/v1/streams", headers={**PLAIN, "Cookie": cookie})).status == 200


@pytest_twisted.ensureDeferred
async def test_a_client_cannot_claim_to_have_come_over_https(server: Server) -> None:
    assert "Secure" not in (await server.ask(f"/login?key={ADMIN}", "POST", HTTPS)).headers["set-cookie"]


@pytest_twisted.ensureDeferred
async def test_a_copied_cookie_ends_with_its_owner_signing_out(server: Server) -> None:
    cookie, other = await sign_in(server), await sign_in(server)
    await server.ask("/logout", "POST", {"Cookie": f"{cookie}x"})
    assert (await server.ask("/api/v1/streams", headers={"Cookie": cookie})).status == 200
    assert (await server.ask("/logout", "POST", {"Cookie": cookie})).status == 200
    (await server.ask("/api/v1/streams", headers={"Cookie": cookie})).problem(401)
    assert (await server.ask("/api/v1/streams", headers={"Cookie": other})).status == 200, "nobody else was signed out"


@pytest_twisted.ensureDeferred
async def test_a_cookie_ends_after_its_time_also_if_the_browser_keeps_it(serve: Serve) -> None:
    time = [NOW]
    guard = new_guard(*KEYS, now=lambda: time[0])
    server = serve(Routes(guard), guard=guard)
    cookie = await sign_in(server)
    time[0] += LIFETIME - 1
    assert (await server.ask("/api/v1/streams", headers={"Cookie": cookie})).status == 200
    time[0] += 1
    (await server.ask("/api/v1/streams", headers={"Cookie": cookie})).problem(401)


@pytest_twisted.ensureDeferred
async def test_a_cookie_that_was_made_up_or_changed_is_none(server: Server) -> None:
    cookie = await sign_in(server, READER)
    name = cookie.partition("=")[0]
    signer = Cookies(b"another key", SignOuts(None, lambda: NOW), lambda: NOW)._serializer()
    forged = signer.dumps(["id", "boss", "mark", int(NOW), False])
    ours = Cookies(SUBKEYS.cookies, SignOuts(None, lambda: NOW), lambda: NOW)._serializer()
    for wrong in (
        cookie[:-1],
        cookie + "x",
        cookie.replace("=", "=x", 1),
        f"{name}=\xff",
        f"{name}=",
        f"{name}={forged}",
        f"{name}={ours.dumps(['id', 'boss'])}",
        f"{name}={ours.dumps({'id': 5})}",
        f"{name}={ours.dumps(['id', 'boss', 'mark', int(NOW), False])}",
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
        f"{URL}?{query()}&{query()}",
        f"{URL}?{query()}&expires={int(NOW) + 60}",
        f"{URL}?{query().replace('expires=', 'expires=%2B')}",
        f"{URL}?{query().replace('expires=', 'expires=0')}",
        f"{URL}?{query(expires=NOW + 31 * 24 * 3600)}",
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
    for wrong in (
        f"expires=1&signature={signature}",
        f"expires={signature}&signature={'0' * 64}",
        f"{query()}&{query()}",
    ):
        answer = await server.ask(f"{URL}/master.m3u8?{wrong}", headers=bearer(READER))
        assert (answer.status, answer.body) == (200, b"")


# Secrets.


@pytest_twisted.ensureDeferred
async def test_no_key_cookie_or_signature_is_logged_or_repeated(server: Server) -> None:
    answers: list[Answer] = []
    with capturedLogs() as events:
        cookie = await sign_in(server)
        for headers in (
            bearer(ADMIN),
            bearer("a-wrong-secret-0123456789"),
            {"Cookie": cookie},
            {"Cookie": cookie + "x"},
        ):
            for target in (f"{URL}?{query()}", f"/api/v1/streams?{query()}", f"/nothing?{query()}"):
                answers.append(await server.ask(target, headers=headers))
                answers.append(await server.ask(target, "DELETE", headers))
    said = "\n".join(str(dict(event)) for event in events) + "\n".join(str(answer) for answer in answers)
    for secret in (
        ADMIN,
        "a-wrong-secret-0123456789",
        cookie.partition("=")[2],
        query().partition("signature=")[2],
        "signature=",
    ):
        assert secret not in said


def test_a_traceback_that_shows_the_guard_shows_no_key(guard: Guard) -> None:
    shown = repr(guard)
    for secret in (ADMIN, READER, repr(SUBKEYS.urls), repr(SUBKEYS.cookies), *(repr(key.digest) for key in guard.keys)):
        assert secret not in shown
