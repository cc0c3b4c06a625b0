"""The storyboard of a file: small pictures of it at equal distances, for scrubbing. Many are in one image, a sheet.

All of it follows from the probe, so playlists can name the sheets before one is made. All sheets have the same size, also the last:
players scale a sheet to the size that a playlist states, and would stretch a smaller one.
"""

from fractions import Fraction
from math import ceil, isqrt

import attrs

from transcoded.plan.errors import BadParameter, NotMedia
from transcoded.plan.http.parameters import Parameter, whole
from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.colors import tone_mapping_obstacle
from transcoded.plan.media.probe import Media, VideoStream
from transcoded.plan.media.thumbnail_argv import thumbnail_size
from transcoded.plan.media.timeline.landing import is_indexed

DEFAULT_INTERVAL = 10
"""Seconds between two tiles."""

DEFAULT_WIDTH = 320
"""Pixels of a tile."""

MAX_INTERVAL = 600
MAX_TILES = 20_000
"""Tiles of a file: each takes a cue of about 100 bytes. At ten seconds they are 55 hours."""

MAX_SIDE, MAX_SIDE_APART = 5, 3
"""Tiles of a sheet in each direction, if the file is read through for it, and if each tile has an input of its own. A sheet has to be
made in a moment, and an input costs a tenth to half a second of CPU time."""

MAX_READ = 16 << 20
"""Bytes of the file between two tiles up to which it is read through: 12.8 Mbit/s at ten seconds. Reading them takes less time than
another input would, also from a hard disk."""

MAX_READ_SECONDS = 20
"""Seconds between two tiles up to which a file without an index is read through, whatever its bit rate is."""

SOURCE_AREA = 16 * 1920 * 1088
"""Pixels of the frames that are decoded for a sheet: 16 frames of 1080p, 4 of 4K. Each of them is in memory several times."""

SHEET_AREA = 8 << 20
"""Pixels of a sheet. Players keep several of them in memory, as they are drawn."""

INTERVAL: Parameter[int | None] = whole(
    "interval",
    1,
    MAX_INTERVAL,
    None,
    f"Seconds between two tiles; by default {DEFAULT_INTERVAL}, or more if there would be too many.",
)
TILE_WIDTH: Parameter[int] = whole(
    "width", 64, 640, DEFAULT_WIDTH, "Width of a tile in pixels, at most that of the file."
)


@attrs.frozen
class Storyboard:
    """The storyboard of a video. `interval` is in seconds, `width` and `height` of a tile are in pixels.

    A sheet has `columns` times `rows` tiles, row by row. There are `tiles` in all: that with number i is for the time i * interval.
    `asked_width` is the width that the URL of a sheet states. `duration` is that of the file, in seconds. `through`: the file is read
    through for a sheet; else each tile has an input of its own.
    """

    stream: VideoStream
    duration: Fraction
    interval: int
    asked_width: int
    width: int
    height: int
    columns: int
    rows: int
    tiles: int
    through: bool

    @property
    def per_sheet(self) -> int:
        """Tiles of a full sheet."""
        return self.columns * self.rows

    @property
    def sheets(self) -> int:
        """Sheets in all. The last can have fewer tiles, and is black where it has none."""
        return ceil(self.tiles / self.per_sheet)

    def of_sheet(self, sheet: int) -> range:
        """The numbers of the tiles in a sheet."""
        return range(sheet * self.per_sheet, min((sheet + 1) * self.per_sheet, self.tiles))

    @property
    def query(self) -> str:
        """What the URL of a sheet says of it."""
        return f"interval={self.interval}&width={self.asked_width}"


def storyboard(
    media: Media, capabilities: Capabilities, interval: int | None = None, width: int = DEFAULT_WIDTH
) -> Storyboard:
    """The storyboard of a file, with tiles at most `width` pixels wide.

    Raises `NotMedia` if it has no video, none that this ffmpeg can show, or no known length; `BadParameter` if an `interval` that was
    asked for would make too many tiles.
    """
    video = media.default_video
    if video is None or not video.width or not video.height:
        raise NotMedia("The file has no video whose size is known, so it has no storyboard.")
    obstacle = (
        capabilities.decoding_obstacle(video.codec)
        or capabilities.encoding_obstacle("mjpeg")
        or tone_mapping_obstacle(video, capabilities)
    )
    if obstacle is not None:
        raise NotMedia(obstacle)
    if not media.duration:
        raise NotMedia("The length of the file is not known, so it has no storyboard.")
    duration = Fraction(round(media.duration * 1_000_000), 1_000_000)
    least = ceil(duration / MAX_TILES)
    if interval is None:
        interval = max(DEFAULT_INTERVAL, least)
    if interval < least:
        raise BadParameter(
            "interval", f"{interval} s would make more than {MAX_TILES:,} tiles of this file; give {least} or more."
        )
    tiles = max(1, ceil(duration / interval))
    columns, height = thumbnail_size(video, width)
    read = media.size / media.duration * interval
    through = media.restarts or read <= MAX_READ or (not is_indexed(media) and interval <= MAX_READ_SECONDS)
    frame = max(1, (video.coded_width or video.width) * (video.coded_height or video.height))
    side = min(
        MAX_SIDE if through else MAX_SIDE_APART,
        isqrt(max(1, min(SOURCE_AREA // frame, SHEET_AREA // (columns * height)))),
    )
    across = min(side, tiles)
    return Storyboard(
        stream=video,
        duration=duration,
        interval=interval,
        asked_width=width,
        width=columns,
        height=height,
        columns=across,
        rows=min(side, ceil(tiles / across)),
        tiles=tiles,
        through=through,
    )
