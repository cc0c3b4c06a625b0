"""What gets in before a route is reached. Each test is one attack, named after what it would gain."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.deploy.fronts import free_port
from tests.support.clips import Clips
from tests.support.daemon import LiveDaemon, Response, read_response, until

MEGABYTE = 1 << 20
FILM = "/media/m/film.mp4"


@pytest.fixture(scope="module")
def small(clips: Clips, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    """A daemon with room for 40 connections, 20 of them for one client."""
    limits = ("--max-connections", "40", "--max-connections-per-client", "20")
    directory = tmp_path_factory.mktemp("small")
    with LiveDaemon(directory, {"m": clips.directory}, *limits) as daemon:
        yield daemon


def exchange(daemon: LiveDaemon, data: bytes, source: str = "127.0.0.1") -> Response:
    """The answer to these bytes; the connection stays open at our end until it is there."""
    with connect(daemon, source) as connection:
        connection.sendall(data)
        return read_response(connection)


def connect(daemon: LiveDaemon, source: str = "127.0.0.1") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", daemon.port), 30, (source, 0))
    # Else the small pieces would be held together.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


# Bodies.


def test_a_huge_form_does_not_stop_the_reactor(daemon: LiveDaemon) -> None:
    """16 MB of `a=1&` took 7.7 s to parse. Now the answer comes before half of them is sent."""
    with daemon.connect() as connection:
        connection.sendall(
            b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            b"Content-Length: 16000000\r\n\r\n" + b"a=1&" * 1000
        )
        response = read_response(connection)
        response.problem(413)
        assert response.headers["connection"] == "close"


@pytest.mark.parametrize("length", ["65537", "1000000000000", "9" * 5000])
@pytest.mark.parametrize("url", ["/login", "/api/v1/sign", "/healthz", "/nothing", FILM])
def test_a_body_that_is_announced_costs_neither_memory_nor_disk(daemon: LiveDaemon, url: str, length: str) -> None:
    before = daemon.rss()
    exchange(daemon, f"POST {url} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode()).problem(
        413
    )
    assert daemon.rss() - before < 8 * MEGABYTE
    assert not [name for name in daemon.directory.iterdir() if name.name.startswith("tmp")]


def test_a_body_that_is_not_announced_does_not_either(daemon: LiveDaemon) -> None:
    chunk = b"10000\r\n" + b"a" * 65536 + b"\r\n"
    head = b"POST /api/v1/sign HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    exchange(daemon, head + chunk + b"0\r\n\r\n").problem(400)
    exchange(daemon, head + chunk * 2).problem(413)
    # A megabyte of framing around a few bytes.
    exchange(daemon, head + (b"1;" + b"x" * 1000 + b"\r\na\r\n") * 1000).problem(413)


def test_a_client_that_asks_first_is_not_invited_to_send_too_much(daemon: LiveDaemon) -> None:
    head = b"POST /api/v1/sign HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    exchange(daemon, head % 70_000).problem(413)
    with daemon.connect() as connection:
        connection.sendall(head % 2)
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")


def test_no_multipart_body_is_parsed(daemon: LiveDaemon) -> None:
    for url in ("/login", "/api/v1/sign", "/healthz"):
        kind = {"Content-Type": "multipart/form-data; boundary=b"}
        daemon.post(url, '--b\r\nContent-Disposition: form-data; name="key"\r\n\r\nx\r\n--b--\r\n', kind).problem(415)


def test_no_body_is_taken_where_none_is_needed(daemon: LiveDaemon) -> None:
    for method, url in (
        ("GET", "/healthz"),
        ("GET", FILM),
        ("POST", "/logout"),
        ("DELETE", "/api/v1/streams?path=m/x"),
    ):
        assert "no body" in daemon.request(method, url, body="x").problem(400)["detail"]
    assert (
        "fields"
        in daemon.post("/login", "a=1&" * 100, {"Content-Type": "application/x-www-form-urlencoded"}).problem(400)[
            "detail"
        ]
    )


# Hosts and pages.


@pytest.mark.parametrize("keys", [(), ("--api-key", "boss:admin=a-secret-of-the-tests")], ids=["open", "keys"])
def test_a_name_of_somebody_else_gets_no_page_in(clips: Clips, tmp_path: Path, keys: tuple[str, ...]) -> None:
    """DNS rebinding: the page evil.example lets its name lead to 127.0.0.1, and its requests look like those of our page."""
    with LiveDaemon(tmp_path, {"m": clips.directory}, *keys, "--host", "*.tv.example") as daemon:
        for host in (
            "evil.example",
            "evil.example:80",
            "tv.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
        ):
            for method, url in (("GET", "/"), ("GET", "/healthz"), ("POST", "/api/v1/drain"), ("GET", FILM)):
                problem = daemon.request(method, url, {"Host": host, "Origin": f"http://{host}"}).problem(421)
                assert "setting host" in problem["detail"]
            assert daemon.get(f"http://{host}/healthz").status == 421
        for host in (
            "127.0.0.1:1",
            "[::1]:80",
            "localhost",
            "a.localhost",
            socket.gethostname(),
            "den.tv.example:8443",
        ):
            assert daemon.get("/healthz", {"Host": host}).status == 200


def test_a_host_that_is_not_clear_is_refused(daemon: LiveDaemon) -> None:
    for lines in (
        b"",
        b"Host: localhost\r\nHost: evil.example\r\n",
        b"Host: a b\r\n",
        b"Host:\r\n",
        b"Host: u@localhost\r\n",
    ):
        response = exchange(daemon, b"GET /healthz HTTP/1.1\r\n" + lines + b"\r\n")
        response.problem(400)
        assert response.headers["connection"] == "close"
    assert exchange(daemon, b"GET /healthz HTTP/1.0\r\n\r\n").status == 200


CROSS = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


def test_a_foreign_page_cannot_drain_or_start_a_transcoder(daemon: LiveDaemon) -> None:
    before = len(daemon.endings())
    for origin in ("http://evil.example", "null", "http://localhost:1", "https://localhost"):
        daemon.request("POST", "/api/v1/drain", {"Origin": origin}).problem(403)
    for headers in (CROSS, {**CROSS, "Sec-Fetch-Site": "same-site"}, {**LINK, "Sec-Fetch-Dest": "iframe"}, LINK):
        daemon.get(f"{FILM}/stream.mp4", headers).problem(403)
    daemon.get("/api/v1/streams", CROSS).problem(403)
    assert daemon.get("/", LINK).status == 200
    assert daemon.get("/", LINK).headers["cross-origin-resource-policy"] == "same-origin"
    assert len(daemon.endings()) == before


def test_behind_a_unix_socket_the_own_page_works_and_localhost_is_foreign(clips: Clips, tmp_path: Path) -> None:
    path = tmp_path / "http"
    with LiveDaemon(
        tmp_path, {"m": clips.directory}, "--listen", f"unix:{path}", "--host", "tv.example", "--state-dir", "off"
    ):
        for origin, status in (("http://tv.example", 404), ("http://localhost", 403)):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(path))
                connection.sendall(
                    f"DELETE /api/v1/streams/none HTTP/1.1\r\nHost: tv.example\r\nOrigin: {origin}\r\n\r\n".encode()
                )
                read_response(connection).problem(status)


# Paths.


@pytest.mark.parametrize("path", ["/metrics", "/api/v1/drain", "/api/v1/streams", "/healthz"])
def test_no_other_notation_of_a_url_gets_past_the_rules_of_a_proxy(daemon: LiveDaemon, path: str) -> None:
    last = path.rpartition("/")[2]
    for variant in (
        *(f"{path}/", f"/{path}", f"{path}//", f"{path};a=b", f"{path}/.", f"/.{path}", f"/x/..{path}", f"{path}%00"),
        *(f"/media/..{path}", f"//localhost{path}", f"{path}%2f", f"{path[:-1]}%{ord(path[-1]):02x}", path.upper()),
        *(f"{path.removesuffix(last)}/{last}", f"{path.removesuffix(last)}./{last}", f"http://localhost/{path}"),
    ):
        for method in ("GET", "POST"):
            # 405: it is the path of a file, or the id of a stream, which has no such method.
            assert daemon.request(method, variant).status in {404, 405}, variant
    for target in (path[1:], f"x{path[1:]}", "*"):
        daemon.get(target).problem(400)


# Connections.


def test_a_request_that_trickles_in_holds_up_nobody_and_costs_its_own_client_the_connection(small: LiveDaemon) -> None:
    """The deadline is for the whole head: no byte puts it off."""
    with connect(small, "127.0.0.2") as slow, connect(small, "127.0.0.3") as healthy:
        slow.sendall(b"GET / HTTP/1.1\r\nX: ")
        slow.setblocking(False)

        def closed() -> bool:
            try:
                slow.send(b"a")
                return slow.recv(1) == b""
            except BlockingIOError:
                return False
            except OSError:
                return True

        healthy.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_response(healthy).status == 200
        assert not closed()
        until(closed, "the slow connection is closed")
        healthy.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_response(healthy).status == 200


def test_many_connections_of_one_client_shut_out_neither_others_nor_that_client(small: LiveDaemon) -> None:
    with ExitStack() as stack:
        healthy = stack.enter_context(connect(small, "127.0.0.9"))
        healthy.sendall(f"GET {FILM}/stream.wav HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        for number in range(200):
            held = stack.enter_context(connect(small, "127.0.0.2"))
            if number % 2:
                held.sendall(b"GET / HTTP/1.1\r\nX: a\r\n")
        for source in ("127.0.0.2", "127.0.0.3"):
            assert exchange(small, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", source).status == 200
        assert read_response(healthy).complete, "an answer was cut for a new connection"
    # At the total limit too, from many addresses.
    with ExitStack() as stack:
        for number in range(200):
            stack.enter_context(connect(small, f"127.0.1.{1 + number % 100}"))
        assert exchange(small, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 200
    assert sum("connections closed" in line for line in small.log().splitlines()) <= 2
    assert "Timing out" not in small.log()


def test_the_limits_hold_below_tls_and_the_proxy_protocol(clips: Clips, tmp_path: Path) -> None:
    certificate = tmp_path / "certificate.pem"
    certificate.write_bytes(self_signed())
    tls, proxied = free_port(), free_port()
    endpoints = (
        *("--listen", f"ssl:{tls}:interface=127.0.0.1:privateKey={certificate}:certKey={certificate}"),
        *("--listen", f"haproxy:tcp:{proxied}:interface=127.0.0.1"),
    )
    limits = ("--max-connections", "30", "--max-connections-per-client", "10")
    daemon = LiveDaemon(tmp_path, {"m": clips.directory}, *endpoints, *limits, "--state-dir", "off")
    daemon._listening = lambda: tls if "Starting reactor" in daemon.log() else None  # type: ignore[method-assign]  # of three ports
    client = ssl.create_default_context(cafile=str(certificate))
    with daemon, ExitStack() as stack:
        # Handshakes that are never finished.
        for _ in range(40):
            stack.enter_context(connect(daemon))
        with client.wrap_socket(connect(daemon), server_hostname="localhost") as connection:
            connection.sendall(b"POST /api/v1/sign HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999\r\n\r\n")
            read_response(connection).problem(413)
        with client.wrap_socket(connect(daemon), server_hostname="localhost") as connection:
            connection.sendall(
                b"DELETE /api/v1/streams/x HTTP/1.1\r\nHost: localhost\r\nOrigin: https://localhost\r\n\r\n"
            )
            read_response(connection).problem(404)
        # One client of the proxy has many connections that are answered; the others are not his.
        daemon.port = proxied
        for number in range(12):
            viewer = stack.enter_context(connect(daemon))
            viewer.sendall(
                b"PROXY TCP4 192.0.2.1 192.0.2.9 %d 80\r\nGET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
                % (1000 + number)
            )
            assert answered(viewer) == (number < 10)
        with connect(daemon) as other:
            other.sendall(
                b"PROXY TCP4 192.0.2.2 192.0.2.9 1 80\r\nDELETE /api/v1/streams/x HTTP/1.1\r\nHost: localhost\r\n"
                b"Origin: https://localhost\r\nX-Forwarded-Proto: https\r\n\r\n"
            )
            read_response(other).problem(404)


def answered(connection: socket.socket) -> bool:
    """Whether an answer begins; else the connection is closed."""
    try:
        return bool(connection.recv(1))
    except ConnectionResetError:
        return False


def self_signed() -> bytes:
    """A key and a certificate for localhost, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    day = datetime(2020, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, day, day.replace(year=2120))
    certificate = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False).sign(
        key, hashes.SHA256()
    )
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return private + certificate.public_bytes(serialization.Encoding.PEM)


# Framing.

BAD_HEADS = {
    "obs-fold": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n",
    "obs-fold first": b"GET /healthz HTTP/1.1\r\n Host: localhost\r\n\r\n",
    "small letters": b"get /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a method of signs": b"GET! /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "length and chunks": b"POST /logout HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "length and identity": b"POST /logout HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nTransfer-Encoding: identity\r\n\r\n",
    "two lengths": b"POST /logout HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "a length that is a list": b"POST /logout HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0, 0\r\n\r\n",
    "a length with a sign": b"POST /logout HTTP/1.1\r\nHost: localhost\r\nContent-Length: +0\r\n\r\n",
    "other chunks": b"POST /logout HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "chunks of HTTP/1.0": b"POST /logout HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX : a\r\n\r\n",
    "a header without a name": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n: a\r\nX: b\r\n\r\n",
    "a name that is no token": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX\xff: a\r\n\r\n",
    "a line feed alone": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: a\nY: b\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}
LONG_HEADS = {
    "101 headers": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 100 + b"\r\n",
    "a long line": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 17_000 + b"\r\n\r\n",
    "an endless line": b"GET /" + b"a" * 40_000,
    "many lines": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + (b"X: " + b"a" * 1000 + b"\r\n") * 17 + b"\r\n",
}


@pytest.mark.parametrize(
    ("status", "data"),
    [*((400, one) for one in BAD_HEADS.values()), *((431, one) for one in LONG_HEADS.values())],
    ids=[*BAD_HEADS, *LONG_HEADS],
)
def test_nothing_is_smuggled_behind_a_head_that_servers_read_differently(
    daemon: LiveDaemon, status: int, data: bytes
) -> None:
    before = len(daemon.log())
    with daemon.connect() as connection:
        connection.sendall(data + b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n")
        received = b""
        while block := connection.recv(65536):
            received += block
    assert received.startswith(b"HTTP/1.1 %d " % status)
    assert received.count(b"HTTP/1.1 ") == 1, "what came behind was answered too"
    news = daemon.log()[before:]
    assert "smuggled" not in news
    assert sum(f"{status}: " in line for line in news.splitlines()) == 1
    assert len(news.splitlines()) == 1


PIECES = st.sampled_from(
    [
        *(
            b"GET ",
            b"POST ",
            b"HEAD ",
            b"get ",
            b"OPTIONS ",
            b"/",
            b"/login",
            b"/healthz",
            b"/media/m/film.mp4",
            b"*",
            b"?a=%ff&",
        ),
        *(
            b" HTTP/1.1\r\n",
            b" HTTP/1.0\r\n",
            b"\r\n",
            b"\n",
            b"\r\n\r\n",
            b"Host: localhost\r\n",
            b"Host: x\r\n",
            b"Range: bytes=0-1\r\n",
        ),
        *(
            b"Content-Length: 3\r\n",
            b"Content-Length: 99999\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"3\r\nabc\r\n0\r\n\r\n",
            b"abc",
        ),
        *(
            b"Expect: 100-continue\r\n",
            b"Content-Type: multipart/form-data\r\n",
            b"Content-Type: application/x-www-form-urlencoded\r\n",
        ),
        *(
            b"Origin: null\r\n",
            b"Sec-Fetch-Site: cross-site\r\n",
            b"X-Forwarded-For: ,,[\r\n",
            b"Cookie: =;\xff\r\n",
            b" ",
            b"\t",
            b"\0",
            b"\xff",
        ),
    ]
)
REQUESTS = st.one_of(
    st.binary(max_size=200),
    st.lists(PIECES, max_size=12).map(b"".join),
    st.lists(PIECES, max_size=6).map(lambda parts: b"POST /login HTTP/1.1\r\nHost: localhost\r\n" + b"".join(parts)),
)


def test_no_input_gets_more_than_an_answer_or_a_close(daemon: LiveDaemon) -> None:
    """Whatever is sent, each answer is well-formed, none is 5xx, and the log has no traceback (the fixture looks)."""

    @settings(max_examples=300, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(data=REQUESTS)
    def attack(data: bytes) -> None:
        with daemon.connect() as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            received = b""
            while block := connection.recv(65536):
                received += block
        for status in statuses(received, data):
            assert 100 <= status < 500, (data, received[:300])

    attack()
    assert daemon.get("/healthz").status == 200


def statuses(received: bytes, data: bytes) -> Iterator[int]:
    """The statuses of all answers in what was received. HEAD answers have no body, so only their first is read."""
    if b"HEAD" in data or not received:
        if received:
            assert received.startswith((b"HTTP/1.1 ", b"HTTP/1.0 "))
        return
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        sent = theirs.send(received)
        theirs.shutdown(socket.SHUT_WR)
        if sent == len(received) < 60_000:
            yield read_response(ours).status
