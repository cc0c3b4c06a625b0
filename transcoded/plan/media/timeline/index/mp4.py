"""The index of an MP4 or QuickTime file: the tables in its `moov`, or its fragments."""

from collections.abc import Mapping, Sequence
from itertools import accumulate

import attrs

from transcoded.plan.media.probe import Media, VideoStream
from transcoded.plan.media.timeline.index.boxes import outermost
from transcoded.plan.media.timeline.index.mp4_fragments import Collected, Defaults, defaults, fragments
from transcoded.plan.media.timeline.index.mp4_places import Outline, outline
from transcoded.plan.media.timeline.index.mp4_tables import positions, samples
from transcoded.plan.media.timeline.index.mp4_track import Edit, Track, presented, tracks
from transcoded.plan.media.timeline.index.pictures import FIRST_BYTES, Look
from transcoded.plan.media.timeline.index.samples import Clock, Samples, bytes_of_video, one_a_second
from transcoded.plan.media.timeline.index.source import NoIndex, Source
from transcoded.plan.media.timeline.length import wants_count
from transcoded.plan.media.timeline.packets import MAX_LENGTH, PacketScan

CHECKED = 6
"""Keyframes that are looked at."""

MAX_MOVIE = 48 << 20
"""Bytes of a `moov`. A film of three hours at 60 frames per second has 8 million."""


def scan_mp4(source: Source, media: Media, video: VideoStream) -> PacketScan:
    """What the index of an MP4 says of its video. Raises `NoIndex`.

    `end` is that of all tracks of the programme if the file is fragmented, else that of the video.
    """
    movie = next((box for box in outermost(source) if box.kind == b"moov"), None)
    if movie is None or movie.end - movie.start > MAX_MOVIE:
        raise NoIndex("it has no movie header, or too long a one")
    data = source.exactly(movie.start, movie.end - movie.start)
    found = tracks(data)
    track = _of_stream(found, video)
    zero = round(media.start_time * 1_000_000)
    in_movie = samples(data, track.sample_table)
    known = defaults(data)
    if not known:
        if any(one is None for one in found):
            raise NoIndex("a track cannot be read")
        _check(source, data, track, in_movie, video.codec)
        visible, offset = presented(in_movie, _edit(track))
        if sum(visible.sizes) > source.size:
            raise NoIndex("its frames are longer than the file")
        return visible.scan(media, Clock(1, track.timescale, zero, offset))
    wanted = {
        one.number: one for one in (_track_at(found, index) for index in _indices(media, video)) if one is not None
    }
    return _scan_fragments(source, media, track, wanted, known, in_movie, zero, movie.end)


def _check(source: Source, data: bytes, track: Track, found: Samples, codec: str) -> None:
    """Look at some keyframes, whether they are. Raises `NoIndex` if one is not."""
    look = Look.of(codec, track.configuration)
    keys = found.keys
    if not len(keys) or (not look.width and codec != "vp9"):
        return
    places = sorted({keys[step * (len(keys) - 1) // (CHECKED - 1)] for step in range(CHECKED)})
    for place, offset in zip(places, positions(data, track.sample_table, found, places), strict=True):
        if look.denies(source.up_to(offset, min(found.sizes[place], FIRST_BYTES))):
            raise NoIndex("a keyframe is none")


def _of_stream(found: Sequence[Track | None], video: VideoStream) -> Track:
    """The track of ffprobe's stream. ffmpeg numbers tracks in their order."""
    track = _track_at(found, video.index)
    if track is None or track.kind != b"vide":
        raise NoIndex("its tracks are not those of the probe")
    if (track.width, track.height) != (video.coded_width, video.coded_height) and 0 not in {track.width, track.height}:
        raise NoIndex("the size of the pictures is not that of the probe")
    return track


def _track_at(found: Sequence[Track | None], index: int) -> Track | None:
    return found[index] if 0 <= index < len(found) else None


def _indices(media: Media, video: VideoStream) -> Sequence[int]:
    return [video.index, *(one.index for one in media.own_audio)]


def _edit(track: Track) -> Edit:
    if track.edit is None:
        raise NoIndex("its edit list has several edits")
    return track.edit


def _scan_fragments(
    source: Source,
    media: Media,
    track: Track,
    wanted: Mapping[int, Track],
    known: Mapping[int, Defaults],
    in_movie: Samples,
    zero: int,
    offset: int,
) -> PacketScan:
    """From all fragments. The first frames can be in the `moov`."""
    edit = _edit(track)
    # The edit list of a fragmented file only moves its times.
    shift = edit.gap - edit.media_time
    clock = Clock(1, track.timescale, zero, shift)
    collected = Collected()
    if len(in_movie):
        if any(box.kind == b"sidx" for box in outermost(source)):
            # ffmpeg takes only the first keyframe of such a file for one.
            raise NoIndex("it has an index of fragments, and frames outside them")
        visible, moved = presented(in_movie, edit)
        if moved != shift:
            raise NoIndex("the fragments are on another clock")
        collected.append(visible)
    else:
        outlined = outline(source, track.number, track.timescale, known.get(track.number, Defaults()), offset)
        if outlined is not None:
            ends = _walk(source, outlined.rest, wanted, known, track, collected)
            if len(collected.decoded) and (ends.keys() >= wanted.keys() - {track.number} or not wants_count(media)):
                scan = _outlined(outlined, collected.samples, media, clock, source.size)
                return attrs.evolve(scan, end=_latest(scan.end, ends, wanted, zero))
            collected = Collected()
    ends = _walk(source, offset, wanted, known, track, collected)
    all_samples = collected.samples
    if sum(all_samples.sizes) > source.size:
        raise NoIndex("its frames are longer than the file")
    scan = all_samples.scan(media, clock)
    return attrs.evolve(scan, end=_latest(scan.end, ends, wanted, zero))


def _walk(
    source: Source,
    offset: int,
    wanted: Mapping[int, Track],
    known: Mapping[int, Defaults],
    track: Track,
    collected: Collected,
) -> Mapping[int, int]:
    """Collect the samples of the track from an offset on, and return when the other tracks end, in their ticks."""
    ends: dict[int, int] = {}
    for fragment in fragments(source, offset, {one: known.get(one, Defaults()) for one in wanted}):
        for number, found in fragment.tracks.items():
            if not len(found):
                continue
            if number == track.number:
                collected.append(found)
            else:
                ends[number] = max(ends.get(number, 0), found.end)
    return ends


def _outlined(outlined: Outline, last: Samples, media: Media, clock: Clock, size: int) -> PacketScan:
    """From an index of the fragments, some of them, and the last ones."""
    times = [*outlined.times, *map(last.shown, last.keys)]
    tail = last.scan(media, clock)
    # In the last fragments, other tracks take as much beside each byte of this one.
    before, rest = [*accumulate(last.sizes, initial=0)], size - outlined.rest
    places = [*outlined.offsets, *(outlined.rest + rest * before[key] // max(1, before[-1]) for key in last.keys)]
    keyframes, kept = one_a_second(times, clock, media)
    end = round((tail.end or 0) * 1_000_000)
    delays = [samples.delay(clock) for samples in (*outlined.checked, last)]
    return attrs.evolve(
        tail,
        keyframes=keyframes,
        offsets=bytes_of_video([places[place] for place in kept], keyframes, (end, size), media),
        delay=None if None in delays else max(delay for delay in delays if delay is not None),
        leading=tail.leading or any(samples.leading for samples in outlined.checked),
    )


def _latest(end: float | None, ends: Mapping[int, int], wanted: Mapping[int, Track], zero: int) -> float | None:
    """When the last of the tracks ends, in seconds."""
    latest = end or 0.0
    for number, ticks in ends.items():
        other = wanted[number]
        moved = _edit(other).gap - _edit(other).media_time
        latest = max(latest, Clock(1, other.timescale, zero, moved).micros(ticks) / 1_000_000)
    return latest if 0 < latest <= MAX_LENGTH else None
