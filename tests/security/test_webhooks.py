"""Webhooks, attacked: by who sends events of his own, or old ones again, and by a receiver that leads the daemon elsewhere."""

import hmac
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.live.test_webhooks import is_genuine
from tests.support.certificate import make_certificate
from tests.support.clips import Clips
from tests.support.daemon import LiveDaemon, media_url, until
from transcoded.plan.http.subkeys import Subkeys

SECRET = "a secret of the webhooks"
SIGNING_KEY = "sixteen letters or more"


class Posts(ThreadingHTTPServer):
    """Keeps what it is sent, and answers with a status and perhaps a place to go on to."""

    daemon_threads = True

    def __init__(self, answer: Callable[[int], tuple[int, str | None]]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.connections = 0

    def process_request(self, request: object, client_address: object) -> None:
        self.connections += 1
        super().process_request(request, client_address)  # type: ignore[arg-type]  # as it came


class Handler(BaseHTTPRequestHandler):
    server: Posts

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts.append((dict(self.headers.items()), body))
        status, location = self.server.answer(len(self.server.posts))
        self.send_response(status)
        if location is not None:
            self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def receiver(answer: Callable[[int], tuple[int, str | None]] = lambda _: (204, None)) -> Iterator[Posts]:
    with Posts(answer) as posts:
        thread = Thread(target=posts.serve_forever)
        thread.start()
        try:
            yield posts
        finally:
            posts.shutdown()
            thread.join()


def flags(posts: Posts, *more: str) -> tuple[str, ...]:
    return ("--webhook", f"http://127.0.0.1:{posts.server_port}/hook?token=hush", "--signing-key", SIGNING_KEY, *more)


def test_who_knows_the_url_of_a_receiver_cannot_tell_it_anything(clips: Clips, tmp_path: Path) -> None:
    with receiver() as posts:
        daemon = LiveDaemon(tmp_path / "daemon", {"m": clips.directory}, *flags(posts, "--webhook-secret", SECRET))
        with daemon:
            assert daemon.get(media_url(f"m/{clips.song.name}", "/stream.mp3?duration=1")).status == 200
            until(lambda: len(posts.posts) == 2, "the start and the end are told")
    headers, body = posts.posts[1]
    now = float(headers["X-Transcoded-Timestamp"])
    assert is_genuine(SECRET, headers, body, now + 299)
    assert not is_genuine(SECRET, headers, body, now + 301), "an event that was recorded is not told again later"
    assert not is_genuine(SECRET, headers, body, now - 301)
    changed = json.dumps({**json.loads(body), "event": "stream-started"}).encode()
    later = {**headers, "X-Transcoded-Timestamp": str(int(now) + 200)}
    unsigned = {name: value for name, value in headers.items() if name != "X-Transcoded-Signature"}
    assert not is_genuine(SECRET, headers, changed, now)
    assert not is_genuine(SECRET, later, body, now)
    assert not is_genuine(SECRET, unsigned, body, now)
    assert not is_genuine(SECRET, {}, body, now)
    # Nor is what signs URLs and cookies of any use: a receiver would have to know it, and could sign them.
    for key in (SIGNING_KEY.encode(), Subkeys.of(SIGNING_KEY).urls, Subkeys.of(SIGNING_KEY).cookies):
        signed = headers["X-Transcoded-Timestamp"].encode() + b"." + body
        for text in (signed, body):
            assert headers["X-Transcoded-Signature"] != f"sha256={hmac.digest(key, text, 'sha256').hex()}"
    assert "hush" not in daemon.log()
    assert str(posts.server_port) not in daemon.log()
    assert "_HTTP11ClientFactory" not in daemon.log()


def test_without_a_secret_it_is_not_signed_with_the_key_of_urls_and_the_log_says_so(
    clips: Clips, tmp_path: Path
) -> None:
    with receiver() as posts, LiveDaemon(tmp_path / "daemon", {"m": clips.directory}, *flags(posts)) as daemon:
        assert "webhooks are not signed" in daemon.log()
        assert daemon.get(media_url(f"m/{clips.song.name}", "/stream.mp3?duration=1")).status == 200
        until(lambda: len(posts.posts) == 2, "the start and the end are told")
    assert not [name for headers, _ in posts.posts for name in headers if name.lower().startswith("x-transcoded")]


@pytest.mark.parametrize("status", [303, 307])
def test_a_receiver_cannot_send_the_daemon_elsewhere_in_its_network(clips: Clips, tmp_path: Path, status: int) -> None:
    with receiver() as elsewhere:
        place = f"http://127.0.0.1:{elsewhere.server_port}/admin"
        with receiver(lambda count: (status, place) if count == 1 else (204, None)) as posts:
            with LiveDaemon(tmp_path / "daemon", {"m": clips.directory}, *flags(posts)) as daemon:
                assert daemon.get(media_url(f"m/{clips.song.name}", "/stream.mp3?duration=1")).status == 200
                until(lambda: len(posts.posts) == 3, "the first event is sent again, to the receiver")
            assert elsewhere.connections == 0
            assert posts.posts[0][1] == posts.posts[1][1]


@pytest.mark.parametrize("trusted", [True, False])
def test_over_tls_only_a_receiver_with_a_trusted_certificate_is_told(
    clips: Clips, tmp_path: Path, trusted: bool
) -> None:
    make_certificate(tmp_path, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    environment = {"SSL_CERT_FILE": str(tmp_path / "cert.pem")} if trusted else {}
    with receiver() as posts:
        posts.socket = context.wrap_socket(posts.socket, server_side=True, do_handshake_on_connect=False)
        url = f"https://127.0.0.1:{posts.server_port}/hook"
        daemon = LiveDaemon(
            tmp_path / "daemon",
            {"m": clips.directory},
            "--webhook",
            url,
            "--webhook-secret",
            SECRET,
            environment=environment,
        )
        with daemon:
            assert daemon.get(media_url(f"m/{clips.song.name}", "/stream.mp3?duration=1")).status == 200
            until(lambda: posts.connections >= (2 if trusted else 1), "it is asked")
        assert [is_genuine(SECRET, headers, body) for headers, body in posts.posts] == ([True, True] if trusted else [])
