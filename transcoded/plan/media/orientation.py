"""How decoded frames are shown: from the display matrix of a stream (ISO/IEC 14496-12, section 8.3.2) to quarter turns and mirroring.

A matrix maps a point of the frame, with y downwards, to x' = a·x + c·y and y' = b·x + d·y.
"""

import re
from math import atan2, degrees

import attrs

_ROW = re.compile(r"^[0-9]{8}:\s*(-?[0-9]{1,10})\s+(-?[0-9]{1,10})\s+-?[0-9]{1,10}$", re.MULTILINE)


@attrs.frozen
class Orientation:
    """`mirrored`: the frame is mirrored from left to right. Then it is turned clockwise by `rotation`: 0, 90, 180 or 270 degrees."""

    rotation: int = 0
    mirrored: bool = False

    @property
    def sideways(self) -> bool:
        """Whether width and height change places."""
        return self.rotation in {90, 270}


UPRIGHT = Orientation()


def orientation_of(matrix: str) -> Orientation:
    """The orientation that a matrix means, as ffprobe prints it: three rows of three numbers each.

    Angles are rounded to quarter turns. `UPRIGHT` for a matrix that is no rotation and no reflection.
    """
    rows = [(int(one), int(two)) for one, two in _ROW.findall(matrix)[:2]]
    if len(rows) < 2:
        return UPRIGHT
    (a, b), (c, d) = rows
    determinant = a * d - b * c
    if not determinant:
        return UPRIGHT
    # A clockwise turn by t has a = d = cos t, b = sin t and c = -sin t. Mirroring first changes the signs of a and b only.
    return Orientation(round(degrees(atan2(-c, d)) / 90) * 90 % 360, mirrored=determinant < 0)
