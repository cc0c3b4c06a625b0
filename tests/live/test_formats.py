"""Any file, in any format: what comes out is what was promised, with the length, size and place that were asked for."""

import math
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.support.clips import Clip, Clips, ffprobe, frame_numbers, frame_times, sound_seconds
from tests.support.daemon import LiveDaemon, media_url
from tests.support.programs import DEBIAN, EACH, NEWEST, Programs

FORMATS = "mp4 webm mkv ts mp3 opus flac aac wav".split()
PICTURE = FORMATS[:4]
SOUND = FORMATS[4:]
DEMUXERS = {"mp4": "mov", "mkv": "matroska", "ts": "mpegts", "opus": "ogg"}
"""ffmpeg's names, where they are others than ours."""
CLIPS = "film tracks silent web song broadcast phone old uneven dvd surround".split()
CODECS = {
    "mp4": ({"h264"}, {"aac", "mp3"}),
    "webm": ({"vp8", "vp9", "av1"}, {"opus", "vorbis"}),
    "mkv": ({"h264", "hevc", "vp9", "mpeg2video"}, {"aac", "mp3", "mp2", "ac3", "flac", "opus", "pcm_s24le"}),
    "ts": ({"h264", "mpeg2video"}, {"aac", "mp3", "mp2", "ac3"}),
    "mp3": (set(), {"mp3"}),
    "opus": (set(), {"opus"}),
    "flac": (set(), {"flac"}),
    "aac": (set(), {"aac"}),
    "wav": (set(), {"pcm_s16le", "pcm_s24le"}),
}
TYPES = {
    "mp4": "mp4",
    "webm": "webm",
    "mkv": "x-matroska",
    "ts": "mp2t",
    "mp3": "mpeg",
    "opus": "ogg; codecs=opus",
    "flac": "flac",
    "aac": "aac",
    "wav": "wav",
}
PADDING = 0.12
"""Seconds by which an encoder's priming and its last whole frame lengthen the sound."""


@pytest.fixture(scope="module")
def shared_daemon(programs: Programs, clips: Clips, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    """A daemon with each ffmpeg."""
    directory = tmp_path_factory.mktemp(programs.name)
    with LiveDaemon(directory, {"m": clips.directory}, programs=programs) as daemon:
        yield daemon


def clip_of(clips: Clips, name: str) -> Clip:
    clip = getattr(clips, name)
    assert isinstance(clip, Clip)
    return clip


def probed(data: bytes, fmt: str) -> dict[str, list[dict[str, Any]]]:
    """The streams of each kind."""
    found = ffprobe(data, "-f", DEMUXERS.get(fmt, fmt))
    kinds: dict[str, list[dict[str, Any]]] = {"video": [], "audio": [], "cover": []}
    for stream in found["streams"]:
        kinds["cover" if stream["disposition"]["attached_pic"] else stream["codec_type"]].append(stream)
    return kinds


def with_each_ffmpeg(names: Sequence[str], formats: Sequence[str]) -> Sequence[Any]:
    """Every name in every format with the newest ffmpeg. With the others: the film in every format, and each name in one of them."""
    once = {(name, formats[number % len(formats)]) for number, name in enumerate(names)}
    return [
        pytest.param(programs, name, fmt, id=f"{programs.name}-{name}-{fmt}")
        for programs in EACH
        for name in names
        for fmt in formats
        if programs is NEWEST or name == "film" or (name, fmt) in once
    ]


def each(names: Sequence[str], formats: Sequence[str]) -> pytest.MarkDecorator:
    """Parametrize `programs`, `name` and `fmt` with `with_each_ffmpeg`."""
    return pytest.mark.parametrize(
        ("programs", "name", "fmt"), with_each_ffmpeg(names, formats), indirect=["programs"], scope="module"
    )


@each(CLIPS, FORMATS)
def test_every_format_of_every_kind_of_file(daemon: LiveDaemon, clips: Clips, name: str, fmt: str) -> None:
    clip = clip_of(clips, name)
    response = daemon.get(media_url(f"m/{clip.name}", f"/stream.{fmt}"))
    if not clip.audio and fmt in SOUND:
        assert "no audio" in response.problem(415)["detail"]
        return
    has_picture = bool(clip.width) and fmt in PICTURE
    assert response.status == 200
    assert response.complete
    kind = "video" if has_picture or fmt == "ts" else "audio"
    assert response.headers["content-type"] == f"{kind}/{TYPES[fmt]}"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["accept-ranges"] == "none"
    assert daemon.ending(response.headers["x-stream-id"])["bytes_sent"] == len(response.body)
    streams = probed(response.body, fmt)
    videos, audios = CODECS[fmt]
    assert [len(streams["video"]), len(streams["audio"])] == [int(has_picture), min(clip.audio, 1)]
    assert len(streams["cover"]) == int(name == "song" and fmt in {"mp3", "flac"})
    if has_picture:
        video = streams["video"][0]
        assert video["codec_name"] in videos
        frames = frame_numbers(response.body, sideways=clip.height > clip.width)
        assert frames == own_numbers(clip), "frames are lost or doubled"
        copied_phone = name == "phone" and fmt == "mp4"
        size = (clip.height, clip.width) if copied_phone else (clip.width & ~1, clip.height & ~1)
        if name == "dvd":
            size = (512, 288)  # in square pixels
        assert (video["width"], video["height"]) == size
        times = frame_times(response.body)
        assert times[-1] - times[0] == pytest.approx(float(own_times(clip)[-1]), abs=0.07)
        if name == "dvd":
            assert video.get("sample_aspect_ratio", "1:1") == "1:1", "the picture would be shown too wide"
            assert video.get("field_order", "progressive") == "progressive"
    if clip.audio:
        assert streams["audio"][0]["codec_name"] in audios
        assert sound_seconds(response.body, DEMUXERS.get(fmt, fmt)) == pytest.approx(clip.seconds, abs=PADDING)


@each("film tracks silent web broadcast old uneven dvd".split(), PICTURE)
def test_a_seek_is_exact_to_the_frame(daemon: LiveDaemon, clips: Clips, name: str, fmt: str) -> None:
    clip = clip_of(clips, name)
    start, duration = 1.15, 0.75
    data = daemon.stream(f"m/{clip.name}", fmt, f"start={start}&duration={duration}")
    numbers, times = own_numbers(clip), own_times(clip)
    first = next(number for number, at in zip(numbers, times, strict=True) if at >= start - 0.001)
    frames = frame_numbers(data)
    assert frames[0] == first
    assert frames == numbers[numbers.index(first) :][: len(frames)], "frames are lost or doubled"
    # Times are rounded to the frame rate, so the one that begins at the very end may be in or out.
    length = sum(start <= at < start + duration for at in times)
    assert abs(len(frames) - length) <= 1
    if clip.audio:
        assert sound_seconds(data, DEMUXERS.get(fmt, fmt)) == pytest.approx(duration, abs=PADDING)


@cache
def own_numbers(clip: Clip) -> Sequence[int]:
    """The numbers that a file's frames show."""
    return frame_numbers(clip.path.read_bytes(), sideways=clip.height > clip.width)


@cache
def own_times(clip: Clip) -> Sequence[float]:
    """When the frames of a file are shown, by its own clock, which begins with its first stream."""
    asked = (
        "-fflags",
        "+genpts",
        "-select_streams",
        "v:0",
        "-show_frames",
        "-show_entries",
        "frame=best_effort_timestamp_time",
    )
    found = ffprobe(clip.path, *asked)
    return [float(f["best_effort_timestamp_time"]) - float(found["format"]["start_time"]) for f in found["frames"]]


@each(["film", "song", "broadcast", "surround"], SOUND)
def test_a_seek_in_audio(daemon: LiveDaemon, clips: Clips, name: str, fmt: str) -> None:
    data = daemon.stream(f"m/{clip_of(clips, name).name}", fmt, "start=00:00:01.500&duration=1")
    assert sound_seconds(data, DEMUXERS.get(fmt, fmt)) == pytest.approx(1, abs=PADDING)


def test_a_seek_without_duration_goes_to_the_end(daemon: LiveDaemon, clips: Clips) -> None:
    assert frame_numbers(daemon.stream("m/film.mp4", "mkv", "start=3"))[::24] == [75, 99]


def test_video_and_audio_stay_together_after_a_seek(daemon: LiveDaemon, clips: Clips) -> None:
    for name in ("film.mp4", "broadcast.ts", "dvd.mpg", "old.avi"):
        for query in ("", "start=1.5", "start=1.5&mode=transcode"):
            found = ffprobe(daemon.stream(f"m/{name}", "mkv", query))
            starts = [float(stream["start_time"]) for stream in found["streams"]]
            assert max(starts) - min(starts) < 0.13, (name, query, starts)


def boxes(data: bytes) -> Sequence[tuple[str, int]]:
    """The top-level boxes of an MP4 and their sizes (ISO/IEC 14496-12, 4.2)."""
    found, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4])
        found.append((data[at + 4 : at + 8].decode("ascii"), size))
        at += size
    assert at == len(data), "the last box is cut off"
    return found


@pytest.mark.parametrize("mode", ["auto", "transcode"])
def test_fragments_of_mp4_are_short(daemon: LiveDaemon, clips: Clips, mode: str) -> None:
    data = daemon.stream("m/film.mp4", "mp4", f"mode={mode}")
    names = [name for name, _ in boxes(data)]
    assert names[:3] == ["ftyp", "moov", "moof"], "the first fragment comes at once"
    assert names.count("moof") >= clips.film.seconds * 3, "a player has its first picture in a fraction of a second"


@pytest.mark.parametrize(
    ("name", "fmt", "video", "audio"),
    [
        ("film.mp4", "mkv", "h264", "aac"),
        ("tracks.mkv", "mp4", "hevc", "aac"),
        ("web.webm", "mp4", "vp9", "opus"),
        ("broadcast.ts", "mkv", "mpeg2video", "mp2"),
        ("uneven.mkv", "mp4", "h264", "flac"),
        ("phone.mp4", "ts", "h264", "aac"),
    ],
)
def test_mode_copy_copies(daemon: LiveDaemon, clips: Clips, name: str, fmt: str, video: str, audio: str) -> None:
    response = daemon.get(media_url(f"m/{name}", f"/stream.{fmt}?mode=copy"))
    assert response.status == 200, response.body[:300]
    streams = probed(response.body, fmt)
    assert [streams["video"][0]["codec_name"], streams["audio"][0]["codec_name"]] == [video, audio]
    if video == "hevc":
        assert streams["video"][0]["codec_tag_string"] == "hvc1", "Safari plays no other HEVC"


@pytest.mark.parametrize(
    ("name", "fmt"),
    [("film.mp4", "webm"), ("old.avi", "mp4"), ("dvd.mpg", "mp4"), ("film.mp4", "mp3"), ("song.mp3", "wav")],
)
def test_mode_copy_that_cannot_work_says_why(daemon: LiveDaemon, clips: Clips, name: str, fmt: str) -> None:
    assert "cannot be copied" in daemon.get(media_url(f"m/{name}", f"/stream.{fmt}?mode=copy")).problem(400)["detail"]


@pytest.mark.parametrize(("height", "size"), [(90, (160, 90)), (91, (160, 90)), (100, (176, 100)), (4000, (320, 180))])
@pytest.mark.parametrize("fmt", ["mp4", "webm"])
def test_height_scales_down_only_and_stays_even(
    daemon: LiveDaemon, clips: Clips, fmt: str, height: int, size: tuple[int, int]
) -> None:
    video = probed(daemon.stream("m/film.mp4", fmt, f"height={height}&duration=0.5"), fmt)["video"][0]
    assert int(video["height"]) == size[1]
    assert math.isclose(int(video["width"]), size[0], abs_tol=2)
    assert int(video["width"]) % 2 == 0


def test_height_of_a_turned_picture_is_the_one_that_is_seen(daemon: LiveDaemon, clips: Clips) -> None:
    video = probed(daemon.stream("m/phone.mp4", "mp4", "height=160&duration=0.5"), "mp4")["video"][0]
    assert (video["width"], video["height"]) == (90, 160)
    assert "side_data_list" not in video, "it would be turned twice"


def test_bit_rates_are_kept(daemon: LiveDaemon, clips: Clips) -> None:
    size = {}
    for rate in ("40k", "400k"):
        found = ffprobe(daemon.stream("m/film.mp4", "mkv", f"mode=transcode&video_bitrate={rate}"), "-show_packets")
        size[rate] = sum(int(packet["size"]) for packet in found["packets"] if packet["codec_type"] == "video")
    # The picture is a simple one, so the higher rate is only a limit. Bits in all of the clip, and a second of slack.
    assert size["40k"] * 8 < 40_000 * (clips.film.seconds + 2)
    for rate, bits in (("48k", 48_000), ("192k", 192_000)):
        data = daemon.stream("m/surround.wav", "mp3", f"audio_bitrate={rate}")
        assert len(data) * 8 / clips.surround.seconds == pytest.approx(bits, rel=0.1)


@pytest.mark.parametrize(("audio", "channels", "hertz"), [("0", 6, 440), ("1", 1, 880), (None, 1, 880)])
def test_the_audio_stream_that_is_asked_for(
    daemon: LiveDaemon, clips: Clips, audio: str | None, channels: int, hertz: int
) -> None:
    query = "" if audio is None else f"audio={audio}"
    sound = probed(daemon.stream("m/tracks.mkv", "flac", query), "flac")["audio"][0]
    assert int(sound["channels"]) == channels
    copied = probed(daemon.stream("m/tracks.mkv", "mkv", query), "mkv")["audio"][0]
    assert copied["codec_name"] == ("ac3" if channels == 6 else "aac")


def test_an_audio_stream_that_is_not_there(daemon: LiveDaemon, clips: Clips) -> None:
    assert daemon.get("/media/m/tracks.mkv/stream.mp4?audio=2").problem(400)["parameter"] == "audio"
    assert daemon.get("/media/m/silent.mov/stream.mp4?audio=0").problem(400)["parameter"] == "audio"


@pytest.mark.parametrize("name", CLIPS)
def test_probe_json_tells_what_then_happens(daemon: LiveDaemon, clips: Clips, name: str) -> None:
    clip = clip_of(clips, name)
    document = daemon.json(f"/media/m/{clip.name}/probe.json")
    assert document["duration"] == pytest.approx(clip.seconds, abs=0.1)
    assert set(document["formats"]) == set(FORMATS)
    video = [stream for stream in document["streams"] if stream["kind"] == "video"]
    assert [(stream["width"], stream["height"]) for stream in video] == (
        [(clip.width, clip.height)] if clip.width else []
    )
    for fmt, said in document["formats"].items():
        if said["action"] == "unavailable":
            daemon.get(f"/media/m/{clip.name}/stream.{fmt}?duration=0.2").problem(415)
    languages = [stream["language"] for stream in document["streams"]]
    if name == "tracks":
        assert languages == [None, "ger", "eng", "fre"]


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
@pytest.mark.parametrize("fmt", FORMATS)
def test_head_and_options_start_nothing(daemon: LiveDaemon, clips: Clips, method: str, fmt: str) -> None:
    before = len(daemon.endings())
    response = daemon.request(method, f"/media/m/film.mp4/stream.{fmt}")
    assert response.status == {"HEAD": 200, "OPTIONS": 204}[method]
    assert not response.body
    assert not daemon.live()
    assert len(daemon.endings()) == before


@pytest.mark.parametrize("broken", ["every frame", "the one keyframe"])
def test_a_film_that_cannot_be_decoded(programs: Programs, clips: Clips, tmp_path: Path, broken: str) -> None:
    """It is an error where ffmpeg says that it failed, though there is audio. 5.1 does not where it could decode some of the frames."""
    data = bytearray(clips.film.path.read_bytes())
    frames = ffprobe(clips.film.path, "-show_packets", "-select_streams", "v")["packets"]
    for frame in frames if broken == "every frame" else frames[:1]:
        first, size = int(frame["pos"]), int(frame["size"])
        data[first : first + size] = b"\xff" * size
    (tmp_path / "broken.mp4").write_bytes(data)
    with LiveDaemon(tmp_path / "daemon", {"m": tmp_path}, programs=programs) as daemon:
        response = daemon.get("/media/m/broken.mp4/stream.mp4?mode=transcode")
        daemon.quiet()
        (ending,) = daemon.endings()
    noticed = broken == "every frame" or programs is not DEBIAN
    assert ending["reason"] == ("failed" if noticed else "finished")
    if noticed:
        response.problem(500)
    else:
        assert (response.status, response.complete) == (200, True)
