"""The page in a real browser: the library, a file that has to be transcoded, the dashboard, signing in, and accessibility."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs
import pytest
from playwright.sync_api import Browser, Error, Page, Route, expect

from tests.browser.conftest import PACE, Tab, new_tab
from tests.support.daemon import LiveDaemon, media_url, until
from tests.support.engines import Card
from tests.support.programs import BUNDLED

STATE = """() => {
  const video = document.querySelector('video');
  return {
    position: Number(document.querySelector('.scrub').value),
    time: video.currentTime,
    paused: video.paused,
    ready: video.readyState,
    height: video.videoHeight,
    frames: video.webkitDecodedFrameCount,
    audio: video.webkitAudioDecodedByteCount,
    source: video.getAttribute('src') ?? '',
    mode: document.querySelector('.mode').textContent,
    message: document.querySelector('.message').textContent,
  };
}"""
SECRET = "open sesame and let me in"


def state(page: Page) -> dict[str, Any]:
    """What the player shows."""
    found: dict[str, Any] = page.evaluate(STATE)
    return found


def plays(page: Page, after: float = 0.0) -> dict[str, Any]:
    """Wait until it has played on, video and audio, to beyond a position."""
    before = state(page)

    def look() -> dict[str, Any] | None:
        page.wait_for_timeout(50)
        now = state(page)
        moved = now["position"] >= after + 0.3 and now["ready"] >= 3 and not now["paused"]
        # The counters start again with another source.
        fresh = now["source"] != before["source"]
        decoded = all(now[kind] > (0 if fresh else before[kind]) for kind in ("frames", "audio"))
        return now if moved and decoded else None

    return until(look, f"it plays beyond {after}: {state(page)}")


@pytest.fixture
def tab(browser: Browser, daemon: LiveDaemon) -> Iterator[Tab]:
    """A tab. Whatever a test does there, it logs no error and requests nothing from elsewhere."""
    tab = new_tab(browser, daemon)
    yield tab
    assert not tab.errors
    assert not tab.outside


@pytest.fixture
def film(films: Path) -> Iterator[str]:
    """A film of twenty minutes that no browser plays as it is, under a name of its own. This is its path in the library."""
    path = Path(shutil.copy(films / "long.mkv", films / "a film, & more.mkv"))
    yield f"films/{path.name}"
    path.unlink()


def player_of(path: str) -> str:
    return f"#/play/{quote(path)}"


def test_the_library_is_walked_with_the_keyboard(tab: Tab) -> None:
    page = tab.page
    page.goto(tab.base)
    page.get_by_role("link", name="films").click()
    page.wait_for_selector(".card")
    # The length comes from a probe of its own.
    expect(page.locator(".card", has_text="film").locator(".length").first).to_have_text("1:01")
    expect(page.locator(".card:visible")).to_have_count(4)
    page.keyboard.press("/")
    page.keyboard.type("track")
    expect(page.locator(".card:visible")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.dataset.path") == "films/tracks.mkv"
    page.locator("#search").fill("")
    page.get_by_role("link", name="folder").click()
    page.get_by_role("link", name="a song").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".stage")
    assert page.url.endswith(player_of("films/folder/a song.mp3").replace("%2F", "/"))
    page.keyboard.press("Backspace")
    page.wait_for_selector(".card")
    until(
        lambda: page.evaluate("document.activeElement.dataset.path") == "films/folder/a song.mp3", "the focus is back"
    )


def test_a_film_that_needs_transcoding_plays_and_seeks(tab: Tab, film: str, daemon: LiveDaemon) -> None:
    page = tab.page
    page.goto(tab.base + player_of(film))
    page.wait_for_selector("video")
    first = plays(page, 0.5)
    assert "HLS" in first["mode"]
    assert first["height"] in {360, 480}
    page.keyboard.press("8")
    assert plays(page, 980)["position"] < 1000
    page.keyboard.press("0")
    until(lambda: state(page)["position"] < 20, "back")
    plays(page, 1.2)
    page.keyboard.press("c")
    expect(page.locator(".captions")).to_contain_text("A line of text")
    # The bar, by mouse.
    box = page.locator(".rail").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2)
    assert plays(page, 560)["position"] < 660
    assert page.locator(".message:visible").count() == 0
    assert {stream["path"] for stream in daemon.live()} <= {film}


def test_another_quality_and_another_audio_track_are_live_streams(tab: Tab, film: str, daemon: LiveDaemon) -> None:
    """One process at a time, started at the viewer's position, and none after the viewer has left."""
    page = tab.page
    page.goto(tab.base + player_of(film))
    page.wait_for_selector("video")
    plays(page, 0.5)
    page.keyboard.press("3")
    plays(page, 365)

    def live() -> list[dict[str, Any]]:
        return [stream for stream in daemon.live() if not stream["format"].startswith("cmaf/")]

    page.get_by_role("button", name="Settings").click()
    page.locator("#set-quality").select_option("360")
    until(lambda: state(page)["height"] == 360, "the smaller video")
    assert plays(page, 365)["position"] < 390
    page.locator("#set-audio").select_option("1")
    until(lambda: "audio=1" in state(page)["source"], "the other audio track")
    plays(page, 365)
    until(lambda: len(live()) == 1, "the stream before it is ended")
    page.keyboard.press("Escape")
    page.keyboard.press("7")
    # Several seeks in a row open one stream: it starts once the bar has come to rest.
    until(lambda: "start=86" in state(page)["source"], "a stream from that position")
    assert plays(page, 860)["position"] < 880
    until(lambda: len(live()) == 1, "a seek opens another stream and ends the one before")
    page.evaluate("location.hash = '#/library'")
    until(lambda: not live(), "leaving the player ends it")
    page.evaluate("(hash) => { location.hash = hash }", player_of(film))
    page.wait_for_selector("video")
    expect(page.locator(".toast")).to_contain_text("Resumed at")
    plays(page, 855)


def test_leaving_a_film_ends_the_encoders_of_its_segments(browser: Browser, films: Path, tmp_path: Path) -> None:
    """To the library, to another quality, or by closing the page: at once, not after a minute."""
    # A file for each time: segments that were made before need no encoder for a while.
    for name in "abc":
        (tmp_path / "media").mkdir(exist_ok=True)
        shutil.copy(films / "tracks.mkv", tmp_path / "media" / f"{name}.mkv")
    more = ("--idle-timeout", "600", "--max-streams", "4", *PACE)
    with LiveDaemon(tmp_path / "daemon", {"films": tmp_path / "media"}, *more) as daemon:
        tab = new_tab(browser, daemon)
        page = tab.page

        def encoders() -> list[str]:
            return [stream["format"] for stream in daemon.live() if stream["format"].startswith("cmaf/")]

        def watch(name: str) -> None:
            page.goto(tab.base + "#/library")
            page.goto(tab.base + player_of(f"films/{name}"))
            expect(page).to_have_title(f"{name.removesuffix('.mkv')} · transcoded")
            page.wait_for_selector("video")
            assert "HLS" in plays(page, 0.5)["mode"]
            until(encoders, "segments are made")

        watch("a.mkv")
        page.evaluate("location.hash = '#/library'")
        until(lambda: not daemon.live(), "leaving the player ends them")
        watch("b.mkv")
        page.get_by_role("button", name="Settings").click()
        page.locator("#set-quality").select_option("360")
        until(lambda: daemon.live() and not encoders(), "a live stream replaces them")
        page.evaluate("location.hash = '#/library'")
        until(lambda: not daemon.live(), "it is ended as well")
        watch("c.mkv")
        page.close(run_before_unload=False)
        until(lambda: not daemon.live(), "closing the page ends them")
        page.context.close()


def test_what_cannot_be_played_says_why(tab: Tab) -> None:
    tab.page.goto(tab.base + player_of("films/broken.mp4"))
    expect(tab.page.locator(".note.bad")).to_contain_text("damaged")
    tab.page.goto(tab.base + player_of("films/nowhere.mp4"))
    expect(tab.page.locator(".note.bad")).to_be_visible()


@pytest.mark.parametrize("tail", ["", "/stream.mp4?mode=copy&duration=5"])
def test_a_film_that_is_opened_by_its_url_plays(tab: Tab, tail: str) -> None:
    """A browser makes a document for it. The policy of what is below /media/ must not keep that from loading the film."""
    tab.page.goto(f"{tab.base}media/films/film.mp4{tail}")
    tab.page.wait_for_function("document.querySelector('video').readyState >= 3")


def test_a_page_in_the_library_is_stored_and_not_shown(tab: Tab, films: Path) -> None:
    (films / "page.html").write_text("<script>fetch('/api/v1/drain', {method: 'POST'})</script>", encoding="utf-8")
    with tab.page.expect_download() as downloading, pytest.raises(Error, match="Download is starting"):
        tab.page.goto(f"{tab.base}media/films/page.html")
    downloading.value.cancel()
    (films / "page.html").unlink()


def test_the_dashboard_shows_stops_and_remembers(tab: Tab, film: str, daemon: LiveDaemon) -> None:
    page = tab.page
    page.goto(f"{tab.base}#/dashboard")
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    expect(page.locator(".stream")).to_have_count(0)
    with daemon.open(f"/media/{quote(film)}/stream.wav", 4096) as viewer:
        expect(page.locator(".stream")).to_have_count(1)
        expect(page.locator(".stream")).to_contain_text("127.0.0.1")
        expect(page.locator(".stream")).to_contain_text("a film, & more")
        expect(page.locator(".stream .badge", has_text="back-pressured")).to_be_visible()
        page.get_by_role("button", name="Stop").click()
        expect(page.locator(".stream")).to_have_count(0)
        expect(page.locator(".endings .badge").first).to_have_text("stopped")
        assert daemon.endings(1)[0]["reason"] == "stopped"
        assert not daemon.census()
        viewer.recv(1)
    page.locator(".endings summary").first.click()
    expect(page.locator(".endings .detail").first).to_contain_text("SIGTERM")


def test_the_dashboard_tells_that_hardware_has_failed(browser: Browser, film: str, films: Path, tmp_path: Path) -> None:
    card = Card(tmp_path / "card", BUNDLED.ffmpeg, "half")
    programs = ("--ffmpeg", str(card.ffmpeg), "--ffprobe", BUNDLED.ffprobe, "--sandbox", "off", "--engines", "nvenc")
    with LiveDaemon(tmp_path / "daemon", {"films": films}, *programs) as daemon:
        tab = new_tab(browser, daemon)
        page = tab.page
        page.goto(f"{tab.base}#/dashboard")
        expect(page.locator(".summary")).to_contain_text("Live")
        hardware = page.get_by_role("region", name="Hardware")
        expect(hardware).to_be_hidden()
        daemon.get(media_url(film, "/stream.mp4?height=144&duration=2"))
        expect(hardware).to_contain_text("nvenc has failed for a film, & more; software goes on")
        expect(hardware).to_contain_text("Cannot load libcuda.so.1")
        daemon.quiet()
        failed = page.get_by_role("listitem").filter(has_text="mp4 · nvenc")
        expect(failed).to_contain_text("failed")
        failed.locator("summary").click()
        expect(failed.locator("dd", has_text="nvenc")).to_be_visible()
        page.context.close()
        assert not tab.errors


def test_the_dashboard_shows_how_full_it_is_and_who_waits(
    browser: Browser, film: str, films: Path, tmp_path: Path
) -> None:
    url = f"/media/{quote(film)}/stream.wav"
    with LiveDaemon(tmp_path / "daemon", {"films": films}, "--max-streams", "1", "--queue-timeout", "600") as daemon:
        tab = new_tab(browser, daemon)
        capacity, waiting = (tab.page.locator(".tile", has_text=name) for name in ("Capacity", "Waiting"))
        tab.page.goto(f"{tab.base}#/dashboard")
        expect(capacity).to_contain_text("0 of 1 slots")
        with daemon.open(url, 4096), daemon.open(url, 4096) as second:
            expect(capacity).to_contain_text("1 of 1 slots")
            expect(waiting).to_contain_text("1 queued")
            queue = tab.page.get_by_role("list", name="Requests that wait for a slot")
            expect(queue.get_by_role("listitem")).to_have_text("127.0.0.1")
            second.close()
            expect(waiting).to_contain_text("0 queued")
            expect(tab.page.locator(".queue")).to_be_hidden()
        expect(capacity).to_contain_text("0 of 1 slots")
        tab.page.context.close()


def test_a_stream_that_was_stopped_is_not_started_again(
    browser: Browser, film: str, films: Path, tmp_path: Path
) -> None:
    """The player says so, and the viewer decides."""
    # Hardly faster than it is watched, so that the browser has little in advance.
    pace = ("--input-args", "-readrate 2")
    with LiveDaemon(tmp_path / "daemon", {"films": films}, *pace) as daemon:
        tab = new_tab(browser, daemon)
        page = tab.page
        page.goto(tab.base + player_of(film))
        page.wait_for_selector("video")
        page.get_by_role("button", name="Settings").click()
        page.locator("#set-quality").select_option("360")
        until(lambda: state(page)["height"] == 360 and "360" in state(page)["source"], "a live stream")
        plays(page, 0.3)
        (live,) = [stream for stream in daemon.live() if stream["format"] == "mp4"]
        assert daemon.request("DELETE", f"/api/v1/streams/{live['id']}").json()["reason"] == "stopped"
        page.evaluate("() => { document.querySelector('video').playbackRate = 4 }")
        expect(page.locator(".message")).to_contain_text("ended", timeout=60_000)
        assert not [stream for stream in daemon.live() if stream["format"] == "mp4"]
        page.get_by_role("button", name="Try again").click()
        plays(page, 0.3)
        page.context.close()
        assert not tab.errors


def test_what_is_chosen_before_anything_plays_is_played(tab: Tab, film: str) -> None:
    """The element is paused until its first source is opened. That is no wish of the viewer."""
    page = tab.page
    held: list[Route] = []
    page.route("**/master.m3u8**", lambda route: route.continue_() if held else held.append(route))
    page.goto(tab.base + player_of(film))
    page.get_by_role("button", name="Settings").click()

    def opening() -> list[Route]:
        page.wait_for_timeout(20)
        return held

    until(opening, "the first source is being opened")
    page.locator("#set-quality").select_option("360")
    until(lambda: "360" in state(page)["source"], "the other source")
    held[0].abort()
    plays(page, 0.3)


@attrs.frozen
class Violation:
    """A rule of accessibility that is broken, as axe found it."""

    impact: str
    rule: str
    where: tuple[str, ...]


def audit(page: Page, axe: str) -> list[Violation]:
    """The serious and critical violations that axe finds in what is shown."""
    page.evaluate(f"{axe};0")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then((result) => result.violations)")
    return [
        Violation(one["impact"], one["id"], tuple(" ".join(node["target"]) for node in one["nodes"]))
        for one in found
        if one["impact"] in {"serious", "critical"}
    ]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_the_page_is_accessible(
    browser: Browser, daemon: LiveDaemon, modules: Path, film: str, scheme: str, width: int
) -> None:
    axe = (modules / "axe-core" / "axe.min.js").read_text("utf-8")
    # axe is run as a script of the page, which the page's policy forbids.
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 844}, "bypass_csp": True}
    # An element that fades in has less contrast until it is there.
    options["reduced_motion"] = "reduce"
    tab = new_tab(browser, daemon, **options)
    page = tab.page
    found = {}

    def look(view: str) -> None:
        found[view] = audit(page, axe)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{view} is wider than the screen"

    page.goto(f"{tab.base}#/library/films")
    page.wait_for_selector(".card .length")
    look("library")
    page.goto(tab.base + player_of(film))
    page.wait_for_selector("video")
    plays(page, 0.3)
    look("player")
    page.mouse.move(100, 300)
    page.get_by_role("button", name="Settings").click()
    look("settings")
    page.goto(f"{tab.base}#/dashboard")
    with daemon.open(f"/media/{quote(film)}/stream.wav", 4096):
        page.wait_for_selector(".stream")
        page.locator(".endings summary").first.click()
        look("dashboard")
    assert found == {"library": [], "player": [], "settings": [], "dashboard": []}
    assert not tab.errors


def test_over_plain_http_from_another_machine_the_page_says_why_and_takes_no_key(
    browser: Browser, films: Path, tmp_path: Path
) -> None:
    flags = ("--api-key", f"me={SECRET.replace(' ', '-')}", "--trusted-proxy", "127.0.0.1")
    with LiveDaemon(tmp_path / "daemon", {"films": films}, *flags, *PACE) as daemon:
        tab = new_tab(browser, daemon, extra_http_headers={"X-Forwarded-For": "198.51.100.6"})
        page = tab.page
        page.goto(tab.base)
        expect(page.get_by_role("alert")).to_contain_text("plain_http_login")
        expect(page.get_by_label("Key")).to_be_disabled()
        expect(page.get_by_role("button", name="Sign in")).to_be_disabled()
        page.context.close()
        assert "POST /login" not in daemon.log()


def test_signing_in_and_out(browser: Browser, films: Path, modules: Path, tmp_path: Path) -> None:
    axe = (modules / "axe-core" / "axe.min.js").read_text("utf-8")
    key = ("--api-key", f"me={SECRET.replace(' ', '-')}")
    with LiveDaemon(tmp_path / "daemon", {"films": films}, *key, *PACE) as daemon:
        tab = new_tab(browser, daemon, bypass_csp=True)
        page = tab.page
        page.goto(f"{tab.base}#/library/films")
        expect(page.get_by_label("Key")).to_be_focused()
        assert audit(page, axe) == []
        page.keyboard.type("a guess")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).not_to_be_empty()
        page.get_by_label("Key").fill(SECRET.replace(" ", "-"))
        page.keyboard.press("Enter")
        page.wait_for_selector(".card")
        (cookie,) = page.context.cookies()
        assert cookie["httpOnly"]
        assert cookie["sameSite"] in {"Lax", "Strict"}
        assert SECRET not in cookie["value"]
        page.goto(tab.base + player_of("films/tracks.mkv"))
        page.wait_for_selector("video")
        plays(page, 0.3)
        page.goto(tab.base + player_of("films/long.mkv"))
        # The page is not loaded again, so there is still the video of the other file.
        expect(page).to_have_title("long · transcoded")
        plays(page, 0.3)
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("Key")).to_be_visible()
        # The player has left before it was signed out, so its encoders do not run on.
        until(lambda: "POST /media/films/long.mkv/cmaf/leave 204" in daemon.log(), "the player leaves")
        page.reload()
        expect(page.get_by_label("Key")).to_be_visible()
        assert not page.context.cookies()
        page.context.close()
        assert not tab.errors
        assert not tab.outside
        assert SECRET.replace(" ", "-") not in daemon.log()
        assert cookie["value"] not in daemon.log()
