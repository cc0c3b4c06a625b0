"""What a browser decodes is watched as it is: on a good line, no player has a video encoder started."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import FPS, Tab, new_tab
from tests.browser.test_page import plays
from tests.browser.test_players import PLAYERS, open_players, watch
from tests.support.clips import BITS, ffmpeg, made_once
from tests.support.daemon import LiveDaemon
from tests.support.films import released

END = 20.48
FILMS = {"h264.mp4": "mp4a.40.2", "vp9.mkv": "opus", "av1.mkv": "fLaC"}
"""The films, and the codec of their sound."""


def make_originals(directory: Path) -> None:
    """Make 20 seconds of H.264, VP9 and AV1 of about 3 Mbit/s, each with sound of another codec, and copies whose sound no browser plays."""
    row = b"".join(bytes(235 if n >> (x * BITS // 64) & 1 else 16 for x in range(64)) for n in range(256))
    raw = ("-f", "rawvideo", "-pix_fmt", "gray", "-video_size", "64x1", "-framerate", str(FPS), "-i", "pipe:0")
    sine = ("-f", "lavfi", "-i", f"sine=d={END}:r=48000:f=440")
    noisy = ("-vf", "scale=640:480:flags=neighbor,noise=alls=60:allf=t+u,setsar=1,format=yuv420p", "-g", "25")
    codecs = {
        "h264.mp4": ("-c:v", "libx264", "-preset", "ultrafast", "-sc_threshold", "0", "-c:a", "aac", "-ac", "2"),
        "vp9.mkv": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus"),
        "av1.mkv": ("-c:v", "libsvtav1", "-preset", "12", "-svtav1-params", "rc=1", "-c:a", "flac"),
    }
    for name, codec in codecs.items():
        rate = ("-b:v", "3M", *(("-maxrate", "3M", "-bufsize", "3M") if name == "h264.mp4" else ()))
        ffmpeg(*raw, *sine, *noisy, *codec, *rate, f"file:{directory / name}", stdin=row)
        odd = ("-c:v", "copy", "-c:a", "ac3", f"file:{directory / Path(name).stem}-ac3.mkv")
        ffmpeg("-i", f"file:{directory / name}", *odd)


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "originals of the browser", make_originals)


@pytest.fixture(scope="module")
def shared(originals: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    directory = tmp_path_factory.mktemp("originals-daemon")
    with LiveDaemon(directory, {"films": originals}, "--max-streams", "8") as daemon:
        yield daemon


@pytest.fixture
def daemon(shared: LiveDaemon) -> Iterator[LiveDaemon]:
    """The daemon, which remembers no segment of the test before: each has URLs of its own only by its file."""
    with released(shared, "films"):
        yield shared


@pytest.fixture
def film(daemon: LiveDaemon, originals: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A film under a name of its own, so that what was made of it is of this test."""
    name: str = request.param
    own = originals / f"{os.getpid()}-{abs(hash(request.node.name))}-{name}"
    os.link(originals / name, own)
    yield own.name
    own.unlink()


def video_encoders(daemon: LiveDaemon, film: str) -> list[str]:
    """The encoders of video that a film has had."""
    everything: list[dict[str, Any]] = [*daemon.live(), *daemon.endings()]
    formats = {one["format"] for one in everything if one["path"] == f"films/{film}"}
    assert "cmaf/copy" in formats
    return [one for one in formats if one.startswith("cmaf/v")]


@pytest.mark.parametrize("film", FILMS, indirect=True)
@pytest.mark.parametrize("player", PLAYERS)
def test_no_video_is_encoded_for_who_can_have_the_original(
    browser: Browser, daemon: LiveDaemon, modules: Path, film: str, player: str
) -> None:
    name, manifest = PLAYERS[player]
    if name == "native":
        manifest = "master.m3u8?variants=copy"
    tab = open_players(browser, daemon, modules)
    watching = watch(tab, name, f"/media/films/{film}/{manifest}")
    watching.plays(0.5, "it plays from the start")
    watching.until(lambda s: s["tone"] and abs(s["tone"] - 440) < 20, "the audio is heard")
    if name in {"hls", "dash"}:
        # Picture and sound begin together, and there is no hole at a seam.
        watching.until(lambda _: tab.page.evaluate(BUFFERED)[0][1] > 7, "some segments are loaded")
        (start, _end), *gaps = tab.page.evaluate(BUFFERED)
        assert start < 0.025
        assert not gaps
    watching.seek(14.02)
    watching.plays(14.02, "it plays ahead")
    watching.seek(4.02)
    watching.plays(4.02, "it plays after a seek back")
    watching.plays_to_the_end(from_time=19.6, at=END, tries=5 if player == "dash.js" else 1)
    assert not watching.state["fatal"]
    assert not tab.errors
    assert not video_encoders(daemon, film)


BUFFERED = """() => {
  const { buffered } = document.querySelector('video');
  return Array.from({ length: buffered.length }, (_, at) => [buffered.start(at), buffered.end(at)]);
}"""


@pytest.mark.parametrize("film", ["vp9.mkv", "av1.mkv"], indirect=True)
@pytest.mark.parametrize("player", [player for player in PLAYERS if PLAYERS[player][0] != "native"])
def test_the_sound_can_be_had_in_aac_and_as_it_is(
    browser: Browser, daemon: LiveDaemon, modules: Path, film: str, player: str
) -> None:
    name, manifest = PLAYERS[player]
    tab = open_players(browser, daemon, modules)
    watching = watch(tab, name, f"/media/films/{film}/{manifest}")
    watching.plays(0.5, "it plays from the start")
    own = FILMS[film.rpartition("-")[2]].lower()
    first = "own" if watching.asked_for("a0-copy") and not watching.asked_for("a0") else "aac"
    for group in ("aac", "own") if first == "own" else ("own", "aac"):
        before = watching.asked_for("a0", "a0-copy")
        codecs = [sound["codec"].lower() for sound in tab.page.evaluate("player.sounds()")]
        at = next(at for at, codec in enumerate(codecs) if (own in codec) is (group == "own"))
        tab.page.evaluate("(at) => player.selectSound(at)", at)
        rendition = "a0-copy" if group == "own" else "a0"
        watching.until(lambda _, rendition=rendition: watching.asked_for(rendition), f"{group} is requested")
        watching.until(lambda _, before=before: watching.asked_for("a0", "a0-copy") > before, "more sound")
        time = watching.state["time"]
        if watching.state["ended"]:
            # The film is short, and the machine may be slow.
            watching.seek(time := 8.02)
        watching.plays(time, f"it plays on with {group}")
        watching.until(lambda s: s["tone"] and abs(s["tone"] - 440) < 20, "the audio is heard")
        watching.seek(4.02)
    assert not watching.state["fatal"]
    assert not tab.errors


@pytest.mark.parametrize("film", [f"{Path(name).stem}-ac3.mkv" for name in FILMS], indirect=True)
def test_the_page_plays_the_original_where_only_the_sound_is_encoded(
    browser: Browser, daemon: LiveDaemon, film: str
) -> None:
    tab: Tab = new_tab(browser, daemon)
    tab.page.goto(f"{tab.base}#/play/{quote(f'films/{film}')}")
    tab.page.wait_for_selector("video")
    shown = plays(tab.page, 0.5)
    assert "HLS" in shown["mode"]
    assert shown["height"] == 480
    tab.page.keyboard.press("7")
    plays(tab.page, 14)
    expect(tab.page.locator(".message")).to_be_hidden()
    assert not tab.errors
    assert not video_encoders(daemon, film)
