"""From what ffmpeg writes for one rendition to segments on the rendition's timeline, whichever run made them.

Rules:

* A segment is what lies between two boundaries of the `Timeline`, never "the next piece": frames are sorted into it
  by their time, so a run that was started in the middle makes the same segments as one that began at 0.
* A segment begins with a frame that decoding can begin at. Such a frame belongs where its midpoint lies, all others to
  the frame before them: half a frame of rounding moves nothing, nothing is lost or doubled between two runs.
* What comes before the first wanted segment is dropped: AAC's priming frame, and whatever a seek gave too early.
* Decode times are dealt out anew: within a segment they are the display times in rising order, beginning at the
  segment's own start and ending at the next one's. They depend on the segment alone, so they rise without a gap over
  every seam; ffmpeg's own begin some frames before the segment, below zero at the start of the file.
* At most one segment and one box are held, both bounded.
"""

from itertools import pairwise

import attrs

from transcoded.plan.cmaf.boxes import MAX_BOX, Box, BoxError, BoxReader, box
from transcoded.plan.cmaf.codecs import codec_string
from transcoded.plan.cmaf.fragments import Sample, Track, read_samples, read_track, write_fragment, write_init
from transcoded.plan.cmaf.timeline import Timeline

# Twelve seconds at 85 Mbit/s; the store's quota is for all segments, this is for the one being made.
MAX_SEGMENT = 128 * 1024 * 1024

_STYP = box(b"styp", b"msdh", bytes(4), b"msdh", b"msix")


class SegmentError(BoxError):
    """What was written is sound, but not what the timeline needs."""


@attrs.frozen
class InitSegment:
    """What a player needs before any segment; the same bytes from every run. `codec` is what `CODECS` (RFC 6381) must say."""

    data: bytes
    codec: str


@attrs.frozen
class Segment:
    """One complete segment: `start` and `duration` in ticks are those of the timeline."""

    number: int
    start: int
    duration: int
    timescale: int
    data: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")


class Segmenter:
    """Cuts one run of ffmpeg, started for segment `first`, into segments.

    `delay` in ticks is how much later than its decode time the first frame of a segment is composed (reordered video
    needs it, see `write_init`); it belongs to the rendition, not to the run. Numbers rise; one is left out only if
    the source has a hole that no frame lies in.
    """

    def __init__(
        self, timeline: Timeline, first: int, *, delay: int = 0, limit: int = MAX_SEGMENT, box_limit: int = MAX_BOX
    ) -> None:
        self._timeline = timeline
        self._number = first
        self._delay = delay
        self._limit = limit
        self._reader = BoxReader(box_limit)
        self._ftyp = b""
        self._moof: bytes | None = None
        self._track: Track | None = None
        self._held: list[Sample] = []
        self._size = 0

    @property
    def number(self) -> int:
        """The segment that is being made: all before it are made, or will not be."""
        return self._number

    @property
    def done(self) -> bool:
        """Whether the last segment of the timeline has been made."""
        return self._number >= len(self._timeline)

    @property
    def held(self) -> int:
        """Bytes held of what is not complete."""
        return self._reader.pending + len(self._moof or b"") + self._size

    def feed(self, data: bytes) -> list[InitSegment | Segment]:
        """Take some bytes, cut anyhow; what they complete. Raises `BoxError`, after which nothing more can be fed."""
        made: list[InitSegment | Segment] = []
        for found in self._reader.feed(data):
            made += self._box(found)
        return made

    def finish(self) -> list[Segment]:
        """The run has ended *well*: the last segment, which no later frame could complete.

        Not to be called after a kill or a failure, or half a segment would be taken for a whole one.
        """
        self._reader.finish()
        return self._cut(len(self._timeline)) if self._held else []

    def _box(self, found: Box) -> list[InitSegment | Segment]:
        if found.type == b"ftyp":
            self._ftyp = found.payload
        elif found.type == b"moov":
            return [self._init(found.payload)]
        elif found.type == b"moof":
            self._moof = found.payload
        elif found.type == b"mdat":
            if self._moof is None or self._track is None:
                raise BoxError("media data came before its moof and moov boxes")
            samples, self._moof = read_samples(self._track, self._moof, found.payload), None
            return [segment for sample in samples for segment in self._sample(sample)]
        return []  # styp, sidx, free, mfra: nothing that a segment is made from

    def _init(self, moov: bytes) -> InitSegment:
        track = self._track = read_track(moov)
        if track.timescale != self._timeline.timescale:
            raise SegmentError(f"the timescale is {track.timescale}, not {self._timeline.timescale}")
        data = write_init(self._ftyp, moov, self._delay)
        return InitSegment(data, codec_string(track.entry, track.config))

    def _sample(self, sample: Sample) -> list[Segment]:
        made: list[Segment] = []
        frame = self._timeline.frame or sample.duration
        if self.done:
            return made
        if sample.sync:
            number = self._timeline.locate(sample.pts + frame // 2)
            if self._held and number > self._number:
                made = self._cut(number)
            elif not self._held and not self._begins(sample, number, frame):
                return made
        if self._held or (sample.sync and not self.done):
            self._hold(sample)
            made += self._cut_if_full()
        return made

    def _begins(self, sample: Sample, number: int, frame: int) -> bool:
        """Whether the first frame that is kept may be this one: at the start of a wanted segment, not within it."""
        if not self._number <= number < len(self._timeline):
            return False
        # Before the first frame of the source there is nothing that could be missing.
        if number and sample.pts - self._timeline.starts[number] > frame:
            return False
        self._number = number
        return True

    def _hold(self, sample: Sample) -> None:
        self._held.append(sample)
        self._size += len(sample.data)
        if self._size > self._limit:
            raise SegmentError(f"segment {self._number} has more than {self._limit} bytes")

    def _cut_if_full(self) -> list[Segment]:
        """The segment, if its last frame is there: known where all frames have one length, else the next one tells."""
        timeline = self._timeline
        if timeline.frame and len(self._held) * timeline.frame >= timeline.duration(self._number):
            return self._cut(self._number + 1)
        return []

    def _cut(self, following: int) -> list[Segment]:
        if self._track is None:  # pragma: no cover - samples are read from a track
            raise BoxError("a segment before its track")
        start, end = self._timeline.span(self._number)
        # A copied picture may begin later than the file: there is nothing to fill the time before it with.
        first = start if self._number else max(start, min(sample.pts for sample in self._held))
        samples = _retimed(self._held, first, end, self._delay)
        data = _STYP + write_fragment(self._number, self._track.id, samples)
        made = Segment(self._number, start, end - start, self._timeline.timescale, data)
        self._held, self._size, self._number = [], 0, following
        return [made]


def _retimed(samples: list[Sample], start: int, end: int, delay: int) -> list[Sample]:
    """The samples with decode times that fill [start, end), in ticks, and with the display times they had.

    The shift by the first display time is nothing for a closed group of pictures. In an open one the frames shown
    before its keyframe come with it and those of the next group are missing: moved by as much, they fill the same span.
    """
    shown = sorted(sample.pts for sample in samples)
    times = [start + pts - shown[0] for pts in shown]
    if times[-1] >= end or any(later <= earlier for earlier, later in pairwise(times)):
        # Broken times in the source: dealt out evenly they at least rise.
        times = [start + index * (end - start) // len(samples) for index in range(len(samples))]
    if any(later <= earlier for earlier, later in pairwise(times)):
        raise SegmentError(f"{len(samples)} frames in {end - start} ticks")
    return [
        Sample(dts, sample.pts + delay, until - dts, sample.sync, sample.data)
        for sample, dts, until in zip(samples, times, [*times[1:], end], strict=True)
    ]
