"""Common players, and Chromium's own, play what the daemon makes: from the start, far ahead, back, in other sizes, with another audio track."""

import shutil
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

import attrs
import pytest
from playwright.sync_api import Browser, Route

from tests.browser.conftest import FPS, HERE, Tab, new_tab
from tests.support.clips import ffmpeg
from tests.support.daemon import LiveDaemon, until

PAGE = '<!doctype html><title>player</title><video width="64" height="64"></video><script type="module" src="players.js"></script>'
# "Chromium, HLS" is its own player, as the page uses it.
PLAYERS = {
    "hls.js": ("hls", "master.m3u8"),
    "dash.js": ("dash", "manifest.mpd"),
    "Shaka, HLS": ("shaka", "master.m3u8"),
    "Shaka, DASH": ("shaka", "manifest.mpd"),
    "Chromium, HLS": ("native", "master.m3u8?variants=encoded"),
}
TWICE = ("Shaka, HLS", "film.mp4")
"""Left out to save time: Shaka plays the other film over HLS, and this film over DASH."""

SHOWN = """() => Array.from(document.querySelector('video').textTracks)
  .filter((track) => track.mode !== 'disabled')
  .flatMap((track) => Array.from(track.activeCues ?? [], (cue) => [cue.startTime, cue.endTime, cue.text]))"""


class Probe(Protocol):
    """Whether a state is the one that is waited for."""

    def __call__(self, state: dict[str, Any], /) -> object: ...


class Script(Protocol):
    """What runs scripts in a page."""

    def evaluate(self, expression: str, arg: Any = None) -> Any: ...

    def wait_for_timeout(self, timeout: float) -> None: ...


class Watched(Protocol):
    """A tab of whichever browser: its page, the errors that it logged, what it requested of the daemon."""

    @property
    def page(self) -> Script: ...

    @property
    def errors(self) -> list[str]: ...

    @property
    def asked(self) -> list[str]: ...


@attrs.frozen
class Watching:
    """A player at work in a tab."""

    tab: Watched

    @property
    def state(self) -> dict[str, Any]:
        """What the element says; a fatal error ends the test."""
        found: dict[str, Any] = self.tab.page.evaluate("state()")
        assert not found["fatal"], found
        return found

    def until(self, wanted: Probe, what: str) -> dict[str, Any]:
        """The first state that is as wanted."""

        def look() -> dict[str, Any] | None:
            self.tab.page.wait_for_timeout(20)  # lets Playwright take note of requests and errors
            state = self.state
            return state if wanted(state) else None

        try:
            return until(look, what)
        except AssertionError as failure:
            raise AssertionError(f"{failure}; {self.state}; {self.tab.errors}; {self.tab.asked[-12:]}") from None

    def plays(self, after: float, what: str) -> dict[str, Any]:
        """Wait until it has played some frames, video and audio, beyond a time; then check the frame on display."""
        before = self.state
        state = self.until(
            lambda s: (
                s["time"] >= after + 0.3
                and not s["seeking"]
                and s["ready"] >= 3
                and s["videoFrames"] > before["videoFrames"] + 4
                and s["audio"] > before["audio"]
                and s["frame"]["mediaTime"] >= after
            ),
            what,
        )
        self.until(self.shows_the_right_frame, f"{what}, each frame at its time")
        return state

    def plays_to_the_end(self, from_time: float, at: float, tries: int) -> None:
        """Seek to a time shortly before the end, and wait until the element says that it has ended there.

        dash.js tells the browser only once that nothing follows, and not at all if a buffer is still being filled just then
        (`signalEndOfStream` in its MediaSourceController). Then it stays at the last frame, until somebody seeks.
        """
        for _ in range(tries - 1):
            self.seek(from_time)
            self.until(lambda s: s["ended"] or (not s["seeking"] and abs(s["time"] - at) < 0.1), "the last frame")
            for _ in range(25):
                if self.state["ended"]:
                    return
                self.tab.page.wait_for_timeout(20)
        self.seek(from_time)
        self.until(lambda s: s["ended"] and abs(s["time"] - at) < 0.1, "the end")

    def plays_and_seeks(self) -> dict[str, Any]:
        """From the start, far ahead, and back. Gives the state after that."""
        started = self.plays(0.5, "it plays from the start")
        assert abs(started["duration"] - 61.44) < 0.1
        self.hears(440)
        self.seek(50.02)
        self.plays(50.02, "it plays far ahead")
        self.seek(9.98)
        return self.plays(9.98, "it plays after a seek back")

    def switches_sizes(self, shown: int) -> None:
        """To the other one and back, whichever is shown."""
        videos = self.tab.page.evaluate("player.videos()")
        assert {video["height"] for video in videos} == {360, 480}
        by_rate = sorted(range(len(videos)), key=lambda at: videos[at]["bandwidth"])
        for at in by_rate[:: -1 if shown == 360 else 1][:: len(videos) - 1]:
            self.tab.page.evaluate("(at) => player.selectVideo(at)", at)
            switched = self.until(lambda s, at=at: s["height"] == videos[at]["height"], "another size")
            self.plays(switched["time"], "it plays on in another size")
        assert self.asked_for("v360")

    def switches_sound(self) -> None:
        """From the first audio track to the second, which nothing has been asked of before."""
        languages = [sound["language"] for sound in self.tab.page.evaluate("player.sounds()")]
        # In AAC, and as they are.
        assert sorted(languages) == ["de", "de", "en", "en"]
        assert not self.asked_for("a1", "a1-copy")
        self.tab.page.evaluate("(at) => player.selectSound(at)", languages.index("en"))
        self.until(lambda _: self.asked_for("a1", "a1-copy"), "the other audio track is requested")
        self.plays(self.state["time"], "it plays on with the other audio track")
        self.hears(880)

    def shows_the_right_frame(self, state: dict[str, Any]) -> bool:
        """Whether the frame on display is the file's own frame of this time.

        A browser may draw a frame while it still reports the time of the one before, so one that fits is enough: if the
        times are wrong, none does.
        """
        frame = state["frame"]
        return bool(frame["number"] == round(frame["mediaTime"] * FPS) % 256)

    def hears(self, hertz: int) -> None:
        """Wait for a tone."""
        self.until(lambda s: s["tone"] and abs(s["tone"] - hertz) < 20, f"{hertz} Hz are heard")

    def seek(self, to: float) -> None:
        """As by a click on the bar."""
        self.tab.page.evaluate("(to) => { document.querySelector('video').currentTime = to }", to)

    @property
    def cues(self) -> list[Any]:
        """The lines that are shown now: start, end, text."""
        found: list[Any] = self.tab.page.evaluate(SHOWN)
        return found

    def asked_for(self, *renditions: str) -> int:
        """How many segments of these renditions were asked for."""
        return sum(url.partition("/cmaf/")[2].split("/")[0] in renditions and ".m4s" in url for url in self.tab.asked)


@pytest.fixture
def tab(browser: Browser, daemon: LiveDaemon, modules: Path) -> Tab:
    return open_players(browser, daemon, modules)


def open_players(browser: Browser, daemon: LiveDaemon, modules: Path) -> Tab:
    """A tab in which the page of the players has the daemon's origin."""
    tab = new_tab(browser, daemon, viewport={"width": 160, "height": 120})

    def fulfill(route: Route) -> None:
        name = route.request.url.partition("/players/")[2].partition("?")[0]
        if name == "page.html":
            route.fulfill(body=PAGE, content_type="text/html")
        else:
            path = HERE / name if name == "players.js" else modules / name
            route.fulfill(path=path, content_type="text/javascript")

    tab.page.route("**/players/**", fulfill)
    return tab


def watch(tab: Tab, name: str, url: str, **more: str) -> "Watching":
    """Load the page with the player of this name and what it plays. `more` are other parameters of the page."""
    tab.page.goto(f"{tab.base}players/page.html?{urlencode({'player': name, 'url': url, **more})}")
    tab.page.wait_for_function("globalThis.player")
    return Watching(tab)


@pytest.mark.parametrize(
    ("player", "film"),
    [(player, film) for film in ("film.mp4", "tracks.mkv") for player in PLAYERS if (player, film) != TWICE],
)
def test_a_player_plays_seeks_and_switches(tab: Tab, daemon: LiveDaemon, films: Path, player: str, film: str) -> None:
    name, manifest = PLAYERS[player]
    # A file of its own: no segment of it is cached.
    path = shutil.copy(films / film, films / f"{name}-{manifest.partition('?')[0]}-{film}")
    watching = watch(tab, name, f"/media/films/{Path(path).name}/{manifest}")

    back = watching.plays_and_seeks()
    if name != "native":
        watching.switches_sizes(back["height"])
        assert watching.asked_for("copy" if film == "film.mp4" else "v480")
    if name != "native" and film == "tracks.mkv":
        watching.switches_sound()
    if film == "film.mp4":
        watching.plays_to_the_end(from_time=60.6, at=61.44, tries=5 if player == "dash.js" else 1)
    assert not watching.state["fatal"]
    assert not tab.errors
    assert not tab.outside
    endings = [ending for ending in daemon.endings() if ending["path"] == f"films/{Path(path).name}"]
    assert {ending["reason"] for ending in endings} <= {"finished", "superseded", "idle"}


@pytest.mark.parametrize("player", [player for player in PLAYERS if PLAYERS[player][0] != "native"])
def test_subtitles_are_shown_at_their_time(tab: Tab, films: Path, player: str) -> None:
    """In HLS they come in windows: also one over the border of two, and the one of a far seek. Nothing else is read."""
    name, manifest = PLAYERS[player]
    lines = [(2.0, 8.5), (58.0, 62.5), (150.0, 156.5), (170.0, 171.0)]
    path = films / f"windows-{name}-{manifest}.mkv"
    text = films.parent / f"{path.stem}.txt"
    text.write_text(
        "".join(
            f"{number}\n{_clock(start)} --> {_clock(end)}\nLine {number}\n\n"
            for number, (start, end) in enumerate(lines, 1)
        )
    )
    ffmpeg(
        *("-stream_loop", "2", "-i", f"file:{films / 'film.mp4'}", "-copyts", "-f", "srt", "-i", f"file:{text}"),
        *("-map", "0", "-map", "1", "-c", "copy", f"file:{path}"),
    )
    watching = watch(tab, name, f"/media/films/{path.name}/{manifest}")
    watching.plays(0.3, "it plays from the start")
    tab.page.evaluate("player.showText()")
    for number, at in ((1, 2.5), (3, 150.2), (2, 58.2), (2, 60.5)):
        watching.seek(at)
        wanted = f"Line {number}"
        watching.until(lambda _, wanted=wanted: [cue[2] for cue in watching.cues] == [wanted], wanted)
        (shown,) = watching.cues
        assert shown[:2] == pytest.approx(lines[number - 1], abs=0.11)
    assert not tab.errors
    assert not tab.outside
    if manifest == "master.m3u8":
        asked = {url.partition("?")[0].rpartition("/")[2] for url in tab.asked if ".vtt" in url}
        assert asked >= {"0.vtt", "2.vtt"}


def _clock(seconds: float) -> str:
    return f"00:{int(seconds) // 60:02}:{int(seconds) % 60:02},{round(seconds % 1 * 1000):03}"
