"""The files of the page as they are delivered: a browser refuses a module with the wrong type, and stops at one that is missing."""

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files

import pytest_twisted

from tests.web.conftest import Serve
from transcoded.web.page import PageRoutes

TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
STATIC = {file.name: file.read_text("utf-8") for file in (files("transcoded.web") / "static").iterdir()}
MODULES = {name: text for name, text in STATIC.items() if name.endswith(".js")}
IMPORT = re.compile(r'^(?:import|export)\b[^;"]*"\./([^"]+)"', re.MULTILINE)
DYNAMIC_IMPORT = re.compile(r'\bimport\("\./([^"]+)"\)')
TYPE_IMPORT = re.compile(r'@import [^"]*"\./([^"]+)"')


def reachable(entry: str, patterns: Mapping[str, re.Pattern[str]]) -> Iterator[str]:
    """The modules that one leads to, each once, itself first."""
    found = [entry]
    for name in found:
        yield name
        for pattern in patterns.values():
            found += [other for other in pattern.findall(MODULES[name]) if other not in found]


@pytest_twisted.ensureDeferred
async def test_every_file_is_served_with_its_type(serve: Serve) -> None:
    server = serve(PageRoutes())
    for name, text in STATIC.items():
        answer = await server.ask(f"/static/{name}")
        assert answer.status == 200, name
        assert answer.body.decode() == text, name
        assert answer.headers["content-type"] == TYPES[name.rpartition(".")[2]], name


def test_every_module_that_is_imported_exists() -> None:
    for name, text in MODULES.items():
        imported = {other for pattern in (IMPORT, DYNAMIC_IMPORT, TYPE_IMPORT) for other in pattern.findall(text)}
        assert imported <= set(MODULES), name
        # So that the pattern misses none.
        assert len(IMPORT.findall(text)) == len(re.findall(r"^import\b", text, re.MULTILINE)), name


def test_no_module_is_left_unused() -> None:
    used = set(reachable("app.js", {"static": IMPORT, "dynamic": DYNAMIC_IMPORT, "types": TYPE_IMPORT}))
    assert used == set(MODULES)


def test_what_the_first_view_needs_is_fetched_at_once() -> None:
    """Without its preload, a module would be requested only after the module that imports it has arrived."""
    index = STATIC["index.html"]
    preloaded = re.findall(r'<link rel="modulepreload" href="static/([^"]+)">', index)
    assert re.findall(r'<script type="module" src="static/([^"]+)">', index) == ["app.js"]
    assert sorted(["app.js", *preloaded]) == sorted(reachable("app.js", {"static": IMPORT}))
