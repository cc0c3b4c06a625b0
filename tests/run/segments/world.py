"""A segment service on a fake machine, for the tests of `segments`."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from typing import Any, cast

import attrs
from twisted.internet.defer import Deferred

from tests.plan.cmaf.test_segmenter import FTYP, moov, video_samples, written
from tests.plan.examples import AUDIO_STREAM, MEDIA, VIDEO_STREAM
from tests.run.fakes import PROGRAM, Child, Machine, new_file, new_leases, new_opener, new_streams, result_of
from transcoded.plan.cmaf.boxes import box
from transcoded.plan.cmaf.renditions import AudioRendition, Rendition, VideoRendition
from transcoded.plan.cmaf.timeline import audio_timeline, video_timeline
from transcoded.plan.errors import TranscodedError
from transcoded.plan.media.argv import Options
from transcoded.plan.media.probe import Media
from transcoded.plan.policy.admission import Admission
from transcoded.run.files.library import MediaFile
from transcoded.run.media.burn_in import Burned, BurnIns
from transcoded.run.media.subtitles import SubtitleSource
from transcoded.run.reactor import as_reactor
from transcoded.run.segments.cache import SegmentCache
from transcoded.run.segments.disk import DiskTier
from transcoded.run.segments.encoder import EncoderFactory, Source
from transcoded.run.segments.requests import Answer, Requester
from transcoded.run.segments.service import SegmentService
from transcoded.run.streams.admission import AdmissionQueue

RATE = Fraction(30000, 1001)
TIMELINE = video_timeline(Fraction(40), RATE, Fraction(1))  # forty segments of 30 frames
HEADER = FTYP + moov(30_000)
IDLE = 60.0
VIDEO = VideoRendition("v360", VIDEO_STREAM, 640, 360, RATE, 1000, 2000, "avc1.64001e", 30, TIMELINE, delay=2002)
SMALL = attrs.evolve(VIDEO, id="v240", height=240, width=426)
AUDIO = AudioRendition(
    "a0", AUDIO_STREAM, default=True, average=1, peak=1, timeline=audio_timeline(Fraction(40), Fraction(1))
)


def fragment(number: int) -> bytes:
    """What ffmpeg writes for one segment."""
    data = written(video_samples(number, number + 1, TIMELINE), 30_000, (30,))
    return data[len(HEADER) : -len(box(b"mfra"))]


class FakeBurnIns:
    """Draws a script into each video that is to have one, or fails. `asked` has the keys of what was to be drawn."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.script = "[Script Info]"
        self.drawing: int | None = None
        self.problem: TranscodedError | None = None

    async def make(self, source: SubtitleSource, client: str) -> Burned:
        self.asked.append(source.key)
        if self.problem is not None:
            raise self.problem
        return Burned(self.script)

    async def open(self, burned: Burned, offset: float) -> AbstractContextManager[int | None]:
        return nullcontext(None if burned.is_empty else self.drawing)


class World:
    """A segment service on a fake machine, and what the fake ffmpegs of its encoders do."""

    def __init__(
        self, machine: Machine, capacity: int, queue_size: int, quota: int, disk: DiskTier | None = None
    ) -> None:
        self.machine = machine
        self.leases = new_leases(machine)
        self.streams = new_streams(machine, leases=self.leases)
        self.admission = AdmissionQueue(as_reactor(machine), Admission(capacity, queue_size), 15.0)
        self.cache = SegmentCache(quota)
        if disk is not None:
            self.cache.second = disk
            disk._memory = self.cache
        self.served: list[float] = []
        self.burn_ins = FakeBurnIns()
        self.segments = SegmentService(
            as_reactor(machine),
            self.admission,
            new_opener(machine, self.leases),
            EncoderFactory(self.streams, PROGRAM, Options(), machine.seconds),
            self.cache,
            IDLE,
            self.served.append,
            self.place_before,
            cast(BurnIns, self.burn_ins),
            disk,
        )

    async def place_before(self, file: MediaFile, media: Media, time: float, client: str) -> float | None:
        return None

    def ask(
        self,
        number: int,
        rendition: Rendition = VIDEO,
        file: str = "a.mkv",
        client: str = "192.0.2.1",
        burn: SubtitleSource | None = None,
    ) -> "Deferred[Answer]":
        source = Source(new_file(file), MEDIA, rendition, burn)
        waiting = self.segments.segment(source, number, Requester(client, "r", client))
        # What fails is looked at by the test, or not at all.
        waiting.addErrback(lambda failure: failure.value)
        self.machine.turn()
        return waiting

    @property
    def child(self) -> Child:
        return self.machine.last

    @property
    def live(self) -> int:
        return len(self.streams.live())

    def first(self, child: Child | None = None) -> int:
        """The segment that an ffmpeg was started for."""
        argv = list((child or self.child).argv)
        return round(float(argv[argv.index("-ss") + 1])) if "-ss" in argv else 0

    def begin(self) -> None:
        """ffmpeg writes its header."""
        self.child.write(HEADER)
        self.machine.turn()

    def make(self, *numbers: int, each: float = 1.0) -> None:
        """ffmpeg writes segments, one in so many seconds."""
        for number in numbers:
            self.machine.advance(each)
            self.child.write(fragment(number))
            self.machine.turn()

    def reap(self) -> None:
        """ffmpeg dies of the signals that it got."""
        self.child.die(15)
        self.machine.turn()

    def tick(self, seconds: int = 1) -> None:
        for _ in range(seconds):
            self.machine.advance(1)
            self.segments.tick(1.0)
            self.admission.tick(1.0)
            self.machine.turn()

    def reasons(self) -> list[str]:
        return [ending.reason.value for ending in reversed(self.streams.endings())]

    def close(self) -> None:
        self.admission.stop()
        self.streams.stop()
        for child in self.machine.children:
            if not child.gone:
                child.die(9)
        self.machine.turn()


New = Callable[..., World]
"""Takes capacity, queue_size and quota, with defaults that are large enough."""


def failed(waiting: "Deferred[Any]", kind: type[Exception]) -> Exception:
    found = result_of(waiting)
    assert isinstance(found, kind), found
    return found
