"""What a file claims, or a client leaves unread, cannot take the daemon's memory or time."""

import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.clips import ffmpeg, made_once
from tests.support.daemon import LiveDaemon, media_url, until
from transcoded.plan.media.ffprobe import MAX_STREAMS
from transcoded.plan.media.ffprobe_output import MAX_TEXT
from transcoded.web.events import MAX_LISTENERS_PER_CLIENT

DAY = 86_400
PLAYLISTS = ("/master.m3u8", "/manifest.mpd", "/cmaf/a0/index.m3u8")


def claim(path: Path, seconds: float) -> None:
    """Write another length into the header of a Matroska file (the element Duration, a float of 8 bytes, in milliseconds)."""
    data = bytearray(path.read_bytes())
    at = data.index(b"\x44\x89\x88") + 3
    data[at : at + 8] = struct.pack(">d", seconds * 1000)
    path.write_bytes(data)


def sounds(path: Path, count: int, *options: str) -> None:
    """A file with a tenth of a second of so many sounds."""
    maps = ["-map", "0:a"] * count
    ffmpeg("-f", "lavfi", "-i", "sine=r=8000:d=0.1", *maps, "-c:a", "pcm_u8", *options, f"file:{path}")


def make_files(directory: Path) -> None:
    """Small files that want much."""
    sounds(directory / "days.mkv", 1)
    claim(directory / "days.mkv", 9.9 * DAY)
    sounds(directory / "forty.mkv", 40)
    claim(directory / "forty.mkv", DAY)
    sounds(directory / "most.mkv", 40)
    claim(directory / "most.mkv", 0.4 * DAY)
    sounds(directory / "titled.mkv", 1, "-metadata:s:a:0", f"title={'t' * 100_000}", "-metadata:s:a:0", "language=eng")
    sounds(directory / "streams.mkv", MAX_STREAMS + 1)


@pytest.fixture(scope="module")
def greedy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    files = made_once(tmp_path_factory, "greedy", make_files)
    with LiveDaemon(tmp_path_factory.mktemp("daemon"), {"m": files}) as daemon:
        yield daemon


def test_a_small_file_that_claims_ten_days_gets_no_list_of_ten_days(greedy: LiveDaemon) -> None:
    """Two kilobytes stopped the reactor for seconds."""
    for tail in PLAYLISTS:
        response = greedy.get(media_url("m/days.mkv", tail))
        assert response.status == 200, "its packets were counted"
        assert len(response.body) < 10_000
    assert greedy.json(media_url("m/days.mkv", "/probe.json"))["duration"] < 10
    assert greedy.stream("m/days.mkv", "wav"), "what is in it plays"


def test_many_sounds_in_a_file_do_not_multiply_what_it_claims(greedy: LiveDaemon) -> None:
    """Twenty kilobytes made a manifest of 117 MB, in 47 s."""
    for tail in PLAYLISTS:
        problem = greedy.get(media_url("m/forty.mkv", tail)).problem(415)
        assert "43,200 segments (86,400 s) in 40 renditions" in problem["detail"]


def test_clients_that_do_not_read_a_manifest_do_not_cost_a_manifest_each(greedy: LiveDaemon) -> None:
    url = media_url("m/most.mkv", "/manifest.mpd")
    size = len(greedy.get(url).body)
    before, silent = greedy.rss(), 40
    with ExitStack() as connections:
        for _ in range(silent):
            connection = connections.enter_context(greedy.open(url, receive_buffer=4096))
            assert connection.recv(16, socket.MSG_WAITALL).startswith(b"HTTP/1.1 200")
        grown = greedy.rss() - before
    assert size > 4_000_000
    assert grown < silent * size / 4


def test_a_title_of_any_length_is_cut_before_it_is_kept(greedy: LiveDaemon) -> None:
    (audio,) = greedy.json(media_url("m/titled.mkv", "/probe.json"))["streams"]
    assert audio["title"] == "t" * MAX_TEXT


def test_a_file_of_very_many_streams_is_refused_and_costs_one_process(greedy: LiveDaemon) -> None:
    for _ in range(3):
        problem = greedy.get(media_url("m/streams.mkv", "/probe.json")).problem(415)
        assert f"has {MAX_STREAMS + 1} streams" in problem["detail"]


def test_one_client_cannot_listen_to_events_without_end(greedy: LiveDaemon) -> None:
    with ExitStack() as connections:
        for _ in range(MAX_LISTENERS_PER_CLIENT):
            connection = connections.enter_context(greedy.open("/api/v1/events"))
            assert connection.recv(16, socket.MSG_WAITALL).startswith(b"HTTP/1.1 200")
        # Its end is not waited for: an answer that is not refused has none.
        refused = connections.enter_context(greedy.open("/api/v1/events"))
        assert refused.recv(16, socket.MSG_WAITALL).startswith(b"HTTP/1.1 503")
        assert greedy.get("/healthz").status == 200
    until(lambda: _listens(greedy), "a place for a listener")


def _listens(daemon: LiveDaemon) -> bool:
    with daemon.open("/api/v1/events") as connection:
        return connection.recv(16, socket.MSG_WAITALL).startswith(b"HTTP/1.1 200")
