"""The announced bit rates are those of the segments: with just as much bandwidth as a playlist asks for, a player does not stall."""

import subprocess
from pathlib import Path

import pytest

from tests.support.clips import made_once
from tests.support.programs import BUNDLED, Programs
from transcoded.plan.cmaf.argv import segment_argv
from transcoded.plan.cmaf.governor import PRESETS
from transcoded.plan.cmaf.ladder import present
from transcoded.plan.cmaf.renditions import VideoRendition
from transcoded.plan.cmaf.segmenter import Segment, segmenter_of
from transcoded.plan.media.argv import PROGRESS_FD, Options, probe_argv
from transcoded.plan.media.ffprobe import decode
from transcoded.plan.media.probe import Media
from transcoded.plan.media.timeline.index.reader import read_index
from transcoded.plan.media.timeline.packets import PacketScan, packets_argv, parse_packets

CHANGING = "testsrc2=s=320x180:r=25:d=9.2,noise=alls=100:allf=t+u:enable=between(t\\,3.3\\,5.1)+gt(t\\,8)"
"""Easy, and then as hard as can be, in the middle of a segment and at the end."""

SOUND = ("-f", "lavfi", "-i", "sine=f=440:r=44100:d=9.2", "-c:a", "aac", "-b:a", "128k")
VIDEO = ("-c:v", "libx264", "-preset", "ultrafast", "-threads", "1", "-bf", "2", "-g", "30", "-sc_threshold", "0")
WRITES = {
    "film.mp4": ("-movflags", "+faststart"),
    "fragments.mp4": ("-movflags", "frag_keyframe+empty_moov"),
    "film.mkv": (),
    "film.ts": (),
}


def run(program: str, *args: str) -> bytes:
    return subprocess.run([program, *args], check=True, capture_output=True, stdin=subprocess.DEVNULL).stdout


def make(directory: Path) -> None:
    whole = directory / "whole.mkv"
    run(BUNDLED.ffmpeg, "-v", "error", "-f", "lavfi", "-i", CHANGING, *SOUND, *VIDEO, str(whole))
    for name, options in WRITES.items():
        run(BUNDLED.ffmpeg, "-v", "error", "-i", str(whole), "-c", "copy", *options, str(directory / name))


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "changing", make)


def probed(path: Path) -> Media:
    return decode(run(BUNDLED.ffprobe, *probe_argv(str(path))), path.stat().st_size)


def scanned(path: Path, media: Media) -> PacketScan:
    """As `PacketScans` does: from the index, or else from the packets."""
    data = path.read_bytes()
    found = read_index(media, len(data), lambda offset, length: data[offset : offset + length])
    assert media.default_video is not None
    return found or parse_packets(run(BUNDLED.ffprobe, *packets_argv(str(path), media.default_video.index)), media)


def rates(path: Path, media: Media, video: VideoRendition, program: str, preset: str = PRESETS[0]) -> list[float]:
    """The bit rate of each segment (RFC 8216bis, section 4.1), in bits per second."""
    argv = segment_argv(video, 0, media, str(path), Options(threads=1), None, preset)
    argv = ["/dev/null" if part == f"pipe:{PROGRESS_FD}" else part for part in argv]
    segmenter = segmenter_of(video, 0)
    made = [one for one in segmenter.feed(run(program, *argv)) + segmenter.finish() if isinstance(one, Segment)]
    assert len(made) == len(video.timeline)
    return [len(one.data) * 8 * one.timescale / one.duration for one in made]


@pytest.mark.parametrize("name", WRITES)
def test_no_segment_of_copied_video_is_above_the_peak(films: Path, name: str) -> None:
    path = films / name
    media = probed(path)
    video = present(media, scanned(path, media)).video[0]
    assert video.copied
    found = rates(path, media, video, BUNDLED.ffmpeg)
    assert max(found) > 2 * min(found), "the film is too even"
    assert max(found) <= video.peak
    # Where an index does not tell the tracks apart, some of the sound is counted.
    assert video.peak <= max(found) * 1.1 + (128_000 if name in {"film.mkv", "fragments.mp4"} else 0)
    average = sum(rate * video.timeline.duration(n) for n, rate in enumerate(found)) / video.timeline.end
    assert average * 0.95 <= video.average <= average * 1.1 + 128_000


@pytest.mark.parametrize("preset", PRESETS)
def test_no_segment_of_encoded_video_is_above_the_peak(films: Path, programs: Programs, preset: str) -> None:
    path = films / "film.mp4"
    media = probed(path)
    video = present(media).video[-1]
    assert not video.copied
    found = rates(path, media, video, programs.ffmpeg, preset)
    assert max(found) > video.average, "the film is too easy"
    assert max(found) <= video.peak
