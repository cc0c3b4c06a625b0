"""The page: without its types and its policy a browser shows nothing, or more than ours."""

import pytest_twisted

from tests.web.conftest import Serve
from transcoded.web.page import PageRoutes


@pytest_twisted.ensureDeferred
async def test_the_page_and_its_parts_come_as_what_they_are(serve: Serve) -> None:
    files = {"index.html": b"<p>", "app.js": b"1", "style.css": b"a{}", "icon.svg": b"<svg/>", "x.bin": b"\0"}
    server = serve(PageRoutes(files))
    answer = await server.ask("/")
    assert (answer.status, answer.body) == (200, b"<p>")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "same-origin"
    for name, kind in (("app.js", "text/javascript"), ("style.css", "text/css"), ("icon.svg", "image/svg+xml")):
        answer = await server.ask(f"/static/{name}")
        assert answer.body == files[name]
        assert answer.headers["content-type"].startswith(kind)
    assert (await server.ask("/static/x.bin")).headers["content-type"] == "application/octet-stream"


@pytest_twisted.ensureDeferred
async def test_nothing_else_of_the_disk_is_served(serve: Serve) -> None:
    server = serve(PageRoutes({"index.html": b"<p>"}))
    for target in (b"/static/", b"/static/nothing.js", b"/static/../page.py", b"/static/%2e%2e%2fpage.py", b"/page.py"):
        (await server.get_raw(target)).problem(404)


@pytest_twisted.ensureDeferred
async def test_the_page_that_is_delivered_fetches_nothing_from_elsewhere(serve: Serve) -> None:
    """It must work without the internet, and must not tell others what is watched."""
    page = PageRoutes()
    assert {"index.html", "app.js", "style.css"} <= set(page._files)
    for name, content in page._files.items():
        for scheme in (b'src="http', b"src='http", b'href="http', b"url(http", b'from "http', b'fetch("http'):
            assert scheme not in content, name
    assert b"<script>" not in page._files["index.html"], "the policy forbids scripts inside the page"
    assert b" style=" not in page._files["index.html"], "and styles"
    assert (await serve(page).ask("/")).body == page._files["index.html"]
