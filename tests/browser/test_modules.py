"""Modules of the page that decide from values alone, run in the browser: what the player does next, and how values are written."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import new_tab
from tests.support.daemon import LiveDaemon

CALL = "async ([module, name, args]) => (await import(`/static/${module}.js`))[name](...args)"
LOST: dict[str, Any] = {"mode": "live", "connectionLost": True, "progress": 0, "retries": 0, "problem": None}

DASH = "\N{EN DASH}"

Call = Callable[..., Any]


@pytest.fixture
def call(browser: Browser, daemon: LiveDaemon) -> Call:
    """Calls a function of a module."""
    tab = new_tab(browser, daemon)
    tab.page.goto(tab.base)
    return lambda module, name, *args: tab.page.evaluate(CALL, [module, name, list(args)])


def test_what_follows_a_failure(call: Call) -> None:
    """A viewer would see an error where playback could go on, or a stream would be opened again and again."""

    def act(**failure: Any) -> dict[str, Any]:
        found: dict[str, Any] = call("recovery", "afterFailure", {**LOST, **failure})
        found.pop("problem", None)
        return found

    missing, full, signed_out = ({"status": status} for status in (404, 503, 401))
    assert act(problem=signed_out) == act(mode="hls", problem=signed_out) == {"act": "sign-in"}
    assert act(problem=full) == act(mode="hls", problem=full) == {"act": "wait"}
    assert act(problem=missing) == act(mode="direct", problem=missing) == {"act": "give-up"}
    assert act(mode="hls", problem=missing) == {"act": "next"}
    assert act() == {"act": "reopen", "retries": 1}
    assert act(retries=1, progress=5) == {"act": "reopen", "retries": 2}
    assert act(retries=2, progress=5) == {"act": "next"}
    assert act(retries=2, progress=5.1) == {"act": "reopen", "retries": 0}
    assert act(mode="direct") == act(mode="hls") == act(connectionLost=False) == {"act": "next"}


def test_when_a_live_stream_that_was_cut_off_is_opened_again(call: Call) -> None:
    assert call("recovery", "wasCutOff", 4.1)
    assert not call("recovery", "wasCutOff", 4)
    assert call("recovery", "reopensAfterCut", 0.6, 1)
    assert not call("recovery", "reopensAfterCut", 0.5, 1)
    assert not call("recovery", "reopensAfterCut", 60, 2)


def test_how_values_are_written(call: Call) -> None:
    written = {
        ("clock", 0): "0:00",
        ("clock", 3723.9): "1:02:03",
        ("clock", None): f"{DASH}:{DASH * 2}",
        ("spoken", 3661): "1 hour 1 minute 1 second",
        ("spoken", 120): "2 minutes 0 seconds",
        ("bytes", 999): "999 B",
        ("bytes", 1500): "1.5 kB",
        ("bytes", 999_500): "1.0 MB",
        ("bytes", 250_000_000): "250 MB",
        ("bytes", None): DASH,
        ("duration", 4.26): "4.3 s",
        ("duration", 600): "10 min",
        ("duration", 9000): "2.5 h",
    }
    assert {key: call("format", *key) for key in written} == written
    assert call("format", "bitRate", 100_000) == ["800", "kbit/s"]
    assert call("format", "bitRate", 1_000_000) == ["8.0", "Mbit/s"]
    assert call("format", "milliseconds", 9.96) == ["10.0", "ms"]
    assert call("format", "milliseconds", 1500) == ["1.50", "s"]
    assert call("format", "count", 2000, "file", "files") == "2,000 files"
    assert call("format", "count", 0, "file", "files") == ""


def test_every_name_has_a_path_that_comes_back(call: Call) -> None:
    """Else a name with a percent sign or a question mark would lead somewhere else."""
    for path in ("films/a film, & more #1?.mkv", "films/100 %.mp4", "films/../x", "films/ü/日本.mkv"):
        encoded = call("paths", "encodePath", path)
        assert not set(encoded) & set(" #?")
        assert "/../" not in encoded
        assert call("paths", "decodePath", encoded) == path
    assert call("paths", "encodePath", "a\ud800b") == "a%EF%BF%BDb"
    assert call("paths", "decodePath", "100%") == "100%"
    assert call("paths", "folderOf", "a/b/c.mp4") == "a/b"
    assert call("paths", "folderOf", "c.mp4") == ""
    assert call("paths", "stem", "a.film.mp4") == "a.film"
    assert call("paths", "stem", ".mp4") == ".mp4"
    assert call("paths", "libraryLink", "") == "#/library"
    assert call("paths", "libraryLink", "a b") == "#/library/a%20b"
