"""A look at every packet of a picture track: where its keyframes are, and how dense it is. From ffprobe's lines to a `KeyframeScan`.

It is only worth its reading for a picture that could be copied. What cannot be read in time is done without.
"""

from fractions import Fraction

from transcoded.plan.cmaf.ladder import REORDER, KeyframeScan
from transcoded.plan.cmaf.timeline import TARGET
from transcoded.plan.media.argv import WHITELISTS
from transcoded.plan.media.formats import H264_PIX_FMTS
from transcoded.plan.media.probe import Media, VideoStream

MAX_BYTES_READ = 8 << 30
"""Files beyond this are not looked through."""


def keyframes_are_useful(media: Media) -> bool:
    """Whether keyframes would be of use."""
    picture = media.default_video
    return (
        picture is not None
        and picture.codec == "h264"
        and picture.pix_fmt in H264_PIX_FMTS
        and media.size <= MAX_BYTES_READ
    )


def scan_argv(path: str, stream: VideoStream) -> list[str]:
    """Arguments of an ffprobe that writes a line `pts,size,flags` for each packet."""
    return [
        *("-hide_banner", "-loglevel", "error", "-select_streams", str(stream.index)),
        *("-show_entries", "packet=pts_time,size,flags", "-of", "csv=p=0"),
        *WHITELISTS,
        *("-i", f"file:{path}"),
    ]


def scan_from_probe(media: Media) -> KeyframeScan:
    """What is known without looking."""
    picture = media.default_video
    if picture is None:
        return KeyframeScan()
    return KeyframeScan(start=_offset(media, picture), reorder=REORDER if picture.reorder is None else picture.reorder)


def parse_scan(output: bytes, media: Media) -> KeyframeScan:
    """The scan; lines that make no sense are passed over.

    A film of two hours has 200,000 of them, so they are read as whole microseconds, and only keyframes become fractions.
    """
    keyframes: list[int] = []
    weights: dict[int, int] = {}
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
        weights[time // window] = weights.get(time // window, 0) + size
        if b"K" in flags:
            keyframes.append(time)
    known = scan_from_probe(media)
    return KeyframeScan(
        start=known.start,
        keyframes=tuple(Fraction(time, 1_000_000) for time in sorted(keyframes)),
        reorder=known.reorder,
        peak=round(max(weights.values()) * 8 / TARGET) if weights else None,
    )


def _offset(media: Media, picture: VideoStream) -> Fraction:
    """When the first frame is shown, in seconds after the container's start."""
    if picture.start_time is None:
        return Fraction(0)
    return max(Fraction(0), Fraction(round((picture.start_time - media.start_time) * 1_000_000), 1_000_000))
