"""The index of a file beside its packets. If they differ, a copied rendition is cut where no keyframe is: a player shows grey blocks behind each seek.

The files are made by real ffmpegs, in the ways in which files differ: codec, order of frames, container, where the index is, where the clock begins, what is
cut off.
"""

import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.programs import BUNDLED, DEBIAN, NEWEST, Programs
from transcoded.plan.media.argv import probe_argv
from transcoded.plan.media.ffprobe import decode
from transcoded.plan.media.probe import Media
from transcoded.plan.media.timeline.index.reader import read_index
from transcoded.plan.media.timeline.index.source import MAX_BYTES
from transcoded.plan.media.timeline.length import wants_count
from transcoded.plan.media.timeline.packets import PacketScan, packets_argv, parse_packets

QUIET = ("-hide_banner", "-nostdin", "-loglevel", "error", "-y")
SOURCE = "testsrc2=size=96x64:rate=25:duration=14"
UNEVEN = f"{SOURCE},select='not(mod(n,5))+gt(mod(n,23),9)'"
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "30")

ENCODES = {
    "x264": (SOURCE, *X264, "-bf", "0"),
    "x264 with B-frames": (SOURCE, *X264, "-bf", "3", "-b_strategy", "0"),
    "x264 with open groups": (SOURCE, *X264, "-bf", "3", "-b_strategy", "0", "-x264-params", "open-gop=1"),
    "x264, all intra": (SOURCE, "-c:v", "libx264", "-preset", "ultrafast", "-g", "1"),
    "x264, uneven": (UNEVEN, *X264, "-bf", "2", "-b_strategy", "0", "-fps_mode", "vfr"),
    "x264, 23.976": (SOURCE.replace("25", "24000/1001"), *X264, "-bf", "2"),
    "x265 with open groups": (
        SOURCE,
        "-c:v",
        "libx265",
        "-preset",
        "ultrafast",
        "-g",
        "30",
        "-x265-params",
        "log-level=none:pools=1:bframes=3:b-adapt=0",
    ),
    "x265 with closed groups": (
        SOURCE,
        "-c:v",
        "libx265",
        "-preset",
        "ultrafast",
        "-g",
        "30",
        "-x265-params",
        "log-level=none:pools=1:open-gop=0",
    ),
    "VP9": (SOURCE, "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "30"),
    "AV1": (SOURCE, "-c:v", "libsvtav1", "-preset", "12", "-g", "30", "-svtav1-params", "lp=1"),
}
OF_WEBM = {"VP9", "AV1"}
OPEN = {name for name in ENCODES if "open" in name}
WRITES: dict[str, Sequence[str]] = {
    "mp4": (),
    "mp4 with its index in front": ("-movflags", "faststart"),
    "mp4 without an edit list": ("-use_editlist", "0"),
    "mp4 with negative offsets": ("-movflags", "negative_cts_offsets"),
    "mp4 on another clock": ("-video_track_timescale", "90000"),
    "mov": (),
    "mp4 in fragments": ("-movflags", "frag_keyframe+empty_moov"),
    "mp4 in fragments behind the first": ("-movflags", "frag_keyframe"),
    "mp4 with an index of fragments": ("-movflags", "dash+global_sidx"),
    "mp4 with indexes of fragments": ("-movflags", "dash"),
    "mp4 in short fragments": ("-movflags", "empty_moov", "-frag_duration", "400000"),
    "mkv": (),
    "mkv with its index in front": ("-reserve_index_space", "60000"),
    "mkv in short clusters": ("-cluster_time_limit", "500"),
    "webm": (),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("index")


@cache
def encoded(place: Path, name: str) -> Path:
    path = place / f"{list(ENCODES).index(name)}.mkv"
    picture, *how = ENCODES[name]
    codec = "libopus" if name in OF_WEBM else "aac"
    sound = ("-f", "lavfi", "-i", "sine=duration=14", "-c:a", codec, "-b:a", "32k")
    subprocess.run(
        [NEWEST.ffmpeg, *QUIET, "-f", "lavfi", "-i", picture, *sound, "-pix_fmt", "yuv420p", *how, str(path)],
        check=True,
        capture_output=True,
    )
    return path


def written(place: Path, source: Path, how: str, programs: Programs, *options: str, before: Sequence[str] = ()) -> Path:
    path = place / f"written.{how.split(' ', maxsplit=1)[0]}"
    arguments = ["-i", str(source), "-map", "0", "-c", "copy", *options, *WRITES[how], str(path)]
    subprocess.run([programs.ffmpeg, *QUIET, *before, *arguments], check=True, capture_output=True)
    return path


def probed(path: Path, programs: Programs = BUNDLED) -> Media:
    output = subprocess.run([programs.ffprobe, *probe_argv(str(path))], check=True, capture_output=True).stdout
    return decode(output, path.stat().st_size)


def packets(path: Path, media: Media, programs: Programs = BUNDLED) -> PacketScan:
    video = None if media.default_video is None or wants_count(media) else media.default_video.index
    argv = packets_argv(str(path), video)
    return parse_packets(subprocess.run([programs.ffprobe, *argv], check=True, capture_output=True).stdout, media)


def index(data: bytes, media: Media) -> tuple[PacketScan | None, int]:
    """What the index says, and how many bytes were read."""
    taken = 0

    def read(offset: int, length: int) -> bytes:
        nonlocal taken
        taken += length
        return data[offset : offset + length]

    return read_index(media, len(data), read), taken


def check(path: Path, programs: Programs, *, opened: bool | None = None) -> PacketScan:
    """The index says what the packets say."""
    media = probed(path, programs)
    found, _ = index(path.read_bytes(), media)
    expected = packets(path, media, programs)
    assert found is not None
    # ffprobe rounds to microseconds in another way.
    assert len(found.keyframes) == len(expected.keyframes)
    assert list(found.keyframes) == pytest.approx(list(expected.keyframes), abs=1, rel=0)
    assert (found.start, found.reorder, found.restarts) == (expected.start, expected.reorder, expected.restarts)
    assert found.leading == expected.leading
    if opened is not None:
        assert found.leading is opened
    assert found.delay is not None
    assert expected.delay is not None
    # A Matroska file does not say it.
    assert found.delay >= expected.delay - 1
    if "mov" in media.container:
        assert found.delay <= expected.delay + 1
        assert found.end is not None
        assert expected.end is not None
        # For ffprobe the last packet lasts to the end of a clock that an edit list has moved.
        assert found.end == pytest.approx(expected.end, abs=0.13)
    assert len(found.offsets) == len(expected.offsets)
    if "mov" in media.container:
        # Between fragments that are not read, there is more than the frames of the video.
        exact = list(found.offsets) == list(expected.offsets)
        assert exact or found.offsets[-1] >= expected.offsets[-1]
    return found


@pytest.mark.parametrize("encode", ENCODES)
@pytest.mark.parametrize("how", ["mp4", "mp4 in fragments", "mkv"])
def test_the_index_says_what_the_packets_say(place: Path, encode: str, how: str) -> None:
    path = written(place, encoded(place, encode), how, NEWEST)
    check(path, BUNDLED, opened=encode in OPEN)


@pytest.mark.parametrize("programs", [BUNDLED, DEBIAN], ids=["bundled", "debian"])
@pytest.mark.parametrize("how", [how for how in WRITES if how != "webm"])
def test_wherever_the_index_is(place: Path, how: str, programs: Programs) -> None:
    path = written(place, encoded(place, "x264 with B-frames"), how, programs)
    check(path, programs)


OFFSETS = st.sampled_from(["0", "0.04", "1.3", "3.37", "-0.5", "100"])


@settings(max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_however_a_file_was_made(place: Path, data: st.DataObject) -> None:
    """Offsets of the picture against the sound, beginnings that were cut off, other timescales, all containers."""
    encode = data.draw(st.sampled_from(list(ENCODES)))
    how = data.draw(st.sampled_from([how for how in WRITES if how != "webm" or encode in OF_WEBM]))
    if how == "mov" and encode in OF_WEBM:
        how = "mp4"
    programs = data.draw(st.sampled_from([NEWEST, BUNDLED, DEBIAN]))
    source, late = encoded(place, encode), data.draw(OFFSETS)
    cut = data.draw(st.sampled_from([None, "2", "3.5"]))
    shift = data.draw(st.sampled_from([None, "7.5"]))
    parts = ["-map", "0:v", "-map", "1:a", "-c", "copy"]
    moved = place / f"moved.{'mkv' if how.startswith('mkv') else 'mp4'}"
    arguments = ["-itsoffset", late, "-i", str(source), *(("-ss", cut) if cut else ()), "-i", str(source)]
    shifted = ("-output_ts_offset", shift) if shift else ()
    subprocess.run([NEWEST.ffmpeg, *QUIET, *arguments, *parts, *shifted, str(moved)], check=True, capture_output=True)
    before = ("-ss", cut) if cut and data.draw(st.booleans()) else ()
    path = written(place, moved, how, programs, before=before)
    prober = data.draw(st.sampled_from([BUNDLED, DEBIAN]))
    media = probed(path, prober)
    found, taken = index(path.read_bytes(), media)
    assert taken < MAX_BYTES
    if media.default_video is None or media.default_video.edited or found is None:
        # Then ffprobe lists the packets. A Matroska file always has an index.
        assert not how.startswith(("mkv", "webm"))
        assert before or late.startswith("-") or how in NO_INDEX or (media.default_video and media.default_video.edited)
        return
    check(path, prober)


NO_INDEX = {"mp4 with negative offsets", "mp4 in fragments behind the first"}


@pytest.mark.parametrize("encode", ["x264 with B-frames", "x265 with open groups"])
@pytest.mark.parametrize("how", ["mp4", "mp4 in fragments", "mp4 with an index of fragments", "mkv"])
def test_a_changed_index_costs_little_and_is_no_error(place: Path, how: str, encode: str) -> None:
    """Whatever a file claims: no exception, no more bytes than allowed, and keyframes that ascend within the file."""
    path = written(place, encoded(place, encode), how, NEWEST)
    media, whole, random = probed(path), path.read_bytes(), Random(1)
    # What is in the packets is not read.
    places = [at for at in range(len(whole)) if at < 3000 or at > len(whole) - 6000]
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(random.randint(1, 4)):
            at, width = random.choice(places), random.choice([1, 1, 4, 8])
            data[at : at + width] = random.choice([bytes(width), b"\xff" * width, random.randbytes(width)])
        found, taken = index(bytes(data), media)
        assert taken <= MAX_BYTES
        if found is not None:
            assert sorted(set(found.keyframes)) == list(found.keyframes)
            assert found.keyframes[-1] <= 20_000_000


def test_frames_that_only_a_muxer_calls_keyframes_are_noticed(place: Path) -> None:
    """Without a table of keyframes all frames are, in files of some cameras too. ffmpeg looks at each, and copies nothing before a real one."""
    path = written(place, encoded(place, "x264 with B-frames"), "mp4", NEWEST)
    data = path.read_bytes().replace(b"stss", b"free")
    media = probed(path)
    assert index(path.read_bytes(), media)[0] is not None
    assert index(data, media)[0] is None


@pytest.mark.parametrize("how", ["mp4", "mkv"])
def test_a_probe_of_another_file_is_noticed(place: Path, how: str) -> None:
    """The numbers of streams must mean the same, or the keyframes would be those of another track."""
    path = written(place, encoded(place, "x264"), how, NEWEST)
    media, data = probed(path), path.read_bytes()
    video = media.video[0]
    for other in (
        attrs.evolve(video, index=1),
        attrs.evolve(video, index=7),
        attrs.evolve(video, coded_width=98),
    ):
        assert index(data, attrs.evolve(media, video=(other,)))[0] is None
    assert index(data, attrs.evolve(media, duration=3.0))[0] is None
    assert index(data, attrs.evolve(media, video=()))[0] is None
    assert index(data, attrs.evolve(media, container="mpegts"))[0] is None
