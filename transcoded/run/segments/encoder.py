"""A head: one run of ffmpeg that makes the segments of a rendition, from one of them on.

It is the outlet of its stream's relay: what comes is cut, and each piece is handed over the moment its last byte is there.
"""

import os
from collections.abc import Callable, Sequence
from typing import Protocol

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
from transcoded.run.reactor import IReactor
from transcoded.run.relay.sinks import FlowControl
from transcoded.run.segments.cache import SegmentCache
from transcoded.run.streams.admission import AdmissionQueue, Permit
from transcoded.run.streams.registry import StreamRegistry
from transcoded.run.streams.stream import Stream, StreamSpec

SOON = 0.5
"""Seconds: a segment is near if the head makes it within them, at its pace so far; the next one is near in any case.

Starting anew at the right place takes about as long."""

INIT = -1
"""The number under which the init segment is asked for and kept."""

READ = 128 * 1024

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


@attrs.frozen
class Requester:
    """Who asks: for the registry and for admission."""

    client: str
    request_id: str


@attrs.frozen
class Works:
    """What heads are run with."""

    reactor: IReactor
    streams: StreamRegistry
    gate: AdmissionQueue
    store: SegmentCache
    ffmpeg: str
    options: Options
    idle_timeout: float
    """Seconds after which a head whose rendition nobody asks for is ended."""
    served: Callable[[float], None] = lambda _: None
    """Told how many seconds somebody waited for a segment."""


class Taker(Protocol):
    """Who gets what a head makes."""

    def made(self, pieces: "Sequence[InitSegment | Segment]") -> None:
        """The head has made these, in order."""

    def ended(self, head: "SegmentEncoder", ending: Ending) -> None:
        """The head is proven gone."""


class SegmentEncoder:
    """One run of ffmpeg from a segment on: the outlet of its relay, which cuts what comes."""

    def __init__(
        self, works: Works, source: Source, taker: Taker, first: int, asker: Requester, permit: Permit
    ) -> None:
        rendition = source.rendition
        self._taker = taker
        self._segmenter = Segmenter(rendition.timeline, first, delay=rendition.delay)
        self._flow: FlowControl | None = None
        self.braked = False
        self._clock = works.reactor.seconds
        self._made_at: float | None = None
        self._pace: float | None = None
        self.made: set[int] = set()
        self.over = False
        self.first = first
        self.ending = False
        copied = isinstance(rendition, VideoRendition) and rendition.copied
        job = StreamSpec(
            path=source.file.path,
            format=f"cmaf/{rendition.id}",
            client=asker.client,
            request_id=asker.request_id,
            real_path=source.file.real_path,
            action="copy" if copied else "transcode",
            why=f"segments from {first} on",
            hasty=True,
        )
        arguments = segment_argv(rendition, first, source.media, source.file.real_path, works.options)
        self._stream: Stream = works.streams.start(job, works.ffmpeg, arguments, permit)
        self._stream.when_open().addCallbacks(lambda relay: relay.open(self._take), lambda _: None)
        self._stream.when_ended().addCallback(self._over)

    @property
    def units(self) -> int:
        """The units that its end would free; those of one that has exited are free already."""
        permit = self._stream.permit
        return permit.ticket.units if permit is not None and permit.held else 0

    @property
    def number(self) -> int:
        """The segment that is being made."""
        return self._segmenter.number

    def near(self, number: int) -> bool:
        """Whether it will make this segment soon."""
        ahead = number - self.number
        soon = ahead <= 1 or (self._pace is not None and ahead * self._pace <= SOON)
        return not self.ending and ahead >= 0 and soon

    def end(self, reason: Reason) -> None:
        """Have it end."""
        self.ending = True
        self._stream.end(reason)

    def brake(self) -> None:
        """Stop reading; it will sleep when its pipe is full."""
        if not self.braked and self._flow is not None:
            self.braked = True
            self._made_at = None
            self._flow.pause()

    def release(self) -> None:
        """Read on."""
        if self.braked and self._flow is not None:
            self.braked = False
            self._flow.resume()

    def _take(self, flow: FlowControl) -> "SegmentEncoder":
        self._flow = flow
        return self

    def pump(self, fd: int) -> int:
        """As an outlet: take what comes, and cut it."""
        data = os.read(fd, READ)
        if data and not self.ending:
            try:
                pieces = self._segmenter.feed(data)
            except BoxError as error:
                _log.warn("segments of {path} cannot be cut: {error}", path=self._stream.job.path, error=str(error))
                self.end(Reason.FAILED)
                return len(data)
            self._tell(pieces)
        return len(data)

    def close(self) -> None:
        """As an outlet: nothing to close."""
        self._flow = None

    def _tell(self, pieces: "Sequence[InitSegment | Segment]") -> None:
        numbers = {piece.number for piece in pieces if isinstance(piece, Segment)}
        self.made |= numbers | ({INIT} if len(numbers) < len(pieces) else set())
        if numbers:
            now = self._clock()
            # What passed while it was braked says nothing of its pace; neither does the first, with the start in it.
            self._pace = None if self._made_at is None else (now - self._made_at) / len(numbers)
            self._made_at = now
        if pieces:
            self._taker.made(pieces)

    @property
    def productive(self) -> bool:
        """Whether it has made a segment."""
        return bool(self.made - {INIT})

    def _over(self, ending: Ending) -> None:
        self._flow = None
        self.over = True
        if ending.reason is Reason.FINISHED:
            try:
                self._tell([*self._segmenter.finish()])
            except BoxError as error:
                _log.warn("the last segment cannot be cut: {error}", error=str(error))
        self._taker.ended(self, ending)
