"""Windows: the parts of a track of subtitles that players of HLS load one by one, each a file of WebVTT of its own.

Window k has every cue that is visible in its `WINDOW` seconds, from `WINDOW` x k on: one that lasts into the next window is in both, with its true
times (RFC 8216bis, section 3.1.4). Styles and regions are in all of them, comments in none.
"""

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import ceil

from transcoded.plan.subtitles.srt import read_times

WINDOW = 60
"""Seconds."""

_CLOCK = 90_000
_ROLLOVER = 1 << 33
"""The clock of MPEG-2 (ISO/IEC 13818-1): ticks per second, and the tick at which it begins anew, after 26.5 hours."""

_BLOCKS = re.compile(r"\n{2,}")
_FOR_ALL = re.compile(r"(?:STYLE|REGION)[ \t]*")


def window_lengths(duration: Fraction) -> Sequence[Fraction]:
    """The lengths of the windows of a film of so many seconds, in seconds."""
    count = max(1, ceil(duration / WINDOW))
    return [Fraction(WINDOW)] * (count - 1) + [duration - WINDOW * (count - 1)]


def timestamp_map(number: int) -> str:
    """The header that ties the times of a window to those of the media, which begin at 0 in both (section 3.1.4).

    The clock of MPEG-2 begins anew several times in a very long film, and players count how often it has before the window begins.
    """
    rollovers = WINDOW * number * _CLOCK // _ROLLOVER
    # A whole second, so that nothing is rounded.
    local = ceil(Fraction(rollovers * _ROLLOVER, _CLOCK))
    hours, rest = divmod(local, 3600)
    ticks = local * _CLOCK - rollovers * _ROLLOVER
    return f"X-TIMESTAMP-MAP=MPEGTS:{ticks},LOCAL:{hours:02}:{rest // 60:02}:{rest % 60:02}.000"


def cut(text: str, number: int) -> str:
    """Window `number` of a track, which is WebVTT as `to_webvtt` writes it. The time is linear in the length of the text."""
    start, end = WINDOW * 1000 * number, WINDOW * 1000 * (number + 1)
    head, *blocks = _BLOCKS.split(text.rstrip("\n"))
    name, newline, rest = head.partition("\n")
    return "\n\n".join([f"{name}\n{timestamp_map(number)}{newline}{rest}", *_visible(blocks, start, end)]) + "\n"


def _visible(blocks: Sequence[str], start: int, end: int) -> Iterator[str]:
    """The blocks of a window from `start` to `end`, in milliseconds."""
    for block in blocks:
        first, _, rest = block.partition("\n")
        line = first if "-->" in first else rest.partition("\n")[0]
        times = read_times(line) if "-->" in line else None
        if _FOR_ALL.fullmatch(first) if times is None else times[0] < end and times[1] > start:
            yield block
