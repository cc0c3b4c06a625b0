"""Display matrices: what is told must be what a player shows, or films stand on their head."""

from itertools import product

import pytest

from transcoded.plan.media.orientation import UPRIGHT, Orientation, orientation_of

_ONE = 65536
# Clockwise quarter turns, with y downwards: the images of (1, 0) and (0, 1).
_TURNS = {0: ((1, 0), (0, 1)), 90: ((0, 1), (-1, 0)), 180: ((-1, 0), (0, -1)), 270: ((0, -1), (1, 0))}


def _matrix(a: int, b: int, c: int, d: int) -> str:
    return f"\n00000000: {a:11d} {b:11d}           0\n00000001: {c:11d} {d:11d}           0\n00000002:           0           0  1073741824\n"


@pytest.mark.parametrize(("rotation", "mirrored"), list(product(_TURNS, (False, True))))
def test_every_quarter_turn_is_told_from_its_mirror_image(rotation: int, mirrored: bool) -> None:
    (a, b), (c, d) = _TURNS[rotation]
    sign = -1 if mirrored else 1
    matrix = _matrix(sign * a * _ONE, sign * b * _ONE, c * _ONE, d * _ONE)
    assert orientation_of(matrix) == Orientation(rotation, mirrored)


def test_a_flip_upside_down_is_mirrored_and_turned_by_half() -> None:
    assert orientation_of(_matrix(_ONE, 0, 0, -_ONE)) == Orientation(180, mirrored=True)


def test_a_scaled_or_slightly_tilted_matrix_is_rounded() -> None:
    assert orientation_of(_matrix(2 * _ONE, 3000, -3000, 2 * _ONE)) == UPRIGHT


@pytest.mark.parametrize("matrix", ["", "nonsense", _matrix(0, 0, 0, 0), "00000000: 1 2 3", "00000000: " + "9" * 400])
def test_what_is_no_matrix_leaves_the_video_upright(matrix: str) -> None:
    assert orientation_of(matrix) == UPRIGHT
