"""Players and segments that are sent while they are made: a picture before the segment is complete, and going on after one that broke off."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, Request

from tests.browser.conftest import FPS, Tab
from tests.browser.test_players import PLAYERS, Watching, open_players, watch
from tests.support.clips import BITS, ffmpeg, made_once
from tests.support.daemon import LiveDaemon, until

SHOWN_EARLY = """() => {
  const complete = performance.getEntriesByType('resource').map((entry) => entry.name);
  return state().frame !== null && !complete.some((name) => /\\/cmaf\\/v480\\/0\\.m4s/.test(name));
}"""


def make_silent(directory: Path) -> None:
    """Make 20 seconds without sound that have to be encoded, in so many bits that a segment has several times 128 KiB."""
    row = b"".join(bytes(235 if n >> (x * BITS // 64) & 1 else 16 for x in range(64)) for n in range(256))
    raw = ("-f", "rawvideo", "-pix_fmt", "gray", "-video_size", "64x1", "-framerate", str(FPS), "-i", "pipe:0")
    noisy = ("-vf", "scale=640:480:flags=neighbor,noise=alls=60:allf=t+u,setsar=1,format=yuv420p", "-g", "25")
    ffmpeg(*raw, *noisy, "-c:v", "mpeg4", "-b:v", "6M", f"file:{directory / 'silent.mkv'}", stdin=row)


@pytest.fixture(scope="session")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "silent film of the browser", make_silent)


@contextmanager
def slow(directory: Path, silent: Path, speed: str) -> Iterator[LiveDaemon]:
    """A daemon that reads a film at a fraction of its speed."""
    with LiveDaemon(directory, {"films": silent}, "--input-args", f"-readrate {speed}") as daemon:
        yield daemon


def watch_silent(tab: Tab, player: str, **more: str) -> Watching:
    name, manifest = PLAYERS[player]
    return watch(tab, name, f"/media/films/silent.mkv/{manifest}", **more)


def test_hls_js_shows_a_segment_that_is_still_being_made(
    browser: Browser, modules: Path, silent: Path, tmp_path: Path
) -> None:
    """It passes on what it has loaded in blocks of 128 KiB, less than half a segment here, which takes twenty seconds to make."""
    with slow(tmp_path / "daemon", silent, "0.1") as daemon:
        tab = open_players(browser, daemon, modules)
        watching = watch_silent(tab, "hls.js", progressive="")
        watching.until(lambda _: tab.page.evaluate(SHOWN_EARLY), "a picture of a segment that is not complete")
        assert any("/cmaf/v480/0.m4s" in url for url in tab.asked)
        tab.page.context.close()


@pytest.mark.parametrize("player", [player for player in PLAYERS if PLAYERS[player][0] != "native"])
def test_a_player_goes_on_after_a_segment_that_broke_off(
    browser: Browser, modules: Path, silent: Path, tmp_path: Path, player: str
) -> None:
    """Its encoder is killed in the middle of it. What has come of it is not taken for the whole, by the player or by the daemon."""
    with slow(tmp_path / "daemon", silent, "0.5") as daemon:
        tab = open_players(browser, daemon, modules)
        begun: list[str] = []
        complete: list[str] = []
        failed: list[str] = []

        def note(request: Request, where: list[str]) -> None:
            # What a player itself breaks off, since it changes its mind, does not count.
            if "/cmaf/v" in request.url and ".m4s" in request.url and request.failure != "net::ERR_ABORTED":
                where.append(request.url)

        tab.page.on("response", lambda response: note(response.request, begun))
        tab.page.on("requestfinished", lambda request: note(request, complete))
        tab.page.on("requestfailed", lambda request: note(request, failed))
        watching = watch_silent(tab, player, progressive="")
        watching.until(lambda s: s["frame"] and s["time"] > 0.5 and begun[-1] not in complete, "the next one is read")
        _encoder(daemon).kill()
        watching.until(lambda _: failed, "a response breaks off")
        number = _number(failed[0])
        # Of the same size or of another.
        watching.until(lambda _: number in map(_number, complete), "the segment is asked for again, and comes")
        watching.until(lambda s: s["time"] > 2 * number + 1 and s["frame"]["mediaTime"] > 2 * number, "it plays on")
        watching.until(watching.shows_the_right_frame, "each frame at its time")
        assert not watching.state["fatal"]
        assert [one["reason"] for one in daemon.endings()].count("failed") == 1
        tab.page.context.close()


def _number(url: str) -> int:
    """The number of a segment."""
    return int(url.partition("?")[0].rpartition("/")[2].partition(".")[0])


def _encoder(daemon: LiveDaemon) -> psutil.Process:
    """The encoder of a video, and not what started it in a sandbox."""
    return until(lambda: [one for one in daemon.census() if "libx264" in one.cmdline()], "there is an encoder")[-1]
