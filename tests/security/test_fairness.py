"""One client does not use up what is for all: the queue, thumbnails and probes, the encoder of a rendition, the disk."""

import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from benchmarks.torture_stubs import Stage, build
from tests.support.daemon import LiveDaemon, Response, media_url, read_head, read_response, until
from tests.support.films import playlist
from tests.support.programs import BUNDLED
from transcoded.run.places import QUEUE_PER_CLIENT
from transcoded.web.extras import THUMBNAILS_PER_CLIENT

HONEST, HOSTILE = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "203.0.113.9"}
PROXY = ("--trusted-proxy", "127.0.0.1")
TRANSCODE = "/stream.mp4?mode=transcode"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return build(tmp_path_factory.mktemp("stage"), BUNDLED.ffmpeg, BUNDLED.ffprobe)


def on_stage(stage: Stage, directory: Path, *arguments: str) -> LiveDaemon:
    tools = ("--ffmpeg", str(stage.ffmpeg), "--ffprobe", str(stage.ffprobe), "--memory-high", "off", "--grace", "0.3")
    return LiveDaemon(directory, {"m": stage.media}, *tools, *arguments)


def open_url(daemon: LiveDaemon, url: str, client: Mapping[str, str]) -> socket.socket:
    """Ask as this client and leave the answer in the connection."""
    connection = daemon.connect(receive_buffer=4096)
    head = "".join(f"{name}: {value}\r\n" for name, value in client.items())
    connection.sendall(f"GET {url} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n".encode())
    return connection


def answered(connection: socket.socket) -> bool:
    """Whether something has come on this connection, or it is closed."""
    connection.setblocking(False)
    try:
        return len(connection.recv(1, socket.MSG_PEEK)) >= 0
    except BlockingIOError:
        return False
    finally:
        connection.settimeout(60)


def refusal(response: Response) -> str:
    detail: str = response.problem(503)["detail"]
    assert int(response.headers["retry-after"]) >= 1
    return detail


def waiting(daemon: LiveDaemon, key: Mapping[str, str]) -> list[str]:
    """The clients in the queue, the next one first."""
    found: list[dict[str, Any]] = daemon.get("/api/v1/streams", key).json()["queue"]
    return [each["client"] for each in sorted(found, key=lambda each: int(each["position"]))]


def test_one_client_cannot_keep_the_others_out_of_the_queue(stage: Stage, tmp_path: Path) -> None:
    """Both come from the same address, as behind a proxy: their keys tell them apart."""
    greedy, modest = ({"Authorization": f"Bearer {name}-{'0123456789' * 2}"} for name in ("greedy", "modest"))
    keys = [part for one in ("greedy", "modest") for part in ("--api-key", f"{one}={one}-{'0123456789' * 2}")]
    limits = ("--max-streams", "1", "--queue-size", "4", "--queue-timeout", "600", "--preempt-after", "off")
    with on_stage(stage, tmp_path, *limits, *keys) as daemon, ExitStack() as open_connections:

        def ask(client: Mapping[str, str]) -> socket.socket:
            return open_connections.enter_context(
                closing(open_url(daemon, media_url("m/a/endless.mp4", TRANSCODE), client))
            )

        streaming = ask(greedy)
        assert read_head(streaming)[0] == 200
        queued = []
        for _ in range(4):
            queued.append(ask(greedy))
            until(lambda: len(waiting(daemon, modest)) == len(queued), "the next one waits")
        assert "queue is full" in refusal(daemon.get(media_url("m/a/endless.mp4", TRANSCODE), greedy))
        of_modest = ask(modest)
        assert "preferred" in refusal(read_response(queued[-1])), "the newest of the greedy one gives way"
        until(lambda: waiting(daemon, modest) == ["modest@127.0.0.1", *["greedy@127.0.0.1"] * 3], "it is next")
        for connection in (streaming, *queued):
            connection.close()
        assert read_head(of_modest)[0] == 200


def test_a_thousand_thumbnails_of_one_client_keep_no_other_from_his(stage: Stage, tmp_path: Path) -> None:
    with on_stage(stage, tmp_path, *PROXY) as daemon, ExitStack() as open_connections:
        # Thumbnails of this file are never finished.
        url = media_url("m/a/silent.mp4", "/thumbnail.jpg")
        hostile = [
            open_connections.enter_context(closing(open_url(daemon, f"{url}?width={100 + number}", HOSTILE)))
            for number in range(THUMBNAILS_PER_CLIENT + QUEUE_PER_CLIENT + 5)
        ]
        until(lambda: sum(map(answered, hostile)) == 5, "more than may wait are refused")
        refused = [connection for connection in hostile if answered(connection)]
        assert all("Too many" in refusal(read_response(connection)) for connection in refused)
        image = daemon.get(media_url("m/a/real-film.mp4", "/thumbnail.jpg"), HONEST)
        assert image.status == 200
        assert image.body.startswith(b"\xff\xd8")
        assert daemon.get("/healthz").status == 200
        assert not any(answered(connection) for connection in hostile if connection not in refused), "it overtook all"


@pytest.fixture(scope="module")
def watched(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    """A daemon behind a proxy, whose film lasts for half an hour."""
    with LiveDaemon(tmp_path_factory.mktemp("daemon"), {"f": root}, *PROXY) as daemon:
        yield daemon


def test_nobody_ends_the_encoders_of_others_by_saying_that_he_leaves(watched: LiveDaemon) -> None:
    film = "f/endless.mkv"
    # Sound: that of a picture can go over to another preset.
    shown = playlist(watched, film, "a0")
    assert watched.get(shown.pieces[0].url, HONEST).status == 200
    (before,) = watched.live()
    for _ in range(100):
        assert watched.request("POST", media_url(film, "/cmaf/leave"), HOSTILE).status == 204
    assert [stream["id"] for stream in watched.live()] == [before["id"]]
    assert watched.get(shown.pieces[1].url, HOSTILE).status == 200, "it watches the same, and may leave then"
    assert watched.request("POST", media_url(film, "/cmaf/leave"), HOSTILE).status == 204
    assert watched.get(shown.pieces[2].url, HONEST).status == 200
    assert [stream["id"] for stream in watched.live()] == [before["id"]]
    assert watched.request("POST", media_url(film, "/cmaf/leave"), HONEST).status == 204
    assert watched.ending(before["id"])["reason"] == "idle", "the last one ends it"


def test_one_client_that_seeks_without_end_keeps_no_other_from_his_segments(watched: LiveDaemon) -> None:
    film = "f/endless.mkv"
    shown = playlist(watched, film, "v144")
    far = [piece.url for piece in shown.pieces[100:400]]
    stop, sought = threading.Event(), []

    def seek() -> None:
        for number in range(100_000):
            if stop.is_set():
                return
            with closing(open_url(watched, far[number * 37 % len(far)], HOSTILE)):
                sought.append(number)
                stop.wait(0.05)

    seeking = threading.Thread(target=seek)
    seeking.start()
    try:
        until(lambda: len(sought) > 10, "the other one seeks")
        for piece in shown.pieces[10:16]:
            assert watched.get(piece.url, HONEST).status == 200
    finally:
        stop.set()
        seeking.join()
    assert watched.request("POST", media_url(film, "/cmaf/leave"), HONEST).status == 204

    def left() -> bool:
        watched.request("POST", media_url(film, "/cmaf/leave"), HOSTILE)
        return not watched.live()

    until(left, "no encoder is left")
    starts = [stream["client"] for stream in watched.endings() if stream["path"] == film]
    assert starts.count(HOSTILE["X-Forwarded-For"]) < len(sought) / 2, "most of its seeks have started nothing"


def test_a_folder_of_very_many_files_holds_nobody_up(stage: Stage, tmp_path: Path) -> None:
    folder = tmp_path / "big"
    folder.mkdir()
    for number in range(20_000):
        (folder / f"{number:06d}.mkv").touch()
    # It counts as just changed for as long as the test lasts, so each request reads the whole folder.
    os.utime(folder, (2**32, 2**32))
    tools = ("--ffmpeg", str(stage.ffmpeg), "--ffprobe", str(stage.ffprobe))
    with (
        LiveDaemon(tmp_path / "daemon", {"b": folder, "m": stage.media}, *tools, *PROXY) as daemon,
        ExitStack() as open_connections,
    ):
        hostile = [
            open_connections.enter_context(closing(open_url(daemon, "/api/v1/library/b", HOSTILE))) for _ in range(60)
        ]
        until(lambda: any(map(answered, hostile)), "the first of them is answered")
        assert daemon.get("/healthz").status == 200
        assert daemon.get(media_url("m/a/real-film.mp4"), HONEST).complete
        page = daemon.get("/api/v1/library/b?limit=10", HONEST).json()
        assert [entry["name"] for entry in page["entries"]] == [f"{number:06d}.mkv" for number in range(10)]
        assert not all(map(answered, hostile)), "it has overtaken most of them"
        first = read_response(hostile[0]).json()
        assert len(first["entries"]) == 1000
        names, cursor = [entry["name"] for entry in first["entries"]], first["next_cursor"]
        for _ in range(19):
            page = daemon.get(f"/api/v1/library/b?cursor={cursor}", HONEST).json()
            names += [entry["name"] for entry in page["entries"]]
            cursor = page["next_cursor"]
        assert cursor is None
        assert names == [f"{number:06d}.mkv" for number in range(20_000)]
