"""A viewer that does not read costs nothing but a sleeping process: no CPU, and no memory that grows."""

import socket
import time
from pathlib import Path

import psutil
import pytest

from tests.support.clips import Clips
from tests.support.daemon import LiveDaemon, read_head, until

URLS = ["/media/m/long.mkv/stream.wav", "/media/m/long.mkv/stream.mkv"]


def pause(daemon: LiveDaemon, url: str) -> tuple[socket.socket, str]:
    connection = daemon.open(url, 4096)
    _, headers, _ = read_head(connection)
    return connection, headers["x-stream-id"]


def cpu_of(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def asleep(process: psutil.Process) -> bool:
    """Whether it sleeps at every one of many looks and uses no CPU between them."""
    before = cpu_of(process)
    for _ in range(25):
        if process.status() != psutil.STATUS_SLEEPING:
            return False
        time.sleep(0.01)
    return cpu_of(process) == before


@pytest.mark.parametrize("url", URLS)
def test_ffmpeg_sleeps_while_nobody_reads(daemon: LiveDaemon, clips: Clips, url: str) -> None:
    connection, stream_id = pause(daemon, url)
    until(lambda: daemon.json(f"/api/v1/streams/{stream_id}")["backpressured"], "back-pressure")
    process = psutil.Process(daemon.json(f"/api/v1/streams/{stream_id}")["pid"])
    until(lambda: asleep(process), "ffmpeg sleeps")
    shown = daemon.json(f"/api/v1/streams/{stream_id}")
    assert shown["backpressured"]
    assert shown["state"] == "running"
    sent = shown["bytes_sent"]
    assert sent < 16 * 2**20, "that much is not in the socket's buffers"
    # It was held up, not broken: it goes on as soon as somebody reads.
    read = 0
    while read < sent + 2**20:
        read += len(connection.recv(1 << 20))
    assert daemon.json(f"/api/v1/streams/{stream_id}")["bytes_sent"] > sent
    connection.close()
    assert daemon.ending(stream_id)["reason"] == "client-gone"


def test_memory_is_bounded_whatever_the_clients_do(clips: Clips, tmp_path: Path) -> None:
    with LiveDaemon(tmp_path / "daemon", {"m": clips.directory}) as daemon:
        paused = [pause(daemon, URLS[0])]
        until(lambda: all(stream["backpressured"] for stream in daemon.live()), "back-pressure")
        rss = daemon.rss()
        paused += [pause(daemon, URLS[0]) for _ in range(15)]
        until(lambda: all(stream["backpressured"] for stream in daemon.live()), "back-pressure")
        assert len(daemon.live()) == 16
        # One block on its way in each, and what Python keeps for itself.
        assert daemon.rss() < rss + 15 * 2**20
        for connection, _ in paused:
            connection.close()
        daemon.quiet()


def test_a_paused_viewer_does_not_hold_up_others(daemon: LiveDaemon, clips: Clips) -> None:
    connection, stream_id = pause(daemon, URLS[0])
    until(lambda: daemon.json(f"/api/v1/streams/{stream_id}")["backpressured"], "back-pressure")
    assert daemon.stream("m/film.mp4", "wav")
    connection.close()


def test_a_paused_download_holds_no_memory(clips: Clips, tmp_path: Path) -> None:
    """Direct play has the same promise."""
    big = tmp_path / "media" / "big.mkv"
    big.parent.mkdir()
    with big.open("wb") as file:
        file.truncate(2**31)
    with LiveDaemon(tmp_path / "daemon", {"m": big.parent}) as daemon:
        daemon.get("/media/m/big.mkv", {"Range": "bytes=0-99"})
        rss, descriptors = daemon.rss(), daemon.descriptors()
        paused = [daemon.open("/media/m/big.mkv", 4096) for _ in range(10)]
        for connection in paused:
            assert read_head(connection)[0] == 200
        assert daemon.rss() < rss + 32 * 2**20
        for connection in paused:
            connection.close()
        until(lambda: daemon.descriptors() <= descriptors, "descriptors closed")
