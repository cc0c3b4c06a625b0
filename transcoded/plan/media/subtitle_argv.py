"""Arguments of the ffmpeg that makes WebVTT of a text subtitle stream, or of a subtitle file beside a film."""

from collections.abc import Sequence

from transcoded.plan.media.argv import WHITELISTS, prologue
from transcoded.plan.media.whitelist import PROTOCOL_WHITELIST

SIDECARS = {".srt": "subrip", ".vtt": "webvtt", ".ass": "ass", ".ssa": "ssa"}
"""Suffixes of subtitle files beside a film, and ffprobe's names of what they hold."""


def subtitle_argv(path: str, index: int | None) -> Sequence[str]:
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
