"""Players give up at once when what they play is stopped, and say why; they do not ask on for minutes."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import Tab
from tests.browser.test_players import PLAYERS, open_players, watch
from tests.support.daemon import LiveDaemon, until


@pytest.fixture
def tab(browser: Browser, daemon: LiveDaemon, modules: Path) -> Tab:
    return open_players(browser, daemon, modules)


@pytest.mark.parametrize("player", ["hls.js", "dash.js", "Shaka, HLS"])
def test_a_player_whose_viewing_is_stopped_gives_up(tab: Tab, daemon: LiveDaemon, films: Path, player: str) -> None:
    name, manifest = PLAYERS[player]
    path = shutil.copy(films / "long.mkv", films / f"stopped-{name}.mkv")
    watch(tab, name, f"/media/films/{Path(path).name}/{manifest}")

    def state() -> dict[str, Any]:
        tab.page.wait_for_timeout(50)
        found: dict[str, Any] = tab.page.evaluate("state()")
        return found

    until(lambda: state()["time"] > 0.5, "it plays")
    (viewer,) = daemon.json("/api/v1/viewers")["viewers"]
    daemon.request("DELETE", f"/api/v1/viewers/{viewer['id']}")
    asked = len(tab.asked)
    until(lambda: state()["fatal"], "it gives up")
    answers = [line for line in daemon.log().splitlines() if f"{Path(path).name}/" in line and " 403, " in line]
    assert answers
    assert len(tab.asked) - asked < 30, tab.asked[asked:]
    assert not [one for one in daemon.live() if one["path"] == viewer["path"]]
