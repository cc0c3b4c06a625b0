"""ffmpeg's arguments for segments: where reading begins, and that every run makes the frames of the same grid."""

from fractions import Fraction

import attrs
import pytest

from transcoded.plan.cmaf.argv import segment_argv
from transcoded.plan.cmaf.ladder import Rendition, Scan, present
from transcoded.plan.media.argv import Options
from transcoded.plan.media.probe import AudioStream, Media, VideoStream

PICTURE = VideoStream(
    index=1,
    codec="h264",
    width=1280,
    height=720,
    profile="High",
    level=31,
    pix_fmt="yuv420p",
    fps=Fraction(30000, 1001),
    interlaced=False,
    transfer="smpte2084",
)
SOUND = AudioStream(index=0, position=0, codec="aac", channels=2, sample_rate=44_100)
MEDIA = Media(
    container="mov,mp4", duration=60.0, size=30_000_000, video=(PICTURE,), audio=(SOUND,), start_time=1.456778
)
SCAN = Scan(start=Fraction(1, 100), keyframes=tuple(Fraction(second) for second in range(0, 60, 5)))
SHOWN = present(MEDIA, SCAN)


def argv(rendition: Rendition, number: int, media: Media = MEDIA, options: Options | None = None) -> list[str]:
    return segment_argv(rendition, number, media, "/films/-a b.mp4", options)


def value(arguments: list[str], name: str) -> str | None:
    return arguments[arguments.index(name) + 1] if name in arguments else None


@pytest.mark.parametrize(
    ("container", "rendition", "number", "seek"),
    [
        ("mov,mp4", "v720", 0, None),
        ("mov,mp4", "v720", 3, "11.512000"),
        ("mpegts", "v720", 3, "1.012000"),
        ("mpegts", "v720", 1, None),
        ("mov,mp4", "a0", 3, "11.510667"),
        ("mov,mp4", "copy", 3, "14.000000"),
    ],
)
def test_where_reading_begins(container: str, rendition: str, number: int, seek: str | None) -> None:
    """Before the segment by as much as the container needs: MPEG streams are searched blindly."""
    chosen = SHOWN.rendition(rendition)
    assert chosen is not None
    found = argv(chosen, number, attrs.evolve(MEDIA, container=container))  # type: ignore[arg-type]
    assert value(found, "-ss") == seek
    # Zero is the container's start in every run, whichever of its streams that run reads.
    assert value(found, "-itsoffset") == "-1.456778"


def test_a_picture_is_made_frame_by_frame_of_the_timeline() -> None:
    found = argv(SHOWN.video[0], 3)
    assert value(found, "-map") == "0:1"
    assert value(found, "-filter:v") == (
        "setpts=PTS-(0.010000)/TB,fps=fps=30000/1001,tpad=stop=-1:stop_mode=clone,fps=fps=30000/1001:start_time=12.012000,"
        "scale=w=1280:h=720:out_range=tv,setsar=1,format=yuv420p"
    )
    assert value(found, "-frames:v") == str(1798 - 360)
    assert value(found, "-g") == "120"
    assert value(found, "-force_key_frames") == "expr:not(mod(n,120))"
    assert value(found, "-video_track_timescale") == "30000"
    assert value(found, "-level:v") == "3.1"
    assert found[-1] == "pipe:1"
    assert "file:/films/-a b.mp4" in found


def test_interlaced_and_bright_pictures_become_plain_ones() -> None:
    media = attrs.evolve(MEDIA, video=(attrs.evolve(PICTURE, interlaced=True),))
    filters = value(argv(present(media).video[0], 0, media, Options(tone_maps=True)), "-filter:v")
    assert filters is not None
    assert "setpts" not in filters
    assert "bwdif=mode=send_frame:deint=interlaced,scale=w=1280:h=720:out_range=tv:out_color_matrix=bt709" in filters


def test_sound_begins_one_frame_before_its_segment() -> None:
    found = argv(SHOWN.audio[0], 3)
    start = SHOWN.audio[0].timeline.starts[3] - 1024
    count = SHOWN.audio[0].timeline.end - start
    assert value(found, "-filter:a") == (
        f"aformat=sample_rates=48000:channel_layouts=stereo,aresample=async=1:first_pts={start},"
        f"apad=whole_len={count},atrim=end_sample={count},asetpts=N+{start}"
    )
    assert "first_pts=0," in (value(argv(SHOWN.audio[0], 0), "-filter:a") or "")


def test_a_copy_is_a_copy() -> None:
    found = argv(SHOWN.video[-1], 1)
    assert value(found, "-c:v") == "copy"
    assert "-filter:v" not in found


def test_what_the_operator_adds_is_there() -> None:
    options = Options(threads=2, input_args=("-hwaccel", "none"), output_args=("-metadata", "x=y"))
    found = argv(SHOWN.video[0], 1, options=options)
    assert value(found, "-threads") == "2"
    assert found.index("-hwaccel") < found.index("-i") < found.index("-metadata") < found.index("pipe:1")
