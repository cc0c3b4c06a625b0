"""Common players in Firefox, from a page of another origin: they play, seek, switch, and show subtitles."""

import os
import shutil
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlencode

import attrs
import pytest

from tests.browser import test_players
from tests.browser.conftest import HERE, PACE
from tests.browser.test_players import PAGE, PLAYERS
from tests.support.clips import ffmpeg
from tests.support.daemon import LiveDaemon, until
from tests.support.firefox import Firefox, firefox
from tests.support.programs import skip_without

PROGRAM = "/usr/bin/firefox-esr"
# It runs before the page's module does. Resource timing keeps 250 requests unless told otherwise.
RECORDING = """<script>
  performance.setResourceTimingBufferSize(10000);
  globalThis.errors = [];
  addEventListener("error", (event) => errors.push(event.message));
  addEventListener("unhandledrejection", (event) => errors.push(String(event.reason)));
  console.error = (...said) => errors.push(said.join(" "));
</script>"""
REQUESTED = "performance.getEntriesByType('resource').map((entry) => entry.name)"


@attrs.frozen
class Tab:
    """A page, with the errors that it logged and what it requested of the daemon."""

    page: Firefox
    base: str
    pages: str

    @property
    def errors(self) -> list[str]:
        found: list[str] = self.page.evaluate("errors")
        return found

    @property
    def requested(self) -> list[str]:
        """All that the page has requested and has an answer to."""
        found: list[str] = self.page.evaluate(REQUESTED)
        return found

    @property
    def asked(self) -> list[str]:
        return [url.removeprefix(self.base) for url in self.requested if url.startswith(self.base)]

    @property
    def outside(self) -> list[str]:
        return [url for url in self.requested if not url.startswith((self.base, self.pages, "data:", "blob:"))]


@attrs.frozen
class Watching(test_players.Watching):
    """A player at work. Without a device Firefox keeps an `AudioContext` suspended, so audio is counted, and not heard."""

    tab: Tab

    @property
    def state(self) -> dict[str, Any]:
        return {**super().state, "audio": self.tab.page.decoded_audio}

    def hears(self, hertz: int) -> None:
        """It is decoded: `plays` has seen to that."""


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    if not os.access(PROGRAM, os.X_OK):
        skip_without(f"there is no {PROGRAM}")
    with firefox(PROGRAM, tmp_path_factory.mktemp("firefox")) as started:
        yield started


@pytest.fixture(scope="module")
def pages(modules: Path) -> Iterator[str]:
    """The address of a server of the players and their page."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.partition("?")[0].removeprefix("/")
            if name == "page.html":
                body, kind = (PAGE + RECORDING).encode(), "text/html"
            else:
                path = HERE / name if name == "players.js" else modules / name
                body, kind = path.read_bytes() if path.is_file() else b"", "text/javascript"
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def film(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """H.264 with two audio tracks and subtitles: all that is switched, in one film."""
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    maps = ("-map", "0:v", "-map", "1:a", "-map", "1:s", "-c", "copy", "-c:s", "mov_text")
    ffmpeg("-i", f"file:{films / 'film.mp4'}", "-i", f"file:{films / 'tracks.mkv'}", *maps, f"file:{path}")
    return path


@pytest.fixture(scope="module")
def shared_daemon(film: Path, pages: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    origin = ("--cors-origin", pages.rstrip("/"))
    with LiveDaemon(tmp_path_factory.mktemp("daemon"), {"films": film.parent}, *origin, *PACE) as daemon:
        yield daemon


@pytest.fixture
def tab(window: Firefox, daemon: LiveDaemon, pages: str) -> Iterator[Tab]:
    yield Tab(window, f"http://127.0.0.1:{daemon.port}/", pages)
    # A page that still plays has its encoders started again.
    window.goto("about:blank")


@pytest.mark.parametrize("player", [player for player in PLAYERS if PLAYERS[player][0] != "native"])
def test_a_player_plays_seeks_and_switches(tab: Tab, daemon: LiveDaemon, film: Path, player: str) -> None:
    name, manifest = PLAYERS[player]
    # A file of its own: no segment of it is cached.
    path = Path(shutil.copy(film, film.with_name(f"{name}-{manifest}.mp4")))
    url = f"{tab.base}media/films/{path.name}/{manifest}"
    tab.page.goto(f"{tab.pages}page.html?{urlencode({'player': name, 'url': url})}")
    until(lambda: tab.page.evaluate("Boolean(globalThis.player)") or tab.errors, "the player is loaded")
    watching = Watching(tab)

    back = watching.plays_and_seeks()
    # Before other video is loaded: over HLS Shaka keeps the lines back until the next segment of it.
    tab.page.evaluate("player.showText()")
    watching.switches_sizes(back["height"])
    assert watching.asked_for("copy")
    watching.switches_sound()
    watching.until(lambda _: [cue[2] for cue in watching.cues] == ["A line of text"], "a subtitle is shown")
    watching.plays_to_the_end(from_time=60.6, at=61.44, tries=5 if player == "dash.js" else 1)
    assert not tab.errors
    assert not tab.outside
    endings = [ending for ending in daemon.endings() if ending["path"] == f"films/{path.name}"]
    assert {ending["reason"] for ending in endings} <= {"finished", "superseded", "idle"}
