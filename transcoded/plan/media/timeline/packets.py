"""The packet scan: ffprobe lists the packets of a file, and its lines become a `PacketScan`.

It is the truth about the times of a file: its header can be missing, wrong, or only an estimate. Times are counted as plain
`ffmpeg -i` counts them. Where a clock begins anew or jumps, as it does in joined recordings, the file goes on without a gap.
"""

from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from fractions import Fraction
from heapq import heappop, heappush
from io import BytesIO

import attrs

from transcoded.plan.media.argv import FFPROBE_WHITELISTS
from transcoded.plan.media.probe import Media

REORDER = 2
"""Frames. x264 with two B-frames, which can refer to each other, decodes at most two frames ahead of display."""

MAX_LENGTH = 10 * 24 * 3600
"""Seconds after the start of the container. What is later is damage."""

JUMP = 10_000_000
STEP_BACK = 100_000
"""Microseconds. A clock that goes further on than `JUMP`, or further back than `STEP_BACK`, has begun anew: `dts_delta_threshold`
of ffmpeg, and the tolerance in its demuxer's correction of discontinuities."""

_DISCONTINUOUS = frozenset({"mpegts", "mpeg", "ogg", "wtv"})
"""Demuxers for which ffmpeg corrects such clocks (AVFMT_TS_DISCONT)."""

MAX_REORDER = 16
"""Frames: the most that H.264 and HEVC allow (ITU-T H.264, annex A)."""

MAX_DELAY = 10_000_000
"""Microseconds. A longer delay comes from damaged times."""

MAX_PACKET = 1 << 31
"""Bytes. A larger packet is damage."""

_NONE = (1 << 63) - 1


@attrs.frozen
class PacketScan:
    """What the packets of a file say. The defaults mean: not known.

    `start` is when the first frame is shown, in seconds after the container's start. `keyframes` are the times of
    keyframes, counted in the same way but in microseconds; of those within one second only the first. `offsets` has the bytes of video
    before each of them, in decoding order, and then the bytes of all; where an index does not tell the tracks apart, those of others are counted too. `reorder` is the number of
    frames by which decoding runs ahead of display (ffprobe's `has_b_frames`). `end` is when the last packet ends, in seconds after the container's start. `restarts`: the clock begins anew. `delay`, in microseconds, is the longest time by which a frame is shown before the one that is shown n-th, if it is the n-th that is decoded. `leading`: some
    frames are decoded after a keyframe and shown before it (open groups of pictures), so they cannot be decoded from it on.
    """

    start: Fraction = Fraction(0)
    keyframes: Sequence[int] = ()
    offsets: Sequence[int] = ()
    reorder: int = REORDER
    end: float | None = None
    restarts: bool = False
    delay: int | None = None
    leading: bool | None = None

    def keyframe_before(self, time: float) -> float | None:
        """The latest keyframe at a time or before it, both in seconds; None: none is known."""
        number = bisect_right(self.keyframes, round(time * 1_000_000))
        return self.keyframes[number - 1] / 1_000_000 if number else None

    def delay_in(self, timescale: int, rate: Fraction) -> int:
        """The delay in ticks, by which frames have to be decoded before they are shown. If it was not measured, frames are taken for equally long."""
        if self.delay is None:
            return round(self.reorder * timescale / rate)
        return -(-self.delay * timescale // 1_000_000)

    @property
    def weight(self) -> int:
        """About how many bytes of memory it takes. The keyframes and their offsets are arrays of 8 bytes each."""
        return 8 * (len(self.keyframes) + len(self.offsets))


def packets_argv(path: str, stream: int | None = None) -> list[str]:
    """Arguments for the ffprobe that writes a line for each packet of a stream, or of all streams (None)."""
    return [
        *("-hide_banner", "-loglevel", "error"),
        *(("-select_streams", str(stream)) if stream is not None else ()),
        *("-show_entries", "packet=stream_index,pts_time,dts_time,duration_time,size,flags", "-of", "csv=p=0"),
        *FFPROBE_WHITELISTS,
        *("-i", f"file:{path}"),
    ]


def scan_from_probe(media: Media) -> PacketScan:
    """What the probe alone tells: no keyframes, no bit rate and no end."""
    video = media.default_video
    if video is None:
        return PacketScan()
    start = Fraction(0)
    if video.start_time is not None:
        start = max(start, Fraction(round((video.start_time - media.start_time) * 1_000_000), 1_000_000))
    return PacketScan(start=start, reorder=REORDER if video.reorder is None else video.reorder)


def parse_packets(output: bytes, media: Media) -> PacketScan:
    """The scan from the output of ffprobe with `packets_argv`. Lines that cannot be parsed are skipped.

    Memory and result depend on the length of the file, not on the number of its packets: of the keyframes in one second only
    the first is kept, and packets at times outside the file do not count. Two hours of video have about 200,000 packets. So
    times are parsed as whole microseconds, which is fast.
    """
    video = media.default_video
    clock = _Clock(corrects=not _DISCONTINUOUS.isdisjoint(media.container.split(",")))
    seconds = _Seconds(round(media.start_time * 1_000_000))
    streams = {*(stream.index for stream in media.video), *(stream.index for stream in media.own_audio)}
    shown = None if video is None else video.index
    groups = _Groups()
    order = _Order(REORDER if video is None or video.reorder is None else video.reorder)
    for line in BytesIO(output):
        fields = line.split(b",")
        try:
            index, size, flags = int(fields[0]), int(fields[4]), fields[5]
            if index not in streams or size > MAX_PACKET:
                continue
            pts, duration = clock.times(index, fields[1], fields[2], fields[3])
        except (ValueError, IndexError, OverflowError):
            continue
        if index == shown:
            order.add(pts)
            groups.add(pts, key=b"K" in flags)
        # The edit list hides packets with the flag D.
        if b"D" not in flags:
            seconds.add(pts, duration, size if index == shown else 0, key=index == shown and b"K" in flags)
    probed = scan_from_probe(media)
    return PacketScan(
        start=probed.start,
        keyframes=array("q", (time for time in seconds.keyframes if time != _NONE)),
        offsets=seconds.offsets,
        reorder=probed.reorder,
        end=seconds.end / 1_000_000 if seconds.end > 0 else None,
        restarts=clock.restarts,
        delay=order.delay,
        leading=groups.leading,
    )


class _Clock:
    """The clock of each stream, corrected where it begins anew.

    ffmpeg is run in the same way: each stream is read by an input of its own. Around a joint packets of both parts are mixed, and a correction for all streams
    together would be made twice.
    """

    def __init__(self, *, corrects: bool) -> None:
        self.restarts = False
        self._corrects = corrects
        # By stream: the correction, the decode time of the latest packet, and when it ends.
        self._offset: dict[int, int] = {}
        self._latest: dict[int, int] = {}
        self._next: dict[int, int] = {}

    def times(self, stream: int, pts: bytes, dts: bytes, duration: bytes) -> tuple[int, int]:
        """Presentation time and duration of a packet, in microseconds. A packet without a time follows the one before it."""
        length = _micros(duration) or 0
        expected = self._next.get(stream)
        shown, decoded = _micros(pts), _micros(dts)
        if decoded is None:
            decoded = shown
        if decoded is None:
            # The clock of a raw stream is the sum of its packets.
            at = expected or 0
            self._next[stream] = at + length
            return at, length
        offset = self._offset.get(stream, 0)
        decoded += offset
        if expected is not None and self._corrects:
            jump = decoded - expected
            if abs(jump) > JUMP or decoded + STEP_BACK < self._latest[stream]:
                offset -= jump
                self._offset[stream] = offset
                decoded = expected
                self.restarts = True
        self._latest[stream] = decoded
        self._next[stream] = decoded + length
        return (decoded if shown is None else shown + offset), length


class _Order:
    """Compares the order in which frames are decoded with that in which they are shown. `reorder` frames are held back at the most."""

    def __init__(self, reorder: int) -> None:
        self._places = min(max(reorder, 0), MAX_REORDER) + 1
        self._delay: int | None = None
        self._sorted: list[int] = []
        self._decoded: deque[int] = deque()

    @property
    def delay(self) -> int | None:
        """The longest delay in microseconds; None if there were no frames, or if their times are damaged."""
        while self._sorted:
            self._pop()
        return None if self._delay is None or self._delay > MAX_DELAY else self._delay

    def add(self, pts: int) -> None:
        heappush(self._sorted, pts)
        self._decoded.append(pts)
        if len(self._sorted) > self._places:
            self._pop()

    def _pop(self) -> None:
        self._delay = max(self._delay or 0, heappop(self._sorted) - self._decoded.popleft())


class _Groups:
    """Whether frames are decoded after a keyframe and shown before it; None if there is no keyframe."""

    def __init__(self) -> None:
        self.leading: bool | None = None
        self._keyframe: int | None = None

    def add(self, pts: int, *, key: bool) -> None:
        if key:
            self._keyframe = pts
            self.leading = bool(self.leading)
        elif self._keyframe is not None and pts < self._keyframe:
            self.leading = True


class _Seconds:
    """What is kept of the packets, for each second after `zero` (in microseconds)."""

    def __init__(self, zero: int) -> None:
        self.end = 0
        # One place more in front, for frames that are shown before the container's start.
        self.keyframes = array("q", [_NONE])
        self._before = array("q", [0])
        self._size = 0
        self._zero = zero

    @property
    def offsets(self) -> Sequence[int]:
        """The bytes before each keyframe, and those of all; nothing if there is no keyframe."""
        found = array("q", (size for size, time in zip(self._before, self.keyframes, strict=True) if time != _NONE))
        if found:
            found.append(self._size)
        return found

    def add(self, pts: int, duration: int, size: int, *, key: bool) -> None:
        time = pts - self._zero
        second = time // 1_000_000
        if not -1 <= second < MAX_LENGTH:
            return
        self.end = max(self.end, min(time + duration, MAX_LENGTH * 1_000_000))
        while len(self.keyframes) < second + 2:
            self.keyframes.append(_NONE)
            self._before.append(0)
        if key and time < self.keyframes[second + 1]:
            self.keyframes[second + 1] = time
            self._before[second + 1] = self._size
        self._size += size


def _micros(text: bytes) -> int | None:
    """A time as ffprobe writes it, with six decimals; None if it is not known."""
    return None if text == b"N/A" else int(text.replace(b".", b""))
