"""Where reading must begin so that a time can be shown: at a keyframe before it.

A file with an index leads ffmpeg there by itself. In others ffmpeg searches for the time and begins to read in the middle of
a group of pictures: then nothing is decoded until the next keyframe, or wrong pictures are. So ffprobe is asked for the
keyframes before the time, and further back until there is one.
"""

from transcoded.plan.media.argv import FFPROBE_WHITELISTS
from transcoded.plan.media.probe import Media
from transcoded.plan.media.timeline.packets import PacketScan

LEADS = (4.0, 16.0, 64.0, 256.0)
"""Seconds before the time in which a keyframe is looked for, one after the other. Encoders put one every ten seconds at the least;
recordings of screens have one a minute. Streams that refresh their pictures bit by bit have none at all."""

GUESS = 11.0
"""Seconds: 250 frames, the default of x264, at 24 frames a second, and a bit more."""

AFTER = 1.0
"""Seconds behind the time up to which is read: the search can lead somewhat behind it."""

MARGIN = 0.5
"""Seconds before a keyframe to which ffmpeg is sent: its search goes by decode times, which are earlier."""

SEEK_BACK = 3 / 23
"""Seconds by which ffmpeg goes further back than it was told, in a file of reordered frames whose index it takes for one of decode times."""

ROUNDING = 0.000_6
"""Seconds: more than half a millisecond, to which Matroska rounds times."""

_EXACT = frozenset({"mov", "matroska", "webm"})
_INDEXED = frozenset({"mov", "matroska", "webm", "avi"})


def is_indexed(media: Media) -> bool:
    """Whether ffmpeg goes to the right keyframe by itself. Audio alone needs none."""
    return media.default_video is None or not _INDEXED.isdisjoint(media.container.split(","))


def place_at(scan: PacketScan, media: Media, time: float) -> float | None:
    """Where ffmpeg must be sent in a file with an index so that it begins to read exactly at the latest keyframe before a time, in seconds after the container's start.

    Sent to the time itself, it may begin a whole group of pictures earlier, all of which it would decode for nothing. None: no such keyframe is known.
    """
    names = media.container.split(",")
    keyframe = scan.keyframe_before(time)
    if keyframe is None or _EXACT.isdisjoint(names):
        return None
    back = 0.0 if "mov" in names or not any(stream.reorder for stream in media.video) else SEEK_BACK
    return keyframe + back + ROUNDING


def keyframes_argv(path: str, media: Media, stream: int, start: float, end: float) -> list[str]:
    """Arguments for the ffprobe that writes a line `pts,flags` for each packet of a stream in [start, end).

    Both are in seconds after the container's start. In a file without an index it begins somewhat earlier or later.
    """
    first = f"{media.start_time + start:.6f}" if start > 0 else ""
    return [
        *("-hide_banner", "-loglevel", "error", "-select_streams", str(stream)),
        *("-show_entries", "packet=pts_time,flags", "-of", "csv=p=0"),
        *("-read_intervals", f"{first}%{media.start_time + end:.6f}"),
        *FFPROBE_WHITELISTS,
        *("-i", f"file:{path}"),
    ]


def latest_keyframe(output: bytes, media: Media, time: float) -> float | None:
    """The latest keyframe that is shown at `time` or before, in seconds after the container's start; None if there is none."""
    found: list[float] = []
    for line in output.splitlines():
        pts, _, flags = line.partition(b",")
        if flags[:1] == b"K" and b"D" not in flags:
            try:
                found.append(float(pts) - media.start_time)
            except ValueError:
                continue
    # A microsecond of rounding: the time of a segment can be that of a keyframe.
    return max((one for one in found if one <= time + 0.000_002), default=None)


def place_before(keyframe: float | None, time: float) -> float:
    """Where to begin to read for a time, in seconds after the container's start.

    If there is no keyframe, the pictures are refreshed bit by bit, and a lead as long as a usual group of pictures is taken.
    """
    return max(0.0, (time - GUESS if keyframe is None else keyframe) - MARGIN)
