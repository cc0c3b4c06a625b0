"""Pictures whose pixels say whether a video is shown right, and how to read them.

Frames are read as ffmpeg decodes them, without turning or cropping what a container says to turn or to crop: what is encoded has to
be right by itself.
"""

import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

import attrs

from tests.support.clips import ffmpeg
from tests.support.programs import Programs
from transcoded.plan.media.argv import PROGRESS_FD, peak_argv, probe_argv
from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.ffprobe import decode, with_peak, without_peak
from transcoded.plan.media.probe import Media

PATCHES = (
    (235, 235, 235),
    (128, 128, 128),
    (32, 32, 32),
    (200, 60, 50),
    (60, 180, 70),
    (50, 70, 200),
    (210, 190, 60),
    (210, 160, 130),
)
"""Colours in red, green and blue, of which a picture has one column each."""

# SMPTE ST 2084, section 5.
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32


@attrs.frozen
class Frame:
    """One frame: its bytes are red, green and blue of each pixel."""

    width: int
    height: int
    data: bytes

    def at(self, x: float, y: float) -> tuple[int, int, int]:
        """The colour at a place, as parts of width and height."""
        column, row = min(int(x * self.width), self.width - 1), min(int(y * self.height), self.height - 1)
        place = 3 * (row * self.width + column)
        return (self.data[place], self.data[place + 1], self.data[place + 2])

    def mean(self, x: float, y: float, side: int = 3) -> tuple[float, float, float]:
        """The mean colour around a place."""
        steps = range(-side, side + 1)
        colors = [self.at(x + dx / self.width, y + dy / self.height) for dx in steps for dy in steps]
        red, green, blue = (sum(one[part] for one in colors) / len(colors) for part in range(3))
        return red, green, blue

    def extent(self, level: int = 190) -> tuple[int, int]:
        """Width and height of what is bright in the row and in the column through its middle."""
        green = self.data[1::3]
        bright = [at for at, value in enumerate(green) if value > level]
        columns, rows = {at % self.width for at in bright}, {at // self.width for at in bright}
        if not bright:
            return 0, 0
        return max(columns) - min(columns) + 1, max(rows) - min(rows) + 1


def frames(source: Path, *options: str) -> list[Frame]:
    """The frames of a file, as they are stored."""
    shown = ("-map", "0:v:0", "-fps_mode", "passthrough", "-c:v", "ppm", "-f", "image2pipe", "pipe:1")
    data = ffmpeg("-noautorotate", "-apply_cropping", "codec", "-i", f"file:{source}", *options, *shown)
    found, at = [], 0
    while at < len(data):
        # "P6\n320 180\n255\n", then the pixels.
        kind, size, depth, _ = data[at : at + 40].split(b"\n", 3)
        width, height = map(int, size.split())
        at += len(kind) + len(size) + len(depth) + 3
        found.append(Frame(width, height, data[at : at + 3 * width * height]))
        at += 3 * width * height
    return found


def patches(path: Path, *options: str, size: tuple[int, int] = (320, 180), frames: int = 3) -> None:
    """A file that shows `PATCHES`. The options encode it, from RGB."""
    width, height = size
    row = b"".join(bytes(PATCHES[x * len(PATCHES) // width]) for x in range(width))
    raw = ("-f", "rawvideo", "-pixel_format", "rgb24", "-video_size", f"{width}x{height}", "-framerate", "25")
    ffmpeg(*raw, "-i", "pipe:0", *options, f"file:{path}", stdin=row * height * frames)


def patch_error(frame: Frame) -> float:
    """The largest difference of a patch from its colour, of 255."""
    places = [(number + 0.5) / len(PATCHES) for number in range(len(PATCHES))]
    return max(
        abs(found - wanted)
        for place, patch in zip(places, PATCHES, strict=True)
        for found, wanted in zip(frame.mean(place, 0.5), patch, strict=True)
    )


def pq(nits: float) -> float:
    """The code value of a luminance in cd/m², from 0 to 1."""
    y = (nits / 10_000) ** _M1
    return float(((_C1 + _C2 * y) / (1 + _C3 * y)) ** _M2)


def ramp(path: Path, brightest: float, transfer: str, *options: str, columns: int = 512, frames: int = 3) -> None:
    """A gray ramp of HDR, in equal steps of code values from black to `brightest`, which is a code value from 0 to 1."""
    height = 64
    luma = (
        struct.pack(f"<{columns}H", *(64 + round(876 * brightest * x / (columns - 1)) for x in range(columns))) * height
    )
    chroma = struct.pack("<H", 512) * (columns * height // 2)
    raw = ("-f", "rawvideo", "-pixel_format", "yuv420p10le", "-video_size", f"{columns}x{height}", "-framerate", "25")
    colors = ("-vf", f"setparams=range=tv:color_primaries=bt2020:color_trc={transfer}:colorspace=bt2020nc")
    coded = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params")
    parameters = f"log-level=none:lossless=1:pools=none:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc"
    whole = ":".join([parameters, *options])
    ffmpeg(*raw, "-i", "pipe:0", *colors, *coded, whole, f"file:{path}", stdin=(luma + chroma) * frames)


def with_box(source: Path, target: Path, box: bytes) -> None:
    """A copy of an MP4 with a box at the end of its video's sample entry. Its `moov` box must be the last one."""
    data = bytearray(source.read_bytes())
    at, chain = 0, []
    heads = {b"stsd": 16, b"avc1": 86, b"hvc1": 86}
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1 hvc1"):
        while data[at + 4 : at + 8] not in name.split():
            at += int.from_bytes(data[at : at + 4])
        chain.append(at)
        at += heads.get(bytes(data[at + 4 : at + 8]), 8)
    end = chain[-1] + int.from_bytes(data[chain[-1] : chain[-1] + 4])
    for place in chain:
        size = int.from_bytes(data[place : place + 4]) + len(box)
        data[place : place + 4] = size.to_bytes(4)
    data[end:end] = box
    target.write_bytes(data)


def aperture(width: int, height: int) -> bytes:
    """The box that crops to the middle of the frame (ISO/IEC 14496-12, section 12.1.4.1: `clap`)."""
    return struct.pack(">I4s8i", 40, b"clap", width, 1, height, 1, 0, 1, 0, 1)


def dolby_vision(profile: int, compatibility: int) -> bytes:
    """The box that makes it Dolby Vision (Dolby Vision Streams Within the ISO Base Media File Format, section 2.2)."""
    record = bytes([1, 0]) + struct.pack(">H", profile << 9 | 6 << 3 | 0b101) + bytes([compatibility << 4]) + bytes(19)
    return struct.pack(">I4s", 8 + len(record), b"dvvC" if profile > 7 else b"dvcC") + record


def run(program: str, arguments: Sequence[str]) -> bytes:
    """What a program writes, whose progress nobody reads. It must succeed, and have nothing to say."""
    quiet = ["/dev/null" if one == f"pipe:{PROGRESS_FD}" else one for one in arguments]
    done = subprocess.run([program, *quiet], capture_output=True, stdin=subprocess.DEVNULL, check=False)
    assert (done.returncode, done.stderr.decode("utf-8", "replace")) == (0, "")
    return done.stdout


def probed(programs: Programs, path: Path) -> Media:
    """What the product knows of a file."""
    media = decode(run(programs.ffprobe, probe_argv(str(path))), path.stat().st_size)
    video = without_peak(media)
    return media if video is None else with_peak(media, run(programs.ffprobe, peak_argv(str(path), video.index)))


def capabilities(programs: Programs) -> Capabilities:
    """What these programs can do, as far as pictures are concerned."""
    listed = run(programs.ffmpeg, ("-hide_banner", "-filters")).decode()
    perceptual = "perceptual" in run(programs.ffmpeg, ("-hide_banner", "-h", "filter=scale")).decode()
    way = "zscale" if " zscale " in listed else "scale" if perceptual else None
    cropping = "apply_cropping[" in run(programs.ffmpeg, ("-hide_banner", "-h", "full")).decode()
    return attrs.evolve(
        Capabilities.everything(way),  # type: ignore[arg-type]  # one of the literals
        input_options=frozenset({"apply_cropping"} if cropping else ()),
    )
