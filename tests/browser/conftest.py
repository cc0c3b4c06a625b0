"""A real browser, the players from npm, and files for them. Tests skip where one of them is missing, but fail in continuous integration."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import attrs
import psutil
import pytest

from tests.support.clips import BITS, ffmpeg, made_once
from tests.support.daemon import LiveDaemon, until
from tests.support.films import released
from tests.support.launcher import launcher
from tests.support.programs import skip_without

try:
    from playwright.sync_api import Browser, Error, Page, Playwright, expect, sync_playwright

    # A busy machine is slow, not wrong.
    expect.set_options(timeout=60_000)
except ImportError:  # pragma: no cover - the dependency group `browser` was not installed
    collect_ignore = ["test_modules.py", "test_page.py", "test_players.py"]
    if os.environ.get("CI") == "true":
        raise

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --autoplay-policy=no-user-gesture-required"
).split()
HERE = Path(__file__).parent
FPS = 12.5
# An encoder makes twelve seconds at once, and then no more than a viewer needs: the tests watch a few seconds of each film,
# and the rest of it would cost most of their time.
PACE = ("--input-args", "-readrate 4 -readrate_initial_burst 12")
LINES = "1\n00:00:01,000 --> 00:00:58,000\nA line of text\n"


@pytest.fixture(scope="session", autouse=True)
def _quick_starts() -> Iterator[None]:
    with launcher():
        yield


@pytest.fixture(scope="session")
def playwright() -> "Iterator[Playwright]":
    """Playwright's own process."""
    if not os.access(CHROMIUM, os.X_OK):
        skip_without(f"there is no {CHROMIUM}")
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def shared_browser(playwright: "Playwright") -> "Iterator[Browser]":
    """The browser of all tests; all its processes are gone at the end."""
    before = set(psutil.Process().children(recursive=True))
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    try:
        yield browser
    finally:
        browser.close()
        until(lambda: set(psutil.Process().children(recursive=True)) <= before, "no process of the browser is left")


@pytest.fixture
def browser(shared_browser: "Browser") -> "Iterator[Browser]":
    """The browser. Each tab has a memory of its own, and is closed at the end of its test."""
    yield shared_browser
    for context in shared_browser.contexts:
        context.close()


@attrs.define
class Tab:
    """A page, with the errors that it logged, what it requested from elsewhere, and what it requested of the daemon."""

    page: "Page"
    base: str
    errors: list[str] = attrs.field(factory=list)
    outside: list[str] = attrs.field(factory=list)
    asked: list[str] = attrs.field(factory=list)

    def listen(self) -> None:
        """Begin to record."""
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on(
            "console",
            lambda said: self.errors.append(said.text) if said.type == "error" and not _http(said.text) else None,
        )
        self.page.on("request", lambda request: self._asked(request.url))

    def _asked(self, url: str) -> None:
        if url.startswith(self.base):
            self.asked.append(url.removeprefix(self.base))
        elif not url.startswith(("data:", "blob:", "about:")):
            self.outside.append(url)


def _http(text: str) -> bool:
    """Whether it is Chromium's own message about a status: the tests check statuses themselves."""
    return text.startswith("Failed to load resource")


def new_tab(browser: "Browser", daemon: LiveDaemon, **options: object) -> Tab:
    """A tab in a context of its own: no cookie, nothing cached."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})  # type: ignore[arg-type]
    tab = Tab(context.new_page(), f"http://127.0.0.1:{daemon.port}/")
    tab.page.set_default_timeout(60_000)
    tab.listen()
    return tab


@pytest.fixture(scope="session")
def modules() -> Path:
    """The players and axe, installed once for each state of the lock file."""
    target = HERE / "node_modules"
    mark = target / ".installed"
    state = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    if not mark.exists() or mark.read_text("ascii") != state:
        npm = shutil.which("npm")
        if npm is None:
            skip_without("there is no npm")
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        try:
            done = subprocess.run(command, cwd=HERE, capture_output=True, check=False, timeout=300, text=True)
        except subprocess.TimeoutExpired:
            skip_without("npm did not answer")
        if done.returncode:
            skip_without(f"npm ended with {done.returncode}: {done.stderr[-400:]}")
        mark.write_text(state, "ascii")
    return target


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of `make_films`, in a directory that is this worker's own."""
    made = made_once(tmp_path_factory, "films of the browser", make_films)
    return Path(shutil.copytree(made, tmp_path_factory.mktemp("films") / "films", copy_function=os.link))


def make_films(directory: Path) -> None:
    """Make a minute of H.264 and AAC, and one of HEVC in 10 bits with two audio tracks and subtitles, which no browser plays as it is.

    `long.mkv` is the second one repeated twenty times, for tests that must not reach its end.
    Each frame shows the lowest eight bits of its number, as in `tests.support.clips`: 256 frames, repeated.
    """
    row = [bytes(235 if number >> (x * BITS // 64) & 1 else 16 for x in range(64)) for number in range(256)]
    raw = ("-f", "rawvideo", "-pix_fmt", "gray", "-video_size", "64x1", "-framerate", str(FPS), "-i", "pipe:0")
    scale = ("-vf", "scale=64:480:flags=neighbor,setsar=1")
    # So many bits that encodes with fewer are worth while.
    noisy = ("-vf", "scale=64:480:flags=neighbor,noise=alls=40:allf=t+u,setsar=1", "-b:v", "800k")
    # Ten seconds from keyframe to keyframe, as in many films: the segments of the copied video are as long.
    quick = ("-preset", "ultrafast", "-bf", "0", "-g", "128")
    h264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", *quick, "-sc_threshold", "0")
    x265 = "log-level=none:pools=2:bframes=0:keyint=32:min-keyint=32:scenecut=0:open-gop=0"
    hevc = ("-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-preset", "ultrafast", "-x265-params", x265)
    for name, codec in (("h264", (*noisy, *h264)), ("hevc", (*scale, *hevc))):
        ffmpeg(*raw, *codec, f"file:{directory / f'.{name}.mp4'}", stdin=b"".join(row))
    lines = directory / ".lines.srt"
    lines.write_text(LINES, encoding="utf-8")

    def minute(name: str, path: Path, *more: str) -> None:
        looped = ("-stream_loop", "2", "-i", f"file:{directory / f'.{name}.mp4'}")
        ffmpeg(*looped, *more, "-c:v", "copy", "-c:a", "aac", "-b:a", "96k", f"file:{path}")

    sine = ("-f", "lavfi", "-i", "sine=d=61.44:r=48000:f=")
    minute("h264", directory / "film.mp4", *sine[:-1], f"{sine[-1]}440", "-movflags", "+faststart")
    two = (*sine[:-1], f"{sine[-1]}440", *sine[:-1], f"{sine[-1]}880", "-i", f"file:{lines}")
    maps = [part for number in range(4) for part in ("-map", str(number))]
    said = ("-metadata:s:a:0", "language=ger", "-metadata:s:a:1", "language=eng", "-metadata:s:s:0", "language=eng")
    minute("hevc", directory / "tracks.mkv", *two, *maps, *said, "-c:s", "srt")
    twenty = ("-stream_loop", "19", "-i", f"file:{directory / 'tracks.mkv'}", "-map", "0", "-c", "copy")
    ffmpeg(*twenty, f"file:{directory / 'long.mkv'}")
    (directory / "folder").mkdir()
    ffmpeg("-f", "lavfi", "-i", "sine=d=3", "-c:a", "libmp3lame", f"file:{directory / 'folder' / 'a song.mp3'}")
    (directory / "broken.mp4").write_bytes(b"this is no film" * 1000)


@pytest.fixture(scope="session")
def shared_daemon(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    with LiveDaemon(tmp_path_factory.mktemp("daemon"), {"films": films}, "--max-streams", "8", *PACE) as daemon:
        yield daemon


@pytest.fixture
def daemon(shared_daemon: LiveDaemon) -> Iterator[LiveDaemon]:
    """The daemon. The encoders of segments outlive their viewers, so they are ended here."""
    with released(shared_daemon, "films"):
        yield shared_daemon


@pytest.fixture(autouse=True)
def _pages_end_before_their_daemon(request: pytest.FixtureRequest) -> None:
    """What is set up last ends first: a page that still plays while the daemon is asked for silence has its encoders started again."""
    if {"browser", "daemon"} <= set(request.fixturenames):
        request.getfixturevalue("daemon")
        request.getfixturevalue("browser")


__all__ = ["Error", "Tab", "new_tab"]
