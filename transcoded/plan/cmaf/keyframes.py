"""The keyframe scan: ffprobe lists every packet of the video stream, and its lines become a `KeyframeScan`.

Only a copied rendition needs the keyframes, so only files whose video could be copied are scanned.
"""

from fractions import Fraction

from transcoded.plan.cmaf.ladder import REORDER, KeyframeScan
from transcoded.plan.cmaf.timeline import TARGET
from transcoded.plan.media.argv import WHITELISTS
from transcoded.plan.media.formats import H264_PIX_FMTS
from transcoded.plan.media.probe import Media, VideoStream

MAX_BYTES_READ = 8 << 30
"""Bytes. Larger files are not scanned: ffprobe has to read the whole file."""


def keyframes_are_useful(media: Media) -> bool:
    """Whether the video could be copied, and the file is small enough to be scanned."""
    video = media.default_video
    return (
        video is not None and video.codec == "h264" and video.pix_fmt in H264_PIX_FMTS and media.size <= MAX_BYTES_READ
    )


def scan_argv(path: str, stream: VideoStream) -> list[str]:
    """Arguments for the ffprobe that writes a line `pts,size,flags` for each packet."""
    return [
        *("-hide_banner", "-loglevel", "error", "-select_streams", str(stream.index)),
        *("-show_entries", "packet=pts_time,size,flags", "-of", "csv=p=0"),
        *WHITELISTS,
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

    Two hours of video have about 200,000 packets. So times are parsed as whole microseconds, which is fast, and only those of
    keyframes become fractions.
    """
    keyframes: list[int] = []
    sizes: dict[int, int] = {}
    zero = round(media.start_time * 1_000_000)
    window = int(TARGET * 1_000_000)
    for line in output.splitlines():
        fields = line.split(b",")
        try:
            # ffprobe writes six decimals.
            time = int(fields[0].replace(b".", b"")) - zero
            size, flags = int(fields[1]), fields[2]
        except (ValueError, IndexError):
            continue
        sizes[time // window] = sizes.get(time // window, 0) + size
        if b"K" in flags:
            keyframes.append(time)
    probed = scan_from_probe(media)
    return KeyframeScan(
        start=probed.start,
        keyframes=tuple(Fraction(time, 1_000_000) for time in sorted(keyframes)),
        reorder=probed.reorder,
        peak=round(max(sizes.values()) * 8 / TARGET) if sizes else None,
    )


def _offset(media: Media, video: VideoStream) -> Fraction:
    """When the first frame is displayed, in seconds after the container's start."""
    if video.start_time is None:
        return Fraction(0)
    return max(Fraction(0), Fraction(round((video.start_time - media.start_time) * 1_000_000), 1_000_000))
