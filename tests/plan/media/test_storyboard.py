"""Which tiles a storyboard has, and in which sheets: playlists name them before one is made."""

import attrs
import pytest

from tests.plan.examples import MEDIA, VIDEO_STREAM
from transcoded.plan.errors import BadParameter, NotMedia
from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.probe import Media
from transcoded.plan.media.storyboard import MAX_TILES, storyboard

ABLE = Capabilities.everything()
FILM = attrs.evolve(MEDIA, duration=7200.5, size=4 << 30, container="mov,mp4,m4a,3gp,3g2,mj2", video=(VIDEO_STREAM,))


def sized(width: int, height: int) -> Media:
    return attrs.evolve(FILM, video=(attrs.evolve(VIDEO_STREAM, width=width, height=height),))


@pytest.mark.parametrize(
    ("media", "layout"),
    [
        pytest.param(sized(1280, 720), (5, 5), id="720p"),
        pytest.param(sized(1920, 1080), (4, 4), id="1080p"),
        pytest.param(sized(3840, 2160), (2, 2), id="4K"),
        pytest.param(sized(8192, 4320), (1, 1), id="8K"),
        pytest.param(attrs.evolve(sized(1280, 720), size=40 << 30), (3, 3), id="a high bit rate"),
        pytest.param(attrs.evolve(sized(1280, 720), duration=19.0), (2, 1), id="short"),
    ],
)
def test_a_sheet_is_no_larger_than_can_be_made_in_a_moment(media: Media, layout: tuple[int, int]) -> None:
    board = storyboard(media, ABLE)
    assert (board.columns, board.rows) == layout
    numbers = [tile for sheet in range(board.sheets) for tile in board.of_sheet(sheet)]
    assert numbers == list(range(board.tiles))
    assert (board.tiles - 1) * board.interval < board.duration <= board.tiles * board.interval


def test_the_number_of_tiles_is_bounded() -> None:
    long = attrs.evolve(FILM, duration=240 * 3600.0, size=1 << 40)
    with pytest.raises(BadParameter, match="give 44 or more"):
        storyboard(long, ABLE, interval=43)
    assert storyboard(long, ABLE).tiles <= MAX_TILES


@pytest.mark.parametrize(
    "media",
    [
        pytest.param(attrs.evolve(FILM, video=()), id="only audio"),
        pytest.param(attrs.evolve(FILM, video=(), cover=VIDEO_STREAM), id="a cover"),
        pytest.param(attrs.evolve(FILM, duration=None), id="no length"),
        pytest.param(attrs.evolve(FILM, video=(attrs.evolve(VIDEO_STREAM, codec="unknown"),)), id="no decoder"),
    ],
)
def test_what_has_no_storyboard(media: Media) -> None:
    with pytest.raises(NotMedia):
        storyboard(media, ABLE)
