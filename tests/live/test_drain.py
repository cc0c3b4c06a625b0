"""A drain: before an upgrade nobody new is let in, those who watch see the end of their films, and then the daemon is gone."""

import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.clips import Clips
from tests.support.daemon import LiveDaemon, media_url, read_head, read_response, until
from tests.support.stubs import stub, teach

WAITS = """
say(1000)
while not os.path.exists({go!r}):
    time.sleep(0.01)
say(1000)
"""

SIZE = 24 << 20
"""More than the buffers of both ends hold."""


class House:
    """A daemon with a transcoder that is at its end when the test says so."""

    def __init__(self, clips: Clips, directory: Path) -> None:
        self._clips = clips
        self._directory = directory
        self.url = media_url(f"m/{clips.song.name}", "/stream.mp3?mode=transcode")

    def open(self, *arguments: str) -> LiveDaemon:
        ffmpeg = stub(self._directory, "ffmpeg")
        teach(ffmpeg, WAITS.format(go=str(self._directory / "go")))
        more = ("--ffmpeg", str(ffmpeg), "--hang-timeout", "off", *arguments)
        return LiveDaemon(self._directory / "daemon", {"m": self._clips.directory}, *more)

    def finish(self) -> None:
        """The film is at its end."""
        (self._directory / "go").touch()

    def ending_log(self) -> str:
        """What the daemon has written of its streams' ends."""
        return "".join(path.read_text("utf-8") for path in self._directory.rglob("endings.jsonl"))


@pytest.fixture
def house(clips: Clips, tmp_path: Path) -> House:
    return House(clips, tmp_path)


def by_route(daemon: LiveDaemon) -> None:
    answer = daemon.request("POST", "/api/v1/drain")
    assert answer.status == 202
    assert answer.json()["draining"] is True


def by_signal(daemon: LiveDaemon) -> None:
    daemon.process.send_signal(signal.SIGUSR1)
    until(lambda: daemon.get("/readyz").status == 503, "it drains")


@pytest.mark.parametrize("drain", [by_route, by_signal])
def test_who_watches_sees_the_end_nobody_new_is_let_in_and_then_it_is_gone(
    house: House, drain: Callable[[LiveDaemon], None]
) -> None:
    with house.open() as daemon:
        viewer = daemon.open(house.url)
        try:
            until(daemon.live, "the stream runs")
            drain(daemon)
            refused = daemon.get(house.url)
            assert "draining" in refused.problem(503)["detail"]
            assert int(refused.headers["retry-after"]) > 0
            assert "draining" in daemon.get("/readyz").problem(503)["detail"]
            assert daemon.get("/healthz").status == 200, "it must not be killed for it"
            assert len(daemon.live()) == 1
            house.finish()
            response = read_response(viewer)
            assert (response.status, len(response.body)) == (200, 2000)
            assert response.complete
        finally:
            viewer.close()
        assert daemon.process.wait(40) == 0
        assert '"finished"' in house.ending_log()


def test_a_file_that_is_sent_as_it_is_is_sent_to_its_end(tmp_path: Path) -> None:
    films = tmp_path / "films"
    films.mkdir()
    with (films / "film.mp4").open("wb") as film:
        film.truncate(SIZE)
    with LiveDaemon(tmp_path / "daemon", {"m": films}) as daemon, daemon.open("/media/m/film.mp4") as viewer:
        assert viewer.recv(1, socket.MSG_PEEK) == b"H"
        by_route(daemon)
        seeking = daemon.get("/media/m/film.mp4", {"Range": "bytes=5-9"})
        assert seeking.status == 206, "who watches may seek"
        assert daemon.process.poll() is None
        response = read_response(viewer)
        assert (len(response.body), response.complete) == (SIZE, True)
        assert daemon.process.wait(40) == 0


@pytest.mark.parametrize("drain", [by_route, lambda daemon: daemon.process.send_signal(signal.SIGUSR1)])
def test_one_that_nobody_uses_is_gone_at_once(house: House, drain: Callable[[LiveDaemon], None]) -> None:
    with house.open() as daemon:
        drain(daemon)
        assert daemon.process.wait(40) == 0


def test_who_waits_in_the_queue_is_sent_away_at_once(house: House) -> None:
    with house.open("--max-streams", "1", "--queue-timeout", "60") as daemon:
        first = daemon.open(house.url)
        until(daemon.live, "the stream runs")
        second = daemon.open(house.url)
        until(lambda: daemon.json("/api/v1/streams")["queue"], "the other one waits")
        by_route(daemon)
        assert read_head(second)[0] == 503
        for connection in (first, second):
            connection.close()
        assert daemon.process.wait(40) == 0


def test_at_the_deadline_those_that_still_run_are_ended(house: House) -> None:
    with house.open("--drain-timeout", "0.2") as daemon:
        viewer = daemon.open(house.url)
        try:
            assert read_head(viewer)[0] == 200
            by_route(daemon)
            assert daemon.process.wait(40) == 0
        finally:
            viewer.close()
        assert '"shutdown"' in house.ending_log()


def test_to_ask_twice_or_to_stop_in_the_middle_is_harmless(house: House) -> None:
    with house.open() as daemon:
        viewer = daemon.open(house.url)
        until(daemon.live, "the stream runs")
        by_route(daemon)
        by_route(daemon)
        by_signal(daemon)
        assert daemon.stop() == 0
        viewer.close()
