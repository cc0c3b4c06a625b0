"""The ladder: what viewers can choose from; a wrong size, rate or level is a picture that some of them cannot see."""

from fractions import Fraction
from typing import Any

import attrs
import pytest

from transcoded.plan.cmaf.codecs import h264_level
from transcoded.plan.cmaf.ladder import Scan, frame_rate, present, video_bit_rate
from transcoded.plan.cmaf.track_names import language_tag, names
from transcoded.plan.errors import NotMedia
from transcoded.plan.media.probe import AudioStream, Media, SubtitleStream, VideoStream

NTSC = Fraction(30000, 1001)
PICTURE = VideoStream(
    index=0, codec="h264", width=1920, height=1080, profile="High", level=41, pix_fmt="yuv420p", fps=Fraction(25)
)
ENGLISH = AudioStream(index=1, position=0, codec="dts", channels=6, sample_rate=48_000, language="eng", default=True)
GERMAN = AudioStream(
    index=2, position=1, codec="ac3", channels=2, sample_rate=48_000, language="ger", title="Kommentar"
)
TEXT = SubtitleStream(index=3, position=0, codec="subrip", text=True, language="eng")
BITMAP = SubtitleStream(index=4, position=1, codec="hdmv_pgs_subtitle", text=False)
MEDIA = Media(
    container="matroska,webm",
    duration=60.0,
    size=60_000_000,
    video=(PICTURE,),
    audio=(ENGLISH, GERMAN),
    subtitles=(TEXT, BITMAP),
)
KEYFRAMES = tuple(Fraction(second) for second in range(0, 60, 2))


def with_picture(**changes: Any) -> Media:
    return attrs.evolve(MEDIA, video=(attrs.evolve(PICTURE, **changes),))


@pytest.mark.parametrize(
    ("width", "height", "sizes"),
    [
        (3840, 2160, [(3840, 2160), (1920, 1080), (1280, 720), (852, 480), (640, 360)]),
        (1920, 1080, [(1920, 1080), (1280, 720), (852, 480), (640, 360)]),
        (1920, 800, [(1920, 800), (1728, 720), (1152, 480), (864, 360)]),
        (321, 181, [(320, 180)]),
        (640, 361, [(640, 360)]),
        (1080, 1920, [(1080, 1920), (608, 1080), (404, 720), (270, 480), (202, 360)]),
        (1, 1, [(2, 2)]),
    ],
)
def test_sizes_go_down_from_the_source_and_are_even(width: int, height: int, sizes: list[tuple[int, int]]) -> None:
    shown = present(with_picture(width=width, height=height))
    assert [(one.width, one.height) for one in shown.video] == sizes
    assert len({one.id for one in shown.video}) == len(sizes)


def test_pixels_that_are_not_square_become_square() -> None:
    shown = present(with_picture(width=720, height=576, sar=Fraction(64, 45)))
    assert (shown.video[0].width, shown.video[0].height) == (1024, 576)


@pytest.mark.parametrize(
    ("fps", "rate"),
    [
        (NTSC, NTSC),
        (Fraction(2997, 100), NTSC),
        (Fraction(23976, 1000), Fraction(24000, 1001)),
        (Fraction(29001, 1000), Fraction(29)),
        (Fraction(12345, 1000), Fraction(1234, 100)),
        (Fraction(120), Fraction(60)),
        (Fraction(1, 10), Fraction(25)),
        (None, Fraction(25)),
    ],
)
def test_rates(fps: Fraction | None, rate: Fraction) -> None:
    assert frame_rate(fps) == rate


@pytest.mark.parametrize(
    ("width", "height", "rate", "level"),
    [
        (640, 360, 30, 30),
        (1280, 720, 30, 31),
        (1280, 720, 60, 32),
        (1920, 1080, 30, 40),
        (1920, 1080, 60, 42),
        (3840, 2160, 30, 51),
        (3840, 2160, 60, 52),
        (4000, 16, 25, 40),
        (20_000, 20_000, 60, 62),
    ],
)
def test_levels(width: int, height: int, rate: int, level: int) -> None:
    """Table A-1 of H.264: a decoder refuses what says too much, and fails at what says too little."""
    assert h264_level(width, height, Fraction(rate), 1_000_000) == level


def test_a_high_bit_rate_asks_for_a_higher_level() -> None:
    assert h264_level(640, 360, Fraction(25), 13_000_000) == 31


def test_bit_rates_fall_with_the_size() -> None:
    rates = [video_bit_rate(16 * rows // 9, rows, Fraction(30)) for rows in (2160, 1080, 720, 480, 360)]
    assert rates[1] == 5_000_000
    assert rates == sorted(rates, reverse=True)
    assert video_bit_rate(1280, 720, Fraction(60)) > video_bit_rate(1280, 720, Fraction(30))
    assert video_bit_rate(2, 2, Fraction(1)) == 100_000


def test_all_sound_and_all_text_are_offered() -> None:
    shown = present(MEDIA)
    assert [(one.id, one.default) for one in shown.audio] == [("a0", True), ("a1", False)]
    assert [one.id for one in shown.subtitles] == ["s0"]
    assert shown.rendition("a1") is shown.audio[1]
    assert shown.rendition("v720") is shown.video[1]
    assert shown.rendition("s1") is None


def test_sound_alone_is_offered() -> None:
    shown = present(attrs.evolve(MEDIA, video=(), subtitles=()))
    assert not shown.video
    assert len(shown.audio[0].timeline) == 15


def test_a_file_of_unknown_length_is_not_offered() -> None:
    with pytest.raises(NotMedia, match="how long"):
        present(attrs.evolve(MEDIA, duration=None))


def test_the_picture_is_offered_as_it_is() -> None:
    shown = present(MEDIA, Scan(keyframes=KEYFRAMES, reorder=3))
    copied = shown.video[-1]
    assert (copied.id, copied.copied, copied.codecs, copied.delay) == ("copy", True, "avc1.640029", 1200)
    assert (copied.average, copied.peak) == (8_000_000, 16_000_000)
    assert copied.timeline.seconds(copied.timeline.longest) == 4
    known = present(MEDIA, Scan(keyframes=KEYFRAMES, peak=9_000_000)).video[-1]
    assert known.peak == 9_000_000


@pytest.mark.parametrize(
    "changes",
    [
        {"codec": "hevc"},
        {"pix_fmt": "yuv420p10le"},
        {"profile": "High 10"},
        {"profile": None},
        {"level": None},
        {"rotation": 90},
        {"interlaced": True},
        {"sar": Fraction(4, 3)},
    ],
    ids=str,
)
def test_what_browsers_do_not_play_is_not_offered_as_it_is(changes: dict[str, object]) -> None:
    assert not any(one.copied for one in present(with_picture(**changes), Scan(keyframes=KEYFRAMES)).video)


@pytest.mark.parametrize("keyframes", [(), (Fraction(0), Fraction(30))], ids=["unknown", "too far apart"])
def test_what_cannot_be_cut_is_not_offered_as_it_is(keyframes: tuple[Fraction, ...]) -> None:
    assert not any(one.copied for one in present(MEDIA, Scan(keyframes=keyframes)).video)


@pytest.mark.parametrize(
    ("start", "phase"),
    [(Fraction(0), Fraction(0)), (Fraction(23, 1000), Fraction(-17, 1000)), (Fraction(81, 1000), Fraction(1, 1000))],
)
def test_a_late_picture_lies_beside_the_frames_of_the_timeline(start: Fraction, phase: Fraction) -> None:
    assert present(MEDIA, Scan(start=start)).video[0].phase == phase


@pytest.mark.parametrize(
    ("language", "tag"),
    [
        ("eng", "en"),
        ("GER", "de"),
        ("gsw", "gsw"),
        ("pt-BR", "pt-BR"),
        ("por-BR", "pt-BR"),
        ("und", None),
        ("", None),
        (None, None),
        ('e"n', None),
    ],
)
def test_languages(language: str | None, tag: str | None) -> None:
    assert language_tag(language) == tag


def test_no_two_names_are_alike() -> None:
    """Players key tracks by name."""
    nameless = attrs.evolve(GERMAN, title=None, language=None)
    assert names([ENGLISH, ENGLISH, GERMAN, nameless, nameless], "Audio") == [
        "en",
        "en (2)",
        "Kommentar",
        "Audio 4",
        "Audio 5",
    ]
    assert names([attrs.evolve(GERMAN, title="a\r\n\x00b ")], "Audio") == ["a b"]
