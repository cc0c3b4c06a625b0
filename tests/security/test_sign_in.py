"""Signing in, attacked: by who has copied a cookie, by who listens on the network, and by who stands in between."""

import http.client
import os
import socket
import ssl
import stat
from pathlib import Path

import psutil
import pytest

from tests.support.certificate import make_certificate
from tests.support.daemon import PATIENCE, LiveDaemon, Response, read_response
from transcoded.run.host.sign_outs import NAME

KEY = "the-key-of-the-television"
FLAGS = ("--api-key", f"tv:read={KEY}", "--signing-key", "sixteen letters or more")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PROXIED = {"X-Forwarded-For": "198.51.100.6"}


def sign_in(daemon: LiveDaemon, headers: dict[str, str] | None = None) -> Response:
    return daemon.post("/login", f"key={KEY}", {**FORM, **(headers or {})})


def cookie_of(answer: Response) -> dict[str, str]:
    assert answer.status == 204, answer
    return {"Cookie": answer.headers["set-cookie"].partition(";")[0]}


def test_a_copied_cookie_is_worth_nothing_after_its_owner_has_signed_out(tmp_path: Path) -> None:
    with LiveDaemon(tmp_path / "daemon", {"m": tmp_path}, *FLAGS) as daemon:
        copied, other = cookie_of(sign_in(daemon)), cookie_of(sign_in(daemon))
        assert daemon.get("/api/v1/streams", copied).status == 200
        assert daemon.request("POST", "/logout", copied).status == 204
        daemon.get("/api/v1/streams", copied).problem(401)
        assert daemon.get("/api/v1/streams", other).status == 200
    (record,) = (tmp_path / "daemon").rglob(NAME)
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    with LiveDaemon(tmp_path / "daemon", {"m": tmp_path}, *FLAGS) as daemon:
        daemon.get("/api/v1/streams", copied).problem(401)
        assert daemon.get("/api/v1/streams", other).status == 200


def test_an_ended_sign_in_is_not_brought_back_by_damage_to_the_record(tmp_path: Path) -> None:
    with LiveDaemon(tmp_path / "daemon", {"m": tmp_path}, *FLAGS) as daemon:
        copied = cookie_of(sign_in(daemon))
        assert daemon.request("POST", "/logout", copied).status == 204
    (record,) = (tmp_path / "daemon").rglob(NAME)
    os.truncate(record, record.stat().st_size - 1)
    with LiveDaemon(tmp_path / "daemon", {"m": tmp_path}, *FLAGS) as daemon:
        daemon.get("/api/v1/streams", copied).problem(401)
        assert "everybody has to sign in again" in daemon.log()


def test_who_listens_on_the_network_gets_neither_key_nor_cookie(tmp_path: Path) -> None:
    with LiveDaemon(tmp_path / "daemon", {"m": tmp_path}, *FLAGS, "--trusted-proxy", "127.0.0.1") as daemon:
        for more in ({}, {"X-Forwarded-Proto": "http"}, {"X-Forwarded-Proto": "https, http"}):
            answer = sign_in(daemon, {**PROXIED, **more})
            assert "plain_http_login" in answer.problem(403)["detail"]
            assert "set-cookie" not in answer.headers
        safe = sign_in(daemon, {**PROXIED, "X-Forwarded-Proto": "https"})
        assert safe.headers["set-cookie"].startswith("__Host-transcoded_session=")
        for flag in ("Secure", "HttpOnly", "SameSite=strict", "Path=/"):
            assert flag in safe.headers["set-cookie"].split("; ")
        cookie = cookie_of(safe)
        assert daemon.get("/api/v1/streams", {**cookie, "X-Forwarded-Proto": "https"}).status == 200
        daemon.get("/api/v1/streams", cookie).problem(401)
        # A cookie of plain HTTP is one that somebody in between can set or read.
        plain = cookie_of(sign_in(daemon))
        assert daemon.get("/api/v1/streams", plain).status == 200
        daemon.get("/api/v1/streams", {**plain, "X-Forwarded-Proto": "https"}).problem(401)
        renamed = {"Cookie": f"__Host-{plain['Cookie']}", "X-Forwarded-Proto": "https"}
        daemon.get("/api/v1/streams", renamed).problem(401)


def test_in_a_home_network_without_tls_signing_in_works_if_the_owner_says_so(tmp_path: Path) -> None:
    flags = (*FLAGS, "--trusted-proxy", "127.0.0.1", "--plain-http-login")
    with LiveDaemon(tmp_path / "daemon", {"m": tmp_path}, *flags) as daemon:
        answer = sign_in(daemon, PROXIED)
        assert "Secure" not in answer.headers["set-cookie"]
        assert daemon.get("/api/v1/streams", {**PROXIED, **cookie_of(answer)}).status == 200


class TwoPorts(LiveDaemon):
    """A daemon that listens in another way too, at `other_port` of 127.0.0.2."""

    def __init__(self, directory: Path, other: str, *arguments: str) -> None:
        super().__init__(directory, {"m": directory}, "--listen", other, *arguments)

    def _listening(self) -> int | None:
        assert self.process.poll() is None, self.log()
        found = [c.laddr for c in psutil.Process(self.process.pid).net_connections("tcp") if c.status == "LISTEN"]
        ports = {address.ip: address.port for address in found}
        self.other_port = ports.get("127.0.0.2", 0)
        return ports["127.0.0.1"] if len(ports) == 2 else None


class WithTls(TwoPorts):
    """The other way is TLS."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        directory.mkdir()
        files = f"privateKey={directory}/key.pem:certKey={directory}/cert.pem"
        make_certificate(directory, "127.0.0.2")
        super().__init__(directory, f"ssl:0:interface=127.0.0.2:{files}", *arguments)

    def ask_tls(self, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, str]:
        """The status, and the cookie that is set."""
        context = ssl.create_default_context(cafile=str(self.directory / "cert.pem"))
        connection = http.client.HTTPSConnection("127.0.0.2", self.other_port, timeout=60, context=context)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return response.status, response.headers.get("Set-Cookie", "")
        finally:
            connection.close()


def test_over_tls_of_our_own_the_cookie_is_bound_to_host_and_tls(tmp_path: Path) -> None:
    with WithTls(tmp_path / "daemon", *FLAGS) as daemon:
        status, cookie = daemon.ask_tls("POST", "/login", f"key={KEY}", **{"Content-Type": FORM["Content-Type"]})
        assert status == 204
        assert cookie.startswith("__Host-transcoded_session=")
        assert "Secure" in cookie.split("; ")
        pair = cookie.partition(";")[0]
        assert daemon.ask_tls("GET", "/api/v1/streams", Cookie=pair)[0] == 200
        daemon.get("/api/v1/streams", {"Cookie": pair}).problem(401)
        renamed = pair.removeprefix("__Host-")
        daemon.get("/api/v1/streams", {"Cookie": renamed}).problem(401)
        status, deleted = daemon.ask_tls("POST", "/logout", Cookie=pair)
        assert (status, deleted.startswith("__Host-transcoded_session=;")) == (204, True)
        assert daemon.ask_tls("GET", "/api/v1/streams", Cookie=pair)[0] == 401


@pytest.mark.parametrize("value", ["https", "https, https"])
def test_a_client_that_is_no_trusted_proxy_cannot_say_that_it_came_over_https(tmp_path: Path, value: str) -> None:
    with LiveDaemon(tmp_path / "daemon", {"m": tmp_path}, *FLAGS) as daemon:
        answer = sign_in(daemon, {"X-Forwarded-Proto": value})
        assert answer.headers["set-cookie"].startswith("transcoded_session=")
        assert "Secure" not in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    ("client", "proto", "trusted", "status"),
    [
        ("198.51.100.6", "https", True, 204),
        ("198.51.100.6", "http", True, 403),
        # Whoever uses the PROXY protocol may claim any client, so he may claim HTTPS, too.
        ("198.51.100.6", "https", False, 204),
        ("198.51.100.6", "http", False, 403),
        ("127.0.0.1", "http", True, 204),
    ],
)
def test_with_the_proxy_protocol_the_proxy_is_asked_and_not_the_client(
    tmp_path: Path, client: str, proto: str, trusted: bool, status: int
) -> None:
    flags = (*FLAGS, *(("--trusted-proxy", "127.0.0.1") if trusted else ()))
    with TwoPorts(tmp_path / "daemon", "haproxy:tcp:0:interface=127.0.0.2", *flags) as daemon:
        body = f"key={KEY}".encode()
        head = (
            f"X-Forwarded-Proto: {proto}\r\nContent-Type: {FORM['Content-Type']}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.2", daemon.other_port), PATIENCE, ("127.0.0.1", 0)) as connection:
            connection.sendall(f"PROXY TCP4 {client} 127.0.0.2 1 2\r\n".encode())
            connection.sendall(b"POST /login HTTP/1.1\r\nHost: localhost\r\n" + head.encode() + body)
            answer = read_response(connection, "POST")
        assert answer.status == status
        assert ("Secure" in answer.headers.get("set-cookie", "")) is (status == 204 and proto == "https")
