"""Shaka Player shows the pictures for fast play in trick play, and goes back to the video."""

import shutil
from pathlib import Path

import pytest

from tests.browser.conftest import Tab
from tests.browser.test_players import PLAYERS, tab, watch
from tests.support.daemon import LiveDaemon

__all__ = ["tab"]


@pytest.mark.parametrize("player", ["Shaka, HLS", "Shaka, DASH"])
def test_a_player_uses_the_pictures_for_fast_play(tab: Tab, daemon: LiveDaemon, films: Path, player: str) -> None:
    name, manifest = PLAYERS[player]
    film = Path(shutil.copy(films / "film.mp4", films / f"fast-{manifest}.mp4")).name
    watching = watch(tab, name, f"/media/films/{film}/{manifest}")
    watching.plays(0.5, "it plays")
    assert not watching.asked_for("i240")
    tab.page.evaluate("player.fast(8)")
    watching.until(
        lambda state: watching.asked_for("i240") > 2 and state["height"] == 240, "the pictures for fast play"
    )
    watching.until(lambda state: state["time"] > 14, "it plays fast")
    tab.page.evaluate("player.fast(1)")
    watching.until(lambda state: state["height"] == 480, "the video again")
    watching.plays(watching.state["time"], "it plays again")
    assert not tab.errors
