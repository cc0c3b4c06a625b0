"""Arguments for the ffmpeg that converts a text subtitle stream, or a subtitle file beside a media file, to WebVTT."""

from collections.abc import Sequence

from transcoded.plan.media.argv import DECODING_LIMITS, WHITELISTS, prologue
from transcoded.plan.media.whitelist import PROTOCOL_WHITELIST

SIDECARS = {".srt": "subrip", ".vtt": "webvtt", ".ass": "ass", ".ssa": "ssa"}
"""Suffixes of subtitle files beside a media file, and ffmpeg's names of their codecs."""


def subtitle_argv(path: str, index: int | None) -> Sequence[str]:
    """WebVTT on stdout: from stream `index` of a media file, or from a subtitle file (None)."""
    if index is None:
        source = (
            "-protocol_whitelist",
            PROTOCOL_WHITELIST,
            "-format_whitelist",
            "srt,webvtt,ass",
            *DECODING_LIMITS,
            "-i",
            f"file:{path}",
        )
        chosen = ("-map", "0:s:0")
    else:
        source = (*WHITELISTS, "-i", f"file:{path}")
        chosen = ("-map", f"0:{index}")
    return [*prologue(), *source, *chosen, *("-vn", "-an", "-c:s", "webvtt", "-f", "webvtt", "pipe:1")]
