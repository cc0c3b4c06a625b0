"""Prepares with real encoders: what was made in advance is there at once, and whoever watches comes first."""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.daemon import LiveDaemon, until
from tests.support.films import FILMS, body, packets, playlist

FILM = f"f/{FILMS[1].name}"


@pytest.fixture
def daemon(root: Path, tmp_path: Path) -> Iterator[LiveDaemon]:
    """A daemon with one place, whose segments go to disk."""
    flags = ("--cache-disk-max", "200M", "--cache-dir", str(tmp_path / "cache"), "--max-streams", "1")
    with LiveDaemon(tmp_path / "d", {"f": root}, *flags) as daemon:
        yield daemon
        if daemon.process.poll() is None:
            daemon.request("DELETE", "/api/v1/streams?path=f")
            daemon.quiet()


def begin(daemon: LiveDaemon, path: str, **more: object) -> dict[str, Any]:
    body = json.dumps({"path": path, **{name.rstrip("_"): value for name, value in more.items()}})
    answer = daemon.post("/api/v1/prepare", body, {"Content-Type": "application/json"})
    assert answer.status == 202, answer.body
    found: dict[str, Any] = answer.json()
    return found


def state(daemon: LiveDaemon, one: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = daemon.json(f"/api/v1/prepare/{one['id']}")
    return found


def in_state(daemon: LiveDaemon, one: dict[str, Any], *wanted: str) -> dict[str, Any]:
    """As soon as it is in one of these states."""
    until(lambda: state(daemon, one)["state"] in wanted, f"{wanted}: {state(daemon, one)}")
    return state(daemon, one)


def encoders(daemon: LiveDaemon) -> list[str]:
    """Which encoders were started, and for whom."""
    return re.findall(r"started: .* as cmaf/(\S+ for \S+)", daemon.log())


def test_what_is_prepared_plays_at_once_also_after_a_restart(root: Path, tmp_path: Path) -> None:
    flags = ("--cache-disk-max", "200M", "--cache-dir", str(tmp_path / "cache"))
    with LiveDaemon(tmp_path / "one", {"f": root}, *flags) as daemon:
        with daemon.open("/api/v1/events") as listening:
            one = begin(daemon, FILM)
            assert in_state(daemon, one, "done", "failed")["state"] == "done"
            told = b""
            while b'"state":"done"' not in told:
                told += listening.recv(65536)
        events = re.findall(rb"event: prepare-updated\ndata: (.*)", told)
        states = [json.loads(event)["state"] for event in events]
        assert (states[0], states[1], states[-1]) == ("waiting", "running", "done")
        assert state(daemon, one)["done"] == one["total"]
        started = encoders(daemon)
        assert {line.split()[0] for line in started} == set(one["renditions"])
        assert {line.split()[2] for line in started} == {"prepare"}
        daemon.quiet()
        made = watched(daemon, one["renditions"])
        assert encoders(daemon) == started
        daemon.expected_status = -signal.SIGKILL
        daemon.stop(signal.SIGKILL)
    with LiveDaemon(tmp_path / "two", {"f": root}, *flags) as daemon:
        assert watched(daemon, one["renditions"]) == made
        again = begin(daemon, FILM)
        assert in_state(daemon, again, "done", "failed")["state"] == "done"
        assert not encoders(daemon), "it was there"


def watched(daemon: LiveDaemon, renditions: list[str]) -> list[bytes]:
    found = []
    for name in renditions:
        shown = playlist(daemon, FILM, name)
        data = [body(daemon, url) for url in (shown.init, *(piece.url for piece in shown.pieces))]
        assert packets(b"".join(data))
        found += data
    return found


def test_without_a_disk_memory_has_it(root: Path, tmp_path: Path) -> None:
    with LiveDaemon(tmp_path / "d", {"f": root}) as daemon:
        one = begin(daemon, FILM, renditions=["v144"], from_=4, seconds=4)
        done = in_state(daemon, one, "done", "failed")
        assert (done["state"], done["from"]) == ("done", 4.0)
        assert done["done"] == done["total"] >= 2
        daemon.quiet()
        started = encoders(daemon)
        shown = playlist(daemon, FILM, "v144")
        inside = [piece.url for piece in shown.pieces if 4 <= piece.start < 7]
        for url in (shown.init, *inside):
            body(daemon, url)
        assert encoders(daemon) == started


def test_a_viewer_comes_first_and_then_it_goes_on(daemon: LiveDaemon) -> None:
    """With one place, a prepare that stays would keep everybody from watching anything."""
    one = begin(daemon, "f/endless.mkv", renditions=["v144"], seconds=1200)
    until(lambda: state(daemon, one)["done"] > 1, "it makes some")
    (stream,) = daemon.live()
    assert stream["client"] == "prepare"
    assert psutil.Process(stream["pid"]).nice() >= 10
    assert daemon.get("/readyz").status == 200, "a stream would start at once"
    shown = playlist(daemon, FILM, "v144")
    body(daemon, shown.pieces[0].url)
    paused = state(daemon, one)
    assert paused["state"] == "paused"
    assert paused["reason"]
    assert {ending["proof"] for ending in daemon.endings()} == {"proven"}
    for piece in shown.pieces:
        body(daemon, piece.url)
    until(lambda: state(daemon, one)["state"] == "running", "it goes on")
    until(lambda: state(daemon, one)["done"] > paused["done"] + 1, "it makes more")


def test_who_cancels_it_has_proof(daemon: LiveDaemon) -> None:
    one = begin(daemon, "f/endless.mkv", renditions=["v144"])
    until(lambda: state(daemon, one)["done"] > 1, "it makes some")
    (stream,) = daemon.live()
    answer = daemon.request("DELETE", f"/api/v1/prepare/{one['id']}")
    assert (answer.status, answer.json()["state"]) == (200, "cancelled")
    assert not psutil.pid_exists(stream["pid"])
    assert not daemon.live()
    (ending,) = [ending for ending in daemon.endings() if ending["id"] == stream["id"]]
    assert (ending["reason"], ending["proof"], ending["request_id"]) == ("stopped", "proven", one["id"])
    assert state(daemon, one)["state"] == "cancelled"
    daemon.request("DELETE", "/api/v1/prepare/none").problem(404)


@pytest.mark.parametrize("how", ["released", "stopped", "drained"])
def test_what_frees_the_file_or_the_daemon_ends_it(daemon: LiveDaemon, how: str) -> None:
    one = begin(daemon, "f/endless.mkv", renditions=["v144"])
    waiting = begin(daemon, "f/endless.mkv", renditions=["a0"])
    assert waiting["state"] == "waiting"
    until(lambda: state(daemon, one)["done"] > 0, "it makes some")
    if how == "drained":
        assert daemon.post("/api/v1/drain", "").status == 202
        # The drain ends the daemon: nothing keeps it.
        assert daemon.process.wait(60) == 0
        return
    if how == "released":
        answer = daemon.request("DELETE", "/api/v1/streams?path=f/endless.mkv")
        assert [ending["reason"] for ending in answer.json()["endings"]] == ["file-released"]
        assert state(daemon, waiting)["reason"] == "The file was released."
    else:
        (stream,) = daemon.live()
        daemon.request("DELETE", f"/api/v1/streams/{stream['id']}")
        daemon.request("DELETE", f"/api/v1/prepare/{waiting['id']}")
    assert in_state(daemon, one, "failed", "cancelled")
    daemon.quiet()


def test_a_file_that_is_replaced_ends_it(root: Path, tmp_path: Path) -> None:
    media = tmp_path / "media"
    media.mkdir()
    film = media / "film.mkv"
    film.write_bytes((root / "endless.mkv").read_bytes())
    with LiveDaemon(tmp_path / "d", {"f": media}, "--cache-max", "1G") as daemon:
        one = begin(daemon, "f/film.mkv", renditions=["v144"])
        until(lambda: state(daemon, one)["done"] > 0, "it makes some")
        (media / "other.mkv").write_bytes((root / FILMS[0].name).read_bytes())
        (media / "other.mkv").rename(film)
        ended = in_state(daemon, one, "failed", "done")
        assert ended["reason"] == "The file has changed since this was asked for."
        daemon.quiet()


def test_what_does_not_fit_is_refused(root: Path, tmp_path: Path) -> None:
    with LiveDaemon(tmp_path / "d", {"f": root}, "--cache-max", "1M") as daemon:
        body = json.dumps({"path": "f/endless.mkv"})
        problem = daemon.post("/api/v1/prepare", body, {"Content-Type": "application/json"}).problem(409)
        assert "1,048,576" in problem["detail"]
