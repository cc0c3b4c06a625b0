"""Segments of the real ffmpeg: each made by a run of its own, they join to one film without a gap, each plays alone."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import attrs
import pytest

from tests.support.clips import made_once
from tests.support.marks import pictures, read_marks
from tests.support.programs import BUNDLED, Programs
from transcoded.plan.cmaf.argv import segment_argv, shown_at
from transcoded.plan.cmaf.governor import PRESETS
from transcoded.plan.cmaf.ladder import present
from transcoded.plan.cmaf.renditions import AudioRendition, Presentation, Rendition
from transcoded.plan.cmaf.segmenter import InitSegment, Segment, segmenter_of, silent_segment
from transcoded.plan.media.argv import PROGRESS_FD, Options, probe_argv
from transcoded.plan.media.ffprobe import decode
from transcoded.plan.media.probe import Media
from transcoded.plan.media.timeline.landing import is_indexed, place_at, place_before
from transcoded.plan.media.timeline.packets import PacketScan

PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=192x108:r=25:d=7.4")
TONE = ("-f", "lavfi", "-i", "sine=f=440:r=44100:d=7.5")
QUICK = ("-preset", "ultrafast", "-threads", "1")
LONG_GROUPS = ("-c:v", "libx264", *QUICK, "-bf", "3", "-g", "250", "-sc_threshold", "0", "-c:a", "aac")
SHORT_GROUPS = ("-c:v", "libx264", *QUICK, "-bf", "2", "-g", "30", "-sc_threshold", "0")
ODD = ("-f", "lavfi", "-i", "testsrc2=s=193x109:r=30000/1001:d=7")
HEVC = ("-pix_fmt", "yuv420p10le", "-c:v", "libx265", *QUICK, "-x265-params", "log-level=error:pools=none")
SOUNDS = ("-map", "0:v", "-map", "1:a", "-map", "1:a", "-c:a", "aac")
VARIABLE = ("-vf", "select=gt(random(1)\\,0.5)", "-fps_mode", "vfr", "-c:v", "libx264", *QUICK)

INPUTS = {
    "long groups.mp4": (*PICTURE, *TONE, *LONG_GROUPS),
    "starts late.ts": (*PICTURE, *TONE, *LONG_GROUPS),
    "rounded times.mkv": (*PICTURE, *TONE, *SHORT_GROUPS, "-c:a", "aac"),
    "two sounds.mov": (*PICTURE, *TONE, *HEVC, "-tag:v", "hvc1", *SOUNDS),
    "odd and silent.mkv": (*ODD, "-c:v", "mpeg4"),
    "sound alone.mp3": (*TONE, "-c:a", "libmp3lame"),
    "variable rate.mkv": ("-f", "lavfi", "-i", "testsrc2=s=192x108:r=60:d=7", *VARIABLE),
}


@attrs.frozen
class Packet:
    """What ffprobe says of a packet: times in seconds."""

    pts: Fraction
    dts: Fraction
    duration: Fraction
    key: bool


@attrs.frozen
class Source:
    """An input, what is offered of it, and what makes its segments."""

    programs: Programs
    path: str
    media: Media
    shown: Presentation
    keyframes: Sequence[int] = ()

    def keyframe_before(self, time: float) -> float | None:
        return max((one / 1e6 for one in self.keyframes if one / 1e6 <= time), default=None)


def run(program: str, *args: str) -> bytes:
    return subprocess.run([program, *args], check=True, capture_output=True, stdin=subprocess.DEVNULL).stdout


def packets(path: Path | str, *args: str) -> list[Packet]:
    entries = "packet=pts_time,dts_time,duration_time,flags"
    out = run(BUNDLED.ffprobe, "-v", "error", *args, "-show_entries", entries, "-of", "json", str(path))
    return [
        Packet(
            Fraction(one["pts_time"]),
            Fraction(one.get("dts_time", one["pts_time"])),
            Fraction(one.get("duration_time", "0")),
            key="K" in one["flags"],
        )
        for one in json.loads(out)["packets"]
    ]


def make_inputs(directory: Path) -> None:
    for name, arguments in INPUTS.items():
        run(BUNDLED.ffmpeg, "-v", "error", "-threads", "1", *arguments, str(directory / name))


def probed(programs: Programs, path: Path) -> Media:
    return decode(run(programs.ffprobe, *probe_argv(str(path))), path.stat().st_size)


@pytest.fixture(scope="module", params=INPUTS)
def source(request: pytest.FixtureRequest, programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Source:
    path = made_once(tmp_path_factory, "inputs", make_inputs) / request.param
    media = probed(programs, path)
    scan = PacketScan()
    if media.default_video:
        zero = Fraction(media.start_time).limit_denominator(1_000_000)
        found = packets(path, "-select_streams", str(media.default_video.index))
        scan = PacketScan(
            start=min(one.pts for one in found) - zero,
            keyframes=[round((one.pts - zero) * 1_000_000) for one in found if one.key],
        )
    return Source(programs, str(path), media, present(media, scan, Fraction(2)), scan.keyframes)


def made(source: Source, rendition: Rendition, number: int) -> tuple[InitSegment, list[Segment]]:
    """What one run makes that was started for a segment."""
    time = shown_at(rendition, number, source.media)
    if time is None:
        read_from = None
    elif is_indexed(source.media):
        read_from = place_at(PacketScan(keyframes=source.keyframes), source.media, time)
    else:
        read_from = place_before(source.keyframe_before(time), time)
    argv = segment_argv(rendition, number, source.media, source.path, Options(threads=1), read_from)
    argv = ["/dev/null" if part == f"pipe:{PROGRESS_FD}" else part for part in argv]
    sound = isinstance(rendition, AudioRendition) and not rendition.copied
    segmenter = segmenter_of(rendition, number)
    init, *found = segmenter.feed(run(source.programs.ffmpeg, *argv)) + segmenter.finish()
    assert isinstance(init, InitSegment)
    segments = [one for one in found if isinstance(one, Segment)]
    if sound:
        # The session puts these in when they are asked for.
        made = {one.number for one in segments}
        wanted = range(number, len(rendition.timeline))
        segments += [silent_segment(rendition.timeline, one) for one in wanted if one not in made]
        segments.sort(key=lambda one: one.number)
    else:
        assert segmenter.done
    return init, segments


def frames(segment: Segment) -> int:
    """How many frames a segment has: `sample_count` of its only `trun` (ISO/IEC 14496-12, section 8.8.8.2)."""
    at = segment.data.index(b"trun") + 8
    return int.from_bytes(segment.data[at : at + 4], "big")


def renditions(shown: Presentation) -> Iterator[Rendition]:
    """The smallest picture made anew, the copied one, and the last sound."""
    yield from [one for one in shown.video if not one.copied][-1:]
    yield from [one for one in shown.video if one.copied]
    yield from shown.audio[-1:]


def test_segments_of_many_runs_are_one_film(source: Source, tmp_path: Path) -> None:
    for rendition in renditions(source.shown):
        timeline = rendition.timeline
        assert len(timeline) >= 2 or rendition.id == "copy"
        runs = [made(source, rendition, number) for number in reversed(range(len(timeline)))]
        inits, firsts = {init for init, _ in runs}, [segments[0] for _, segments in runs[::-1]]
        assert [one.number for one in firsts] == list(range(len(timeline)))
        (init,) = inits
        assert init.codec == rendition.codecs
        # What a later run makes of the same time has the same frames: nothing depends on where a run began.
        assert {(one.number, frames(one)) for _, segments in runs for one in segments} == {
            (one.number, frames(one)) for one in firsts
        }
        film = tmp_path / f"{rendition.id}.mp4"
        film.write_bytes(init.data + b"".join(one.data for one in firsts))
        check_film(packets(film), rendition)
        for one in firsts:
            alone = tmp_path / f"{rendition.id}-{one.number}.mp4"
            alone.write_bytes(init.data + one.data)
            check_alone(packets(alone), one, rendition)
        complaints = subprocess.run(
            [BUNDLED.ffmpeg, "-v", "error", "-i", str(film), "-f", "null", "-"], check=True, capture_output=True
        )
        assert not complaints.stderr


def check_film(found: Sequence[Packet], rendition: Rendition) -> None:
    """Decode times rise without a gap, and it is as long as the file to within a frame."""
    timeline = rendition.timeline
    steps = {later.dts - earlier.dts for earlier, later in pairwise(found)}
    frame = timeline.seconds(timeline.frame) if timeline.frame else max(one.duration for one in found)
    assert min(steps) > 0
    copied_sound = isinstance(rendition, AudioRendition) and rendition.copied
    # Matroska counts what a decoder needs before the sound as a part of its length.
    assert abs(max(one.pts + one.duration for one in found) - timeline.total) <= (1 + copied_sound) * frame
    if timeline.frame:
        # ffprobe prints microseconds.
        assert max(steps) - min(steps) <= Fraction(2, 1_000_000)
        assert (
            0
            <= timeline.end + rendition.delay * copied_sound - len(found) * timeline.frame
            <= timeline.frame * copied_sound
        )
    else:
        shown = sorted(one.pts for one in found)
        assert max(steps) <= max(later - earlier for earlier, later in pairwise(shown)) + Fraction(1, 1000)


def check_alone(found: Sequence[Packet], one: Segment, rendition: Rendition) -> None:
    """A player that seeks here needs nothing else, and is where the playlist says."""
    assert found[0].key
    start = rendition.timeline.seconds(one.start)
    first = min(packet.pts for packet in found)
    assert found[0].pts == first
    # Only a copied picture may begin later than its file, and copied sound earlier.
    late = Fraction(1, 10) if rendition.copied and not one.number else 0
    assert abs(first - start) <= Fraction(1, 1000) + late
    length = rendition.timeline.seconds(one.duration)
    # What a shorter one has over its share is made up for by its neighbours.
    assert len(one.data) * 8 / max(length, Fraction(2)) <= rendition.peak


def test_sound_that_ends_early_is_continued_with_silence(programs: Programs, tmp_path: Path) -> None:
    """Every segment that the playlist names can be made, also where the track is over long before."""
    path = tmp_path / "early.mkv"
    early = ("-f", "lavfi", "-i", "sine=d=2", "-c:v", "libx264", *QUICK, "-c:a", "aac")
    run(BUNDLED.ffmpeg, "-v", "error", *PICTURE, *early, str(path))
    media = probed(programs, path)
    shown = present(media, target=Fraction(2))
    (sound,) = shown.audio
    assert isinstance(sound, AudioRendition)
    last = len(sound.timeline) - 1
    _, segments = made(Source(programs, str(path), media, shown), sound, last)
    assert [(one.number, one.duration) for one in segments] == [(last, sound.timeline.duration(last))]


def test_a_picture_that_ends_early_is_continued(programs: Programs, tmp_path: Path) -> None:
    path = tmp_path / "early.mp4"
    short = ("-f", "lavfi", "-i", "testsrc2=s=192x108:r=25:d=6", *TONE, *LONG_GROUPS)
    run(BUNDLED.ffmpeg, "-v", "error", *short, str(path))
    media = probed(programs, path)
    shown = present(media, target=Fraction(2))
    picture = shown.video[0]
    last = len(picture.timeline) - 1
    _, segments = made(Source(programs, str(path), media, shown), picture, last)
    assert [(one.number, one.duration) for one in segments] == [(last, picture.timeline.duration(last))]


def test_the_last_frame_is_shown_whatever_the_rate(programs: Programs, tmp_path: Path) -> None:
    """Where frames come at uneven times, FFmpeg 5.1 showed the one before it in its place."""
    path = tmp_path / "uneven.mp4"
    some = ("-vf", "select='if(lt(n,60),not(mod(n,6)),1)'", "-fps_mode", "vfr", "-enc_time_base", "1/90000")
    coded = (*some, "-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-video_track_timescale", "90000")
    run(BUNDLED.ffmpeg, "-v", "error", "-f", "lavfi", "-i", pictures("30", 4), *coded, str(path))
    media = probed(programs, path)
    shown = present(media, target=Fraction(2))
    init, segments = made(Source(programs, str(path), media, shown), shown.video[0], 0)
    film = tmp_path / "made.mp4"
    film.write_bytes(init.data + b"".join(one.data for one in segments))
    own, found = (read_marks(BUNDLED.ffmpeg, BUNDLED.ffprobe, str(one)).pictures for one in (path, film))
    assert len(own) == 70
    assert [number for _, number in found] == sorted(number for _, number in found)
    assert {number for _, number in own} == {number for _, number in found}


def test_all_presets_have_the_same_init_segment_and_frames(programs: Programs, tmp_path: Path) -> None:
    """An encoder with another one goes on in the middle of a film."""
    path = tmp_path / "film.mp4"
    run(BUNDLED.ffmpeg, "-v", "error", *PICTURE, *LONG_GROUPS, str(path))
    media = probed(programs, path)
    video = present(media, target=Fraction(2)).video[0]
    made_by = []
    for preset in PRESETS:
        argv = segment_argv(video, 0, media, str(path), Options(threads=1), None, preset)
        argv = ["/dev/null" if part == f"pipe:{PROGRESS_FD}" else part for part in argv]
        segmenter = segmenter_of(video, 0)
        init, *pieces = segmenter.feed(run(programs.ffmpeg, *argv)) + segmenter.finish()
        assert isinstance(init, InitSegment)
        made_by.append((init, [(one.number, one.duration) for one in pieces if isinstance(one, Segment)]))
    assert made_by[0][1]
    assert all(one == made_by[0] for one in made_by)
