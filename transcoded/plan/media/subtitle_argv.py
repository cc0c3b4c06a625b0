"""Arguments for the ffmpeg that takes a subtitle stream out of a file, as it is where its format is one of a file.

Text is not decoded if that can be helped: ffmpeg leaves lines out that are not UTF-8, and its writer of WebVTT escapes nothing.
The result has the times of the film as it is played, which begins at 0, wherever the clock of the file does.
"""

from collections.abc import Mapping, Sequence

from transcoded.plan.media.argv import input_argv, prologue
from transcoded.plan.media.probe import Media, SubtitleStream

FILES: Mapping[str, str] = {
    "subrip": "srt",
    "srt": "srt",
    "ass": "ass",
    "ssa": "ass",
    "webvtt": "vtt",
    "hdmv_pgs_subtitle": "sup",
}
"""The format of a file in which a stream can be given as it is, by its codec."""

_MUXERS = {"srt": "srt", "ass": "ass", "vtt": "webvtt", "sup": "sup", "matroska": "matroska"}


def form_of(stream: SubtitleStream) -> str | None:
    """The format in which a stream is taken out; None for images that are in no file of their own."""
    return FILES.get(stream.codec, "ass" if stream.text else None)


def subtitle_argv(path: str, media: Media, stream: SubtitleStream, form: str) -> Sequence[str]:
    """Stream `stream` of the file at `path` on stdout, in the format `form`: that of `form_of`, or `matroska` for images."""
    copied = stream.codec in FILES or not stream.text
    return [
        *prologue(),
        # As the segments have it; for the microsecond see there (`plan.cmaf.argv`).
        *("-copyts", "-itsoffset", f"{0.000_001 - media.start_time:.6f}"),
        # What is not UTF-8 is passed on, and one line that cannot be decoded makes it fail.
        *(() if copied else ("-sub_charenc_mode", "ignore")),
        *input_argv(path),
        *("-map", f"0:{stream.index}", "-vn", "-an", "-dn", "-map_metadata", "-1", "-map_chapters", "-1"),
        *("-c:s", "copy" if copied else "ass", "-max_error_rate", "0", "-avoid_negative_ts", "disabled"),
        *("-f", _MUXERS[form], "pipe:1"),
    ]


def attachment_argv(path: str, index: int) -> Sequence[str]:
    """The attached file that is stream `index` of the file at `path`, on stdout.

    It is the header of its stream, which has no packets: no muxer would write anything. So the demuxer writes it, and nothing
    else is made.
    """
    return [
        *prologue(),
        *(f"-dump_attachment:{index}", "pipe:1"),
        *input_argv(path),
        *("-map", f"0:{index}", "-c", "copy", "-t", "0", "-f", "null", "-"),
    ]
