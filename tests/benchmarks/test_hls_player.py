"""The benchmark's player, beside a small server with the URLs of go-vod."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from benchmarks import hls_player
from benchmarks.hls_player import Line, Player, Playhead
from benchmarks.workshop import CannotMeasure

SEGMENTS = 20
MASTER = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=4200000,RESOLUTION=1280x720,FRAME-RATE=24\n720p.m3u8\n"
MEDIA = "#EXTM3U\n" + "".join(f"#EXTINF:3.000, nodesc\n720p-{n:06d}.ts\n" for n in range(SEGMENTS)) + "#EXT-X-ENDLIST\n"


class StandIn(BaseHTTPRequestHandler):
    """Answers like go-vod. A segment is put off once if its number is in `busy`; what breaks off is in `broken`."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[str]] = []
    sources: ClassVar[set[str]] = set()
    busy: ClassVar[set[int]] = set()
    broken: ClassVar[set[int]] = set()

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.sources.add(self.client_address[0])
        name = self.path.rpartition("/")[2]
        found = re.fullmatch(r"720p-(\d{6})\.ts", name)
        if found is None:
            text = {"index.m3u8": MASTER, "720p.m3u8": MEDIA}.get(name)
            self.answer(404 if text is None else 200, (text or "").encode())
        elif int(found[1]) in self.busy:
            self.busy.remove(int(found[1]))
            self.answer(408, b"later")
        else:
            self.answer(200, bytes(1000), short=int(found[1]) in self.broken)

    def answer(self, status: int, body: bytes, *, short: bool = False) -> None:
        self.close_connection = short
        with suppress(ConnectionError):  # A viewer who scrubs is gone.
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: 10 if short else None])

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    for kept in (StandIn.asked, StandIn.sources, StandIn.busy, StandIn.broken):
        kept.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def player(port: int, source: str = "127.0.0.1") -> Player:
    return Player(port, "/viewer/films/a.mp4/index.m3u8", 720, source)


def test_a_click_gets_playlists_and_the_first_segment(port: int) -> None:
    with player(port, "127.0.0.7") as one:
        shown = one.start()
    names = [path.rpartition("/")[2] for path in StandIn.asked]
    assert names == ["index.m3u8", "720p.m3u8", "720p-000000.ts"]
    assert 0 < shown.playlist < shown.first <= shown.whole
    assert shown.film == 3.0
    assert StandIn.sources == {"127.0.0.7"}


def test_a_seek_gets_the_segment_with_that_time(port: int) -> None:
    with player(port) as one:
        one.start()
        one.seek(31.0)
    assert StandIn.asked[-1] == "/viewer/films/a.mp4/720p-000010.ts"


def test_it_plays_as_much_film_as_was_asked_for(port: int) -> None:
    with player(port) as one:
        one.start()
        assert one.length == 60.0
        film, seconds = one.play(3.0, 7.0)
        rest, _ = one.play(54.0, 100.0)
    assert (film, rest) == (9.0, 6.0)
    assert seconds > 0
    assert StandIn.asked[-2:] == [f"/viewer/films/a.mp4/720p-0000{n}.ts" for n in (18, 19)]


def test_scrubbing_ends_at_the_last_place(port: int) -> None:
    with player(port) as one:
        one.start()
        shown = one.scrub([20.0, 40.0, 10.0], 0.001)
    assert StandIn.asked[-1] == "/viewer/films/a.mp4/720p-000003.ts"
    assert shown.film == 3.0


def test_what_is_put_off_is_asked_for_again(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hls_player, "RETRY", 0.0)
    StandIn.busy.add(2)
    with player(port) as one:
        one.start()
        one.seek(7.0)
    assert StandIn.asked[-2:] == ["/viewer/films/a.mp4/720p-000002.ts"] * 2


def test_a_segment_that_breaks_off_is_no_segment(port: int) -> None:
    StandIn.broken.add(2)
    with player(port) as one:
        one.start()
        with pytest.raises(CannotMeasure, match=r"720p-000002\.ts broke off after 10 bytes"):
            one.seek(7.0)


def test_what_is_not_there_cannot_be_measured(port: int) -> None:
    line = Line(port, "127.0.0.1")
    with pytest.raises(CannotMeasure, match="was answered with 404"):
        line.fetch("/nothing")
    line.close()


def test_a_playhead_counts_how_often_and_how_long_it_waits() -> None:
    head = Playhead(2, 10.0)
    head.arrived(0, 12.0, now=100.0)
    assert head.at(105.0) == 10.0, "it waits for the other track"
    head.arrived(1, 11.0, now=106.0)
    assert head.at(106.5) == 10.5
    assert head.at(109.0) == 11.0, "no more of the other track is there"
    head.arrived(0, 14.0, now=109.0)
    assert head.stalls == 0, "it still waits"
    head.arrived(1, 14.0, now=110.0)
    assert (head.stalls, head.stalled) == (1, 3.0)
    assert head.at(111.0) == 12.0
    head.arrived(0, 16.0, now=112.0)
    head.arrived(1, 16.0, now=112.5)
    assert head.at(113.5) == 14.5, "what arrives in time is no stall"
    assert (head.stalls, head.stalled) == (1, 3.0)


def test_a_viewer_takes_no_more_than_it_has_to(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hls_player, "AHEAD", 4.0)
    with player(port) as viewer:
        viewer.start()
        head = viewer.watch(0.0, 6.5)
        assert head.stalls == 0
        # The third segment begins at six seconds, and is taken when the viewer is at two.
        assert head.at(time.monotonic()) >= 2.0
    assert StandIn.asked[-1].endswith("720p-000002.ts")


def test_a_viewer_whose_segment_breaks_off_watches_no_more(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hls_player, "AHEAD", 1.0)
    StandIn.broken.add(1)
    with player(port) as viewer:
        viewer.start()
        with pytest.raises(CannotMeasure, match=r"720p-000001\.ts broke off"):
            viewer.watch(0.0, 60.0)
