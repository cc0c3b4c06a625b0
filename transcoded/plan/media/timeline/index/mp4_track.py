"""A track of an MP4 or QuickTime file (ISO/IEC 14496-12, section 8), and what its edit list shows of it.

Times are counted as ffmpeg's demuxer counts them. What it does in other ways for odd files (several edits, an edit that begins with hidden
samples, tables that contradict each other) is not imitated: such a file has no index.
"""

from collections.abc import Sequence

import attrs

from transcoded.plan.media.timeline.index.boxes import Box, child, children, number
from transcoded.plan.media.timeline.index.samples import Samples
from transcoded.plan.media.timeline.index.source import NoIndex

_MAX_TICKS = 1 << 62

_VISUAL = 78
"""Bytes of a sample entry of video before the boxes in it."""

_VIDEO_FIELDS = 8 + 24
"""Bytes from the begin of a sample entry to the width of its pictures (section 12.1.3)."""


@attrs.frozen
class Edit:
    """An edit list of at most one edit behind a gap. `gap` and `length` (None: without end) are in ticks of the track."""

    gap: int = 0
    media_time: int = 0
    length: int | None = None
    given: bool = False


@attrs.frozen
class Track:
    """A track. `kind` is its handler, such as `vide`; `width` and `height` are those of its first sample entry. `sample_table` is its `stbl`.

    `configuration` is that of its decoder, of the boxes in the sample entry; empty if there is none.
    """

    number: int
    kind: bytes
    timescale: int
    edit: Edit | None
    width: int
    height: int
    sample_table: Box
    configuration: bytes = b""


def tracks(data: bytes) -> Sequence[Track | None]:
    """The tracks in the content of a `moov`, in the order in which ffmpeg numbers them; None for one that cannot be read."""
    header = child(data, Box(b"moov", 0, len(data)), b"mvhd")
    if header is None:
        raise NoIndex("it has no movie header")
    timescale = number(data, header.start + (20 if data[header.start : header.start + 1] == b"\1" else 12), 4)
    found: list[Track | None] = []
    for box in children(data):
        if box.kind == b"trak":
            try:
                found.append(_track(data, box, timescale))
            except NoIndex:
                found.append(None)
    return found


def _track(data: bytes, trak: Box, movie_timescale: int) -> Track:
    boxes = [
        child(data, trak, *path)
        for path in ((b"tkhd",), (b"mdia", b"mdhd"), (b"mdia", b"hdlr"), (b"mdia", b"minf", b"stbl"))
    ]
    if None in boxes or not movie_timescale:
        raise NoIndex("a track is not complete")
    track, media, handler, sample_table = (box for box in boxes if box is not None)
    timescale = number(data, media.start + (20 if data[media.start : media.start + 1] == b"\1" else 12), 4)
    if not timescale:
        raise NoIndex("a track has no clock")
    described = child(data, sample_table, b"stsd")
    entry = None if described is None else next(children(data, described.start + 8, described.end), None)
    # `start` of an entry is behind its size and type.
    at = None if entry is None else entry.start - 8 + _VIDEO_FIELDS
    return Track(
        number=number(data, track.start + (20 if data[track.start : track.start + 1] == b"\1" else 12), 4),
        kind=data[handler.start + 8 : handler.start + 12],
        timescale=timescale,
        edit=_edit(data, child(data, trak, b"edts", b"elst"), timescale, movie_timescale),
        width=0 if at is None else number(data, at, 2),
        height=0 if at is None else number(data, at + 2, 2),
        sample_table=sample_table,
        configuration=b"" if entry is None else _configuration(data, entry),
    )


def _configuration(data: bytes, entry: Box) -> bytes:
    try:
        inside = children(data, entry.start + _VISUAL, entry.end)
        found = next((box for box in inside if box.kind in {b"avcC", b"hvcC"}), None)
    except NoIndex:
        return b""
    return b"" if found is None else data[found.start : min(found.end, found.start + 32)]


def _edit(data: bytes, box: Box | None, timescale: int, movie_timescale: int) -> Edit | None:
    """The edit list (section 8.6.6); None if it is more than one edit behind a gap."""
    if box is None:
        return Edit()
    wide = data[box.start : box.start + 1] == b"\1"
    count, width = number(data, box.start + 4, 4), 20 if wide else 12
    if not count:
        return Edit()
    if count > 2 or box.start + 8 + width * count > box.end:
        return None
    gap = 0
    for at in range(box.start + 8, box.start + 8 + width * count, width):
        half = 8 if wide else 4
        length = number(data, at, half)
        time = int.from_bytes(data[at + half : at + 2 * half], "big", signed=True)
        ticks = (2 * length * timescale + movie_timescale) // (2 * movie_timescale)
        if time == -1 and at == box.start + 8:
            gap = ticks
        elif time >= 0 and (at == box.start + 8 or gap or count == 1):
            return Edit(gap, time, ticks or None, given=True) if at + width >= box.start + 8 + width * count else None
        else:
            return None
    return None


def presented(found: Samples, edit: Edit) -> tuple[Samples, int]:
    """The samples that the edit list shows, and what is to be added to their times.

    ffmpeg begins at the keyframe at or before the edit and lets the first frame that is shown be at the end of the gap. Raises `NoIndex` if
    samples before the first that is shown are to be decoded and hidden.
    """
    if not len(found):
        raise NoIndex("it has no samples")
    if not edit.given:
        return found, edit.gap
    shift = max(0, -min(found.distinct))
    begin = 0
    for key in found.keys:
        if found.decoded[key] - shift > edit.media_time:
            break
        if found.shown(key) <= edit.media_time:
            begin = key
    until = _MAX_TICKS if edit.length is None else edit.media_time + edit.length
    count = len(found)
    # Only the last frames can be behind the end of the edit.
    while count > begin and found.shown(count - 1) >= until:
        count -= 1
    visible = found.part(begin, count)
    if not len(visible) or visible.earliest < edit.media_time:
        raise NoIndex("its edit list hides frames")
    # Frames count from where the first of them is decoded, and the earliest that is shown is not later than the end of the gap.
    return visible, edit.gap - max(visible.decoded[0], visible.earliest)
