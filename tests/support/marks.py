"""Marks in clips, and how to read them: each picture carries its number, and each second has a beep whose pitch is that second.

So what came out of a file can be compared with what is in it: which frame is shown when, and whether sound and picture are in step.
"""

import json
import math
import subprocess
from array import array
from collections.abc import Sequence
from itertools import pairwise

import attrs

BARS = 16
BEEP = 0.1
"""Seconds of a beep."""

_RATE = 8000
_LOUD = 0.1


def pictures(rate: str, seconds: float, size: str = "320x180", first: int = 0) -> str:
    """A source of lavfi: bar k of the picture is white where bit k of its number is set."""
    width = int(size.partition("x")[0])
    bits = f"if(mod(floor((N+{first})/pow(2,floor(X/({width}/{BARS})))),2),235,16)"
    return f"color=c=black:s={size}:r={rate}:d={seconds},format=gray,geq=lum='{bits}',format=yuv420p"


def beeps(seconds: float, first: int = 0, rate: int = 48_000) -> str:
    """A source of lavfi: a beep of 400 + 40·t Hz at the beginning of each second t."""
    tone = f"0.5*sin(2*PI*(400+40*floor(t+{first}))*t)*lt(mod(t,1),{BEEP})"
    return f"aevalsrc='{tone}':s={rate}:d={seconds},aformat=channel_layouts=mono"


@attrs.frozen
class Marks:
    """What was read: (time in seconds, number) of each picture and of each beep, in order."""

    pictures: Sequence[tuple[float, int]]
    beeps: Sequence[tuple[float, int]]
    width: int = 0
    height: int = 0

    def picture_at(self, time: float) -> int | None:
        """The number of the picture that is shown at a time."""
        return next((number for at, number in reversed(self.pictures) if at <= time + 0.0005), None)

    def offset(self, rate: float) -> float | None:
        """By how much the pictures are late against the sound, in seconds: the median over all beeps; None if one is missing."""
        found = []
        for time, second in self.beeps:
            shown = next((at for at, number in self.pictures if number >= round(second * rate)), None)
            exact = next((at for at, number in self.pictures if number == round(second * rate)), None)
            if exact is not None and shown is not None:
                found.append(exact - time)
        return sorted(found)[len(found) // 2] if found else None


def read_marks(ffmpeg: str, ffprobe: str, source: str, *options: str) -> Marks:
    """Read the marks of a file or a URL. `options` come before the input."""
    described = json.loads(
        _run(ffprobe, *options, "-v", "error", "-of", "json", "-show_entries", "stream=codec_type,width,height", source)
        or b"{}"
    )
    kinds = {stream.get("codec_type"): stream for stream in described.get("streams", [])}
    found: list[tuple[float, int]] = []
    if "video" in kinds:
        times = _times(ffprobe, source, options, "frame=best_effort_timestamp_time")
        # ffprobe comes without a decoder of AV1.
        times = times or sorted(_times(ffprobe, source, options, "packet=pts_time"))
        scale = f"scale={BARS}:1:flags=area,format=gray"
        pixels = _run(
            *(ffmpeg, "-v", "error", *options, "-i", source, "-map", "0:v:0", "-fps_mode", "passthrough"),
            *("-vf", scale, "-f", "rawvideo", "-"),
        )
        numbers = [
            sum((pixels[at + bar] > 125) << bar for bar in range(BARS)) for at in range(0, len(pixels) - BARS + 1, BARS)
        ]
        found = list(zip(times, numbers, strict=False))
    sounds = _beeps(ffmpeg, ffprobe, source, options) if "audio" in kinds else []
    video = kinds.get("video", {})
    return Marks(found, sounds, int(video.get("width", 0)), int(video.get("height", 0)))


def _times(ffprobe: str, source: str, options: Sequence[str], entry: str) -> list[float]:
    """The times of all frames or packets of the video, in seconds."""
    command = (*(ffprobe, *options, "-v", "error", "-select_streams", "v:0", "-of", "csv=p=0"), "-show_entries", entry)
    lines = (line.decode().strip(", ") for line in _run(*command, source).splitlines())
    return [float(line) for line in lines if line not in {"", "N/A"}]


def _beeps(ffmpeg: str, ffprobe: str, source: str, options: Sequence[str]) -> list[tuple[float, int]]:
    # Nothing that counts from the beginning: if the layout changes in the middle, ffmpeg begins the graph anew.
    filters = "aresample=async=1:min_hard_comp=0.01"
    data = _run(
        *(ffmpeg, "-v", "error", *options, "-i", source, "-map", "0:a:0", "-copyts", "-af", filters, "-ac", "1"),
        *("-ar", str(_RATE), "-f", "f32le", "-"),
    )
    times = _run(
        *(ffprobe, *options, "-v", "error", "-select_streams", "a:0", "-read_intervals", "%+#4", "-of", "csv=p=0"),
        *("-show_entries", "frame=best_effort_timestamp_time", source),
    ).split()
    zero = next((float(time.strip(b",")) for time in times if time.strip(b",") not in {b"", b"N/A"}), 0.0)
    samples = array("f", data[: len(data) // 4 * 4])
    step = _RATE // 200
    loud = [max(map(abs, samples[at : at + step]), default=0) > _LOUD for at in range(0, len(samples), step)]
    found = []
    place = 0
    while place < len(loud):
        if not loud[place]:
            place += 1
            continue
        start = place
        while place < len(loud) and any(loud[place : place + 3]):
            place += 1
        first, last = start * step, place * step
        onset = next((at for at in range(first, last) if abs(samples[at]) > _LOUD), first)
        if last - onset > _RATE * BEEP / 3:
            part = samples[onset + step : last - step]
            crossings = sum(a < 0 <= b for a, b in pairwise(part))
            pitch = crossings * _RATE / max(1, len(part))
            found.append((zero + onset / _RATE, round((pitch - 400) / 40)))
    return found


def _run(program: str, *arguments: str) -> bytes:
    return subprocess.run([program, *arguments], check=False, capture_output=True, stdin=subprocess.DEVNULL).stdout


def in_step(marks: Marks, rate: float, tolerance: float = 0.045) -> bool:
    """Whether pictures and sound belong together."""
    offset = marks.offset(rate)
    return offset is not None and math.fabs(offset) <= tolerance
