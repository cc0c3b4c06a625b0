"""Pages of other origins: what they may do, and what their browsers are told."""

from collections.abc import Sequence

import pytest
import pytest_twisted
from twisted.web.server import Request

from tests.web.conftest import Serve
from tests.web.server import NOW, SUBKEYS, files_at, new_guard, new_origins
from transcoded.plan.http.signed_urls import signed_query
from transcoded.run.files.library import MediaFile
from transcoded.web.answers import sent
from transcoded.web.route import route

ADMIN = "a-key-of-the-operator"
KEYS = (f"boss:admin={ADMIN}",)
FILM = "films/a b.mkv"
URL = "/media/films/a%20b.mkv"
CROSS = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "video"}
LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
BEARER = {"Authorization": f"Bearer {ADMIN}"}
CORP = "cross-origin-resource-policy"


class Routes:
    """One route of each kind."""

    @route("/media/<media:path>", answers=sent("*/*"))
    async def file(self, request: Request, file: MediaFile) -> bytes:
        return file.path.encode()

    @route("/media/<media:path>/stream.mp4", answers=sent("*/*"))
    async def stream(self, request: Request, file: MediaFile) -> bytes:
        return b"stream of " + file.path.encode()

    @route("/api/v1/streams", answers=sent("*/*"))
    async def look(self, request: Request) -> bytes:
        return b"streams"

    @route("/api/v1/streams", methods=("DELETE",), answers=sent("*/*"))
    async def change(self, request: Request) -> bytes:
        return b"ended"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://127.0.0.1.evil.example"]
)
@pytest_twisted.ensureDeferred
async def test_a_foreign_page_cannot_stop_a_stream_in_somebodys_name(serve: Serve, origin: str) -> None:
    """A page on the web can send requests to 127.0.0.1, where no key is needed."""
    server = serve(Routes(), locate=files_at(FILM))
    (await server.ask("/api/v1/streams", "DELETE", {"Origin": origin})).problem(403)
    answer = await server.ask("/api/v1/streams", headers={"Origin": origin})
    assert "access-control-allow-origin" not in answer.headers, "and it cannot read what is answered"


@pytest_twisted.ensureDeferred
async def test_the_daemons_own_page_can_and_so_can_what_is_no_page(serve: Serve) -> None:
    server = serve(Routes(), locate=files_at(FILM))
    for headers in ({"Origin": f"http://127.0.0.1:{server.number}"}, {}):
        assert (await server.ask("/api/v1/streams", "DELETE", headers)).status == 200


@pytest_twisted.ensureDeferred
async def test_a_front_end_of_another_origin_that_was_allowed_can(serve: Serve) -> None:
    guard, origins = new_guard(*KEYS), new_origins(["https://tv.example"])
    server = serve(Routes(), guard=guard, origins=origins, locate=files_at(FILM))
    preflight = await server.ask(
        "/api/v1/streams", "OPTIONS", {"Origin": "https://tv.example", "Access-Control-Request-Method": "DELETE"}
    )
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-origin"] == "https://tv.example"
    assert "DELETE" in preflight.headers["access-control-allow-methods"]
    assert "Authorization" in preflight.headers["access-control-allow-headers"]
    for method, status in (("GET", 200), ("DELETE", 200)):
        answer = await server.ask("/api/v1/streams", method, {"Origin": "https://tv.example", **BEARER})
        assert answer.status == status
        assert answer.headers["access-control-allow-origin"] == "https://tv.example"
        assert answer.headers["vary"] == "Origin, Sec-Fetch-Site"
        assert "X-Stream-Id" in answer.headers["access-control-expose-headers"]
    for foreign in ("https://evil.example", "http://tv.example", "https://tv.example:8443"):
        answer = await server.ask("/api/v1/streams", headers={"Origin": foreign, **BEARER})
        assert "access-control-allow-origin" not in answer.headers
        (await server.ask("/api/v1/streams", "DELETE", {"Origin": foreign, **BEARER})).problem(403)


@pytest_twisted.ensureDeferred
async def test_every_origin_may_be_allowed_but_never_with_cookies(serve: Serve) -> None:
    guard, origins = new_guard(), new_origins(["*"])
    server = serve(Routes(), guard=guard, origins=origins, locate=files_at(FILM))
    answer = await server.ask("/api/v1/streams", headers={"Origin": "https://any.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("cors", [(), ("https://tv.example",), ("*",)])
@pytest.mark.parametrize("origin", [None, "https://tv.example", "https://evil.example"])
@pytest_twisted.ensureDeferred
async def test_whoever_asks_a_cache_is_told_that_the_answer_depends_on_it(
    serve: Serve, cors: Sequence[str], origin: str | None
) -> None:
    """A segment is kept for a year. If `<video>` has got it first, `<video crossorigin>` would fail for as long."""
    server = serve(Routes(), origins=new_origins(cors), locate=files_at(FILM))
    headers = {} if origin is None else {"Origin": origin}
    for path, method in (
        (URL, "GET"),
        (URL, "HEAD"),
        (URL, "OPTIONS"),
        (URL, "PUT"),
        ("/media/films/none.mkv", "GET"),
        ("/api/v1/streams", "GET"),
        (f"{URL}/stream.mp4?nonsense=1", "GET"),
        ("/nothing", "GET"),
        ("//nothing", "GET"),
    ):
        answer = await server.ask(path, method, headers)
        assert "Origin" in answer.headers["vary"].split(", "), (path, method)
        allowed = "*" if "*" in cors else origin if origin in cors else None
        assert answer.headers.get("access-control-allow-origin") == allowed


@pytest_twisted.ensureDeferred
async def test_what_players_send_and_read_is_allowed(serve: Serve) -> None:
    server = serve(Routes(), origins=new_origins(["https://tv.example"]), locate=files_at(FILM))
    headers = {"Origin": "https://tv.example", "Access-Control-Request-Method": "GET"}
    answer = await server.ask(URL, "OPTIONS", headers)
    allowed = set(answer.headers["access-control-allow-headers"].lower().split(", "))
    assert {"range", "if-range", "if-none-match", "authorization", "last-event-id"} <= allowed
    assert {"cmcd-request", "cmcd-object", "cmcd-session", "cmcd-status"} <= allowed
    answer = await server.ask(URL, headers={"Origin": "https://tv.example"})
    exposed = set(answer.headers["access-control-expose-headers"].lower().split(", "))
    assert {"content-range", "content-length", "accept-ranges", "etag", "date", "x-stream-id"} <= exposed
    assert answer.headers["timing-allow-origin"] == "https://tv.example"


@pytest_twisted.ensureDeferred
async def test_a_refusal_can_be_read_by_a_front_end_that_is_allowed(serve: Serve) -> None:
    """Else its user sees "network error" where "sign in" would help."""
    guard, origins = new_guard(*KEYS), new_origins(["https://tv.example"])
    answer = await serve(Routes(), guard=guard, origins=origins).ask(
        "/api/v1/streams", headers={"Origin": "https://tv.example"}
    )
    answer.problem(401)
    assert answer.headers["access-control-allow-origin"] == "https://tv.example"


@pytest_twisted.ensureDeferred
async def test_a_page_that_is_not_allowed_gets_nothing_to_embed_but_what_was_signed(serve: Serve) -> None:
    for guard in (new_guard(), new_guard(*KEYS)):
        server = serve(Routes(), guard=guard, locate=files_at(FILM, "films/other.mkv"))
        signature = signed_query(SUBKEYS.urls, FILM, int(NOW + 60))
        for headers in (CROSS, LINK, {"Origin": "https://evil.example"}):
            for path in (URL, f"{URL}/stream.mp4"):
                (await server.ask(path, headers={**headers, **BEARER})).problem(403)
                answer = await server.ask(f"{path}?{signature}", headers=headers)
                assert answer.status == 200
                assert answer.headers[CORP] == "cross-origin"
            other = await server.ask(f"/media/films/other.mkv?{signature}", headers=headers)
            assert other.problem(403)
            assert other.headers[CORP] == "same-origin"
        assert (await server.ask("/api/v1/streams", headers={**LINK, **BEARER})).status == 200
        (await server.ask("/api/v1/streams", headers={**CROSS, **BEARER})).problem(403)


@pytest_twisted.ensureDeferred
async def test_a_signature_for_one_file_opens_no_other_that_the_url_may_mean(serve: Serve) -> None:
    server = serve(Routes(), locate=files_at("films/a/stream.mp4"))
    for signed, status in (("films/a/stream.mp4", 200), ("films/a", 404)):
        signature = signed_query(SUBKEYS.urls, signed, int(NOW + 60))
        assert (await server.ask(f"/media/films/a/stream.mp4?{signature}", headers=CROSS)).status == status


@pytest_twisted.ensureDeferred
async def test_a_page_that_is_allowed_may_embed_without_asking_first(serve: Serve) -> None:
    server = serve(Routes(), origins=new_origins(["https://tv.example"]), locate=files_at(FILM))
    answer = await server.ask(URL, headers={**CROSS, "Referer": "https://tv.example/"})
    assert (answer.status, answer.headers[CORP]) == (200, "cross-origin")
    (await server.ask(URL, headers={**CROSS, "Referer": "https://evil.example/"})).problem(403)


@pytest_twisted.ensureDeferred
async def test_the_scheme_is_that_of_the_client_if_a_trusted_proxy_tells_it(serve: Serve) -> None:
    for proxies, https in (((), 403), (("127.0.0.1",), 200)):
        server = serve(Routes(), origins=new_origins(hosts=["tv.example"], proxies=proxies))
        for proto, scheme, status in (("https", "https", https), ("http", "http", 200), ("http", "https", 403)):
            headers = {"Host": "tv.example", "Origin": f"{scheme}://tv.example", "X-Forwarded-Proto": proto}
            assert (await server.ask("/api/v1/streams", "DELETE", headers)).status == status


@pytest_twisted.ensureDeferred
async def test_every_answer_says_who_may_embed_it(serve: Serve) -> None:
    server = serve(Routes())
    for path in ("/api/v1/streams", "/nothing", "//api", "/%ff"):
        assert (await server.get_raw(path.encode())).headers[CORP] == "same-origin"
