"""ffmpeg by hand: the same arguments as the daemon's encoders, without a daemon. What it needs is the least that any server over it can need.

Also what segments of two and of four seconds need of the bit rate for the same picture (`quality`).
"""

import json
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import attrs

from benchmarks.adaptive_media import run_ffmpeg
from benchmarks.hls_player import Shown
from benchmarks.workshop import CannotMeasure
from transcoded.plan.cmaf.argv import segment_argv
from transcoded.plan.cmaf.ladder import present
from transcoded.plan.cmaf.renditions import Presentation, Rendition, VideoRendition
from transcoded.plan.cmaf.segmenter import InitSegment, Segment, segmenter_of
from transcoded.plan.cmaf.timeline import TARGET, Timeline
from transcoded.plan.media.argv import PROGRESS_FD, Options, probe_argv
from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.ffprobe import decode
from transcoded.plan.media.probe import Media
from transcoded.plan.media.timeline.packets import PacketScan, packets_argv, parse_packets

BLOCK = 128 * 1024
THREADS = 2
EVERY = 3
"""One frame of so many is compared."""


@attrs.frozen
class Known:
    """What is known of a film before a process makes segments of it. `ffmpeg` is the path of the program that does."""

    ffmpeg: str
    path: Path
    media: Media
    scan: PacketScan
    options: Options

    def presentation(self, target: Fraction = TARGET) -> Presentation:
        """Its renditions, with segments of about `target` seconds."""
        return present(self.media, self.scan, target, self.options.capabilities)

    def video(self, height: int | None, target: Fraction = TARGET) -> VideoRendition:
        """The video of this height that is encoded, or the first one that there is."""
        found = self.presentation(target).video
        if height is None:
            return found[0]
        for one in found:
            if one.height == height and not one.copied:
                return one
        raise CannotMeasure(f"{self.path.name} is not encoded with {height} rows")


def know(path: Path, ffmpeg: str, ffprobe: str, capabilities: Capabilities) -> Known:
    """Probe a film."""
    probed = subprocess.run([ffprobe, *probe_argv(str(path))], capture_output=True, check=True).stdout
    media = decode(probed, path.stat().st_size)
    packets = subprocess.run([ffprobe, *packets_argv(str(path))], capture_output=True, check=True).stdout
    return Known(ffmpeg, path, media, parse_packets(packets, media), Options(capabilities=capabilities))


def shown_by_hand(known: Known, height: int | None, place: float) -> Shown:
    """Make the segments of video and audio with this time, at once, and throw them away."""
    video = known.video(height)
    renditions: Sequence[Rendition] = (video, *known.presentation().audio[:1])
    began = time.monotonic()
    with ThreadPoolExecutor(len(renditions)) as pool:
        times = list(pool.map(lambda one: _made(known, one, place), renditions))
    number = _number(video.timeline, place)
    return Shown(
        playlist=0.0,
        first=1000 * (times[0][0] - began),
        whole=1000 * (max(whole for _, whole in times) - began),
        film=float(video.timeline.seconds(video.timeline.duration(number))),
    )


def _made(known: Known, rendition: Rendition, place: float) -> tuple[float, float]:
    """When the first bytes of the segment were there, and when all were."""
    timeline = rendition.timeline
    number = _number(timeline, place)
    segmenter = segmenter_of(rendition, number)
    arguments = segment_argv(rendition, number, known.media, str(known.path), known.options)
    first = None
    with _started(known.ffmpeg, arguments) as process:
        assert process.stdout is not None
        try:
            ended = False
            while not ended:
                data = process.stdout.read1(BLOCK)  # type: ignore[attr-defined]
                ended = not data
                for piece in segmenter.feed(data) if data else segmenter.finish():
                    if not isinstance(piece, InitSegment) and piece.number == number:
                        first = first or time.monotonic()
                        if isinstance(piece, Segment):
                            return first, time.monotonic()
        finally:
            process.kill()
    raise CannotMeasure(f"ffmpeg by hand made no segment {number} of {rendition.id}")


def _number(timeline: Timeline, place: float) -> int:
    """The number of the segment with this time, in seconds; the last one for what comes after the end."""
    return max(0, min(len(timeline) - 1, timeline.locate(int(place * timeline.timescale))))


def _started(ffmpeg: str, arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
    # Progress goes to a descriptor of its own, which a shell opens more plainly than Popen.
    return subprocess.Popen(
        ["/bin/sh", "-c", f'exec "$@" {PROGRESS_FD}>/dev/null', "sh", ffmpeg, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


@attrs.frozen
class Quality:
    """Of an encode: bits per second of video, and VMAF: the mean of all frames, and that of the worst twentieth."""

    rate: float
    vmaf: float
    worst: float


def quality_of(known: Known, directory: Path, height: int, target: Fraction, seconds: float) -> Quality:
    """Encode the beginning of a film with segments of `target` seconds, as the daemon does, and compare it with the source."""
    rendition = known.video(height, target)
    made, log = directory / "quality.mp4", directory / "quality.json"
    arguments = segment_argv(rendition, 0, known.media, str(known.path), known.options)
    frames = round(seconds * rendition.rate)
    arguments[arguments.index("-frames:v") + 1] = str(frames)
    with made.open("wb") as output, _started(known.ffmpeg, arguments) as process:
        assert process.stdout is not None
        while data := process.stdout.read(BLOCK):
            output.write(data)
    if process.returncode:
        raise CannotMeasure(f"ffmpeg ended with {process.returncode}")
    log.unlink(missing_ok=True)
    size = f"{rendition.stream.width}:{rendition.stream.height}"
    graph = (
        f"[0:v]settb=AVTB,setpts=N*1000,scale={size}:flags=bicubic,format=yuv420p[a];"
        f"[1:v]trim=end_frame={frames},settb=AVTB,setpts=N*1000,format=yuv420p[b];"
        f"[a][b]libvmaf=n_threads={THREADS}:n_subsample={EVERY}:log_fmt=json:log_path={log}"
    )
    run_ffmpeg(known.ffmpeg, ["-i", str(made), "-i", str(known.path), "-lavfi", graph, "-f", "null", "-"])
    scores = frame_scores(log.read_text("utf-8"))
    taken = made.stat().st_size
    made.unlink()
    log.unlink()
    return Quality(taken * 8 / seconds, sum(scores) / len(scores), worst_mean(scores))


def frame_scores(log: str) -> list[float]:
    """The score of each compared frame in libvmaf's log."""
    scores = [float(one["metrics"]["vmaf"]) for one in json.loads(log)["frames"] if "vmaf" in one["metrics"]]
    if not scores:
        raise CannotMeasure("libvmaf compared no frame")
    return scores


def worst_mean(scores: Sequence[float], part: int = 20) -> float:
    """The mean of the worst of `part` equal parts of all scores; of one score at least."""
    worst = sorted(scores)[: max(1, len(scores) // part)]
    return sum(worst) / len(worst)


def can_compare(ffmpeg: str) -> bool:
    """Whether this ffmpeg has libvmaf."""
    done = subprocess.run([ffmpeg, "-hide_banner", "-filters"], capture_output=True, text=True, check=True)
    return " libvmaf " in done.stdout
