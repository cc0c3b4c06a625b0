"""Sizes of pictures: how large a video is shown, in square pixels, and how large it is encoded.

All that is encoded has square pixels: not all players stretch others, and none has to.
"""

from fractions import Fraction
from math import isqrt

from transcoded.plan.media.probe import VideoStream

MAX_SAR = 4
"""The widest pixel that is believed, and the inverse of the narrowest. Real ones are at most 2.9 wide: a quarter of a wide
television picture (352x576). Beyond it, the number in the file is taken for an error, and pixels for square."""

MAX_SIDE = 8192
MAX_AREA = 139_264 * 256
"""Pixels of an encoded picture: its longer side, and all of them. H.264 has no level for a larger one (annex A, table A-1)."""


def pixel_aspect(stream: VideoStream) -> Fraction:
    """Width by height of a pixel, as displayed: the file's if it is plausible, else 1."""
    return stream.sar if Fraction(1, MAX_SAR) <= stream.sar <= MAX_SAR else Fraction(1)


def fitted(stream: VideoStream, rows: int | None = None) -> tuple[int, int]:
    """Width and height of the encoded video in square pixels, both even as 4:2:0 needs it, in the shape of the source.

    It is not higher than `rows` (None: any), than the source, or than `MAX_SIDE` and `MAX_AREA` allow.
    """
    shape = Fraction(stream.width, stream.height) * pixel_aspect(stream)
    height = stream.height if rows is None else min(rows, stream.height)
    height = max(1, min(height, MAX_SIDE, int(MAX_SIDE / shape), isqrt(int(MAX_AREA / shape))))
    width = min(MAX_SIDE, round(height * shape))
    return max(2, width - width % 2), max(2, height - height % 2)
