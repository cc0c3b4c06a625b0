"""An encoder: one run of ffmpeg that makes the segments of a rendition, beginning with one of them.

An encoder is the sink of its stream's relay. It cuts the output into segments, and passes on what has come of them. It is paused by not reading the pipe: ffmpeg is blocked when the pipe is full.
"""

import os
from collections.abc import Callable, Sequence
from functools import partial

import attrs
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from transcoded.plan.cmaf.argv import segment_argv
from transcoded.plan.cmaf.boxes import BoxError
from transcoded.plan.cmaf.governor import PRESETS, Costs, Work
from transcoded.plan.cmaf.renditions import AudioRendition, Rendition, VideoRendition
from transcoded.plan.cmaf.segmenter import InitSegment, Piece, Segment, segmenter_of, silent_frame, silent_segment
from transcoded.plan.endings import Ending, Reason
from transcoded.plan.media.argv import INPUT_PATH, Options
from transcoded.plan.media.hardware import SOFTWARE, Chain
from transcoded.plan.media.probe import Media
from transcoded.run.files.library import MediaFile
from transcoded.run.media.subtitles import SubtitleSource
from transcoded.run.process.usage import cpu_seconds
from transcoded.run.relay.pipes import BIG
from transcoded.run.relay.relay import Relay
from transcoded.run.relay.sinks import FlowControl
from transcoded.run.segments.requests import INIT, Requester
from transcoded.run.streams.admission import Evictable, Permit
from transcoded.run.streams.fallbacks import Fallbacks
from transcoded.run.streams.registry import StreamRegistry
from transcoded.run.streams.stream import Stream
from transcoded.run.streams.stream_info import StreamSpec

READ = 128 * 1024
"""Bytes in one read from the pipe."""

AUDIO_PIPE = 16 * 1024
"""Bytes of the pipe of an encoder of audio, a second of it. In a larger one it would go on for a while after it is paused, and take the CPU from the video."""

Pieces = Sequence[Piece]

_log = Logger()


@attrs.frozen
class Source:
    """What segments are made from: one rendition of one version of a file, and the subtitles that are drawn into it."""

    file: MediaFile
    media: Media
    rendition: Rendition
    burn: SubtitleSource | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """Identifies the rendition, also after the file has changed."""
        drawn = () if self.burn is None else (self.burn.key,)
        return self.file.real_path, self.file.version, self.rendition.id, *drawn

    def empty_segment(self, number: int) -> bytes | None:
        """The segment for a time in which the file has nothing; None: there is no such segment. Sound is silent then."""
        rendition = self.rendition
        if not isinstance(rendition, AudioRendition) or rendition.copied:
            return None
        return silent_segment(rendition.timeline, number, silent_frame(rendition.channels)).data


class SegmentEncoder:
    """One run, beginning with segment `first`. `clock` gives seconds. `on_cost` is told the seconds of a CPU that some seconds of film have taken.

    `on_made` is called with what was made, in order; `on_change` is called when the encoder has ended. `made` has the numbers
    of the segments that were made, and `INIT`; `ending` is None before the end. `chain` is what makes it.
    """

    def __init__(
        self,
        source: Source,
        first: int,
        clock: Callable[[], float],
        on_made: Callable[[Pieces], None],
        on_change: Callable[[], None],
        on_cost: Callable[[float, float], None] | None = None,
        chain: Chain = SOFTWARE,
    ) -> None:
        self.first = first
        self.chain = chain
        self._started_at = clock()
        self.made: set[int] = set()
        self.ending: Ending | None = None
        self.is_ending = False
        self.is_paused = False
        self._segmenter = segmenter_of(source.rendition, first)
        self._clock = clock
        self._on_made = on_made
        self._on_change = on_change
        self._on_cost = on_cost
        self._cpu: float | None = None
        self._stream: Stream | None = None
        self._flow: FlowControl | None = None
        self._made_at: float | None = None
        self._pace: float | None = None

    @property
    def stream_id(self) -> str | None:
        """The id of its stream."""
        return None if self._stream is None else self._stream.id

    @property
    def position(self) -> int:
        """The number of the segment that is being made. Those from `first` up to it are made, or will not be made by this run."""
        return self._segmenter.number

    @property
    def pace(self) -> float | None:
        """Seconds that a segment takes; None before two segments were made without a pause between them."""
        return self._pace

    @property
    def is_productive(self) -> bool:
        """Whether it has made a media segment."""
        return bool(self.made - {INIT})

    def is_late(self, patience: float) -> bool:
        """Whether hardware has made no segment for so many seconds."""
        waits = not self.chain.is_software and not self.is_productive and not self.is_paused
        return waits and self._clock() - self._started_at >= patience

    def follow(self, stream: Stream) -> None:
        """Take the output of this stream, until its end."""
        self._stream = stream
        stream.when_open().addCallbacks(self._open, lambda _: None)
        stream.when_ended().addCallback(self._end)

    def when_ended(self) -> "Deferred[Ending]":
        """Fires with the Ending when the process is proven gone. Call it after `follow`."""
        assert self._stream is not None  # noqa: S101 - an encoder without a stream has not been started
        return self._stream.when_ended()

    def end(self, reason: Reason) -> None:
        """Request its end. `on_change` is called when it has ended, and `ending` is set."""
        if not self.is_ending and self._stream is not None:
            self.is_ending = True
            self._stream.end(reason)

    def pause(self) -> None:
        """Stop reading, which pauses ffmpeg. Does nothing before there is output."""
        if not self.is_paused and self._flow is not None:
            self.is_paused = True
            self._made_at = None
            self._flow.pause()

    def resume(self) -> None:
        """Resume reading."""
        if self.is_paused and self._flow is not None:
            self.is_paused = False
            self._flow.resume()

    def pump(self, fd: int) -> int:
        """Read one block and cut it. See `Sink.pump`."""
        data = os.read(fd, READ)
        if data:
            self.send(data)
        return len(data)

    def send(self, data: bytes) -> None:
        """Cut a block. See `Sink.send`."""
        if not self.is_ending:
            position = self.position
            try:
                pieces = self._segmenter.feed(data)
            except BoxError as error:
                _log.warn("the output cannot be cut into segments: {error}", error=str(error))
                self.end(Reason.FAILED)
            else:
                self._publish(pieces)
                if self.position != position and not pieces:
                    # It has passed segments without making them.
                    self._on_change()

    def close(self) -> None:
        """Nothing more will come. See `Sink.close`."""
        self._flow = None

    def _open(self, relay: Relay) -> None:
        relay.open(self._attach)

    def _attach(self, flow: FlowControl) -> "SegmentEncoder":
        self._flow = flow
        return self

    def _publish(self, pieces: Pieces) -> None:
        numbers = {piece.number for piece in pieces if isinstance(piece, Segment)}
        self.made |= numbers | ({INIT} if any(isinstance(piece, InitSegment) for piece in pieces) else set())
        if numbers:
            now = self._clock()
            # Time during a pause says nothing about its pace. Neither does the first segment, since it includes the start.
            self._pace = None if self._made_at is None else (now - self._made_at) / len(numbers)
            self._made_at = now
            self._measure(sum(piece.duration / piece.timescale for piece in pieces if isinstance(piece, Segment)))
        if pieces:
            self._on_made(pieces)

    def _measure(self, film_seconds: float) -> None:
        """Tell what these seconds of film have cost. What comes with the first segment includes the start."""
        pid = None if self._stream is None else self._stream.child.pid
        if self._on_cost is None or pid is None:
            return
        before, self._cpu = self._cpu, cpu_seconds(pid)
        if before is not None:
            self._on_cost(self._cpu - before, film_seconds)

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
    """Starts encoders. They are streams like others: registered, health-checked, ended when their file is released.

    `ffmpeg` is the path of the program, `clock` gives seconds. `costs` learn from each encoder of video, `fallbacks` choose its hardware; None: they need not, and there is none.
    """

    streams: StreamRegistry
    ffmpeg: str
    options: Options
    clock: Callable[[], float]
    costs: Costs | None = None
    fallbacks: Fallbacks | None = None

    def start(
        self,
        source: Source,
        first: int,
        requester: Requester,
        input_file: int,
        permit: Permit,
        occupant: Evictable,
        on_made: Callable[[Pieces], None],
        on_change: Callable[[], None],
        read_from: float | None = None,
        subtitles: int | None = None,
        preset: str = PRESETS[0],
        chain: Chain = SOFTWARE,
    ) -> SegmentEncoder:
        """Start an encoder that makes segment `first` and those after it. Raises as `StreamRegistry.start` does.

        `input_file` is the descriptor of the open file; the caller keeps it. `permit` is taken over; `occupant` decides about evictions. For `on_made` and `on_change` see `SegmentEncoder`, for `read_from` `segment_argv`.
        `subtitles` is the descriptor of what is drawn into the video, which the caller keeps; None: nothing is. `preset` is one of `governor.PRESETS`, `chain` one of `cmaf.argv.rendition_chains`.
        """
        rendition = source.rendition
        encoder = SegmentEncoder(
            source, first, self.clock, on_made, on_change, self._learning(rendition, preset, chain), chain
        )
        spec = StreamSpec(
            path=source.file.path,
            format=f"cmaf/{rendition.id}",
            client=requester.client,
            request_id=requester.request_id,
            real_path=source.file.real_path,
            action="copy" if rendition.copied else "transcode",
            why=f"segments from {first} on",
            hasty=True,
            # Pictures for fast play are as small as a second of sound.
            pipe=AUDIO_PIPE if isinstance(rendition, AudioRendition) or rendition.intra else BIG,
            background=isinstance(rendition, VideoRendition) and rendition.intra,
            engine=chain.encodes if isinstance(rendition, VideoRendition) and not rendition.copied else None,
            hardware=chain.hardware,
        )
        made = rendition
        if isinstance(made, VideoRendition) and subtitles is None:
            made = attrs.evolve(made, burn=None)
        arguments = segment_argv(made, first, source.media, INPUT_PATH, self.options, read_from, preset, chain)
        stream = self.streams.start(spec, self.ffmpeg, arguments, input_file, permit, occupant, subtitles)
        encoder.follow(stream)
        if self.fallbacks is not None:
            self.fallbacks.watch(stream, chain)
        return encoder

    def _learning(self, rendition: Rendition, preset: str, chain: Chain) -> Callable[[float, float], None] | None:
        if self.costs is None or rendition.copied or not isinstance(rendition, VideoRendition) or rendition.intra:
            return None
        # Hardware has no presets.
        return partial(self.costs.learn, Work.of(rendition, chain.name), preset if chain.is_software else PRESETS[0])
