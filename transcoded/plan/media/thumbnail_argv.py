"""Arguments of the short-lived ffmpegs: one picture of a film, and its text subtitles as WebVTT."""

from collections.abc import Sequence

from transcoded.plan.media.argv import WHITELISTS, Options, input_argv, prologue, seeks_blindly
from transcoded.plan.media.probe import PROTOCOL_WHITELIST, Media, VideoStream

SIDECARS = {".srt": "subrip", ".vtt": "webvtt", ".ass": "ass", ".ssa": "ssa"}
"""Suffixes of subtitle files beside a film, and ffprobe's names of what they hold."""


def thumbnail_argv(media: Media, stream: VideoStream, path: str, time: float, width: int) -> list[str]:
    """One JPEG on stdout: the picture at `time` seconds, at most `width` pixels wide."""
    columns = min(width, stream.width)
    rows = max(2, round(stream.height * columns / max(1, round(stream.width * float(stream.sar)))))
    # A file can claim any aspect ratio.
    rows = min(rows, 4 * width)
    lead = min(time, 11.0) if seeks_blindly(media) else 0.0
    return [
        *prologue(),
        *input_argv(path, start=time - lead),
        *(("-ss", f"{lead:.6f}") if lead else ()),
        *("-map", f"0:{stream.index}", "-an", "-sn", "-dn"),
        *(
            "-frames:v",
            "1",
            "-filter:v",
            f"scale=w={columns - columns % 2}:h={rows - rows % 2}:out_range=pc,format=yuvj420p",
        ),
        *("-c:v", "mjpeg", "-q:v", "4", "-f", "mjpeg", "pipe:1"),
    ]


def subtitles_argv(path: str, index: int | None, options: Options) -> Sequence[str]:
    """WebVTT on stdout: of stream `index` of a film, or of a subtitle file (None)."""
    if index is None:
        source = (
            "-protocol_whitelist",
            PROTOCOL_WHITELIST,
            "-format_whitelist",
            "srt,webvtt,ass",
            "-i",
            f"file:{path}",
        )
        chosen = ("-map", "0:s:0")
    else:
        source = (*WHITELISTS, "-i", f"file:{path}")
        chosen = ("-map", f"0:{index}")
    return [*prologue(), *source, *chosen, *("-vn", "-an", "-c:s", "webvtt", "-f", "webvtt", "pipe:1")]
