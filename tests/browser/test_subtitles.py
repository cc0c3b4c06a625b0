"""Subtitles as Chromium reads them: every character that was written is shown, and the page offers the files beside a film."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import new_tab
from tests.support.daemon import LiveDaemon

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ESCAPED = (
    "1\n00:00:01,000 --> 00:00:04,000\nI <3 you & me; 5 < 6 > 4\n\n2\n00:00:05,000 --> 00:00:06,000\narrow --> here\n"
)
MARKED = (
    "1\n00:00:01,000 --> 00:00:02,000\n{\\an8}<b>a<i>b</b>c</i> <font color=yellow>d</font> R&amp;B <Phone rings>\n\n"
    "2\n00:00:03,000 --> 00:00:04,000\none\n\ntwo\n"
)
SCRIPT = (
    "[Script Info]\nPlayResX: 640\nPlayResY: 360\n\n[Events]\nFormat: Start, End, Text\n"
    "Dialogue: 0:00:01.00,0:00:02.00,{\\an7}x < y & z\n"
    "Dialogue: 0:00:02.00,0:00:03.00,{\\p1}m 0 0 l 100 0{\\p0}\n"
    "Dialogue: 0:00:03.00,0:00:04.00,{\\pos(320,36)\\an8}sign\n"
)
STYLED = (
    "WEBVTT\n\nSTYLE\n::cue(.yellow) { color: yellow }\n\n"
    "00:01.000 --> 00:04.000 align:start position:10% line:0\n<v Roger><c.yellow>We are</c> here\n"
)
READ = """async (url) => {
  const track = Object.assign(document.createElement("track"), { src: url });
  const video = document.createElement("video");
  video.append(track);
  document.body.append(video);
  track.track.mode = "hidden";
  await new Promise((resolve, reject) => { track.onload = resolve; track.onerror = () => reject(new Error("refused")); });
  return Array.from(track.track.cues, (cue) => {
    const box = document.createElement("div");
    box.append(cue.getCueAsHTML());
    const { startTime, endTime, line, position, align } = cue;
    return { times: [startTime, endTime], text: box.textContent, html: box.innerHTML, line, position, align };
  });
}"""


@pytest.fixture(scope="module")
def daemon(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    root = tmp_path_factory.mktemp("subtitled")
    texts = {"escaped.srt": ESCAPED, "marked.srt": MARKED, "script.ass": SCRIPT, "styled.vtt": STYLED}
    for name, text in texts.items():
        os.link(films / "film.mp4", root / f"{Path(name).stem}.mp4")
        (root / name).write_text(text)
    (root / "escaped.pt-BR.sdh.srt").write_bytes(ESCAPED.replace("me", "você").encode("cp1252"))
    with LiveDaemon(tmp_path_factory.mktemp("subtitled-daemon"), {"films": root}) as daemon:
        yield daemon


@pytest.fixture
def read(browser: "Browser", daemon: LiveDaemon) -> Any:
    """Reads the subtitles of a film, as the browser does for a player."""
    tab = new_tab(browser, daemon)
    tab.page.goto(tab.base)

    def read(film: str, number: int = 0) -> list[dict[str, Any]]:
        cues: list[dict[str, Any]] = tab.page.evaluate(READ, f"/media/films/{film}.mp4/subtitles/{number}.vtt")
        return cues

    return read


def test_every_character_is_shown(read: Any) -> None:
    first, second = read("escaped", 1)
    assert (first["text"], second["text"]) == ("I <3 you & me; 5 < 6 > 4", "arrow --> here")
    assert (first["times"], second["times"]) == ([1, 4], [5, 6])
    assert read("escaped", 0)[0]["text"] == "I <3 you & você; 5 < 6 > 4"


def test_markup_is_kept_and_nothing_else_is_markup(read: Any) -> None:
    first, second = read("marked")
    assert first["text"] == "abc d R&B <Phone rings>"
    assert first["html"] == (
        '<b>a</b><b><i>b</i></b><i>c</i> <span class="yellow">d</span> R&amp;B &lt;Phone rings&gt;'
    )
    assert first["line"] == 0
    assert second["text"] == "one\ntwo"


def test_a_script_has_its_text_where_it_stood(read: Any) -> None:
    first, second = read("script")
    assert (first["text"], first["line"], first["align"]) == ("x < y & z", 0, "left")
    assert (second["text"], second["line"], second["position"]) == ("sign", 10, 50)


def test_webvtt_is_as_its_author_wrote_it(read: Any) -> None:
    (cue,) = read("styled")
    assert cue["text"] == "We are here"
    assert (cue["line"], cue["position"], cue["align"]) == (0, 10, "start")
    assert 'title="Roger"' in cue["html"]


def test_the_page_offers_the_files_beside_a_film(browser: "Browser", daemon: LiveDaemon) -> None:
    tab = new_tab(browser, daemon)
    tab.page.goto(f"{tab.base}#/play/films%2Fescaped.mp4")
    menu = tab.page.get_by_label("Subtitles", exact=True).locator("option")
    menu.first.wait_for(state="attached")
    assert menu.all_text_contents() == ["Off", "Brazilian Portuguese · SDH", "Track 2"]
    assert not tab.errors
