"""Small files that claim to be large, and large ones that are nothing: what a malicious owner of a library puts into it.

Each function puts its files into a media root. They are made by ffmpeg, and then a few bytes of a header are changed.
"""

import struct
import subprocess
from pathlib import Path

from transcoded.run.host.tools import Tools

TEN_DAYS_MS = 10 * 24 * 3600 * 1000.0 - 1000

_VIDEO = ("-f", "lavfi", "-i", "testsrc2=size=64x36:rate=25:duration={seconds}")
_AUDIO = ("-f", "lavfi", "-i", "sine=duration={seconds}")
_X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


def ffmpeg(tools: Tools, *arguments: str) -> None:
    """Run it, quietly. Raises `CalledProcessError`."""
    subprocess.run(
        [tools.ffmpeg, "-hide_banner", "-nostdin", "-loglevel", "error", "-y", *arguments],
        check=True,
        stdin=subprocess.DEVNULL,
    )


def film(media: Path, tools: Tools) -> None:
    """`film.mp4`: two honest seconds."""
    made = [part.format(seconds=2) for part in (*_VIDEO, *_AUDIO)]
    ffmpeg(tools, *made, *_X264, "-c:a", "aac", str(media / "film.mp4"))


def ten_days(media: Path, tools: Tools) -> None:
    """`days.mkv`: 2 KB that claim ten days."""
    path = media / "days.mkv"
    made = [part.format(seconds="0.2") for part in _VIDEO]
    ffmpeg(tools, *made, *_X264, str(path))
    claim_ten_days(path)


def forty_sounds(media: Path, tools: Tools) -> None:
    """`sounds.mkv`: 22 KB with 40 audio streams that claim ten days."""
    path = media / "sounds.mkv"
    made = [part.format(seconds="0.1") for part in _AUDIO]
    ffmpeg(tools, *made, *("-map", "0") * 40, "-c:a", "libopus", "-b:a", "8k", str(path))
    claim_ten_days(path)


def claim_ten_days(path: Path) -> None:
    """Change the Duration in the header of a Matroska file (element 0x4489, a float of eight bytes, in milliseconds)."""
    data = bytearray(path.read_bytes())
    at = data.index(b"\x44\x89\x88") + 3
    data[at : at + 8] = struct.pack(">d", TEN_DAYS_MS)
    path.write_bytes(data)


def many_samples(media: Path, tools: Tools, count: int = 85_000_000) -> None:
    """`samples.mp4`: a few KB whose tables claim 85,000,000 samples (ISO/IEC 14496-12, stsz, stts, stsc)."""
    path = media / "samples.mp4"
    made = [part.format(seconds="0.2") for part in _AUDIO]
    ffmpeg(tools, *made, "-c:a", "aac", "-b:a", "32k", str(path))
    data = bytearray(path.read_bytes())
    size = data.index(b"stsz") + 8
    struct.pack_into(">II", data, size, 1, count)
    durations = data.index(b"stts") + 12
    struct.pack_into(">I", data, durations, count)
    chunks = data.index(b"stsc") + 12
    struct.pack_into(">I", data, chunks + 4, count)
    path.write_bytes(data)


def huge_frame(media: Path, tools: Tools, side: int = 16_000) -> None:
    """`huge.webm`: one VP8 frame of 16,000 by 16,000 pixels (RFC 6386, section 9.1)."""
    path = media / "huge.webm"
    ffmpeg(tools, *(part.format(seconds="0.2") for part in _VIDEO), "-c:v", "libvpx", str(path))
    data = bytearray(path.read_bytes())
    at = 0
    while (at := data.find(b"\x9d\x01\x2a", at)) >= 0:
        struct.pack_into("<HH", data, at + 3, side, side)
        at += 7
    # PixelWidth and PixelHeight, elements 0xB0 and 0xBA of one byte each here.
    for element in (b"\xb0\x81\x40", b"\xba\x81\x24"):
        assert element in data
    path.write_bytes(data)


def long_subtitles(media: Path, tools: Tools, size: int = 60 << 20) -> None:
    """`film.mp4`, and beside it a subtitle file of 60 MB."""
    film(media, tools)
    cue = "{n}\n00:00:01,000 --> 00:00:02,000\nA line of text.\n\n"
    with (media / "film.srt").open("w", encoding="ascii") as file:
        while file.tell() < size:
            file.write("".join(cue.format(n=n) for n in range(1000)))


def all_intra(media: Path, tools: Tools, seconds: int = 240) -> None:
    """`intra.mp4`: some 24 MB of tiny frames, each of them a keyframe."""
    source = ("-f", "lavfi", "-i", f"color=size=16x16:rate=1000:duration={seconds}")
    ffmpeg(tools, *source, *_X264, "-g", "1", str(media / "intra.mp4"))


def many_files(media: Path, tools: Tools, count: int = 100_000) -> None:
    """`many`: a folder of 100,000 empty files."""
    folder = media / "many"
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:06}.mp4").touch()
