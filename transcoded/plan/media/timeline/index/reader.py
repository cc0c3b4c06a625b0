"""Reads the index of a file: what its packets would say, in milliseconds.

ffprobe has to read the whole file for it. The index is as good: ffmpeg seeks and copies by the same one. What is odd about it, or
contradicts the probe, makes it unusable, and the packets are scanned.
"""

from collections.abc import Callable

from transcoded.plan.media.probe import Media, VideoStream
from transcoded.plan.media.timeline.index.matroska import scan_matroska
from transcoded.plan.media.timeline.index.mp4 import scan_mp4
from transcoded.plan.media.timeline.index.source import NoIndex, Source
from transcoded.plan.media.timeline.packets import PacketScan
from transcoded.plan.media.timeline.survey import Read

_READERS: dict[str, Callable[[Source, Media, VideoStream], PacketScan]] = {"matroska": scan_matroska, "mov": scan_mp4}


def has_index(container: str) -> bool:
    """Whether files of this kind can have an index that is read here. `container` is the name of ffmpeg's demuxer."""
    return not _READERS.keys().isdisjoint(container.split(","))


def read_index(media: Media, size: int, read: Read) -> PacketScan | None:
    """The scan of the video of an open file of `size` bytes, from its index. None: it has none that can be used.

    It reads at most `source.MAX_BYTES`, and may take some ten milliseconds for a file with hundreds of thousands of frames.
    """
    video = media.default_video
    reader = next((_READERS[name] for name in media.container.split(",") if name in _READERS), None)
    if video is None or reader is None or media.cut:
        return None
    try:
        return reader(Source(read, size), media, video)
    except NoIndex:
        return None
