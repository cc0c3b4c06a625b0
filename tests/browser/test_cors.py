"""Pages of other origins in a real browser: what one element has loaded without CORS, another one loads with it."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.support.daemon import LiveDaemon

LOAD = """([url, crossorigin]) => new Promise((resolve, reject) => {
  const video = document.createElement("video");
  if (crossorigin) video.crossOrigin = "anonymous";
  video.muted = true;
  video.onloadeddata = () => {
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    const context = canvas.getContext("2d");
    context.drawImage(video, 0, 0);
    // Raises if the pixels are another origin's.
    let readable = true;
    try { context.getImageData(0, 0, 1, 1); } catch { readable = false; }
    resolve([video.videoWidth, readable]);
  };
  video.onerror = () => reject(new Error(video.error.message));
  video.src = url;
  document.body.append(video);
})"""
FETCH = """async ([url, mode, headers]) => {
  const response = await fetch(url, { mode, headers });
  const body = await response.arrayBuffer();
  return [response.type, response.status, body.byteLength];
}"""


class Page(BaseHTTPRequestHandler):
    """A front end of somebody else: an empty page."""

    def do_GET(self) -> None:
        """Send it."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Another origin</title>")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def front_end() -> Iterator[str]:
    """The origin of that front end."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("every", [True, False], ids=["every origin", "this origin"])
def test_what_was_loaded_without_cors_is_loaded_with_it(
    browser: Browser, films: Path, tmp_path: Path, front_end: str, every: bool
) -> None:
    """A segment is kept for a year. If it was kept without a word about origins, no script could read it for as long."""
    allowed = "*" if every else front_end
    with LiveDaemon(tmp_path, {"films": films}, "--cors-origin", allowed) as daemon:
        base = f"http://127.0.0.1:{daemon.port}/media/films/film.mp4"
        tab = browser.new_context().new_page()
        tab.goto(f"{front_end}/")
        width, _ = tab.evaluate(LOAD, [base, False])
        assert width > 0
        assert tab.evaluate(LOAD, [base, True]) == [width, True]
        playlist = tab.evaluate("async (url) => (await fetch(url)).text()", f"{base}/cmaf/a0/index.m3u8")
        (init,) = [
            line.partition('URI="')[2].partition('"')[0] for line in playlist.splitlines() if "EXT-X-MAP" in line
        ]
        segment = next(line for line in playlist.splitlines() if ".m4s" in line)
        for part in (init, segment):
            url = f"{base}/cmaf/a0/{part}"
            assert "immutable" in daemon.get(url.partition(f":{daemon.port}")[2]).headers["cache-control"]
            assert tab.evaluate(FETCH, [url, "no-cors", {}])[0] == "opaque"
            kind, status, length = tab.evaluate(FETCH, [url, "cors", {}])
            assert (kind, status) == ("cors", 200)
            assert length > 0


def test_players_may_send_their_data_in_headers_and_in_the_query(
    browser: Browser, films: Path, tmp_path: Path, front_end: str
) -> None:
    """A header that a preflight does not allow is a player that does not play."""
    with LiveDaemon(tmp_path, {"films": films}, "--cors-origin", front_end) as daemon:
        base = f"http://127.0.0.1:{daemon.port}/media/films/film.mp4"
        tab = browser.new_context().new_page()
        tab.goto(f"{front_end}/")
        etag = daemon.get("/media/films/film.mp4").headers["etag"]
        headers = {"CMCD-Request": "bl=100", "CMCD-Session": 'sid="x"', "If-Range": etag, "Range": "bytes=0-9"}
        assert tab.evaluate(FETCH, [f"{base}?CMCD=bl%3D100&mimetype=video/mp4", "cors", headers]) == ["cors", 206, 10]
        assert tab.evaluate(FETCH, [f"{base}/master.m3u8?_HLS_msn=1", "cors", {"CMCD-Object": "br=1"}])[1] == 200
        shown = tab.evaluate(
            "async (url) => { const r = await fetch(url); return [...r.headers.keys()]; }", f"{base}?CMCD=x"
        )
        assert {"accept-ranges", "content-length", "etag", "x-request-id"} <= set(shown)
