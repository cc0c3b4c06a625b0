"""Direct play: the file itself, in whole and in part, as RFC 9110 has it; and no harm from a file that changes meanwhile."""

import os
import socket
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.support.clips import Clips
from tests.support.daemon import LiveDaemon, read_head, until

FILM = "/media/m/film.mp4"


def film(clips: Clips) -> bytes:
    return clips.film.path.read_bytes()


def test_the_whole_file_and_what_is_said_of_it(daemon: LiveDaemon, clips: Clips) -> None:
    response = daemon.get(FILM)
    assert response.status == 200
    assert response.body == film(clips)
    assert response.headers["content-type"] == "video/mp4"
    assert response.headers["content-length"] == str(len(film(clips)))
    assert response.headers["accept-ranges"] == "bytes"
    assert response.headers["etag"].startswith('"')
    assert response.headers["last-modified"].endswith("GMT")
    assert "x-stream-id" not in response.headers, "nothing was started for it"
    head = daemon.request("HEAD", FILM)
    assert not head.body
    changing = {"date", "x-request-id"}
    assert {k: v for k, v in head.headers.items() if k not in changing} == {
        k: v for k, v in response.headers.items() if k not in changing
    }


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-99", 0, 99),
        ("bytes=100-", 100, -1),
        ("bytes=-1", -1, -1),
        ("bytes=-100", -100, -1),
        ("bytes=0-999999999999", 0, -1),
        ("bytes=-999999999999", 0, -1),
        ("BYTES=5-6", 5, 6),
        ("bytes= 5-6 ", 5, 6),
    ],
)
def test_a_range(daemon: LiveDaemon, clips: Clips, asked: str, first: int, last: int) -> None:
    data = film(clips)
    begin, end = first % len(data), last % len(data) + 1
    response = daemon.get(FILM, {"Range": asked})
    assert response.status == 206
    assert response.body == data[begin:end]
    assert response.headers["content-range"] == f"bytes {begin}-{end - 1}/{len(data)}"
    assert response.headers["content-length"] == str(end - begin)


@pytest.mark.parametrize("asked", ["bytes=999999999-", "bytes=-0", "bytes=999999998-999999999"])
def test_a_range_that_is_not_there(daemon: LiveDaemon, clips: Clips, asked: str) -> None:
    response = daemon.get(FILM, {"Range": asked})
    response.problem(416)
    assert response.headers["content-range"] == f"bytes */{len(film(clips))}"


@pytest.mark.parametrize(
    "asked", ["bytes=5-4", "bytes=", "bytes=-", "bytes=a-b", "lines=0-1", "bytes", "bytes=0-0,5-9", "x" * 5000]
)
def test_a_range_that_is_none_is_passed_over(daemon: LiveDaemon, clips: Clips, asked: str) -> None:
    response = daemon.get(FILM, {"Range": asked})
    assert (response.status, len(response.body)) == (200, len(film(clips)))


def test_a_range_of_another_version_is_the_whole(daemon: LiveDaemon, clips: Clips) -> None:
    said = daemon.request("HEAD", FILM).headers
    for condition, status in (
        (said["etag"], 206),
        (said["last-modified"], 206),
        ('"another"', 200),
        (f"W/{said['etag']}", 200),
        (formatdate(0, usegmt=True), 200),
        ("nonsense", 200),
    ):
        assert daemon.get(FILM, {"Range": "bytes=0-9", "If-Range": condition}).status == status, condition


def test_what_the_client_has_is_not_sent_again(daemon: LiveDaemon, clips: Clips) -> None:
    said = daemon.request("HEAD", FILM).headers
    late = formatdate(2**31, usegmt=True)
    for method in ("GET", "HEAD"):
        for headers, status in (
            ({"If-None-Match": said["etag"]}, 304),
            ({"If-None-Match": f'"x", W/{said["etag"]}'}, 304),
            ({"If-None-Match": "*"}, 304),
            ({"If-None-Match": '"x"'}, 200),
            ({"If-Modified-Since": said["last-modified"]}, 304),
            ({"If-Modified-Since": late}, 304),
            ({"If-Modified-Since": formatdate(0, usegmt=True)}, 200),
            ({"If-None-Match": '"x"', "If-Modified-Since": late}, 200),
            ({"If-Match": said["etag"]}, 200),
            ({"If-Match": '"x"'}, 412),
            ({"If-Unmodified-Since": formatdate(0, usegmt=True)}, 412),
            ({"If-None-Match": said["etag"], "Range": "bytes=0-1"}, 304),
        ):
            response = daemon.request(method, FILM, headers)
            assert response.status == status, (method, headers)
            if status == 304:
                assert not response.body
                assert response.headers["etag"] == said["etag"]


@pytest.fixture
def library(tmp_path: Path) -> Path:
    root = tmp_path / "media"
    root.mkdir()
    return root


def test_another_content_has_another_etag(library: Path, tmp_path: Path) -> None:
    file = library / "a.mp4"
    with LiveDaemon(tmp_path / "daemon", {"m": library}) as daemon:
        seen = set()
        for content in (b"one", b"two", b"three", b""):
            file.write_bytes(content)
            response = daemon.get("/media/m/a.mp4")
            assert response.body == content
            seen.add(response.headers["etag"])
        assert len(seen) == 4
        daemon.get("/media/m/a.mp4", {"Range": "bytes=0-"}).problem(416)


def drain(connection: socket.socket) -> None:
    """Read to the end."""
    while connection.recv(1 << 20):
        pass


def test_a_file_that_shrinks_ends_that_response_alone(library: Path, tmp_path: Path) -> None:
    """The promised length is not reached: that must be seen, and must not make the daemon spin."""
    big, other = library / "big.mkv", library / "other.mkv"
    for file in (big, other):
        with file.open("wb") as opened:
            opened.truncate(64 * 2**20)
    with LiveDaemon(tmp_path / "daemon", {"m": library}) as daemon:
        daemon.get("/media/m/other.mkv", {"Range": "bytes=0-9"})
        descriptors = daemon.descriptors()
        victim, bystander = daemon.open("/media/m/big.mkv", 4096), daemon.open("/media/m/other.mkv", 4096)
        for connection in (victim, bystander):
            assert read_head(connection)[1]["content-length"] == str(64 * 2**20)
        os.truncate(big, 1000)
        with pytest.raises(ConnectionResetError):
            drain(victim)
        victim.close()
        rest = 0
        while rest < 32 * 2**20:
            rest += len(bystander.recv(1 << 20))
        bystander.close()
        assert daemon.get("/media/m/big.mkv").body == bytes(1000)
        until(lambda: daemon.descriptors() <= descriptors, "descriptors closed")
        assert "cut short" in daemon.log()


def test_a_file_that_is_replaced_or_deleted_is_served_to_its_end(library: Path, tmp_path: Path) -> None:
    file = library / "a.mkv"
    with file.open("wb") as opened:
        opened.truncate(32 * 2**20)
    with LiveDaemon(tmp_path / "daemon", {"m": library}) as daemon:
        connection = daemon.open("/media/m/a.mkv", 4096)
        received = len(read_head(connection)[2])
        file.unlink()
        file.write_bytes(b"new")
        while block := connection.recv(1 << 20) if received < 32 * 2**20 else b"":
            received += len(block)
        assert received == 32 * 2**20
        connection.close()
        assert daemon.get("/media/m/a.mkv").body == b"new"
        file.unlink()
        daemon.get("/media/m/a.mkv").problem(404)


def test_a_hundred_viewers_who_leave_cost_no_descriptor(library: Path, tmp_path: Path) -> None:
    with (library / "a.mkv").open("wb") as opened:
        opened.truncate(2**30)
    with LiveDaemon(tmp_path / "daemon", {"m": library}) as daemon:
        daemon.get("/media/m/a.mkv", {"Range": "bytes=0-9"})
        descriptors = daemon.descriptors()
        for number in range(100):
            connection = daemon.open("/media/m/a.mkv", 4096)
            if number % 2:
                read_head(connection)
            connection.close()
        until(lambda: daemon.descriptors() <= descriptors, "descriptors closed")


def test_many_ranges_over_one_connection(daemon: LiveDaemon, clips: Clips) -> None:
    """As players do: one connection, one part after the other."""
    data = film(clips)
    with daemon.connect() as connection:
        for first in range(0, 20_000, 1000):
            request = f"GET {FILM} HTTP/1.1\r\nHost: localhost\r\nRange: bytes={first}-{first + 999}\r\n\r\n"
            connection.sendall(request.encode())
            status, headers, body = read_head(connection)
            while len(body) < int(headers["content-length"]):
                body += connection.recv(65536)
            assert (status, body) == (206, data[first : first + 1000])
