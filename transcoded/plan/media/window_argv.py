"""Arguments for the ffmpeg that takes a few windows of all text out of a film, in one pass and without reading the rest of it.

ffmpeg seeks by the index of the film, to `PREROLL` seconds before the first window, and writes what it finds as Matroska (`plan.subtitles.packets`).

* In MP4 text has an index of its own, so nothing else is read, and ffmpeg ends behind the last window.
* In Matroska text is between audio and video, and lines are rare. So a few packets of these are written too, as a clock: whoever reads sees when the last
  window is over, and ends ffmpeg. Text is copied, and not filtered: what is decoded would come later than the clock, and `setts` holds a packet back.
* Anything else is read whole: other containers with text are rare, and so are recordings whose clock begins anew.
"""

from collections.abc import Sequence
from math import ceil

import attrs

from transcoded.plan.media.argv import input_argv, prologue
from transcoded.plan.media.probe import Media, SubtitleStream
from transcoded.plan.media.timeline.extents import precedes_video
from transcoded.plan.subtitles.windows import WINDOW

WINDOWS = 2
"""Windows of one pass: a player asks for the next one soon, and would read what is before it again."""

PREROLL = 60
"""Seconds that are read before the first window. So a line that is shown for longer may be missing where it goes on."""

APART_SECONDS = 10
APART_BYTES = 32 << 20
"""By how much text may come later in a file than the video and audio of its time: the longer of both. ffmpeg muxes what it has just then: with
subtitles from another file they came up to 48 s late in video of 76 kbit/s, and 0.8 s in one of 12 Mbit/s."""

_COPIED = frozenset({"ass", "ssa", "subrip", "srt", "webvtt"})

_AUDIO_CLOCK = "noise=drop=lt(pts\\,0)+gt(mod(n\\,32)\\,0)"
_VIDEO_CLOCK = "noise=drop=lt(pts\\,0)+gt(mod(n\\,16)\\,0)"
"""Which packets are no part of the clock: what is left comes about once a second."""


@attrs.frozen
class Pass:
    """The windows that are taken out together: of the streams `streams`, from window `first` on."""

    streams: tuple[SubtitleStream, ...]
    first: int

    @property
    def end(self) -> int:
        """Seconds after the start of the film at which the last one is over."""
        return WINDOW * (self.first + WINDOWS)


def pass_of(media: Media, stream: SubtitleStream, number: int) -> Pass | None:
    """The pass that window `number` of a stream is part of; None: the stream can only be read whole."""
    streams = tuple(one for one in media.subtitles if not one.external and one.codec in _codecs(media))
    return Pass(streams, number - number % WINDOWS) if stream in streams else None


def _codecs(media: Media) -> frozenset[str]:
    names = media.container.split(",")
    if media.restarts:
        return frozenset()
    return frozenset({"mov_text"}) if "mov" in names else _COPIED if "matroska" in names else frozenset()


def enough(media: Media, wanted: Pass) -> int:
    """Milliseconds of the clock behind which there is no text of a pass any more."""
    apart = APART_BYTES * (media.duration or 0.0) / max(1, media.size)
    return 1000 * (wanted.end + ceil(max(APART_SECONDS, apart)))


def window_argv(path: str, media: Media, wanted: Pass) -> Sequence[str]:
    """The windows of a pass through the file at `path`, as Matroska on stdout."""
    start = float(max(0, WINDOW * wanted.first - PREROLL))
    copied = "matroska" in media.container.split(",")
    clock: list[str] = []
    if copied:
        streams = [one.index for one in (media.default_video, media.default_audio) if one is not None]
        clock = [part for index in streams for part in ("-map", f"0:{index}")]
        clock += ["-c:v", "copy", "-bsf:v", _VIDEO_CLOCK, "-c:a", "copy", "-bsf:a", _AUDIO_CLOCK]
    return [
        *prologue(),
        # As the whole text has it (`subtitle_argv`).
        *("-copyts", "-itsoffset", f"{0.000_001 - media.start_time:.6f}"),
        *(() if copied else ("-sub_charenc_mode", "ignore")),
        *input_argv(path, 0.0 if precedes_video(media, start) else start),
        *(part for one in wanted.streams for part in ("-map", f"0:{one.index}")),
        *clock,
        *("-dn", "-map_metadata", "-1", "-map_chapters", "-1"),
        *(("-c:s", "copy") if copied else ("-c:s", "ass", "-t", str(wanted.end))),
        *("-max_error_rate", "0", "-avoid_negative_ts", "disabled", "-fflags", "-autobsf"),
        *("-max_interleave_delta", "1000000", "-flush_packets", "1", "-f", "matroska", "pipe:1"),
    ]
