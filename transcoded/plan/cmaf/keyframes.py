"""The keyframe scan: ffprobe lists every packet of the video stream, and its lines become a `KeyframeScan`.

Only a copied rendition needs the keyframes, so only files whose video could be copied are scanned.
"""

from array import array
from fractions import Fraction
from io import BytesIO
from math import ceil

from transcoded.plan.cmaf.ladder import REORDER, KeyframeScan
from transcoded.plan.cmaf.timeline import TARGET
from transcoded.plan.media.argv import FFPROBE_WHITELISTS
from transcoded.plan.media.formats import H264_PIX_FMTS
from transcoded.plan.media.probe import Media, VideoStream

MAX_BYTES_READ = 8 << 30
"""Bytes. Larger files are not scanned: ffprobe has to read the whole file."""

_NONE = (1 << 63) - 1
_WINDOW = int(TARGET)


def keyframes_are_useful(media: Media) -> bool:
    """Whether the video could be copied, and the file is small enough to be scanned."""
    video = media.default_video
    copyable = video is not None and video.codec == "h264" and video.pix_fmt in H264_PIX_FMTS
    return copyable and media.duration is not None and media.size <= MAX_BYTES_READ


def scan_argv(path: str, stream: VideoStream) -> list[str]:
    """Arguments for the ffprobe that writes a line `pts,size,flags` for each packet."""
    return [
        *("-hide_banner", "-loglevel", "error", "-select_streams", str(stream.index)),
        *("-show_entries", "packet=pts_time,size,flags", "-of", "csv=p=0"),
        *FFPROBE_WHITELISTS,
        *("-i", f"file:{path}"),
    ]


def scan_from_probe(media: Media) -> KeyframeScan:
    """What the probe alone tells: no keyframes and no bit rate."""
    video = media.default_video
    if video is None:
        return KeyframeScan()
    return KeyframeScan(start=_offset(media, video), reorder=REORDER if video.reorder is None else video.reorder)


def parse_scan(output: bytes, media: Media) -> KeyframeScan:
    """The scan from the output of ffprobe with `scan_argv`. Lines that cannot be parsed are skipped.

    Memory and result depend on the length of the file, not on the number of its packets: of the keyframes in one second only
    the first is kept, and packets at times outside the file do not count. Two hours of video have about 200,000 packets. So
    times are parsed as whole microseconds, which is fast.
    """
    probed = scan_from_probe(media)
    seconds = ceil(media.duration or 0)
    # One place more in front, for frames that are shown before the container's start.
    first = array("q", [_NONE]) * (seconds + 2)
    sizes = array("q", [0]) * (seconds // _WINDOW + 3)
    zero = round(media.start_time * 1_000_000)
    for line in BytesIO(output):
        fields = line.split(b",")
        try:
            # ffprobe writes six decimals.
            time = int(fields[0].replace(b".", b"")) - zero
            second = time // 1_000_000
            if -1 <= second <= seconds:
                sizes[second // _WINDOW + 1] += int(fields[1])
                if b"K" in fields[2] and time < first[second + 1]:
                    first[second + 1] = time
        except (ValueError, IndexError, OverflowError):
            continue
    peak = max(sizes)
    return KeyframeScan(
        start=probed.start,
        keyframes=array("q", (time for time in first if time != _NONE)),
        reorder=probed.reorder,
        peak=round(peak * 8 / TARGET) if peak > 0 else None,
    )


def _offset(media: Media, video: VideoStream) -> Fraction:
    """When the first frame is displayed, in seconds after the container's start."""
    if video.start_time is None:
        return Fraction(0)
    return max(Fraction(0), Fraction(round((video.start_time - media.start_time) * 1_000_000), 1_000_000))
