"""Direct play: seeking, resuming and revalidating, and what happens to a file while it is on its way."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from urllib.parse import quote

import attrs
import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.logger import LogEvent
from twisted.web.server import Request

from tests.web.conftest import Serve, lines
from tests.web.server import Gate, Server, reactor, turn
from transcoded.run.files.leases import FileLeases
from transcoded.run.files.library import Library, MediaFile
from transcoded.run.files.opener import FileOpener
from transcoded.run.files.threads import Threads
from transcoded.run.streams.peers import Peers
from transcoded.web.answers import Body, sent
from transcoded.web.direct import serve_file
from transcoded.web.route import MEDIA, route

CONTENT = bytes(range(256)) * 40
CHANGED = 784_111_777_000_000_000  # Sun, 06 Nov 1994 08:49:37 GMT


@attrs.define
class Routes:
    library: Library
    threads: Threads
    leases: FileLeases = attrs.Factory(lambda: FileLeases(reactor))
    gate: Gate = attrs.Factory(Gate)
    file: MediaFile | None = None

    async def locate(self, paths: Sequence[str]) -> MediaFile:
        """The file of a request: found at once, for the tests that keep all threads busy."""
        return self.file or self.library.locate_first(paths)

    @route(MEDIA, answers=sent("*/*"))
    async def direct(self, request: Request, file: MediaFile) -> bytes | Body:
        self.gate.entered.callback(request)
        try:
            answer = await serve_file(request, file, FileOpener(self.library, self.threads, self.leases), Peers())
        except BaseException:
            self._leave()
            raise
        if isinstance(answer, bytes):
            self._leave()
            return answer

        async def send() -> bytes | None:
            try:
                return await answer.send()
            finally:
                self._leave()

        def drop() -> None:
            answer.drop()
            self._leave()

        return Body(answer.length, send, drop)

    def _leave(self) -> None:
        self.gate.left.callback("left")
        self.gate = Gate()


@pytest.fixture
def routes(tmp_path: Path, threads: Threads) -> Routes:
    """A library of one film."""
    film = tmp_path / "a.mkv"
    film.write_bytes(CONTENT)
    os.utime(film, ns=(CHANGED, CHANGED + 999_999_999))
    (tmp_path / "empty.mp4").touch()
    return Routes(Library({"films": str(tmp_path)}), threads)


@pytest_twisted.ensureDeferred
async def test_the_whole_file_and_what_is_needed_to_resume_it(serve: Serve, routes: Routes) -> None:
    answer = await serve(routes, locate=routes.locate).ask("/media/films/a.mkv")
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.headers["content-length"] == str(len(CONTENT))
    assert answer.headers["content-type"] == "video/x-matroska"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["last-modified"] == "Sun, 06 Nov 1994 08:49:37 GMT"
    assert answer.headers["etag"].startswith('"')
    assert not len(routes.leases)


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [("bytes=0-0", 0, 0), ("bytes=100-199", 100, 199), ("bytes=10000-", 10000, 10239), ("bytes=-5", 10235, 10239)],
)
@pytest_twisted.ensureDeferred
async def test_a_part(serve: Serve, routes: Routes, wanted: str, first: int, last: int) -> None:
    answer = await serve(routes, locate=routes.locate).ask("/media/films/a.mkv", headers={"Range": wanted})
    assert (answer.status, answer.body) == (206, CONTENT[first : last + 1])
    assert answer.headers["content-range"] == f"bytes {first}-{last}/10240"
    assert answer.headers["content-length"] == str(last + 1 - first)


@pytest_twisted.ensureDeferred
async def test_ranges_that_are_not_there_or_not_understood(serve: Serve, routes: Routes) -> None:
    server = serve(routes, locate=routes.locate)
    answer = await server.ask("/media/films/a.mkv", headers={"Range": "bytes=10240-"})
    answer.problem(416)
    assert answer.headers["content-range"] == "bytes */10240"
    for wanted in ("bytes=0-1,5-6", "lines=1-2", "bytes=5-2"):
        answer = await server.ask("/media/films/a.mkv", headers={"Range": wanted})
        assert (answer.status, answer.body) == (200, CONTENT)
    answer = await server.ask("/media/films/empty.mp4")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "0")
    assert not len(routes.leases)


@pytest_twisted.ensureDeferred
async def test_a_head_tells_all_and_sends_nothing(serve: Serve, routes: Routes) -> None:
    server = serve(routes, locate=routes.locate)
    for headers in ({}, {"Range": "bytes=0-0"}):
        answer = await server.ask("/media/films/a.mkv", "HEAD", headers)
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["content-length"] == "10240"
    assert not len(routes.leases)


@pytest_twisted.ensureDeferred
async def test_what_the_client_has_is_not_sent_again(serve: Serve, routes: Routes, tmp_path: Path) -> None:
    server = serve(routes, locate=routes.locate)
    first = await server.ask("/media/films/a.mkv")
    etag, modified = first.headers["etag"], first.headers["last-modified"]
    for headers in ({"If-None-Match": etag}, {"If-Modified-Since": modified}, {"If-None-Match": f'"x", W/{etag}'}):
        answer = await server.ask("/media/films/a.mkv", headers=headers)
        assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", etag)
    answer = await server.ask("/media/films/a.mkv", headers={"If-Match": '"x"'})
    answer.problem(412)
    answer = await server.ask("/media/films/a.mkv", headers={"Range": "bytes=0-4", "If-Range": etag})
    assert (answer.status, answer.body) == (206, CONTENT[:5])
    (tmp_path / "a.mkv").write_bytes(CONTENT[::-1])
    answer = await server.ask("/media/films/a.mkv", headers={"Range": "bytes=0-4", "If-Range": etag})
    assert (answer.status, answer.body) == (200, CONTENT[::-1])
    answer = await server.ask("/media/films/a.mkv", headers={"If-None-Match": etag})
    assert answer.status == 200


@pytest.mark.parametrize("name", ["a b", "-i", "%2e", "a?b#c", "a'\"\\", "é\u0301", "a\nb", "100%"])
@pytest_twisted.ensureDeferred
async def test_odd_names(serve: Serve, routes: Routes, tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.mp3").write_bytes(name.encode())
    answer = await serve(routes, locate=routes.locate).get_raw(f"/media/films/{quote(name)}.mp3".encode())
    assert (answer.status, answer.body) == (200, name.encode())
    assert answer.headers["content-type"] == "audio/mpeg"


@pytest_twisted.ensureDeferred
async def test_a_file_that_goes_between_the_look_and_the_opening(serve: Serve, routes: Routes, tmp_path: Path) -> None:
    routes.file = routes.library.locate("films/a.mkv")
    (tmp_path / "a.mkv").unlink()
    (await serve(routes, locate=routes.locate).ask("/media/films/a.mkv")).problem(404)
    assert not len(routes.leases)


BIG = 64 << 20
"""Bytes; far more than what the sockets of a connection hold, so that its end is not sent before a client reads."""


async def start_big(
    server: Server, routes: Routes, path: Path
) -> "tuple[Deferred[bool], Callable[[], int], Callable[[], None]]":
    """Ask for a big file and stop reading at its first bytes: when the connection is closed, what came, and how to go on."""
    with path.open("wb") as file:
        file.truncate(BIG)
    client = await server.connect()
    client.transport.write(b"GET /media/films/big.mkv HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await client.until(b"\r\n\r\n")
    client.transport.pauseProducing()
    return client.closed, lambda: len(client.received), client.transport.resumeProducing


@pytest_twisted.ensureDeferred
async def test_a_file_that_shrinks_on_its_way_ends_this_response_visibly(
    serve: Serve, routes: Routes, tmp_path: Path, log: list[LogEvent]
) -> None:
    server = serve(routes, locate=routes.locate)
    closed, received, go_on = await start_big(server, routes, tmp_path / "big.mkv")
    left = routes.gate.left
    os.truncate(tmp_path / "big.mkv", 1000)
    go_on()
    await closed
    assert received() < BIG
    await left
    assert not len(routes.leases)
    assert [line[2] for line in lines(log)] == [500], "it was not the client who left"
    assert (await server.ask("/media/films/a.mkv")).body == CONTENT


@pytest_twisted.ensureDeferred
async def test_a_client_that_leaves_lets_go_of_the_file(serve: Serve, routes: Routes, tmp_path: Path) -> None:
    server = serve(routes, locate=routes.locate)
    left = routes.gate.left
    closed, _, go_on = await start_big(server, routes, tmp_path / "big.mkv")
    assert len(routes.leases) == 1
    server._site.abort()
    go_on()
    await closed
    await left
    await routes.threads.run(lambda: None)
    assert not len(routes.leases)


@pytest_twisted.ensureDeferred
async def test_a_file_that_is_released_is_let_go_though_its_client_reads_nothing(
    serve: Serve, routes: Routes, tmp_path: Path, log: list[LogEvent]
) -> None:
    closed, received, go_on = await start_big(serve(routes, locate=routes.locate), routes, tmp_path / "big.mkv")
    release = routes.leases.release_file("films/big.mkv", None)
    await release.when_free()
    go_on()
    await closed
    assert received() < BIG
    assert [line[2] for line in lines(log)] == [503]
    release.readmit()


@pytest_twisted.ensureDeferred
async def test_a_release_that_comes_while_the_file_is_being_opened_is_not_lost(
    serve: Serve, routes: Routes, tmp_path: Path
) -> None:
    """Else somebody who wants to move the file waits until this client has seen the whole film."""
    with (tmp_path / "big.mkv").open("wb") as file:
        file.truncate(BIG)
    may_open = Event()
    busy = [routes.threads.run(may_open.wait, 10) for _ in range(2)]
    client = await serve(routes, locate=routes.locate).connect()
    entered, left = routes.gate.entered, routes.gate.left
    client.transport.write(b"GET /media/films/big.mkv HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await entered
    await turn()
    release = routes.leases.release_file("films/big.mkv", None)
    may_open.set()
    for one in busy:
        await one
    # It is over when the handler has left; one that goes on sending is seen by what it sends.
    over: Deferred[None] = Deferred()

    def tell(_: object) -> None:
        if not over.called:
            over.callback(None)

    left.addCallback(tell)
    client.until(b"200 OK").addCallback(tell)
    await over
    await turn()
    assert not len(routes.leases)
    release.readmit()


@pytest_twisted.ensureDeferred
async def test_a_client_that_leaves_while_the_file_is_being_opened_leaves_no_descriptor(
    serve: Serve, routes: Routes
) -> None:
    may_open = Event()
    busy = [routes.threads.run(may_open.wait, 10) for _ in range(2)]
    client = await serve(routes, locate=routes.locate).connect()
    entered, left = routes.gate.entered, routes.gate.left
    client.transport.write(b"GET /media/films/a.mkv HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await entered
    await turn()
    client.transport.abortConnection()
    await left
    before = len(os.listdir("/proc/self/fd"))
    may_open.set()
    for one in busy:
        await one
    # One thread may have opened the file and not have told so yet.
    for _ in range(1000):
        await routes.threads.run(lambda: None)
        if len(os.listdir("/proc/self/fd")) <= before:
            break
    assert len(os.listdir("/proc/self/fd")) <= before
    assert not len(routes.leases)


@pytest_twisted.ensureDeferred
async def test_a_file_that_is_being_released_is_not_opened_anew(serve: Serve, routes: Routes) -> None:
    release = routes.leases.release_file("films", None)
    server = serve(routes, locate=routes.locate)
    answer = await server.ask("/media/films/a.mkv")
    answer.problem(503)
    assert answer.headers["retry-after"] == "2"
    release.readmit()
    assert (await server.ask("/media/films/a.mkv")).status == 200
