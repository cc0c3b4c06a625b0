"""Players find the small pictures for scrubbing in playlists and manifests, each at its place."""

from pathlib import Path

import pytest

from tests.browser.conftest import FPS, Tab
from tests.browser.test_players import PLAYERS, tab, watch
from tests.support.clips import BITS
from tests.support.daemon import LiveDaemon
from tests.support.pictures import frames

__all__ = ["tab"]

GROUP = 128
"""Frames from keyframe to keyframe."""


@pytest.mark.parametrize("player", ["Shaka, HLS", "Shaka, DASH", "dash.js"])
def test_a_player_shows_the_picture_of_each_time(
    tab: Tab, daemon: LiveDaemon, films: Path, player: str, tmp_path: Path
) -> None:
    name, manifest = PLAYERS[player]
    watch(tab, name, f"/media/films/film.mp4/{manifest}").plays(0.5, "it plays")
    for tile in range(7):
        shown = tab.page.evaluate("(time) => player.tile(time)", tile * 10 + 0.5)
        assert shown, "the player knows of images"
        sheet = daemon.get("/" + shown["url"].removeprefix(tab.base))
        assert sheet.headers["content-type"] == "image/jpeg"
        kept = tmp_path / "sheet.jpg"
        kept.write_bytes(sheet.body)
        (frame,) = frames(kept)
        bits = [
            frame.at(
                (shown["x"] + (bit + 0.5) * shown["width"] / BITS) / frame.width,
                (shown["y"] + shown["height"] / 2) / frame.height,
            )[1]
            > 127
            for bit in range(BITS)
        ]
        keyframe = int(tile * 10 * FPS) % 256 // GROUP * GROUP
        # Each repetition of the film begins anew.
        assert sum(1 << bit for bit, value in enumerate(bits) if value) == keyframe, (tile, shown)
    assert not tab.errors
