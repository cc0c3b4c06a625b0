"""Cuts ffmpeg's output for one rendition into segments. Every run of ffmpeg gives the same segments.

Rules:

* A segment contains what lies between two boundaries of the `Timeline`. Frames are sorted into segments by their time.
  So a run that was started in the middle of the file makes the same segments as a run that was started at 0.
* A segment begins with a sync sample. A sync sample belongs to the segment that contains the middle of its frame; every
  other sample belongs to the segment of the sample before it. So a rounding error of less than half a frame moves no
  frame, and between two runs no frame is lost and none comes twice.
* Frames before the first requested segment are dropped: the priming frame of AAC, and frames that come early after a
  seek.
* Decode times are replaced: the frame that is decoded n-th gets the presentation time of the one that is shown n-th. A segment that begins with the frame
  that it shows first begins at the timeline's boundary, and its last frame ends where the next one starts. In an open GOP, frames are shown before the
  keyframe that they follow: a segment begins with the time of the first of them, and the one before it ends there. So decode times depend on nothing but the
  segment, and rise without a gap from each segment to the next. ffmpeg's own begin some frames before the segment, and below 0 at the start of the file.
* Where the source has no sound, frames of silence are put in (`silence`): before a track that begins late, after one that ends
  early, and in a hole that ffmpeg leaves when the layout of the channels changes. Filters that count samples could not do it: ffmpeg builds
  them anew then, and they count from the beginning again.
* Encoded video is given out in chunks (CMAF, ISO/IEC 23000-19, section 7.3.2.3) while its segment is being made: each has the next `chunk`
  frames, whatever fragments ffmpeg has written. The chunks of a segment, joined, are the segment.
* The buffer contains at most one segment and one box. The size of both is limited.
"""

from collections import Counter
from itertools import pairwise

import attrs

from transcoded.plan.cmaf.boxes import MAX_BOX, Box, BoxError, BoxReader, box
from transcoded.plan.cmaf.codecs import codec_string
from transcoded.plan.cmaf.fragments import Sample, Track, read_samples, read_track, write_fragment, write_init
from transcoded.plan.cmaf.renditions import AudioRendition, Rendition
from transcoded.plan.cmaf.timeline import Timeline

# Bytes: twelve seconds at 85 Mbit/s. The cache has a limit for all segments together; this one is for the segment being
# made.
MAX_SEGMENT = 128 * 1024 * 1024

_STYP = box(b"styp", b"msdh", bytes(4), b"msdh", b"msix")

_ONLY_TRACK = 1

_CHUNKS = 64
"""More than the chunks of any segment: each fragment has a number of its own, and they rise (ISO/IEC 14496-12, section 8.8.5)."""

# The ids of the syntactic elements of AAC, in bits (ISO/IEC 14496-3, section 4.4.2.1).
_SINGLE, _PAIR, _LOW, _END = "000", "001", "011", "111"
# One long window, no band, no prediction.
_WINDOW = "00010000000"
# A gain that is used for nothing; no pulses, no noise shaping, no gain control.
_GAIN, _NO_TOOLS = "10001100", "000"
_SILENT_CHANNEL = _GAIN + _WINDOW + _NO_TOOLS
# Both channels have the same window, and neither is the sum of the two.
_SILENT_PAIR = "1" + _WINDOW + "00" + 2 * (_GAIN + _NO_TOOLS)


def silent_frame(channels: int) -> bytes:
    """A frame of AAC LC without any sound, of 2 channels or of 6: elements of which no band is coded."""
    elements = {2: (_PAIR,), 6: (_SINGLE, _PAIR, _PAIR, _LOW)}[channels]
    bits, count = "", Counter[str]()
    for element in elements:
        bits += f"{element}{count[element]:04b}{_SILENT_PAIR if element == _PAIR else _SILENT_CHANNEL}"
        count[element] += 1
    bits += _END
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


SILENCE = silent_frame(2)
"""A frame of stereo without any sound."""


class SegmentError(BoxError):
    """The boxes are valid, but do not fit the timeline or the size limit."""


@attrs.frozen
class InitSegment:
    """What a player reads before the first segment: the same bytes from every run.

    `codec` is the codec string (RFC 6381) that the bytes say.
    """

    data: bytes
    codec: str


@attrs.frozen
class Segment:
    """One complete segment. `start` and `duration` are those of the timeline, in ticks of `timescale`."""

    number: int
    start: int
    duration: int
    timescale: int
    data: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")


@attrs.frozen
class Chunk:
    """The next bytes of a segment that is being made."""

    number: int
    data: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")


Piece = InitSegment | Chunk | Segment


class Segmenter:
    """Cuts the output of one run of ffmpeg, which was started for segment `first`, into segments.

    `delay` is the composition offset of the first frame of each segment, in ticks. Reordered video needs it (see
    `write_init`); it belongs to the rendition and is the same for all its runs. `silence` is a frame that is put where none has come, if there is one for
    this codec. With `chunk`, the frames of a chunk, segments are given out in chunks, too; all frames must have the same length then. `ordered`: frames are shown in the order in which they come, as those of copied sound; `delay` is
    then what comes before the first one that is heard. `open_gop`: frames are shown before keyframes that they follow. `limit` and `box_limit` are bytes.
    The numbers of the segments rise; one is left out only if the source has no frame in its time.
    """

    def __init__(
        self,
        timeline: Timeline,
        first: int,
        *,
        delay: int = 0,
        silence: bytes | None = None,
        chunk: int = 0,
        ordered: bool = False,
        open_gop: bool = False,
        limit: int = MAX_SEGMENT,
        box_limit: int = MAX_BOX,
    ) -> None:
        self._timeline = timeline
        self._first = first
        self._silence = silence
        self._chunk = chunk
        self._ordered = ordered
        self._open_gop = open_gop
        self._number = first
        self._delay = delay
        self._limit = limit
        self._reader = BoxReader(box_limit)
        self._ftyp = b""
        self._moof: bytes | None = None
        self._track: Track | None = None
        self._samples: list[Sample] = []
        self._size = 0
        # What was given out of the segment already: its bytes, and the number of its frames.
        self._given: list[bytes] = []
        self._frames_given = 0

    @property
    def number(self) -> int:
        """The number of the segment that is being made. No segment before it will be made by this run any more."""
        return self._number

    @property
    def done(self) -> bool:
        """Whether the last segment of the timeline has been made."""
        return self._number >= len(self._timeline)

    def feed(self, data: bytes) -> list[Piece]:
        """Take more bytes, and return what is complete now, in order. Behind the last chunk of a segment comes the segment.

        Raises `BoxError`; after that, this object cannot be used any more.
        """
        made: list[Piece] = []
        for found in self._reader.feed(data):
            made += self._box(found)
        return made

    def finish(self) -> list[Piece]:
        """The run has ended with success. Returns the last segment if no frame came that would have completed it.

        Must not be called after a kill or a failure: an incomplete segment would be taken for a complete one.
        """
        self._reader.finish()
        return self._cut(len(self._timeline)) if self._samples else []

    def _box(self, found: Box) -> list[Piece]:
        if found.type == b"ftyp":
            self._ftyp = found.payload
        elif found.type == b"moov":
            return [self._init(found.payload)]
        elif found.type == b"moof":
            self._moof = found.payload
        elif found.type == b"mdat":
            if self._moof is None or self._track is None:
                raise BoxError("an mdat box came before its moof and moov boxes")
            samples, self._moof = read_samples(self._track, self._moof, found.payload), None
            return [piece for sample in samples for piece in self._sample(sample)]
        return []  # styp, sidx, free, mfra: not needed

    def _init(self, moov: bytes) -> InitSegment:
        track = self._track = read_track(moov)
        if track.timescale != self._timeline.timescale:
            raise SegmentError(f"the timescale is {track.timescale}, not {self._timeline.timescale}")
        data = write_init(self._ftyp, moov, self._delay)
        return InitSegment(data, codec_string(track.entry, track.config))

    def _sample(self, sample: Sample) -> list[Piece]:
        made: list[Piece] = []
        frame = self._timeline.frame or sample.duration
        if self.done:
            return made
        if sample.sync:
            number = self._timeline.locate(sample.pts + frame // 2)
            if number < 0 and self._ordered and sample.pts + self._delay >= -frame // 2:
                number = 0
            if self._samples and number > self._number:
                made = self._cut(number)
            elif not self._samples and not self._begins(sample, number, frame):
                return made
        if self._samples or (sample.sync and not self.done):
            self._add(sample)
            made += self._cut_if_full()
        return made

    def _begins(self, sample: Sample, number: int, frame: int) -> bool:
        """Whether the first frame that is kept can be this one: it must be at the start of a requested segment."""
        if not self._number <= number < len(self._timeline):
            return False
        # Segment 0 may begin late: before the first frame of the source, no frame can be missing. Sound is silent before.
        if number and self._silence is None and sample.pts - self._timeline.starts[number] > frame:
            return False
        self._number = number
        return True

    def _add(self, sample: Sample) -> None:
        self._samples.append(sample)
        self._size += len(sample.data)
        if self._size > self._limit:
            raise SegmentError(f"segment {self._number} has more than {self._limit} bytes")

    def _cut_if_full(self) -> list[Piece]:
        """The segment, if its last frame has come, or else its next chunk.

        Which frame is the last is known at once if all frames have the same length. Else the next sync sample completes the segment.
        """
        timeline = self._timeline
        if timeline.frame and len(self._samples) * timeline.frame >= timeline.duration(self._number) + self._lead:
            return self._cut(self._number + 1)
        # One frame is kept back: if it is the last one, it lasts until the end of the segment.
        if self._chunk and len(self._samples) - self._frames_given > self._chunk:
            return [self._next_chunk(self._frames_given + self._chunk)]
        return []

    def _cut(self, following: int) -> list[Piece]:
        number = self._number
        start, end = self._timeline.span(number)
        made: list[Piece] = []
        if self._chunk:
            made.append(self._next_chunk(len(self._samples), end))
            made.append(Segment(number, start, end - start, self._timeline.timescale, b"".join(self._given)))
        else:
            made.append(_segment(self._timeline, number, self._track_id, self._whole(start, end)))
        self._samples, self._size, self._number = [], 0, following
        self._given, self._frames_given = [], 0
        return made

    def _whole(self, start: int, end: int) -> list[Sample]:
        """All samples of a segment, with the times that they have in it."""
        if self._silence is not None:
            return _filled(self._samples, start, end, self._timeline.frame, self._silence)
        if self._ordered:
            return _in_order(self._samples, start - self._lead, end, self._timeline.frame, self._delay)
        # Copied video can begin later than the file, and nothing can fill the time before it.
        earliest = min(sample.pts for sample in self._samples)
        # The boundary can be rounded otherwise than the keyframe.
        leading = min(self._samples[0].pts - earliest, end - start)
        first = max(0, start - leading) if self._number else max(start, earliest)
        # Behind the last segment comes no keyframe whose frames could be shown in it.
        open_end = self._open_gop and self._number + 1 < len(self._timeline)
        return _retimed(self._samples, first, end, self._delay, open_gop=open_end)

    @property
    def _lead(self) -> int:
        """Ticks by which the first frame of the segment that is being made begins before it: the decoder needs it."""
        return self._delay if self._ordered and self._number == 0 else 0

    def _next_chunk(self, until: int, end: int | None = None) -> Chunk:
        """The frames from those that were given out up to the frame `until`. In the last chunk, `end` is the end of the segment.

        The decode times are those that `_retimed` would give, since all frames have the same length.
        """
        start, frame = self._timeline.starts[self._number], self._timeline.frame
        index, samples = len(self._given), self._samples[self._frames_given : until]
        timed = [
            Sample(
                dts := start + place * frame,
                sample.pts + self._delay,
                frame if end is None or place < until - 1 else end - dts,
                sample.sync,
                sample.data,
            )
            for place, sample in enumerate(samples, self._frames_given)
        ]
        data = write_fragment(self._number * _CHUNKS + min(index, _CHUNKS - 1), self._track_id, timed)
        self._frames_given = until
        self._given.append(data if index else _STYP + data)
        return Chunk(self._number, self._given[-1])

    @property
    def _track_id(self) -> int:
        if self._track is None:  # pragma: no cover - samples are read from a track
            raise BoxError("a segment came before its moov box")
        return self._track.id


def segmenter_of(rendition: Rendition, first: int) -> Segmenter:
    """What cuts the output of a run for a rendition that was started for segment `first`."""
    if isinstance(rendition, AudioRendition):
        silence = None if rendition.copied else silent_frame(rendition.channels)
        return Segmenter(rendition.timeline, first, delay=rendition.delay, silence=silence, ordered=rendition.copied)
    return Segmenter(
        rendition.timeline, first, delay=rendition.delay, chunk=rendition.chunk, open_gop=rendition.open_gop
    )


def codec_of(init: bytes) -> str:
    """The codec string of the only track of an init segment. Raises `BoxError`."""
    boxes = {one.type: one.payload for one in BoxReader().feed(init)}
    track = read_track(boxes.get(b"moov", b""))
    return codec_string(track.entry, track.config)


def silent_segment(timeline: Timeline, number: int, silence: bytes = SILENCE) -> Segment:
    """A segment of an audio rendition in whose time the source has no sound."""
    start, end = timeline.span(number)
    return _segment(timeline, number, _ONLY_TRACK, _filled([], start, end, timeline.frame, silence))


def _segment(timeline: Timeline, number: int, track: int, samples: list[Sample]) -> Segment:
    start, end = timeline.span(number)
    data = _STYP + write_fragment(number, track, samples)
    return Segment(number, start, end - start, timeline.timescale, data)


def _filled(samples: list[Sample], start: int, end: int, frame: int, silence: bytes) -> list[Sample]:
    """One sample for each frame in [start, end): the one that is closest to its place, or silence."""
    places: dict[int, bytes] = {}
    for sample in samples:
        places.setdefault((sample.pts - start + frame // 2) // frame, sample.data)
    return [
        Sample(time, time, min(frame, end - time), sync=True, data=places.get(place, silence))
        for place, time in enumerate(range(start, end, frame))
    ]


def _in_order(samples: list[Sample], start: int, end: int, frame: int, delay: int) -> list[Sample]:
    """The samples of copied sound in [start, end), in ticks, each at its place, later by `delay`.

    Their own times can be rounded to milliseconds, and differently in each run. If two have the same place, they follow each other.
    """
    places = [(sample.pts - start + frame // 2) // frame for sample in samples]
    if len(samples) * frame == end - start or any(later <= earlier for earlier, later in pairwise(places)):
        places = list(range(len(samples)))
    times = [start + place * frame for place in places]
    return [
        Sample(time + delay, time + delay, until - time, sync=True, data=sample.data)
        for sample, time, until in zip(samples, times, [*times[1:], times[-1] + frame], strict=True)
    ]


def _retimed(samples: list[Sample], start: int, end: int, delay: int, *, open_gop: bool) -> list[Sample]:
    """The samples with new decode times, from `start` to `end` in ticks. The presentation times stay.

    The decode times are the presentation times in ascending order. With closed GOPs they fill the segment. With `open_gop`, the frames that are shown before the keyframe begin before the segment,
    and those of the next keyframe, which has not come yet, are missing at its end: there the last frame is as long as the one before it.
    """
    shown = sorted(sample.pts for sample in samples)
    times = [start + pts - shown[0] for pts in shown]
    last_end = min(end, 2 * times[-1] - times[-2]) if open_gop and len(times) > 1 else end
    if times[-1] >= end or any(later <= earlier for earlier, later in pairwise(times)):
        # The source has broken times. With equal distances they do at least rise.
        times = [start + index * (end - start) // len(samples) for index in range(len(samples))]
        last_end = end
    if any(later <= earlier for earlier, later in pairwise(times)):
        raise SegmentError(
            f"segment of {end - start} ticks with {len(samples)} frames: at most one frame per tick is allowed"
        )
    return [
        Sample(dts, sample.pts + delay, until - dts, sample.sync, sample.data)
        for sample, dts, until in zip(samples, times, [*times[1:], last_end], strict=True)
    ]
