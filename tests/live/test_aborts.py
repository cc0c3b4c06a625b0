"""Two hundred viewers leave, each in another rude way: nothing of theirs is left, and each has an Ending with its reason."""

import socket
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.clips import Clips
from tests.support.daemon import LiveDaemon, read_head, reset, until

FIREHOSE = "/media/m/long.mkv/stream.wav"
"""More bytes than all buffers hold, at once."""
ENCODER = "/media/m/long.mkv/stream.mp4?mode=transcode&height=90"
REMUX = "/media/m/long.mkv/stream.mkv"
PIPELINED = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2000


@pytest.fixture
def daemon(clips: Clips, tmp_path: Path) -> "LiveDaemon":
    return LiveDaemon(tmp_path / "daemon", {"m": clips.directory})


def watch(daemon: LiveDaemon, url: str, receive_buffer: int | None = None) -> tuple[socket.socket, str]:
    """A viewer that has its first bytes, and the stream's id."""
    connection = daemon.open(url, receive_buffer)
    status, headers, _ = read_head(connection)
    assert status == 200
    assert headers["connection"] == "close", "what is pipelined behind would hide the viewer's leaving"
    return connection, headers["x-stream-id"]


def close(daemon: LiveDaemon) -> None:
    watch(daemon, ENCODER)[0].close()


def close_while_data_flows(daemon: LiveDaemon) -> None:
    connection, _ = watch(daemon, FIREHOSE)
    for _ in range(20):
        assert connection.recv(65536)
    connection.close()


def cut(daemon: LiveDaemon) -> None:
    reset(watch(daemon, REMUX)[0])


def stall_and_close(daemon: LiveDaemon) -> None:
    connection, stream_id = watch(daemon, FIREHOSE, 4096)
    until(lambda: daemon.json(f"/api/v1/streams/{stream_id}")["backpressured"], "back-pressure")
    connection.close()


def stall_and_cut(daemon: LiveDaemon) -> None:
    connection, stream_id = watch(daemon, FIREHOSE, 4096)
    until(lambda: daemon.json(f"/api/v1/streams/{stream_id}")["backpressured"], "back-pressure")
    reset(connection)


def close_before_the_first_byte(daemon: LiveDaemon) -> None:

    def started() -> set[str]:
        # The live ones first: a stream that ends between the two questions is in both answers, and never in none.
        return {stream["id"] for stream in (*daemon.live(), *daemon.endings()) if stream["format"] == "webm"}

    before = started()
    connection = daemon.open("/media/m/long.mkv/stream.webm?start=1700")
    # Gone as soon as there is a process; none of its bytes was read.
    until(lambda: started() > before, "the stream")
    connection.close()


def pipelined_then_close(daemon: LiveDaemon) -> None:
    connection, _ = watch(daemon, ENCODER)
    connection.sendall(PIPELINED)
    connection.close()


def pipelined_at_once_then_stall_and_cut(daemon: LiveDaemon) -> None:
    connection = daemon.connect(4096)
    connection.sendall(f"GET {FIREHOSE} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() + PIPELINED)
    _, headers, _ = read_head(connection)
    until(lambda: daemon.json(f"/api/v1/streams/{headers['x-stream-id']}")["backpressured"], "back-pressure")
    connection.sendall(PIPELINED)
    reset(connection)


WAYS: list[Callable[[LiveDaemon], None]] = [
    close,
    close_while_data_flows,
    cut,
    stall_and_close,
    stall_and_cut,
    close_before_the_first_byte,
    pipelined_then_close,
    pipelined_at_once_then_stall_and_cut,
]


def test_two_hundred_aborts_leave_nothing(daemon: LiveDaemon) -> None:
    with daemon, ThreadPoolExecutor(len(WAYS)) as viewers:
        # Each way once at a time, all of them side by side.
        def each_way() -> None:
            for gone in [viewers.submit(way, daemon) for way in WAYS]:
                gone.result()

        each_way()  # warm: code is loaded, pools have their threads
        daemon.quiet()
        rss, descriptors = daemon.rss(), daemon.descriptors()
        for _ in range(200 // len(WAYS)):
            each_way()
        daemon.quiet()
        endings = daemon.endings()
        assert len(endings) == 200 + len(WAYS)
        assert Counter(ending["reason"] for ending in endings) == {"client-gone": 200 + len(WAYS)}
        assert len({ending["id"] for ending in endings}) == len(endings)
        for ending in endings:
            assert ending["signals_sent"][:1] == ["SIGTERM"], ending
            assert "SIGKILL" not in ending["signals_sent"], f"it should not have taken force: {ending}"
            assert ending["kill_ms"] is not None
            assert (ending["exit_code"] is None) != (ending["signal"] is None)
        until(lambda: daemon.descriptors() <= descriptors, "all descriptors closed")
        assert daemon.rss() < rss + 16 * 2**20


def test_aborts_all_at_once(daemon: LiveDaemon) -> None:
    """Many leave in the same moment, while others come."""
    with daemon:
        viewers = [watch(daemon, REMUX if n % 2 else FIREHOSE, 4096)[0] for n in range(20)]
        newcomers = [daemon.open(ENCODER) for _ in range(4)]
        for number, viewer in enumerate(viewers):
            reset(viewer) if number % 3 else viewer.close()
        for viewer in newcomers:
            reset(viewer)
        daemon.quiet()
        assert {ending["reason"] for ending in daemon.endings()} == {"client-gone"}


def test_leaving_while_the_file_is_probed(daemon: LiveDaemon, clips: Clips, tmp_path: Path) -> None:
    """A probe that nobody waits for any more is called off, and one that somebody waits for is not."""
    slow = tmp_path / "ffprobe"
    slow.write_text(
        '#!/bin/sh\n[ "$1" = -version ] && exec echo ffprobe version 1\nexec sleep 1000\n', encoding="utf-8"
    )
    slow.chmod(0o755)
    with LiveDaemon(tmp_path / "daemon", {"m": clips.directory}, "--ffprobe", str(slow)) as probing:
        first, second = probing.open(ENCODER), probing.open(ENCODER)
        until(probing.census, "the probe")
        reset(first)
        probing.json("/healthz")
        assert probing.census(), "the second viewer still waits for it"
        second.close()
        probing.quiet()
        assert not probing.endings(), "no transcoder was started"
        probing.open("/media/m/film.mp4/probe.json").close()
        probing.quiet()


def drain(connection: socket.socket) -> int | None:
    """Read to the end; how much there was, None if the end was a reset."""
    received = 0
    try:
        while block := connection.recv(1 << 20):
            received += len(block)
    except ConnectionResetError:
        return None
    return received


def test_deleting_a_stream_ends_it_and_tells_how(daemon: LiveDaemon) -> None:
    with daemon:
        connection, stream_id = watch(daemon, ENCODER)
        shown = daemon.json(f"/api/v1/streams/{stream_id}")
        assert shown["path"] == "m/long.mkv"
        ending = daemon.request("DELETE", f"/api/v1/streams/{stream_id}").json()
        assert (ending["id"], ending["reason"]) == (stream_id, "stopped")
        assert not daemon.census()
        assert drain(connection) is None, "what is cut short must be seen to be"
        daemon.request("DELETE", f"/api/v1/streams/{stream_id}").problem(404)
        connection.close()


def files_of(process: psutil.Process) -> "list[Any]":
    """The files that it has open; none where it has gone meanwhile."""
    try:
        return list(process.open_files())
    except psutil.Error:
        return []


def test_releasing_a_file_ends_what_has_it_open(daemon: LiveDaemon) -> None:
    with daemon:
        viewers = [watch(daemon, url)[0] for url in (ENCODER, FIREHOSE)]
        other, other_id = watch(daemon, "/media/m/film.mp4/stream.wav?duration=3", 4096)
        endings = daemon.request("DELETE", "/api/v1/streams?path=m/long.mkv").json()["endings"]
        assert [ending["reason"] for ending in endings] == ["file-released"] * 2
        assert [stream["id"] for stream in daemon.live()] in ([], [other_id])
        open_files = [entry.path for process in daemon.census() for entry in files_of(process)]
        assert not [path for path in open_files if path.endswith("long.mkv")]
        assert daemon.request("DELETE", "/api/v1/streams?path=m/long.mkv").json() == {"endings": []}
        other.close()
        assert daemon.ending(other_id)["reason"] in {"client-gone", "finished"}
        for viewer in viewers:
            viewer.close()
