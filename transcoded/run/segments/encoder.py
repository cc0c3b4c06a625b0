"""One run of ffmpeg that makes the segments of a rendition, from one of them on.

An encoder is the sink of its stream's relay: what comes is cut, and each piece is handed over the moment its last byte is
there. Not reading the pipe is what pauses it: ffmpeg sleeps when the pipe is full.
"""

import os
from collections.abc import Callable, Sequence

import attrs
from twisted.logger import Logger

from transcoded.plan.cmaf.argv import segment_argv
from transcoded.plan.cmaf.boxes import BoxError
from transcoded.plan.cmaf.ladder import Rendition, VideoRendition
from transcoded.plan.cmaf.segmenter import InitSegment, Segment, Segmenter
from transcoded.plan.endings import Ending, Reason
from transcoded.plan.media.argv import Options
from transcoded.plan.media.probe import Media
from transcoded.run.files.library import MediaFile
from transcoded.run.relay.relay import Relay
from transcoded.run.relay.sinks import FlowControl
from transcoded.run.segments.requests import INIT, Requester
from transcoded.run.streams.admission import Evictable, Permit
from transcoded.run.streams.registry import StreamRegistry
from transcoded.run.streams.stream import Stream
from transcoded.run.streams.stream_info import StreamSpec

READ = 128 * 1024
"""Bytes that are read from the pipe at once."""

Pieces = Sequence[InitSegment | Segment]

_log = Logger()


@attrs.frozen
class Source:
    """What segments are made of: one rendition of one version of a file."""

    file: MediaFile
    media: Media
    rendition: Rendition

    @property
    def key(self) -> tuple[object, ...]:
        """What tells it from others."""
        return self.file.real_path, self.file.version, self.rendition.id


class SegmentEncoder:
    """One run, from segment `first` on. `made` gets what it has made, in order; `changed` is called when it has ended."""

    def __init__(
        self,
        source: Source,
        first: int,
        clock: Callable[[], float],
        on_made: Callable[[Pieces], None],
        on_change: Callable[[], None],
    ) -> None:
        self.first = first
        self.made: set[int] = set()
        self.ending: Ending | None = None
        self.is_ending = False
        self.is_paused = False
        self._segmenter = Segmenter(source.rendition.timeline, first, delay=source.rendition.delay)
        self._clock = clock
        self._on_made = on_made
        self._on_change = on_change
        self._stream: Stream | None = None
        self._flow: FlowControl | None = None
        self._made_at: float | None = None
        self._pace: float | None = None

    @property
    def position(self) -> int:
        """The segment that is being made: all before it, from the first on, are made or will not be."""
        return self._segmenter.number

    @property
    def pace(self) -> float | None:
        """Seconds that a segment takes; None until two were made without a pause between them."""
        return self._pace

    @property
    def is_productive(self) -> bool:
        """Whether it has made a segment."""
        return bool(self.made - {INIT})

    def follow(self, stream: Stream) -> None:
        """Take what this stream makes, to its end."""
        self._stream = stream
        stream.when_open().addCallbacks(self._open, lambda _: None)
        stream.when_ended().addCallback(self._end)

    def end(self, reason: Reason) -> None:
        """End it. `ending` tells when it has ended."""
        if not self.is_ending and self._stream is not None:
            self.is_ending = True
            self._stream.end(reason)

    def pause(self) -> None:
        """Stop reading."""
        if not self.is_paused and self._flow is not None:
            self.is_paused = True
            self._made_at = None
            self._flow.pause()

    def resume(self) -> None:
        """Read on."""
        if self.is_paused and self._flow is not None:
            self.is_paused = False
            self._flow.resume()

    def pump(self, fd: int) -> int:
        """As a sink: read a block, and cut it. Returns its size in bytes, 0 at the end."""
        data = os.read(fd, READ)
        if data and not self.is_ending:
            try:
                pieces = self._segmenter.feed(data)
            except BoxError as error:
                _log.warn("the output cannot be cut into segments: {error}", error=str(error))
                self.end(Reason.FAILED)
            else:
                self._publish(pieces)
        return len(data)

    def close(self) -> None:
        """As a sink: nothing more will come."""
        self._flow = None

    def _open(self, relay: Relay) -> None:
        relay.open(self._attach)

    def _attach(self, flow: FlowControl) -> "SegmentEncoder":
        self._flow = flow
        return self

    def _publish(self, pieces: Pieces) -> None:
        numbers = {piece.number for piece in pieces if isinstance(piece, Segment)}
        self.made |= numbers | ({INIT} if len(numbers) < len(pieces) else set())
        if numbers:
            now = self._clock()
            # Time that passed during a pause says nothing of its pace; neither does the first segment, with the start in it.
            self._pace = None if self._made_at is None else (now - self._made_at) / len(numbers)
            self._made_at = now
        if pieces:
            self._on_made(pieces)

    def _end(self, ending: Ending) -> None:
        self._flow = None
        if ending.reason is Reason.FINISHED:
            try:
                self._publish([*self._segmenter.finish()])
            except BoxError as error:
                _log.warn("the last segment cannot be cut: {error}", error=str(error))
        self.is_ending = True
        self.ending = ending
        self._on_change()


@attrs.frozen
class EncoderFactory:
    """Starts encoders as streams like any other: registered, watched, released with their file, recorded when they end."""

    streams: StreamRegistry
    ffmpeg: str
    options: Options
    clock: Callable[[], float]

    def start(
        self,
        source: Source,
        first: int,
        requester: Requester,
        permit: Permit,
        occupant: Evictable,
        on_made: Callable[[Pieces], None],
        on_change: Callable[[], None],
    ) -> SegmentEncoder:
        """An encoder that makes segment `first` and those after it. Raises what `StreamRegistry.start` does."""
        rendition = source.rendition
        encoder = SegmentEncoder(source, first, self.clock, on_made, on_change)
        spec = StreamSpec(
            path=source.file.path,
            format=f"cmaf/{rendition.id}",
            client=requester.client,
            request_id=requester.request_id,
            real_path=source.file.real_path,
            action="copy" if isinstance(rendition, VideoRendition) and rendition.copied else "transcode",
            why=f"segments from {first} on",
            hasty=True,
        )
        arguments = segment_argv(rendition, first, source.media, source.file.real_path, self.options)
        encoder.follow(self.streams.start(spec, self.ffmpeg, arguments, permit, occupant))
        return encoder
