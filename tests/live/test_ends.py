"""HLS and DASH announce what comes, to the end: wherever the clock of a file begins, and whoever wrote when it ends.

A player that waits for a last frame that does not exist stalls before the end; what is not announced is not played.
"""

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import attrs
import pytest

from tests.support.clips import ffmpeg, made_once
from tests.support.daemon import LiveDaemon, media_url
from tests.support.films import body, packets, playlist, released, renditions
from tests.support.programs import DEBIAN, Programs, by_turns

SECONDS = 9
FRAME = 0.04
AAC_FRAME = 1024 / 48_000
EXACT = 0.003
"""Seconds: times of Matroska are rounded to milliseconds."""

X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "40", "-sc_threshold", "0")
X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-bf", "3", "-x265-params", "log-level=none:keyint=40:open-gop=1")


@attrs.frozen
class Original:
    """A file with 9 seconds of video, and of sound unless `sound` is another length; when its clock begins, by ffmpeg's options."""

    name: str
    options: tuple[str, ...] = ()
    video: tuple[str, ...] = X264
    sound: float = SECONDS
    copies: tuple[str, ...] = ("copy", "a0-copy")


ORIGINALS = (
    # The run-up of its sound is before 0.
    Original("run-up.mkv"),
    Original("run-up.fragmented.mp4", ("-movflags", "frag_keyframe+delay_moov")),
    Original("late.mkv", ("-output_ts_offset", "0.7")),
    Original("later.mkv", ("-output_ts_offset", "5")),
    Original("late.mp4", ("-output_ts_offset", "0.7")),
    Original("later.mp4", ("-output_ts_offset", "5")),
    Original("late.flv", ("-output_ts_offset", "0.7"), copies=("copy",)),
    Original("transport.ts", copies=("copy",)),
    Original("open groups.mkv", video=X265, sound=SECONDS + 0.5),
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(directory: Path) -> None:
        for one in ORIGINALS:
            picture = ("-f", "lavfi", "-i", f"testsrc2=s=160x90:r=25:d={SECONDS}")
            sound = ("-f", "lavfi", "-i", f"sine=440:d={one.sound}:r=48000")
            codecs = (*one.video, "-pix_fmt", "yuv420p", "-c:a", "aac")
            ffmpeg(*picture, *sound, *codecs, *one.options, f"file:{directory / one.name}")

    return made_once(tmp_path_factory, "ends", make)


@pytest.fixture
def daemon(shared: LiveDaemon) -> Iterator[LiveDaemon]:
    with released(shared) as daemon:
        yield daemon


@pytest.mark.parametrize(
    ("programs", "original"), by_turns(ORIGINALS, lambda one: one.name), indirect=["programs"], scope="module"
)
def test_what_is_announced_ends_when_what_comes_does(
    daemon: LiveDaemon, programs: Programs, original: Original
) -> None:
    path = f"f/{original.name}"
    names = [url.split("/cmaf/")[1].split("/")[0] for url in renditions(daemon, path)]
    assert set(original.copies) == {name for name in names if name.endswith("copy")}
    ends = {}
    for name in names:
        shown = playlist(daemon, path, name)
        (found,) = packets(body(daemon, shown.init) + b"".join(body(daemon, one.url) for one in shown.pieces)).values()
        ends[name] = max(packet.pts + packet.duration for packet in found)
        # The frame that is shown last need not be the last one in the segment. ffprobe 5.1 does not tell the run-up of sound that begins behind 0.
        tolerance = FRAME if name == "copy" else AAC_FRAME if programs is DEBIAN else 0
        assert abs(ends[name] - float(shown.seconds)) < tolerance + EXACT, name
    # Nothing of the film is left out.
    assert min(ends.values()) > SECONDS - FRAME
    assert max(ends.values()) < original.sound + 0.1
    document = ET.fromstring(body(daemon, media_url(path, "/manifest.mpd")))
    announced = float(document.attrib["mediaPresentationDuration"][2:-1])
    assert abs(announced - max(ends.values())) < AAC_FRAME + EXACT
