"""One client that asks much at once, or reads nothing of what it gets, keeps nobody from his answer."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.clips import ffmpeg, made_once
from tests.support.daemon import PATIENCE, LiveDaemon, read_head, read_response
from transcoded.plan.http.cursors import key_of
from transcoded.run.files.folders import MAX_PAGE, Folders
from transcoded.run.files.library import Library

MEGABYTE = 1 << 20
BURST = 1000
WAITING = 200
READERS = 40


def make_files(directory: Path) -> None:
    """A film with a subtitle file of eight megabytes beside it."""
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x36:r=5:d=2", "-c:v", "libx264", f"file:{directory / 'film.mp4'}")
    (directory / "unknown.mp4").write_bytes((directory / "film.mp4").read_bytes())
    times = [f"00:{number // 60:02d}:{number % 60:02d}" for number in range(2000)]
    lines = [f"{number}\n{time},000 --> {time},900\n{'x' * 4000}\n" for number, time in enumerate(times, 1)]
    (directory / "film.srt").write_text("\n".join(lines))


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    files = made_once(tmp_path_factory, "crowded", make_files)
    with LiveDaemon(tmp_path_factory.mktemp("daemon"), {"m": files}) as daemon:
        yield daemon


@contextmanager
def stopped(daemon: LiveDaemon) -> Iterator[None]:
    """The daemon sleeps meanwhile, and then finds everything at once."""
    os.kill(daemon.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(daemon.process.pid, signal.SIGCONT)


def ask(url: str, more: str = "") -> bytes:
    return f"GET {url} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode()


def test_a_thousand_requests_in_one_piece_do_not_come_before_the_request_of_another(crowded: LiveDaemon) -> None:
    """64 KiB of `GET /metrics` stopped the reactor for more than four seconds."""
    with crowded.connect() as greedy, crowded.connect() as other:
        with stopped(crowded):
            greedy.sendall(ask("/greedy") * BURST + ask("/the-last", "Connection: close\r\n"))
            other.sendall(ask("/another"))
        assert read_response(other).status == 404
        answered = b""
        while block := greedy.recv(MEGABYTE):
            answered += block
        assert answered.count(b"HTTP/1.1 404") == BURST + 1, "all are answered"
    log = crowded.log()
    assert log.index("GET /another 404") < log.index("GET /the-last 404")


def test_a_client_that_reads_no_answer_has_no_more_of_them_written(crowded: LiveDaemon) -> None:
    """Each request of 37 bytes was answered with a file of 26 kilobytes, all of them kept for the client."""
    before = crowded.rss()
    with ExitStack() as connections:
        for _ in range(10):
            connection = connections.enter_context(crowded.connect(receive_buffer=4096))
            connection.sendall(ask("/static/style.css") * BURST)
            assert read_head(connection)[0] == 200
        assert crowded.get("/healthz").status == 200
        assert crowded.rss() - before < 16 * MEGABYTE


def test_clients_that_do_not_read_a_large_answer_share_it(crowded: LiveDaemon) -> None:
    """A hundred that read nothing of a segment of 50 MB cost five gigabytes."""
    url = "/media/m/film.mp4/subtitles/0.vtt"
    whole = crowded.get(url)
    assert len(whole.body) > 7 * MEGABYTE
    assert int(whole.headers["content-length"]) == len(whole.body)
    before = crowded.rss()
    with ExitStack() as connections:
        for _ in range(READERS):
            connection = connections.enter_context(crowded.open(url, receive_buffer=4096))
            assert read_head(connection)[0] == 200
        assert crowded.rss() - before < 5 * READERS * MEGABYTE // 10
    assert crowded.get(url).body == whole.body


def test_very_many_who_ask_for_a_playlist_that_is_not_made_yet_all_get_it(crowded: LiveDaemon) -> None:
    """They waited in a chain, and its end was as deep as the chain was long: 200 gave a RecursionError."""
    with ExitStack() as connections:
        asking = [connections.enter_context(crowded.connect()) for _ in range(WAITING)]
        with stopped(crowded):
            for connection in asking:
                connection.sendall(ask("/media/m/unknown.mp4/manifest.mpd"))
        assert {read_response(connection).status for connection in asking} == {200}
    assert "Traceback" not in crowded.log()


def test_a_burst_of_connections_does_not_keep_the_next_one_out(crowded: LiveDaemon) -> None:
    """The kernel let 50 wait, and had the next ones try again a second later: every health check of a load balancer, too."""
    with ExitStack() as connections:
        waiting = [connections.enter_context(socket.socket()) for _ in range(WAITING)]
        with stopped(crowded):
            for connection in waiting:
                connection.settimeout(PATIENCE / 4)
                connection.connect(("127.0.0.1", crowded.port))
                connection.sendall(ask("/healthz"))
        assert {read_response(connection).status for connection in waiting} == {200}


def test_a_page_of_a_listing_is_bounded_in_bytes(tmp_path: Path) -> None:
    """A thousand entries of a deep directory had 3.6 MB, for each client that read nothing of them."""
    below = "/".join(["d" * 250] * 10)
    directory = tmp_path / below
    directory.mkdir(parents=True)
    names = [f"{number:03}{'x' * 248}.mp4" for number in range(500)]
    for name in names:
        (directory / name).touch()
    folders = Folders(Library({"m": str(tmp_path.resolve())}))
    found: list[str] = []
    after = ""
    for _ in range(len(names)):
        page = folders.page(f"m/{below}", 1000, after)
        assert sum(len(entry.name) + len(entry.path) for entry in page.entries) <= MAX_PAGE
        found += [entry.name for entry in page.entries]
        if page.cursor is None:
            break
        after = key_of(page.cursor)
    assert found == names
