"""A stop that stops: who watches is listed, and whoever is stopped is refused, while others watch on."""

import re
import shutil
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import attrs
import msgspec
import pytest

from tests.support.daemon import LiveDaemon, media_url, read_head, until

ADMIN, READER = "the-key-of-the-operator", "the-key-of-a-television"
KEYS = ("--api-key", f"boss={ADMIN}", "--api-key", f"tv:read={READER}")
BOSS, TV = ({"Authorization": f"Bearer {key}"} for key in (ADMIN, READER))
BOTH = ("v144", "a0")


class Keyed(LiveDaemon):
    """A daemon with keys. Whoever shows none is the operator."""

    def request(self, method: str, url: str, headers: Mapping[str, str] | None = None, body: str = "") -> Any:
        return super().request(method, url, BOSS if headers is None else headers, body)

    def viewers(self, path: str) -> list[dict[str, Any]]:
        """Those of one file."""
        return [one for one in self.json("/api/v1/viewers")["viewers"] if one["path"] == path]

    def running(self, path: str) -> list[dict[str, Any]]:
        """The live streams of one file."""
        return [one for one in self.live() if one["path"] == path]


@pytest.fixture(scope="module")
def shared(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    with Keyed(tmp_path_factory.mktemp("daemon"), {"f": root}, *KEYS) as daemon:
        yield daemon


@pytest.fixture
def daemon(shared: Keyed) -> Iterator[Keyed]:
    yield shared
    shared.request("DELETE", "/api/v1/streams?path=f")
    until(lambda: not shared.live(), "an empty registry")
    until(lambda: not shared.census(), "no process left")


_copies = count()


@pytest.fixture
def endless(root: Path) -> Iterator[str]:
    """Half an hour under a name of its own: its path in the library."""
    path = root / f"viewed-{next(_copies)}.mkv"
    shutil.copy(root / "endless.mkv", path)
    yield f"f/{path.name}"
    path.unlink()


@attrs.frozen
class Shown:
    """What a player knows of a rendition."""

    init: str
    urls: list[str]


def shown(daemon: Keyed, path: str) -> list[Shown]:
    """An encoded video and the sound."""
    found = []
    for name in BOTH:
        url = media_url(path, f"/cmaf/{name}/index.m3u8")
        text = daemon.get(url).body.decode()
        init = re.findall('URI="(init[^"]+)"', text)[0]
        urls = [urljoin(url, line) for line in text.splitlines() if line and not line.startswith("#")]
        found.append(Shown(urljoin(url, init), urls))
    return found


def watch(daemon: Keyed, shown: list[Shown], number: int, who: Mapping[str, str]) -> None:
    """Somebody gets a segment of each."""
    for one in shown:
        assert daemon.get(one.urls[number], who).status == 200


def refused(daemon: Keyed, url: str, who: Mapping[str, str]) -> bool:
    """Whether somebody is told that it was stopped, and for how long."""
    answer = daemon.get(url, who)
    if answer.status != 403:
        return False
    problem = answer.problem(403)
    assert problem["title"] == "Stopped"
    assert 1 <= int(answer.headers["retry-after"]) <= 30
    assert f"{answer.headers['retry-after']} s" in problem["detail"]
    return True


def test_who_watches_is_listed(daemon: Keyed, endless: str) -> None:
    assert not daemon.viewers(endless)
    films = shown(daemon, endless)
    assert not daemon.viewers(endless), "a playlist alone is no viewing"
    watch(daemon, films, 0, TV)
    (viewer,) = daemon.viewers(endless)
    assert (viewer["key"], viewer["client"], viewer["protocol"]) == ("tv", "127.0.0.1", "segments")
    assert (viewer["renditions"], viewer["action"]) == (list(BOTH), "transcode")

    def agree() -> bool:
        # An encoder may be replaced by another one between two answers.
        (now,) = daemon.viewers(endless)
        return bool(now["streams"]) and set(now["streams"]) == {one["id"] for one in daemon.running(endless)}

    until(agree, "its streams")
    assert viewer["bytes_sent"] > 1000
    assert daemon.json(f"/api/v1/viewers/{viewer['id']}")["id"] == viewer["id"]
    assert 'transcoded_viewers{protocol="segments"} 1.0' in daemon.get("/metrics").body.decode()
    daemon.post(media_url(endless, "/cmaf/leave"), "", TV)
    assert not daemon.viewers(endless)


def test_stopping_the_only_viewer_ends_its_encoders_and_refuses_it(daemon: Keyed, endless: str) -> None:
    films = shown(daemon, endless)
    watch(daemon, films, 0, TV)
    (viewer,) = daemon.viewers(endless)
    answer = daemon.request("DELETE", f"/api/v1/viewers/{viewer['id']}").json()
    assert (answer["viewer"]["reason"], answer["refused_s"]) == ("stopped", 30.0)
    assert {ending["id"] for ending in answer["endings"]} == set(viewer["streams"])
    assert {(ending["reason"], ending["proof"]) for ending in answer["endings"]} == {("stopped", "proven")}
    assert not daemon.running(endless)
    assert not daemon.viewers(endless)

    # What is kept already, what is not, what it begins with, and another way to play it.
    urls = [films[0].urls[0], films[0].urls[9], films[1].urls[0], films[0].init]
    documents = ["/master.m3u8", "/manifest.mpd", "/cmaf/v144/index.m3u8", "/stream.mp4", "/stream.mp3"]
    assert all(refused(daemon, url, TV) for url in (*urls, *(media_url(endless, one) for one in documents)))
    assert daemon.request("HEAD", urls[0], TV).status == 403
    assert not daemon.running(endless)
    daemon.request("DELETE", f"/api/v1/viewers/{viewer['id']}").problem(404)
    # Another file, and another client.
    assert daemon.get(media_url("f/texts.mkv", "/master.m3u8"), TV).status == 200
    watch(daemon, films, 1, BOSS)


def test_stopping_one_of_two_leaves_the_other(daemon: Keyed, endless: str) -> None:
    films = shown(daemon, endless)
    watch(daemon, films, 0, TV)
    watch(daemon, films, 0, BOSS)
    before = {stream["id"] for stream in daemon.running(endless)}
    viewers = {one["key"]: one["id"] for one in daemon.viewers(endless)}
    assert daemon.request("DELETE", f"/api/v1/viewers/{viewers['tv']}").json()["endings"] == []
    assert {stream["id"] for stream in daemon.running(endless)} == before
    assert refused(daemon, films[0].urls[1], TV)
    watch(daemon, films, 1, BOSS)
    assert [one["key"] for one in daemon.viewers(endless)] == ["boss"]


def test_a_segment_that_is_being_sent_breaks_off(root: Path, tmp_path: Path) -> None:
    path = "f/endless.mkv"
    # Two seconds of film take twenty.
    with Keyed(tmp_path, {"f": root}, *KEYS, "--input-args", "-readrate 0.1") as daemon:
        video, _ = shown(daemon, path)
        with daemon.connect() as connection:
            key = TV["Authorization"]
            connection.sendall(
                f"GET {video.urls[0]} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {key}\r\n\r\n".encode()
            )
            status, headers, _ = read_head(connection)
            assert (status, headers["transfer-encoding"]) == (200, "chunked")
            (viewer,) = daemon.viewers(path)
            daemon.request("DELETE", f"/api/v1/viewers/{viewer['id']}")
            with pytest.raises(ConnectionResetError):
                while connection.recv(65536):
                    pass
        assert refused(daemon, video.urls[0], TV)
        assert not daemon.running(path)


def test_stopping_an_encoder_stops_all_who_watch_what_it_makes(daemon: Keyed, endless: str) -> None:
    films = shown(daemon, endless)
    watch(daemon, films, 0, TV)
    watch(daemon, films, 0, BOSS)

    def stop() -> bool:
        # It may have been replaced by another one meanwhile.
        found = [stream["id"] for stream in daemon.running(endless) if stream["format"] == "cmaf/a0"]
        return any(daemon.request("DELETE", f"/api/v1/streams/{one}").status == 200 for one in found)

    until(stop, "the encoder of the sound is stopped")
    assert refused(daemon, films[0].urls[1], TV)
    assert refused(daemon, films[1].urls[1], BOSS)
    until(lambda: not daemon.running(endless), "the video ends, too")
    assert not daemon.viewers(endless)


def test_a_progressive_stream_is_a_viewing(daemon: Keyed, endless: str) -> None:
    connection = daemon.connect()
    with connection:
        head = f"GET {media_url(endless, '/stream.mkv')} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {TV['Authorization']}\r\n\r\n"
        connection.sendall(head.encode())
        _, headers, _ = read_head(connection)
        (viewer,) = daemon.viewers(endless)
        assert (viewer["protocol"], viewer["streams"]) == ("progressive", [headers["x-stream-id"]])
        answer = daemon.request("DELETE", f"/api/v1/viewers/{viewer['id']}").json()
        assert [ending["reason"] for ending in answer["endings"]] == ["stopped"]
    assert refused(daemon, media_url(endless, "/stream.mkv"), TV)
    assert refused(daemon, media_url(endless, "/master.m3u8"), TV)
    assert not daemon.viewers(endless)


def test_a_progressive_stream_that_ends_takes_its_viewing_with_it(daemon: Keyed) -> None:
    assert daemon.get(media_url("f/texts.mkv", "/stream.mkv"), TV).complete
    assert not daemon.viewers("f/texts.mkv")
    assert daemon.get(media_url("f/texts.mkv", "/stream.mkv"), TV).status == 200


def test_only_who_may_stop_can_stop(daemon: Keyed, endless: str) -> None:
    films = shown(daemon, endless)
    watch(daemon, films, 0, BOSS)
    (viewer,) = daemon.viewers(endless)
    daemon.request("DELETE", f"/api/v1/viewers/{viewer['id']}", TV).problem(403)
    daemon.request("DELETE", f"/api/v1/viewers/{viewer['id']}", {}).problem(401)
    assert daemon.get("/api/v1/viewers", TV).status == 200
    assert daemon.get("/api/v1/viewers", {}).status == 401
    watch(daemon, films, 1, BOSS)


def test_sessions_of_one_client_are_viewings_of_their_own(daemon: Keyed, endless: str) -> None:
    films = shown(daemon, endless)
    one, two = ({**TV, "CMCD-Session": f'sf=h,sid="{name}",v=1'} for name in ("kitchen", "bedroom"))
    watch(daemon, films, 0, one)
    watch(daemon, films, 0, two)
    viewers = {viewer["session"]: viewer["id"] for viewer in daemon.viewers(endless)}
    assert set(viewers) == {"kitchen", "bedroom"}
    daemon.request("DELETE", f"/api/v1/viewers/{viewers['kitchen']}")
    watch(daemon, films, 1, two)
    url = films[0].urls[1]
    assert refused(daemon, url, one)
    assert refused(daemon, url, TV)
    assert refused(daemon, url, {**TV, "CMCD-Session": 'sid="another name"'}), "a new name is no way around it"


def test_viewers_are_told_by_events(daemon: Keyed, endless: str) -> None:
    films = shown(daemon, endless)
    connection = daemon.connect()
    with connection:
        head = f"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: {BOSS['Authorization']}\r\n\r\n"
        connection.sendall(head.encode())
        _, _, said = read_head(connection)

        def event(name: str) -> dict[str, Any]:
            nonlocal said
            mark = f"event: {name}\ndata: ".encode()
            while mark not in said or b"\n\n" not in said.partition(mark)[2]:
                said += connection.recv(65536)
            data, _, said = said.partition(mark)[2].partition(b"\n\n")
            found: dict[str, Any] = msgspec.json.decode(data)
            return found

        watch(daemon, films, 0, TV)
        started = event("viewer-started")
        assert (started["path"], started["key"]) == (endless, "tv")
        daemon.request("DELETE", f"/api/v1/viewers/{started['id']}")
        ended = event("viewer-ended")
        assert (ended["id"], ended["reason"]) == (started["id"], "stopped")


def test_a_released_file_ends_its_viewings(daemon: Keyed, endless: str) -> None:
    films = shown(daemon, endless)
    watch(daemon, films, 0, TV)
    daemon.request("DELETE", f"/api/v1/streams?path={endless}")
    assert not daemon.viewers(endless)
    # The file is still there, and nobody holds it: it may be watched again.
    watch(daemon, films, 1, TV)
