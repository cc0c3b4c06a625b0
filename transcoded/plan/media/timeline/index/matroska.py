"""The index of a Matroska or WebM file (RFC 9559): its Cues, and what the blocks at some of them say.

Cues are a claim, as ffmpeg believes it when it seeks. Some of them are checked: there must be a keyframe of this track and this time.
What comes behind it in decoding order tells whether groups of pictures are open, and how far decoding runs ahead.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import attrs

from transcoded.plan.media.probe import Media, VideoStream
from transcoded.plan.media.timeline.index.blocks import Group, first_of, group_at
from transcoded.plan.media.timeline.index.cues import Cue, cues_of
from transcoded.plan.media.timeline.index.ebml import Element, children, header, number, read_header
from transcoded.plan.media.timeline.index.pictures import Look
from transcoded.plan.media.timeline.index.samples import Clock, bytes_of_video, one_a_second
from transcoded.plan.media.timeline.index.source import NoIndex, Source
from transcoded.plan.media.timeline.length import MAX_BYTES_COUNTED
from transcoded.plan.media.timeline.packets import MAX_DELAY, PacketScan, scan_from_probe

MAX_CUES = 2 << 20
"""Bytes of the Cues. A film has 20 for each keyframe."""

MAX_OUTER = 4096
"""Elements of the segment that are looked at. In front of the clusters there are some ten."""

MAX_SEEKS = 4
"""SeekHeads that are read. One can name another at the end of the file."""

CHECKED = 6
"""Cues that are checked."""

SPARSE = 12.0
"""Seconds. If the Cues are further apart somewhere, they may have left out keyframes, and the packets are scanned if there are not too many."""

_HEAD = 1 << 16
_MAX_TRACKS = 4 << 20

EBML, SEGMENT, SEEK_HEAD, INFO, TRACKS, CUES, CLUSTER = (
    0x1A45DFA3,
    0x18538067,
    0x114D9B74,
    0x1549A966,
    0x1654AE6B,
    0x1C53BB6B,
    0x1F43B675,
)
_SEEK, _SEEK_ID, _SEEK_POSITION = 0x4DBB, 0x53AB, 0x53AC
_TIMESTAMP_SCALE = 0x2AD7B1
_TRACK, _TRACK_NUMBER, _TRACK_TYPE, _CODEC_ID = 0xAE, 0xD7, 0x83, 0x86
_CODEC_PRIVATE, _ENCODINGS = 0x63A2, 0x6D80
_TRACK_SCALE, _CODEC_DELAY, _VIDEO, _WIDTH, _HEIGHT = 0x23314F, 0x56AA, 0xE0, 0xB0, 0xBA

_NUMBERED = frozenset({1, 2, 0x11, 0x21})
"""Types of tracks that ffmpeg makes streams of: video, audio, subtitles, metadata."""


@attrs.define
class _Segment:
    """The segment: where its content begins, and its elements by their ids, the first of each."""

    start: int
    found: dict[int, Element] = attrs.field(factory=dict)


def scan_matroska(source: Source, media: Media, video: VideoStream) -> PacketScan:
    """What the index of a Matroska file says of its video. Raises `NoIndex`.

    `end` is not known, and `offsets` are rather too far apart: they count all tracks, without the usual share of sound whose bit rate is known.
    """
    segment = _segment(source)
    scale = _scale(_content(source, segment, INFO))
    track, look = _track(_content(source, segment, TRACKS), video)
    cues = cues_of(_content(source, segment, CUES), track, segment.start)
    clock = Clock(scale, 1_000_000_000, round(media.start_time * 1_000_000))
    first = segment.found.get(CLUSTER)
    if first is None:
        raise NoIndex("it has no cluster")
    groups = [group_at(source, cue.cluster, cue.relative, track, cue.time, look) for cue in _some(cues)]
    times, places = [cue.time for cue in cues], [cue.cluster + (cue.relative or 0) for cue in cues]
    earliest = first_of(source, first.start, track)
    if earliest is not None and earliest < times[0]:
        times.insert(0, earliest)
        places.insert(0, first.start)
    keyframes, kept = one_a_second(times, clock, media)
    widest = max((later - earlier for earlier, later in pairwise(keyframes)), default=0) / 1_000_000
    if media.duration is not None:
        widest = max(widest, media.duration - keyframes[-1] / 1_000_000)
    if widest > SPARSE and media.size <= MAX_BYTES_COUNTED:
        raise NoIndex("its cues are far apart")
    probed = scan_from_probe(media)
    return PacketScan(
        start=probed.start,
        keyframes=keyframes,
        offsets=bytes_of_video(
            [places[place] for place in kept],
            keyframes,
            (round((media.duration or 0) * 1_000_000), _end(source, segment, places[-1])),
            media,
        ),
        reorder=probed.reorder,
        delay=_delay(groups, probed.reorder, video, clock),
        leading=any(group.leading for group in groups),
    )


def _segment(source: Source) -> _Segment:
    """The segment, and where its index is: named by a SeekHead, or in front of the first cluster."""
    ebml = read_header(source, 0)
    if ebml.id != EBML or ebml.end is None:
        raise NoIndex("it is no Matroska")
    outer = read_header(source, ebml.end)
    if outer.id != SEGMENT:
        raise NoIndex("it has no segment")
    segment = _Segment(outer.start)
    head, head_at = source.up_to(outer.start, _HEAD), outer.start
    offset = outer.start
    for _ in range(MAX_OUTER):
        place = offset - head_at
        element = header(head, place, offset) if place + 12 <= len(head) else read_header(source, offset)
        segment.found.setdefault(element.id, element)
        if element.id == CLUSTER or element.end is None:
            break
        offset = element.end
    else:
        raise NoIndex("it has too many elements")
    # An element of unknown size is a cluster, or there is no index.
    heads = [segment.found[SEEK_HEAD]] if SEEK_HEAD in segment.found else []
    visited: set[int] = set()
    while heads and len(visited) < MAX_SEEKS:
        found = heads.pop()
        if found.start in visited:
            continue
        visited.add(found.start)
        for kind, position in _seeks(_read(source, found, _HEAD)):
            if kind in {INFO, TRACKS, CUES, SEEK_HEAD} and (kind not in segment.found or kind == SEEK_HEAD):
                element = read_header(source, segment.start + position)
                if element.id != kind:
                    raise NoIndex("the SeekHead is wrong")
                if kind == SEEK_HEAD:
                    heads.append(element)
                else:
                    segment.found[kind] = element
    return segment


def _end(source: Source, segment: _Segment, last: int) -> int:
    """Where the clusters end, at the latest. `last` is where the last keyframe is."""
    cues = segment.found[CUES].start
    return cues if cues > last else source.size


def _seeks(data: bytes) -> Sequence[tuple[int, int]]:
    found = []
    for seek in children(data):
        if seek.id == _SEEK:
            values = {one.id: number(data, one) for one in children(data, seek.start, seek.end)}
            if _SEEK_ID in values and _SEEK_POSITION in values:
                found.append((values[_SEEK_ID], values[_SEEK_POSITION]))
    return found


def _content(source: Source, segment: _Segment, kind: int) -> bytes:
    element = segment.found.get(kind)
    if element is None:
        raise NoIndex("it has no index")
    return _read(source, element, MAX_CUES if kind == CUES else _MAX_TRACKS)


def _read(source: Source, element: Element, max_bytes: int) -> bytes:
    if element.end is None or element.end - element.start > max_bytes:
        raise NoIndex("an element is too long")
    return source.exactly(element.start, element.end - element.start)


def _scale(data: bytes) -> int:
    """Nanoseconds of a tick (RFC 9559, section 11.1)."""
    found = next((number(data, one) for one in children(data) if one.id == _TIMESTAMP_SCALE), 1_000_000)
    if not 1 <= found <= 1_000_000_000:
        raise NoIndex("its clock is impossible")
    return found


def _track(data: bytes, video: VideoStream) -> tuple[int, Look]:
    """The number in the file of ffprobe's stream, and how its frames begin. ffmpeg numbers tracks in their order, without those that it does not know."""
    index = 0
    for entry in children(data):
        if entry.id != _TRACK:
            continue
        parts = {one.id: one for one in children(data, entry.start, entry.end)}
        kind = number(data, parts[_TRACK_TYPE]) if _TRACK_TYPE in parts else 0
        if kind not in _NUMBERED or _CODEC_ID not in parts or _TRACK_NUMBER not in parts:
            continue
        if index < video.index:
            index += 1
            continue
        if kind != 1 or _VIDEO not in parts or _TRACK_SCALE in parts or _CODEC_DELAY in parts:
            raise NoIndex("its tracks are not those of the probe, or have clocks of their own")
        picture = {one.id: one for one in children(data, parts[_VIDEO].start, parts[_VIDEO].end)}
        size = tuple(number(data, picture[one]) if one in picture else 0 for one in (_WIDTH, _HEIGHT))
        if size != (video.coded_width, video.coded_height):
            raise NoIndex("the size of the pictures is not that of the probe")
        private = parts.get(_CODEC_PRIVATE)
        configuration = b"" if private is None else data[private.start : private.end][:32]
        # Frames that are compressed, or lack their first bytes, are not looked at.
        look = Look("", 0) if _ENCODINGS in parts else Look.of(video.codec, configuration)
        return number(data, parts[_TRACK_NUMBER]), look
    raise NoIndex("it has fewer tracks than the probe")


def _some(cues: Sequence[Cue]) -> Sequence[Cue]:
    """The first, the last, and some between them."""
    places = {place * (len(cues) - 1) // (CHECKED - 1) for place in range(CHECKED)}
    return [cues[place] for place in sorted(places)]


def _delay(groups: Sequence[Group], reorder: int, video: VideoStream, clock: Clock) -> int | None:
    """How much earlier frames are decoded than shown: as measured in some groups, and at least so many of the longest frames in them."""
    measured = max(max(group.delay, reorder * group.gap) for group in groups)
    micros = -(-measured * clock.numerator * 1_000_000 // clock.denominator)
    if video.fps:
        micros = max(micros, int(Fraction(reorder * 1_000_000) / video.fps))
    return None if micros > MAX_DELAY else micros
