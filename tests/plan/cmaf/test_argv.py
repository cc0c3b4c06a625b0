"""ffmpeg's arguments for segments: where reading begins, and that each run makes frames on the same grid."""

from fractions import Fraction
from typing import Any

import attrs
import pytest

from transcoded.plan.cmaf.argv import entry_argv, segment_argv, shown_at
from transcoded.plan.cmaf.ladder import present
from transcoded.plan.cmaf.renditions import Rendition
from transcoded.plan.media.argv import Options
from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.probe import AudioStream, DolbyVision, Media, VideoStream
from transcoded.plan.media.sound import mix_filters
from transcoded.plan.media.timeline.packets import PacketScan

VIDEO_STREAM = VideoStream(
    index=1,
    codec="h264",
    width=1280,
    height=720,
    profile="High",
    level=31,
    pix_fmt="yuv420p",
    fps=Fraction(30000, 1001),
    field_order=None,
    transfer="smpte2084",
)
AUDIO_STREAM = AudioStream(index=0, position=0, codec="aac", channels=2, sample_rate=44_100)
MEDIA = Media(
    container="mov,mp4",
    duration=60.0,
    size=30_000_000,
    video=(VIDEO_STREAM,),
    audio=(AUDIO_STREAM,),
    start_time=1.456778,
)
SCAN = PacketScan(start=Fraction(1, 100), keyframes=range(0, 60_000_000, 5_000_000))
PRESENTATION = present(MEDIA, SCAN)
ENCODED = PRESENTATION.video[1]


def argv(rendition: Rendition, number: int, media: Media = MEDIA, options: Options | None = None) -> list[str]:
    return segment_argv(rendition, number, media, "/media/-a b.mp4", options)


def value(arguments: list[str], name: str) -> str | None:
    return arguments[arguments.index(name) + 1] if name in arguments else None


@pytest.mark.parametrize(
    ("container", "rendition", "number", "seek", "shown"),
    [
        ("mov,mp4", "v720", 0, None, None),
        ("mov,mp4", "v720", 3, "5.506000", pytest.approx(6.006 + 0.01 + 1001 / 120_000)),
        ("mpegts", "v720", 0, None, None),
        ("mpegts", "v720", 3, "5.506000", pytest.approx(6.006 - 1001 / 30_000)),
        ("mov,mp4", "a0", 3, "5.516000", None),
        ("mpegts", "a0", 3, "5.516000", None),
        ("mov,mp4", "copy", 3, "14.000000", pytest.approx(15.0 + 1001 / 120_000)),
        ("mpegts", "copy", 3, "14.000000", 15.0),
    ],
)
def test_where_reading_begins(
    container: str, rendition: str, number: int, seek: str | None, shown: float | None
) -> None:
    """In MPEG streams ffmpeg seeks without an index: there a keyframe must be known first."""
    chosen = PRESENTATION.rendition(rendition)
    assert chosen is not None
    media = attrs.evolve(MEDIA, container=container)
    assert value(argv(chosen, number, media), "-ss") == seek  # type: ignore[arg-type]
    assert shown_at(chosen, number, media) == shown  # type: ignore[arg-type]
    assert value(segment_argv(chosen, number, media, "x", read_from=7.5), "-ss") == "7.500000"  # type: ignore[arg-type]
    # In every run, 0 is the container's start, and not the start of the stream that the run reads.
    found = argv(chosen, number, media)  # type: ignore[arg-type]
    assert value(found, "-itsoffset") == "-1.456777"


@pytest.mark.parametrize("rendition", ["v720", "a0"])
def test_a_file_whose_clock_begins_anew_is_read_from_its_beginning(rendition: str) -> None:
    """No seek finds a time that comes twice."""
    chosen = PRESENTATION.rendition(rendition)
    media = attrs.evolve(MEDIA, container="mpegts", restarts=True)
    found = argv(chosen, 3, media)  # type: ignore[arg-type]
    assert (value(found, "-ss"), "-copyts" in found, value(found, "-itsoffset")) == (None, False, None)
    assert shown_at(chosen, 3, media) is None  # type: ignore[arg-type]


def test_a_copy_with_open_groups_is_read_from_the_group_before() -> None:
    """Behind a seek, ffmpeg changes the times of what is shown before the keyframe."""
    stream = attrs.evolve(VIDEO_STREAM, codec="hevc")
    scan = attrs.evolve(SCAN, leading=True)
    copied = present(attrs.evolve(MEDIA, video=(stream,)), scan, codecs="hvc1").video[0]
    assert copied.open_gop
    assert shown_at(copied, 3, MEDIA) is None


def test_encoded_video_has_one_frame_for_each_frame_of_the_timeline() -> None:
    found = argv(ENCODED, 3, options=Options(capabilities=Capabilities()))
    graph = value(found, "-filter_complex")
    assert graph is not None
    assert graph.startswith(
        "[0:1]setpts=PTS-(0.010000)/TB,fps=fps=30000/1001:eof_action=pass,tpad=stop=-1:stop_mode=clone,"
        "fps=fps=30000/1001:start_time=6.006000,setparams="
    )
    assert "scale=w=1280:h=720:" in graph
    assert found.index("-reinit_filter:v") < found.index("-i")
    assert value(found, "-frames:v") == str(1798 - 180)
    assert value(found, "-g") == "60"
    assert value(found, "-force_key_frames") == "expr:not(mod(n,60))"
    assert value(found, "-video_track_timescale") == "30000"
    assert value(found, "-level:v") == "3.1"
    assert found[-1] == "pipe:1"
    assert "file:/media/-a b.mp4" in found


def test_video_that_is_on_the_grid_is_not_shifted() -> None:
    filters = value(argv(present(MEDIA).video[0], 0), "-filter_complex")
    assert filters is not None
    assert "setpts" not in filters


def test_audio_begins_one_frame_before_its_segment() -> None:
    found = argv(PRESENTATION.audio[0], 3)
    segment = PRESENTATION.audio[0].timeline.starts[3]
    start, sure = segment - 1024, (segment - 12_000) / 48_000
    end = PRESENTATION.audio[0].timeline.end
    assert value(found, "-filter:a") == (
        f"atrim=start={sure:.6f},aresample=48000:async=1:min_hard_comp=0.04,{','.join(mix_filters(PRESENTATION.audio[0].stream, 2))},atrim=start_pts={start}:end_pts={end}"
    )
    whole = value(argv(PRESENTATION.audio[0], 0), "-filter:a") or ""
    assert whole.startswith("aresample")
    assert "start_pts=0:" in whole


def test_copied_video_is_neither_decoded_nor_encoded() -> None:
    found = argv(PRESENTATION.video[0], 1)
    assert value(found, "-c:v") == "copy"
    assert value(found, "-map") == "0:1"
    assert not {"-filter:v", "-filter_complex", "-reinit_filter:v"} & set(found)


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({}, {}),
        ({"codec": "hevc"}, {"-tag:v": "hvc1"}),
        (
            {"codec": "hevc", "dolby_vision": DolbyVision(8, 6, 1)},
            {"-tag:v": "hvc1", "-strict": "unofficial"},
        ),
        ({"codec": "vp9"}, {"-bsf:v": "vp9_metadata,vp9_superframe"}),
        ({"codec": "av1"}, {"-bsf:v": "filter_units=remove_types=15"}),
    ],
    ids=str,
)
def test_how_copied_video_is_wrapped(changes: dict[str, Any], options: dict[str, str]) -> None:
    stream = attrs.evolve(VIDEO_STREAM, **changes)
    (copied, *_) = present(attrs.evolve(MEDIA, video=(stream,)), SCAN, codecs="x").video
    assert copied.copied
    for found in (argv(copied, 1), entry_argv(stream, "x")):
        assert {name: value(found, name) for name in ("-tag:v", "-strict", "-bsf:v") if name in found} == options


def test_the_operators_options_are_added() -> None:
    options = Options(threads=2, input_args=("-hwaccel", "none"), output_args=("-metadata", "x=y"))
    found = argv(ENCODED, 1, options=options)
    assert value(found, "-threads") == "2"
    assert found.index("-hwaccel") < found.index("-i") < found.index("-metadata") < found.index("pipe:1")
