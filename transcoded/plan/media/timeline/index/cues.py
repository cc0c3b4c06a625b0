"""The Cues of a Matroska file (RFC 9559, section 5.1.5): at which times, and where, its keyframes are."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from transcoded.plan.media.timeline.index.ebml import Element, children, header, number
from transcoded.plan.media.timeline.index.source import NoIndex

MAX_CUES = 100_000
"""Cues of a file, those of all tracks: more than one each second of a day."""

_POINT, _TIME, _POSITIONS = 0xBB, 0xB3, 0xB7
_TRACK, _CLUSTER_POSITION, _RELATIVE = 0xF7, 0xF1, 0xF0
_WANTED = frozenset({_TRACK, _CLUSTER_POSITION, _RELATIVE})

_NUMBER = b"(" + b"|".join(bytes((0x80 + width,)) + b"." * width for width in range(1, 9)) + b")"
_USUAL = re.compile(
    rb"\xbb([\x80-\xfe])\xb3"
    + _NUMBER
    + rb"\xb7([\x80-\xfe])\xf7"
    + _NUMBER
    + rb"\xf1"
    + _NUMBER
    + rb"(?:\xf0"
    + _NUMBER
    + rb")?(?:\xb2"
    + _NUMBER
    + rb")?",
    re.DOTALL,
)
"""A point as most muxers write it, for one track: its sizes in a byte each, the length of a time or position in front of it."""


class Cue(NamedTuple):
    """A place of the index: a time in ticks, where its cluster begins in the file, and where its block is in the content of that (None: not told)."""

    time: int
    cluster: int
    relative: int | None


def cues_of(data: bytes, track: int, zero: int) -> Sequence[Cue]:
    """The cues of a track, without those of the same time. `zero` is what their positions count from. Raises `NoIndex` if there are none."""
    found: list[Cue] = []
    at, latest, parse = 0, None, int.from_bytes
    for _ in range(MAX_CUES):
        if at >= len(data):
            break
        usual = _USUAL.match(data, at)
        if usual is not None:
            whole, time, inner, number_, position, relative, _rest = usual.groups()
            end = usual.end()
            if end - at - 2 == whole[0] & 0x7F and end - usual.end(3) == inner[0] & 0x7F:
                at = end
                moment = parse(time[1:], "big")
                if parse(number_[1:], "big") == track and moment != latest:
                    latest = moment
                    place = None if relative is None else parse(relative[1:], "big")
                    found.append(Cue(moment, zero + parse(position[1:], "big"), place))
                continue
        point = header(data, at, at)
        if point.end is None or point.end > len(data):
            raise NoIndex("an element is longer than the one that it is in")
        at = point.end
        cue = _unusual(data, point, track, zero) if point.id == _POINT else None
        if cue is not None and cue.time != latest:
            latest = cue.time
            found.append(cue)
    else:
        raise NoIndex("it has too many cues")
    if not found:
        raise NoIndex("it has no cues of this track")
    return found


def _unusual(data: bytes, point: Element, track: int, zero: int) -> Cue | None:
    """The cue of a track in a point for several tracks, or with more in it."""
    time = None
    for part in children(data, point.start, point.end):
        if part.id == _TIME:
            time = number(data, part)
        elif part.id == _POSITIONS and time is not None:
            values = {one.id: number(data, one) for one in children(data, part.start, part.end) if one.id in _WANTED}
            if values.get(_TRACK) == track and _CLUSTER_POSITION in values:
                return Cue(time, zero + values[_CLUSTER_POSITION], values.get(_RELATIVE))
    return None
