"""Films for HLS and DASH, and what a player reads of them: playlists, segments, packets.

The pictures count their frames, as in `tests.support.clips`: a frame that is lost or doubled at a seam shows.
"""

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import attrs

from tests.support.clips import BITS, ffmpeg, ffprobe
from tests.support.daemon import LiveDaemon, media_url, until
from tests.support.programs import BUNDLED, Programs

SIZE = "192x144"
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", "2", "-g", "150", "-sc_threshold", "0")
# More than the encode of this size takes: one that takes as much as the source is not offered.
FILLED = ("-b:v", "240k", "-minrate", "240k", "-maxrate", "240k", "-bufsize", "240k", "-x264-params", "nal-hrd=cbr")
X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-x265-params", "log-level=none:pools=1")
TWO_SOUNDS = (
    *("-f", "lavfi", "-i", "sine=440:d=13", "-f", "lavfi", "-i", "sine=880:d=13", "-map", "0", "-map", "1", "-map"),
    *("2", "-c:a", "aac", "-metadata:s:a:0", "language=ger", "-metadata:s:a:1", "language=eng"),
)
LINES = "1\n00:00:01,000 --> 00:00:03,000\n{}\n"


@attrs.frozen
class Film:
    """One input: how many frames it has at which rate (0: no picture), and the renditions that are to be offered."""

    name: str
    frames: int
    rate: Fraction
    renditions: tuple[str, ...]


FILMS = (
    Film("long groups.mp4", 350, Fraction(25), ("copy", "v144", "a0", "a0-copy")),
    Film("two sounds.mkv", 312, Fraction(24), ("copy", "v144", "a0", "a0-copy", "a1", "a1-copy")),
    Film("odd and silent.mov", 390, Fraction(30000, 1001), ("v120",)),
    Film("sound alone.mp3", 0, Fraction(48000, 1024), ("a0",)),
)


@contextmanager
def released(daemon: LiveDaemon, root: str = "f") -> Iterator[LiveDaemon]:
    """A daemon that serves films in this root. Encoders outlive their requests, so what a test left running is released at its end."""
    yield daemon
    daemon.request("DELETE", f"/api/v1/streams?path={root}")
    daemon.quiet()


@attrs.frozen
class Piece:
    """One segment of a playlist: where it is, and its time in seconds."""

    url: str
    start: Fraction
    duration: Fraction


@attrs.frozen
class Playlist:
    """A media playlist."""

    rendition: str
    init: str
    pieces: tuple[Piece, ...]

    @property
    def seconds(self) -> Fraction:
        """How long the whole is."""
        return sum((piece.duration for piece in self.pieces), Fraction(0))


@attrs.frozen
class Packet:
    """What ffprobe says of a packet; seconds."""

    pts: float
    dts: float
    duration: float
    key: bool


def make_films(directory: Path) -> None:
    """Make all films in a directory."""
    counting(
        directory / FILMS[0].name, SIZE, 350, "25", "-f", "lavfi", "-i", "sine=d=14", *X264, *FILLED, "-c:a", "aac"
    )
    counting(directory / FILMS[1].name, SIZE, 312, "24", *TWO_SOUNDS, *X265)
    # Odd, and in a pixel format that no browser takes.
    odd = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv444p")
    counting(directory / FILMS[2].name, "161x121", 390, "30000/1001", *odd)
    ffmpeg("-f", "lavfi", "-i", "sine=d=15.5", "-c:a", "libmp3lame", f"file:{directory / FILMS[3].name}")
    # Half an hour, for what must not come to its end.
    loop = ("-stream_loop", "127", "-i", f"file:{directory / FILMS[0].name}", "-c", "copy")
    ffmpeg(*loop, f"file:{directory / 'endless.mkv'}")
    text = directory / ".text.srt"
    text.write_text(LINES.format("Inside"), encoding="utf-8")
    beside = ("-i", f"file:{directory / FILMS[0].name}", "-i", f"file:{text}", "-map", "0", "-map", "1", "-c", "copy")
    ffmpeg(*beside, "-c:s", "srt", "-metadata:s:s:0", "language=fre", f"file:{directory / 'texts.mkv'}")
    (directory / "texts.en.srt").write_text(LINES.format("Beside"), encoding="utf-8")


def counting(path: Path, size: str, frames: int, rate: str, *arguments: str) -> None:
    """Make a film whose pictures are the bits of their number."""
    width, height = map(int, size.split("x"))
    rows = [bytes(235 if n >> (x * BITS // width) & 1 else 16 for x in range(width)) * height for n in range(256)]
    raw = ("-f", "rawvideo", "-pix_fmt", "gray", "-video_size", size, "-framerate", rate, "-i", "pipe:0")
    ffmpeg(*raw, *arguments, f"file:{path}", stdin=b"".join(rows[number % 256] for number in range(frames)))


def renditions(daemon: LiveDaemon, path: str) -> list[str]:
    """The URLs of the media playlists that the master playlist names, without that for fast play."""
    master = media_url(path, "/master.m3u8")
    text = daemon.get(master)
    assert text.status == 200, text.body
    assert text.headers["content-type"] == "application/vnd.apple.mpegurl"
    found = re.findall(r'^cmaf/\S+|^#EXT-X-MEDIA:.*URI="(cmaf/[^"]+)"', text.body.decode(), re.MULTILINE)
    plain = re.findall(r"^cmaf/\S+", text.body.decode(), re.MULTILINE)
    return [urljoin(master, url) for url in dict.fromkeys([*plain, *filter(None, found)])]


def listed(daemon: LiveDaemon, path: str) -> int:
    """How many playlists a player reads that takes the master playlist literally: that of a video once with each group of audio."""
    text = body(daemon, media_url(path, "/master.m3u8")).decode()
    return len(re.findall("^#EXT-X-STREAM-INF:|TYPE=AUDIO", text, re.MULTILINE))


def playlist(daemon: LiveDaemon, path: str, rendition: str) -> Playlist:
    """The media playlist of a rendition. A copied one is offered as soon as the file's keyframes are known."""
    url = until(lambda: [url for url in renditions(daemon, path) if f"/cmaf/{rendition}/" in url], rendition)[0]
    text = daemon.get(url).body.decode()
    assert text.startswith("#EXTM3U\n")
    assert text.endswith("#EXT-X-ENDLIST\n")
    init = re.search(r'#EXT-X-MAP:URI="([^"]+)"', text)
    assert init is not None
    pieces, start = [], Fraction(0)
    for length, name in re.findall(r"#EXTINF:([0-9.]+),\n(\S+)", text):
        pieces.append(Piece(urljoin(url, name), start, Fraction(length)))
        start += Fraction(length)
    return Playlist(rendition, urljoin(url, init[1]), tuple(pieces))


def body(daemon: LiveDaemon, url: str) -> bytes:
    """What is there."""
    response = daemon.get(url)
    assert response.status == 200, f"{url}: {response.status} {response.body[:400]!r}"
    assert response.complete
    return response.body


def packets(source: bytes | str, *arguments: str) -> dict[int, list[Packet]]:
    """The packets of each stream, of some bytes or of a URL."""
    entries = "packet=stream_index,pts_time,dts_time,duration_time,flags"
    if isinstance(source, bytes):
        found = ffprobe(source, "-show_entries", entries, "-show_packets", *arguments)
    else:
        found = probe_url(source, "-show_entries", entries, "-show_packets", *arguments)
    streams: dict[int, list[Packet]] = {}
    for one in found["packets"]:
        times = (float(one["pts_time"]), float(one["dts_time"]), float(one.get("duration_time", 0)))
        streams.setdefault(one["stream_index"], []).append(Packet(*times, key="K" in one["flags"]))
    return streams


def probe_url(url: str, *arguments: str) -> Any:
    """What ffprobe says of a URL."""
    command = [BUNDLED.ffprobe, "-loglevel", "error", "-of", "json", *arguments, "-i", url]
    done = subprocess.run(command, capture_output=True, check=True, timeout=100, stdin=subprocess.DEVNULL)
    assert not done.stderr, done.stderr.decode()
    return json.loads(done.stdout)


def seamless(found: Sequence[Packet], seconds: float, frame: float, lead: float = 0, late: float = 0) -> None:
    """Decode times rise by the same step everywhere, and the whole is as long as it should be, to within a frame.

    `lead` is how long before 0 it may begin: a decoder of copied sound needs a frame before the first that is heard.
    `late` is how long after 0 it may begin: nothing fills the time before copied video.
    """
    steps = [later.dts - earlier.dts for earlier, later in pairwise(found)]
    assert min(steps) > 0
    assert max(steps) - min(steps) < 0.0015, "a gap at a seam"
    assert -lead - 0.001 <= min(packet.pts for packet in found) <= late + 0.001
    assert abs(max(packet.pts + packet.duration for packet in found) - seconds) <= frame + 0.001


def length(root: Path, film: Film, programs: Programs = BUNDLED) -> float:
    """Seconds of the file itself, as this ffprobe has it: 5.1 counts the priming of an MP3, 8.1 does not."""
    asked = ("-loglevel", "error", "-of", "json", "-show_format", "-i", f"file:{root / film.name}")
    done = subprocess.run([programs.ffprobe, *asked], capture_output=True, check=True, stdin=subprocess.DEVNULL)
    return float(json.loads(done.stdout)["format"]["duration"])


def frame_of(film: Film, rendition: str) -> float:
    """Seconds of a frame, those of sound as it is for all sound: it has fewer samples a second."""
    return 1024 / 44100 if rendition.startswith("a") else float(1 / film.rate)


def streams_of(daemon: LiveDaemon, path: str) -> list[dict[str, Any]]:
    """The streams of a file, live ones and those that have ended, each once: it may end between the two questions. The first to be started comes first."""
    found = {one["id"]: one for one in (*daemon.live(), *daemon.endings()) if one["path"] == path}
    return sorted(found.values(), key=lambda one: one["started"])
