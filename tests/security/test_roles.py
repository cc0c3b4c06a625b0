"""Every route with every kind of credential, beside the table in docs/security.md: who gets more than it says can stop others."""

import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest_twisted

from tests.support import REPOSITORY
from tests.support.programs import BUNDLED
from tests.web.server import Server, reactor
from transcoded.config import Settings
from transcoded.engine import build_engine
from transcoded.host import Host
from transcoded.plan.http.signed_urls import signed_query
from transcoded.site import build_site
from transcoded.web.app import SafeResource
from transcoded.web.route import Route

SECRETS = {"read": "the-key-of-a-reader", "admin": "the-key-of-an-administrator", "wrong": "the-key-of-nobody-at-all"}
FILE, OTHER = "films/a.txt", "films/b.txt"
NAMES = {
    "path": FILE,
    "name": "mp4",
    "form": "vtt",
    "rendition": "v0",
    "number": "0",
    "stream_id": "0123456789abcdef",
    "prepare_id": "0123456789abcdef",
    "viewing_id": "0123456789abcdef",
    "sheet": "0",
}


def told() -> Sequence[tuple[str, Mapping[str, bool]]]:
    """The rows of the table: what a row is for, and who may do it."""
    text = (REPOSITORY / "docs" / "security.md").read_text("utf-8")
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line] for line in lines]
    (start,) = [
        number for number, row in enumerate(cells) if row[1:] == ["without a key", "signed URL", "`read`", "`admin`"]
    ]
    rows = []
    for what, *may in cells[start + 2 :]:
        if len(may) != 4:
            break
        assert set(may) <= {"yes", "no", "that one file"}
        rows.append((what, dict(zip(("none", "signed", "read", "admin"), (word != "no" for word in may), strict=True))))
    return rows


def row_of(route: Route, method: str) -> Mapping[str, bool]:
    """The one row of the table that is for a route."""
    url = route.template
    # Rows are for names of routes, for beginnings of them, and for two things in words.
    words = (
        "the page" if url == "/" or url.startswith("/static/") else "signing in" if url in {"/login", "/logout"} else ""
    )
    found = []
    for what, may in told():
        methods = set(re.findall(r"`(GET|POST|DELETE)`", what))
        urls = re.findall(r"`(/[^`]*)`", what)
        named = url in urls or any(one.endswith("…") and url.startswith(one[:-1]) for one in urls)
        if (named and (not methods or method in methods)) or (words and words in what):
            found.append(may)
    assert len(found) == 1, f"{method} {url} is in {len(found)} rows of docs/security.md"
    return found[0]


@asynccontextmanager
async def served(media: Path) -> AsyncIterator[tuple[Server, Sequence[Route], bytes]]:
    """The whole site of a daemon with keys, its routes, and the key that signs its URLs."""
    keys = tuple(f"{role}:{role}={SECRETS[role]}" for role in ("read", "admin"))
    settings = Settings(
        media=(f"films={media}",),
        state_dir="off",
        api_key=keys,
        trusted_proxy=("127.0.0.1",),
        ffmpeg=BUNDLED.ffmpeg,
        ffprobe=BUNDLED.ffprobe,
    )
    host = Host.open(settings)
    engine = build_engine(reactor, host)
    site = build_site(engine, lambda: None)
    assert isinstance(site, SafeResource)
    server = Server(site)
    try:
        yield server, site.routes, engine.subkeys.urls
    finally:
        await server.close()
        engine.threads.stop()
        host.close()


@pytest_twisted.ensureDeferred
async def test_every_role_gets_at_every_route_what_the_table_says_and_no_more(tmp_path: Path) -> None:
    for path in (FILE, OTHER):
        (tmp_path / path.rpartition("/")[2]).write_text("a file", encoding="ascii")
    seen = 0
    async with served(tmp_path) as (server, routes, url_key):
        expires = int(time.time()) + 600
        signed, elsewhere = (signed_query(url_key, path, expires) for path in (FILE, OTHER))
        for route in routes:
            url = re.sub(r"\{([a-z_]+)\}", lambda match: NAMES[match[1]], route.template)
            for method in route.methods:
                # HEAD has the status of GET, and no stream or events without end.
                if method == "GET":
                    continue
                may = row_of(route, "GET" if method == "HEAD" else method)
                expected = {**may, "signed for another file": may["none"], "wrong": False}
                for who, allowed in expected.items():
                    seen += 1
                    query = {"signed": f"?{signed}", "signed for another file": f"?{elsewhere}"}.get(who, "")
                    # Each from an address of its own, so that wrong keys are not too many.
                    headers = {"X-Forwarded-For": f"198.51.100.{seen % 250}", "X-Forwarded-Proto": "https"}
                    if who in SECRETS:
                        headers["Authorization"] = f"Bearer {SECRETS[who]}"
                    status = (await server.ask(url + query, method, headers)).status
                    wanted = f"{who}: {method} {url} answered {status}"
                    if allowed:
                        assert status not in {401, 403, 429}, wanted
                    else:
                        assert status == (403 if who == "read" else 401), wanted
    assert seen >= 6 * 25
