"""Arguments for the ffmpeg that takes a subtitle stream out of a file, as it is where its format is one of a file.

Text is not decoded if that can be helped: ffmpeg leaves lines out that are not UTF-8, and its writer of WebVTT escapes nothing.
The result has the times of the film as it is played, which begins at 0, wherever the clock of the file does.
"""

from collections.abc import Mapping, Sequence

from transcoded.plan.media.argv import input_argv, prologue
from transcoded.plan.media.probe import Media, SubtitleStream
from transcoded.plan.media.timeline.extents import begins_late

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

_NOT_BEFORE_THE_FILM = "setts=pts=max(PTS\\,0):dts=max(DTS\\,0):duration=max(0\\,DURATION+min(PTS\\,0))"
"""A line that is shown when the film begins is shown from there on. ffmpeg writes times before 0 in a way that nobody reads."""


def form_of(stream: SubtitleStream) -> str | None:
    """The format in which a stream is taken out; None for images that are in no file of their own."""
    return FILES.get(stream.codec, "ass" if stream.text else None)


def subtitle_argv(path: str, media: Media, stream: SubtitleStream, form: str) -> Sequence[str]:
    """Stream `stream` of the file at `path` on stdout, in the format `form`: that of `form_of`, or `matroska` for images."""
    copied = stream.codec in FILES or not stream.text
    # As the segments have it; for the microsecond see there (`plan.cmaf.argv`).
    times: Sequence[str] = ("-copyts", "-itsoffset", f"{0.000_001 - media.start_time:.6f}")
    beside: Sequence[str] = ()
    video = media.default_video
    if media.restarts and video is not None:
        # Where the clock begins anew, ffmpeg goes on by the times of audio and video only, and only if they are used.
        times = ("-itsoffset", f"{begins_late(media, video):.6f}")
        beside = ("-map", f"0:{video.index}", "-c", "copy", "-f", "null", "-")
    return [
        *prologue(),
        *times,
        # What is not UTF-8 is passed on, and one line that cannot be decoded makes it fail.
        *(() if copied else ("-sub_charenc_mode", "ignore")),
        *input_argv(path),
        *("-map", f"0:{stream.index}", "-vn", "-an", "-dn", "-map_metadata", "-1", "-map_chapters", "-1"),
        # With what it encodes, FFmpeg 5.1 loses lines by it.
        *(("-bsf:s", _NOT_BEFORE_THE_FILM) if stream.text and copied else ()),
        *("-c:s", "copy" if copied else "ass", "-max_error_rate", "0", "-avoid_negative_ts", "disabled"),
        *("-f", _MUXERS[form], "pipe:1"),
        *beside,
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
