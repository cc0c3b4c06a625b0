"""The ladder: with a wrong size, level or rendition, some viewers see no video."""

from fractions import Fraction
from itertools import accumulate
from typing import Any

import attrs
import pytest

from transcoded.plan.cmaf.ladder import MAX_SEGMENTS, Limits, present
from transcoded.plan.cmaf.renditions import Rendition
from transcoded.plan.errors import BadParameter, NotMedia
from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.probe import AudioStream, Crop, DolbyVision, Media, SubtitleStream, VideoStream
from transcoded.plan.media.timeline.packets import PacketScan

VIDEO_STREAM = VideoStream(
    index=0, codec="h264", width=1920, height=1080, profile="High", level=41, pix_fmt="yuv420p", fps=Fraction(25)
)
ENGLISH = AudioStream(index=1, position=0, codec="dts", channels=6, sample_rate=48_000, language="eng", default=True)
GERMAN = AudioStream(
    index=2, position=1, codec="ac3", channels=2, sample_rate=48_000, language="ger", title="Kommentar"
)
TEXT_SUBTITLES = SubtitleStream(index=3, position=0, codec="subrip", text=True, language="eng")
BITMAP_SUBTITLES = SubtitleStream(index=4, position=1, codec="hdmv_pgs_subtitle", text=False)
MEDIA = Media(
    container="matroska,webm",
    duration=60.0,
    size=60_000_000,
    video=(VIDEO_STREAM,),
    audio=(ENGLISH, GERMAN),
    subtitles=(TEXT_SUBTITLES, BITMAP_SUBTITLES),
)
KEYFRAMES = range(0, 60_000_000, 2_000_000)
"""Microseconds."""


def with_video(**changes: Any) -> Media:
    return attrs.evolve(MEDIA, video=(attrs.evolve(VIDEO_STREAM, **changes),))


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
def test_sizes_begin_with_that_of_the_source_and_are_even(
    width: int, height: int, sizes: list[tuple[int, int]]
) -> None:
    offered = present(with_video(width=width, height=height))
    assert [(one.width, one.height) for one in offered.video] == sizes
    assert len({one.id for one in offered.video}) == len(sizes)


def test_renditions_have_square_pixels() -> None:
    offered = present(with_video(width=720, height=576, sar=Fraction(64, 45)))
    assert (offered.video[0].width, offered.video[0].height) == (1024, 576)


def test_all_audio_streams_and_text_subtitles_are_offered() -> None:
    offered = present(MEDIA)
    assert [(one.id, one.default) for one in offered.audio] == [
        ("a0", True),
        ("a0-6", True),
        ("a1", False),
    ]
    assert [one.id for one in offered.subtitles] == ["s0"]
    assert offered.rendition("a1") is offered.audio[2]
    assert offered.rendition("v720") is offered.video[1]
    assert offered.rendition("s1") is None


def test_audio_without_video_is_offered() -> None:
    offered = present(attrs.evolve(MEDIA, video=(), subtitles=()))
    assert not offered.video
    assert len(offered.audio[0].timeline) == 30


def test_a_file_of_unknown_length_is_refused() -> None:
    with pytest.raises(NotMedia, match="length of the file is not known"):
        present(attrs.evolve(MEDIA, duration=None))


def test_copied_video_is_offered_first() -> None:
    offered = present(MEDIA, PacketScan(keyframes=KEYFRAMES, reorder=3))
    copied = offered.video[0]
    assert (copied.id, copied.copied, copied.codecs, copied.delay) == ("copy", True, "avc1.640029", 1200)
    assert (copied.average, copied.peak) == (8_000_000, 16_000_000)
    assert copied.timeline.seconds(copied.timeline.longest) == 2


def test_the_peak_of_copied_video_is_that_of_its_largest_segment() -> None:
    """A player that has just as much bandwidth as is announced must not stall: what the boxes take counts, too."""
    sizes = [3_000_000 if number == 7 else 1_000_000 for number in range(len(KEYFRAMES))]
    copied = present(MEDIA, PacketScan(keyframes=KEYFRAMES, offsets=[*accumulate(sizes, initial=0)])).video[0]
    boxes = 160 + 16 * 50
    assert copied.peak == (3_000_000 + boxes) * 8 // 2
    assert copied.average == round((sum(sizes) + 30 * boxes) * 8 / 60)


def test_the_bytes_between_keyframes_belong_to_the_segment_that_they_are_in() -> None:
    """Segments have several groups of pictures where these are short, and the last one has the rest."""
    sizes = [100_000, 900_000, 100_000, 200_000, 700_000, 700_000]
    scan = PacketScan(keyframes=range(0, 6_000_000, 1_000_000), offsets=[*accumulate(sizes, initial=0)])
    copied = present(attrs.evolve(MEDIA, duration=6.0), scan).video[0]
    assert len(copied.timeline) == 3
    assert 1_400_000 * 8 / 2 <= copied.peak <= 1_402_000 * 8 / 2


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"codec": "hevc"}, True),
        ({"codec": "hevc", "pix_fmt": "yuv420p10le"}, True),
        ({"codec": "hevc", "pix_fmt": "yuv422p10le"}, False),
        ({"codec": "av1", "pix_fmt": "yuv420p10le"}, True),
        ({"codec": "vp9"}, True),
        ({"codec": "mpeg4"}, False),
        ({"pix_fmt": "yuv420p10le"}, False),
        ({"profile": "High 10"}, False),
        ({"profile": None}, False),
        ({"level": None}, False),
        ({"rotation": 90}, True),
        ({"rotation": 90, "mirrored": True}, False),
        ({"crop": Crop(top=8)}, False),
        ({"edited": True}, False),
        ({"field_order": "tt"}, False),
        ({"sar": Fraction(4, 3)}, True),
        ({"sar": Fraction(400, 3)}, False),
        ({"codec": "hevc", "dolby_vision": DolbyVision(5, 6, 0)}, False),
        ({"codec": "hevc", "dolby_vision": DolbyVision(8, 6, 1)}, True),
    ],
    ids=str,
)
def test_which_video_is_offered_as_a_copy(changes: dict[str, object], expected: bool) -> None:
    offered = present(with_video(**changes), PacketScan(keyframes=KEYFRAMES), codecs="hvc1.1.6.L120.B0").video
    assert [one.copied for one in offered[:1]] == [expected]
    assert not any(one.copied for one in offered[1:])


def test_without_a_codec_string_only_h264_is_copied() -> None:
    assert not any(one.copied for one in present(with_video(codec="hevc"), PacketScan(keyframes=KEYFRAMES)).video)


@pytest.mark.parametrize(("codec", "expected"), [("h264", False), ("hevc", True)])
def test_h264_with_open_groups_is_not_copied(codec: str, expected: bool) -> None:
    """Browsers begin to decode H.264 at an IDR picture only, and HEVC at any of random access."""
    scan = PacketScan(keyframes=KEYFRAMES, leading=True)
    first = present(with_video(codec=codec), scan, codecs="hvc1.1.6.L120.B0").video[0]
    assert (first.copied, first.open_gop) == (expected, expected)


@pytest.mark.parametrize(
    ("stream", "offered"),
    [
        ({"bit_rate": 6_000_000}, ["copy", "v1080", "v720", "v480", "v360"]),
        ({"bit_rate": 3_000_000}, ["copy", "v720", "v480", "v360"]),
        ({"bit_rate": 500_000}, ["copy"]),
        # Who cannot play it has at least the size of the source, with a bit rate that is worth it.
        ({"codec": "hevc", "bit_rate": 1_000_000}, ["copy", "v1080", "v480", "v360"]),
        ({"codec": "prores", "bit_rate": 7_000_000}, ["v1080", "v720", "v480", "v360"]),
        ({"codec": "mpeg4", "bit_rate": 1_200_000}, ["v1080", "v360"]),
    ],
    ids=str,
)
def test_no_encode_takes_more_than_the_source(stream: dict[str, Any], offered: list[str]) -> None:
    found = present(with_video(**stream), PacketScan(keyframes=KEYFRAMES), codecs="hvc1.1.6.L120.B0").video
    assert [one.id for one in found] == offered
    rates = [one.average for one in found if not one.copied]
    assert rates == sorted(set(rates), reverse=True)
    assert all(rate < stream["bit_rate"] for rate in rates if "codec" not in stream)


@pytest.mark.parametrize(
    ("limits", "offered"),
    [
        (Limits(height=1080), ["copy", "v1080", "v720", "v480", "v360"]),
        (Limits(height=1079), ["v720", "v480", "v360"]),
        (Limits(height=240), ["v240"]),
        (Limits(bit_rate=5_000_000), ["v720", "v480", "v360"]),
        (Limits(height=500, bit_rate=100_000_000), ["v480", "v360"]),
    ],
    ids=str,
)
def test_only_what_is_within_the_limits_is_offered(limits: Limits, offered: list[str]) -> None:
    found = present(MEDIA, PacketScan(keyframes=KEYFRAMES), limits=limits)
    assert [one.id for one in found.video] == offered


def test_limits_that_nothing_is_within_are_refused_with_the_least_that_is() -> None:
    with pytest.raises(BadParameter, match=r"max_bitrate.*give at least 1600000"):
        present(MEDIA, PacketScan(keyframes=KEYFRAMES), limits=Limits(bit_rate=900_000))


@pytest.mark.parametrize("keyframes", [(), (0, 30_000_000)], ids=["unknown", "too far apart"])
def test_video_without_usable_keyframes_is_not_offered_as_a_copy(keyframes: tuple[int, ...]) -> None:
    assert not any(one.copied for one in present(MEDIA, PacketScan(keyframes=keyframes)).video)


@pytest.mark.parametrize(
    ("start", "phase"),
    [(Fraction(0), Fraction(0)), (Fraction(23, 1000), Fraction(-17, 1000)), (Fraction(81, 1000), Fraction(1, 1000))],
)
def test_a_late_start_gives_the_phase_of_the_frames(start: Fraction, phase: Fraction) -> None:
    assert present(MEDIA, PacketScan(start=start)).video[0].phase == phase


DAY = attrs.evolve(
    MEDIA,
    duration=86_400.0,
    size=10**12,
    video=(attrs.evolve(VIDEO_STREAM, width=3840, height=2160),),
    audio=tuple(attrs.evolve(ENGLISH, index=1 + number, position=number) for number in range(8)),
)


def test_a_film_of_a_whole_day_with_eight_audio_tracks_is_offered() -> None:
    offered = present(DAY, PacketScan(keyframes=range(0, 86_400_000_000, 1_000_000)))
    assert (len(offered.video), len(offered.audio), len(offered.groups)) == (6, 16, 2)
    assert MAX_SEGMENTS >= (6 + 8) * 43_200
    renditions: list[Rendition] = [*offered.video, *offered.audio]
    assert {len(one.timeline) for one in renditions} == {43_200}


def test_what_would_need_more_segments_is_refused_with_the_numbers() -> None:
    """Each line of a playlist costs time and memory, and a header can claim any length."""
    with pytest.raises(NotMedia, match=r"43,200 segments \(86,400 s\) in 26 renditions.*at most 800,000"):
        present(attrs.evolve(DAY, audio=DAY.audio[:1] * 20))
    assert present(attrs.evolve(DAY, audio=DAY.audio[:1] * 12)).audio


def test_a_length_that_the_size_makes_impossible_is_told() -> None:
    with pytest.raises(NotMedia, match=r"claims a length of 863,136 s, which cannot be in 2,574 bytes"):
        present(attrs.evolve(MEDIA, duration=None, claimed=863_136.0, size=2574))


def test_renditions_share_their_timelines_and_what_they_weigh() -> None:
    one, eight = present(attrs.evolve(DAY, audio=DAY.audio[:1])), present(DAY)
    assert len({id(audio.timeline) for audio in eight.audio}) == 1
    assert one.weight > 2 * 43_200 * 40
    assert eight.weight - one.weight == 2 * 7 * 1024


# What this machine's ffmpeg cannot do.


def without(*codecs: str) -> Capabilities:
    known = Capabilities.everything()
    return attrs.evolve(known, decoders=known.decoders - set(codecs))


def test_video_that_cannot_be_decoded_is_refused_and_named() -> None:
    """A playlist whose every segment fails is worse than none."""
    with pytest.raises(NotMedia, match="cannot decode av1"):
        present(with_video(codec="av1"), capabilities=without("av1"))
    assert present(with_video(codec="av1"), capabilities=without("hevc")).video


def test_video_that_can_only_be_copied_is_offered_as_it_is() -> None:
    offered = present(MEDIA, PacketScan(keyframes=KEYFRAMES), capabilities=without("h264"))
    assert [one.id for one in offered.video] == ["copy"]
    assert offered.audio
    with pytest.raises(NotMedia, match="no libx264 that works"):
        present(MEDIA, capabilities=attrs.evolve(without(), encoders=frozenset({"aac"})))


@pytest.mark.parametrize("bit_rate", [50_000, 10_000_000])
def test_audio_is_cut_alike_whether_or_not_the_keyframes_are_known(bit_rate: int) -> None:
    """A manifest lists its segments when they are known, and a request for one does not wait for them."""
    media = with_video(bit_rate=bit_rate, fps=Fraction(30000, 1001))
    known, unknown = present(media, PacketScan(keyframes=KEYFRAMES)), present(media)
    assert known.audio == unknown.audio
    assert (len(known.video) == 1) is (bit_rate == 50_000)


def test_audio_that_cannot_be_decoded_is_left_out_and_another_is_the_default() -> None:
    first, second = (
        attrs.evolve(MEDIA.audio[0], codec="cook", default=True),
        attrs.evolve(MEDIA.audio[0], index=7, position=1, codec="aac", default=False),
    )
    media = attrs.evolve(MEDIA, audio=(first, second))
    offered = present(media, capabilities=without("cook"))
    assert [(one.id, one.default) for one in offered.audio] == [("a1", True), ("a1-6", True)]
    assert [one.id for one in present(media).audio if one.default] == ["a0", "a0-6"]


def test_a_song_that_cannot_be_decoded_is_refused_and_named() -> None:
    song = attrs.evolve(MEDIA, video=(), audio=(attrs.evolve(MEDIA.audio[0], codec="cook"),))
    with pytest.raises(NotMedia, match="cannot decode cook"):
        present(song, capabilities=without("cook"))
