"""Encoders of segments come and go: shared, steered, paused, and ended when nobody needs them."""

import random
import shutil
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.daemon import LiveDaemon, media_url, read_response, until
from tests.support.films import FILMS, body, playlist, released, streams_of
from tests.support.programs import BUNDLED
from tests.support.stubs import stub, teach


@pytest.fixture(scope="module")
def shared(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    with LiveDaemon(tmp_path_factory.mktemp("daemon"), {"f": root}) as daemon:
        yield daemon


@pytest.fixture
def daemon(shared: LiveDaemon) -> Iterator[LiveDaemon]:
    with released(shared) as daemon:
        yield daemon


_copies = count()


@pytest.fixture
def endless(root: Path) -> Iterator[str]:
    """The half hour under a name of its own, of which nobody has a segment yet; its path in the library."""
    path = root / f"endless-{next(_copies)}.mkv"
    shutil.copy(root / "endless.mkv", path)
    yield f"f/{path.name}"
    path.unlink()


def encoders(daemon: LiveDaemon) -> list[str]:
    """The names of its processes that make segments; the look at a file's keyframes may go on beside them.

    In the sandbox each has a bwrap above it.
    """
    names = []
    for process in daemon.census():
        with suppress(psutil.Error):
            names.append(process.name())
    return [name for name in names if "ffprobe" not in name and name != "bwrap"]


def test_playlists_take_no_process(daemon: LiveDaemon, endless: str) -> None:
    shown = playlist(daemon, endless, "v144")
    assert shown.seconds > 1700
    daemon.get(media_url(endless, "/manifest.mpd"))
    assert daemon.request("HEAD", shown.pieces[5].url).status == 200
    assert not streams_of(daemon, endless)


def test_twenty_viewers_share_one_process(daemon: LiveDaemon, endless: str) -> None:
    shown = playlist(daemon, endless, "v144")
    with ThreadPoolExecutor(20) as viewers:
        for url in (shown.init, *(piece.url for piece in shown.pieces[:4])):
            bodies = set(viewers.map(lambda _, url=url: body(daemon, url), range(20)))
            assert len(bodies) == 1
            assert len(streams_of(daemon, endless)) == 1
            assert len(encoders(daemon)) <= 1


def test_segments_are_kept_when_their_encoder_is_superseded(daemon: LiveDaemon, endless: str) -> None:
    shown = playlist(daemon, endless, "v144")
    first = body(daemon, shown.pieces[0].url)
    body(daemon, shown.pieces[200].url)
    until(lambda: [ending for ending in daemon.endings() if ending["path"] == endless], "the Ending of the first")
    # The second may be ended, too: far enough ahead, another one goes on with a better preset.
    ending = streams_of(daemon, endless)[0]
    assert ending["reason"] == "superseded"
    assert ending["kill_ms"] is not None
    assert body(daemon, shown.pieces[0].url) == first
    assert len(streams_of(daemon, endless)) == 2


def test_scrubbing_never_runs_two_and_settles_on_the_last(daemon: LiveDaemon, endless: str) -> None:
    shown = playlist(daemon, endless, "v144")
    dice = random.Random(3)
    for _ in range(20):
        connection = daemon.open(dice.choice(shown.pieces[:300]).url)
        # Ten seeks a second are what is to be survived, so this is the pace.
        time.sleep(0.1)
        running = [stream for stream in daemon.live() if stream["path"] == endless]
        assert len(running) <= 1
        assert len(encoders(daemon)) <= 1
        connection.close()
    last = 400  # beyond all that was made
    assert body(daemon, shown.pieces[last].url)
    # The last one may already be ended, because it was far enough ahead for a better preset.
    runs = streams_of(daemon, endless)
    for one in daemon.live():
        assert one["path"] != endless or int(one["why"].split()[2]) >= last, one["why"]
    assert len(runs) > 4, "the test has not made anybody seek"
    for earlier, later in pairwise(runs):
        assert earlier["ended"] <= later["started"], "two transcoders of one rendition at the same time"


def test_an_encoder_that_is_far_ahead_sleeps_and_goes_on_when_it_is_needed(root: Path, tmp_path: Path) -> None:
    """And it is not taken for one that hangs, however long that is."""
    limits = ("--hang-timeout", "1", "--idle-timeout", "60")
    with LiveDaemon(tmp_path / "daemon", {"f": root}, *limits) as daemon:
        shown = playlist(daemon, "f/endless.mkv", "a0")
        body(daemon, shown.pieces[0].url)
        (stream,) = until(lambda: [one for one in daemon.live() if one["backpressured"]], "the brake")
        # Several looks of the monitor, which comes by each second.
        still = until(lambda: after(daemon, stream["id"], 4.0), "four seconds")
        assert still["state"] == "running"
        assert still["backpressured"]
        assert still["bytes_sent"] == stream["bytes_sent"]
        assert still["position_s"] < 120, "the pipe is full, and nothing more"
        for piece in shown.pieces[1:20]:
            body(daemon, piece.url)
        (only,) = streams_of(daemon, "f/endless.mkv")
        assert only["id"] == stream["id"]
        assert only["bytes_sent"] > stream["bytes_sent"]


def after(daemon: LiveDaemon, stream_id: str, seconds: float) -> dict[str, Any] | None:
    shown: dict[str, Any] = daemon.json(f"/api/v1/streams/{stream_id}")
    return shown if shown["uptime_s"] >= seconds else None


def test_a_viewer_who_says_that_he_leaves_ends_his_encoders_at_once(root: Path, tmp_path: Path) -> None:
    """Ten minutes before anybody would miss him, and only those of his film."""
    (tmp_path / "other").mkdir()
    shutil.copy(root / "endless.mkv", tmp_path / "other" / "film.mkv")
    roots = {"f": root, "g": tmp_path / "other"}
    with LiveDaemon(tmp_path / "daemon", roots, "--idle-timeout", "600", "--max-streams", "4") as daemon:
        left, kept = playlist(daemon, "f/endless.mkv", "a0"), playlist(daemon, "g/film.mkv", "a0")
        body(daemon, kept.pieces[0].url)
        for number in (3, 200):
            body(daemon, left.pieces[number].url)
            assert daemon.post(media_url("f/endless.mkv", "/cmaf/leave"), "").status == 204
            until(lambda: [stream["path"] for stream in daemon.live()] == ["g/film.mkv"], "his alone is over")
        assert [ending["reason"] for ending in daemon.endings()] == ["idle", "idle"]
        # What was made is there still, and who comes back is served without another.
        body(daemon, left.pieces[3].url)
        assert len(daemon.live()) == 1


def test_leaving_with_a_request_under_way_ends_the_encoder_with_it(root: Path, tmp_path: Path) -> None:
    program = stub(tmp_path, "ffmpeg")
    teach(program, "for_ever()")
    limits = ("--idle-timeout", "600", "--ffmpeg", str(program))
    with LiveDaemon(tmp_path / "daemon", {"f": root}, *limits) as daemon:
        with daemon.open(playlist(daemon, "f/endless.mkv", "v144").pieces[0].url):
            until(daemon.live, "the encoder")
            assert daemon.post(media_url("f/endless.mkv", "/cmaf/leave"), "").status == 204
            assert daemon.live(), "somebody waits for it"
        daemon.quiet()
        assert [ending["reason"] for ending in daemon.endings()] == ["idle"]


def test_an_encoder_that_nobody_asks_for_is_ended(root: Path, tmp_path: Path) -> None:
    with LiveDaemon(tmp_path / "daemon", {"f": root}, "--idle-timeout", "2") as daemon:
        shown = playlist(daemon, "f/endless.mkv", "a0")
        made = body(daemon, shown.pieces[9].url)
        daemon.quiet()
        (ending,) = daemon.endings()
        assert (ending["reason"], ending["format"]) == ("idle", "cmaf/a0")
        # What it made is there still, and a new one is started for what is not.
        assert body(daemon, shown.pieces[9].url) == made
        assert len(daemon.endings()) == 1
        assert not daemon.live()
        body(daemon, shown.pieces[100].url)
        assert len(daemon.live()) == 1


def test_a_file_that_is_released_ends_its_encoders_and_fails_those_who_wait(root: Path, tmp_path: Path) -> None:
    program = stub(tmp_path, "ffmpeg")
    teach(program, "for_ever()")
    with LiveDaemon(tmp_path / "daemon", {"f": root}, "--ffmpeg", str(program)) as daemon:
        waiting = daemon.open(playlist(daemon, "f/endless.mkv", "v144").pieces[0].url)
        until(daemon.live, "the encoder")
        endings = daemon.request("DELETE", "/api/v1/streams?path=f/endless.mkv").json()["endings"]
        assert [ending["reason"] for ending in endings] == ["file-released"]
        assert not daemon.census()
        with waiting:
            problem = read_response(waiting)
        problem.problem(503)
        assert int(problem.headers["retry-after"]) >= 1
        assert problem.headers["cache-control"] == "no-store"
        assert "etag" not in problem.headers


def test_a_client_that_leaves_does_not_keep_an_encoder(root: Path, tmp_path: Path) -> None:
    """An encoder is kept by those who wait for it, and by nobody else."""
    program = stub(tmp_path, "ffmpeg")
    teach(program, "for_ever()")
    limits = ("--idle-timeout", "1", "--ffmpeg", str(program))
    with LiveDaemon(tmp_path / "daemon", {"f": root}, *limits) as daemon:
        url = playlist(daemon, "f/endless.mkv", "v144").pieces[0].url
        with daemon.open(url):
            (stream,) = until(daemon.live, "the encoder")
            assert until(lambda: after(daemon, stream["id"], 3.0), "three seconds")["state"] == "starting"
        daemon.quiet()
        (ending,) = daemon.endings()
        assert ending["reason"] == "idle"


def test_a_client_that_leaves_the_queue_takes_no_permit(root: Path, tmp_path: Path) -> None:
    program = stub(tmp_path, "ffmpeg")
    teach(program, "for_ever()")
    limits = ("--max-streams", "1", "--idle-timeout", "1", "--ffmpeg", str(program))
    with LiveDaemon(tmp_path / "daemon", {"f": root}, *limits) as daemon:
        first = daemon.open(playlist(daemon, "f/endless.mkv", "v144").pieces[0].url)
        until(daemon.live, "the encoder")
        second = daemon.open(playlist(daemon, f"f/{FILMS[1].name}", "v144").pieces[0].url)
        until(lambda: b"1 waiting" in daemon.get("/readyz").body, "the other one waits")
        second.close()
        until(lambda: b"waiting" not in daemon.get("/readyz").body, "the queue is empty")
        first.close()
        daemon.quiet()
        assert [ending["path"] for ending in daemon.endings()] == ["f/endless.mkv"]


def test_an_encoder_that_dies_fails_those_who_wait_and_is_not_tried_for_ever(root: Path, tmp_path: Path) -> None:
    program = stub(tmp_path, "ffmpeg")
    teach(program, "sys.stderr.write('the film is torn\\n'); raise SystemExit(3)")
    with LiveDaemon(tmp_path / "daemon", {"f": root}, "--ffmpeg", str(program)) as daemon:
        shown = playlist(daemon, "f/endless.mkv", "v144")
        for tries in range(1, 6):
            response = daemon.get(shown.pieces[0].url)
            problem = response.problem(500)
            assert response.headers["cache-control"] == "no-store", "a player would keep the failure"
            assert len(daemon.endings()) == min(tries, 3)
            if tries <= 3:
                assert problem["stderr_tail"] == ["the film is torn"]
        # Another rendition of it is another matter.
        daemon.get(playlist(daemon, "f/endless.mkv", "a0").pieces[0].url).problem(500)
        assert len(daemon.endings()) == 4


def test_an_encoder_that_breaks_off_is_not_the_end_of_the_film(root: Path, tmp_path: Path) -> None:
    """Half a segment is not taken for a whole one."""
    program = stub(tmp_path, "ffmpeg")
    teach(program, f"os.execv('/bin/sh', ['sh', '-c', {BREAKS_OFF!r}, *asked])")
    with LiveDaemon(tmp_path / "daemon", {"f": root}, "--ffmpeg", str(program)) as daemon:
        shown = playlist(daemon, "f/endless.mkv", "copy")
        daemon.get(shown.pieces[0].url).problem(500)
        assert {ending["reason"] for ending in daemon.endings()} == {"failed"}


BREAKS_OFF = f'{BUNDLED.ffmpeg} "$0" "$@" | head -c 6000; exit 7'


def test_two_viewers_at_different_places_both_get_on(daemon: LiveDaemon, endless: str) -> None:
    shown = playlist(daemon, endless, "v144")

    def watch(first: int) -> int:
        return sum(len(body(daemon, piece.url)) > 0 for piece in shown.pieces[first : first + 6])

    with ThreadPoolExecutor(2) as viewers:
        assert list(viewers.map(watch, (20, 300))) == [6, 6]


def test_one_permit_is_enough_for_video_and_audio(root: Path, tmp_path: Path) -> None:
    """A film that one may watch has both, and who goes over to another film need not wait for the first to be forgotten."""
    limits = ("--max-streams", "1", "--queue-timeout", "20")
    with LiveDaemon(tmp_path / "daemon", {"f": root}, *limits) as daemon:
        for path in ("f/endless.mkv", f"f/{FILMS[1].name}"):
            picture, sound = playlist(daemon, path, "v144"), playlist(daemon, path, "a0")
            with ThreadPoolExecutor(2) as player:
                for number in range(3):
                    urls = [one.pieces[number].url for one in (picture, sound)]
                    list(player.map(lambda url: body(daemon, url), urls))


def test_a_stop_answers_everybody_who_waits(root: Path, tmp_path: Path) -> None:
    program = stub(tmp_path, "ffmpeg")
    teach(program, "for_ever()")
    with LiveDaemon(tmp_path / "daemon", {"f": root}, "--ffmpeg", str(program)) as daemon:
        urls = [playlist(daemon, "f/endless.mkv", name).pieces[3].url for name in ("v144", "a0", "copy")]
        waiting: list[socket.socket] = [daemon.open(url) for url in urls]
        until(lambda: len(daemon.live()) == 3, "three encoders")
        assert daemon.stop() == 0
        for connection in waiting:
            with connection:
                assert told(connection) in {None, 503}


def told(connection: socket.socket) -> int | None:
    """The status that was answered; None if the connection was closed without a word."""
    try:
        return read_response(connection).status
    except ConnectionError:
        return None
