"""Probes: a field that is misread turns a film on its side, picks the wrong track, or refuses a file that plays."""

import json
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transcoded.plan.errors import NotMedia
from transcoded.plan.media.probe import CONTAINERS, AudioStream, Media, SubtitleStream, VideoStream, decode

VIDEO = {"index": 0, "codec_type": "video", "codec_name": "h264", "width": 640, "height": 360}
AUDIO = {"index": 1, "codec_type": "audio", "codec_name": "aac", "channels": 2, "sample_rate": "48000"}
SUBTITLE = {"index": 2, "codec_type": "subtitle", "codec_name": "subrip"}
COVER = {**VIDEO, "codec_name": "mjpeg", "disposition": {"attached_pic": 1, "default": 1}}


def probe(*streams: Mapping[str, object], **container: object) -> Media:
    document = {"streams": streams, "format": {"format_name": "matroska,webm", **container}}
    return decode(json.dumps(document).encode(), 1000)


def picture(**fields: object) -> VideoStream:
    return probe({**VIDEO, **fields}).video[0]


def sound(**fields: object) -> AudioStream:
    return probe({**AUDIO, **fields}).audio[0]


def test_a_file_as_ffprobe_tells_it() -> None:
    media = probe(
        {
            **VIDEO,
            "profile": "High",
            "level": 31,
            "pix_fmt": "yuv420p",
            "avg_frame_rate": "30000/1001",
            "r_frame_rate": "30/1",
            "sample_aspect_ratio": "4:3",
            "field_order": "progressive",
            "color_transfer": "bt709",
            "bit_rate": "800000",
            "disposition": {"default": 1},
            "tags": {"LANGUAGE": "deu", "title": "Film"},
        },
        {**AUDIO, "profile": "LC", "bit_rate": "128000", "tags": {"language": "und"}},
        {**SUBTITLE, "disposition": {"forced": 1}, "tags": {"language": "eng"}},
        duration="12.5",
        start_time="-0.02",
        bit_rate="930000",
    )
    assert media == Media(
        container="matroska,webm",
        duration=12.5,
        size=1000,
        start_time=-0.02,
        bit_rate=930_000,
        video=(
            VideoStream(
                index=0,
                codec="h264",
                width=640,
                height=360,
                profile="High",
                level=31,
                pix_fmt="yuv420p",
                fps=Fraction(30000, 1001),
                bit_rate=800_000,
                sar=Fraction(4, 3),
                transfer="bt709",
                default=True,
                language="deu",
                title="Film",
            ),
        ),
        audio=(AudioStream(1, 0, "aac", 2, 48000, profile="LC", bit_rate=128_000),),
        subtitles=(SubtitleStream(2, 0, "subrip", text=True, forced=True, language="eng"),),
    )


@pytest.mark.parametrize(
    ("degrees", "rotation", "size"),
    [
        (0, 0, (640, 360)),
        (-90, 90, (360, 640)),
        (90, 270, (360, 640)),
        (180, 180, (640, 360)),
        (-179.6, 180, (640, 360)),
    ],
)
def test_a_telephones_film_is_upright(degrees: float, rotation: int, size: tuple[int, int]) -> None:
    sides = [{"side_data_type": "CPB properties"}, {"rotation": degrees}]
    stream = picture(side_data_list=sides, sample_aspect_ratio="4:3")
    assert stream.rotation == rotation
    assert (stream.width, stream.height) == size
    assert stream.sar == (Fraction(3, 4) if size == (360, 640) else Fraction(4, 3))


def test_what_files_do_not_say_or_lie_about_is_none() -> None:
    for rate in ("0/0", "N/A", "", "25/0", "-25/1"):
        assert picture(avg_frame_rate=rate).fps is None, rate
    assert picture(avg_frame_rate="0/0", r_frame_rate="50/1").fps == 50
    for ratio in ("0:1", "N/A", "1:0", ""):
        assert picture(sample_aspect_ratio=ratio).sar == 1, ratio
    for rate in ("N/A", "-5", "0", "", "1e3", "9" * 400):
        assert picture(bit_rate=rate).bit_rate is None, rate
    assert picture(level=-99).level is None
    for seconds in ("N/A", "", "0", "-3", "nan", "inf", "1e300", "900000"):
        assert probe(VIDEO, duration=seconds).duration is None, seconds
        assert probe({**VIDEO, "duration": "4.5"}, duration=seconds).duration == 4.5, seconds
    assert probe(VIDEO, start_time="nan").start_time == 0


def test_details_that_decide_about_copying() -> None:
    for field_order, interlaced in (("tt", True), ("bt", True), ("progressive", False), ("unknown", False)):
        assert picture(field_order=field_order).interlaced is interlaced
    for transfer, hdr in (("smpte2084", True), ("arib-std-b67", True), ("bt709", False), (None, False)):
        assert picture(color_transfer=transfer).hdr is hdr
    assert picture(tags={"BPS": "750000"}).bit_rate == 750_000
    assert sound(bits_per_raw_sample="24", bits_per_sample=32).bits_per_sample == 24
    assert sound(bits_per_sample=16).bits_per_sample == 16
    assert sound().bits_per_sample is None
    assert picture(profile=100).profile == "100"


def test_cover_art_is_no_film() -> None:
    media = probe(COVER, AUDIO, {**VIDEO, "disposition": {"timed_thumbnails": 1}})
    assert media.video == ()
    assert media.default_video is None
    assert media.default_audio is not None


def test_the_default_tracks_are_played_else_the_first() -> None:
    second = {"index": 5, "disposition": {"default": 1}}
    media = probe(VIDEO, {**VIDEO, **second}, AUDIO, {**AUDIO, **second})
    assert media.default_video is media.video[1]
    assert media.default_audio is media.audio[1]
    media = probe(VIDEO, {**VIDEO, "index": 5}, AUDIO, {**AUDIO, "index": 6})
    assert media.default_video is media.video[0]
    assert media.default_audio is media.audio[0]


def test_tracks_that_nothing_decodes_do_not_shift_the_numbers_of_the_others() -> None:
    broken = [{**AUDIO, "codec_name": "unknown"}, {**AUDIO, "channels": 0}, {**AUDIO, "sample_rate": "0"}]
    media = probe(*broken, AUDIO)
    assert [stream.position for stream in media.audio] == [3]
    assert probe(VIDEO, {**VIDEO, "codec_name": "none"}, {**VIDEO, "width": 0}).video == (probe(VIDEO).video[0],)


def test_subtitles_of_pictures_are_no_text() -> None:
    codecs = ["subrip", "ass", "mov_text", "webvtt", "hdmv_pgs_subtitle", "dvd_subtitle", ""]
    media = probe(VIDEO, *({**SUBTITLE, "codec_name": codec} for codec in codecs))
    assert [stream.text for stream in media.subtitles] == [True, True, True, True, False, False, False]
    assert [stream.position for stream in media.subtitles] == list(range(7))
    assert media.subtitles[-1].codec == "unknown"


def test_a_title_that_is_not_utf8_is_no_reason_to_refuse_a_film() -> None:
    output = json.dumps({"streams": [{**VIDEO, "tags": {"title": "X"}}], "format": {"format_name": "avi"}}).encode()
    assert decode(output.replace(b"X", b"\xe9t\xe9"), 1).video[0].title == "�t�"


@pytest.mark.parametrize(
    "output",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="cut short"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"{}", id="an empty object"),
        pytest.param(b'{"format": {"format_name": "mp3"}}', id="no streams"),
        pytest.param(json.dumps({"streams": [VIDEO]}).encode(), id="no container"),
        pytest.param(json.dumps({"streams": [COVER], "format": {"format_name": "mp3"}}).encode(), id="cover art alone"),
        pytest.param(
            json.dumps({"streams": [SUBTITLE], "format": {"format_name": "srt"}}).encode(), id="subtitles alone"
        ),
        pytest.param(b'{"streams": ' + b"[" * 100_000, id="bottomless"),
        pytest.param(b'{"x": ' + b"[" * 100_000, id="bottomless where nobody looks"),
    ],
)
def test_what_is_no_media_is_refused_with_a_sentence(output: bytes) -> None:
    with pytest.raises(NotMedia, match=r"^The file .*\.$"):
        decode(output, 1)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=6), children, max_size=4),
    max_leaves=10,
)
numbers = st.integers() | st.floats() | st.sampled_from(["nan", "inf", "-inf", "1e999", "1/3", "9" * 400, "N/A", "1:1"])
texts = st.text(max_size=8) | numbers.map(str)
streams = st.fixed_dictionaries(
    {"codec_type": st.sampled_from(["video", "audio", "subtitle"]), "codec_name": st.just("h264")},
    optional={
        **dict.fromkeys(("width", "height", "channels", "level", "index", "bits_per_sample"), numbers),
        **dict.fromkeys(("sample_rate", "avg_frame_rate", "r_frame_rate", "sample_aspect_ratio", "bit_rate"), texts),
        **dict.fromkeys(("duration", "bits_per_raw_sample", "field_order", "profile", "pix_fmt"), texts),
        "side_data_list": st.lists(st.fixed_dictionaries({"rotation": numbers}), max_size=2),
        "tags": st.dictionaries(st.sampled_from(["BPS", "language", "title"]), texts),
        "disposition": st.dictionaries(st.sampled_from(["default", "attached_pic"]), st.integers(0, 1)),
    },
)
probes = st.fixed_dictionaries(
    {
        "streams": st.lists(streams, max_size=3),
        "format": st.fixed_dictionaries(
            {"format_name": texts}, optional=dict.fromkeys(("duration", "start_time", "bit_rate"), texts)
        ),
    }
)


def like(**fields: object) -> Mapping[str, object]:
    return {"streams": [{**VIDEO, **fields}], "format": {"format_name": "avi"}}


@given(probes | json_values)
@example(like(side_data_list=[{"rotation": "nan"}]))
@example(like(side_data_list=[{"rotation": "inf"}]))
def test_any_json_is_media_with_sane_values_or_refused(document: object) -> None:
    try:
        media = decode(json.dumps(document).encode(), 1)
    except NotMedia:
        return
    assert media.video or media.audio
    assert media.duration is None or 0 < media.duration <= 864_000
    for video in media.video:
        assert video.width > 0
        assert video.height > 0
        assert video.rotation in {0, 90, 180, 270}
        assert video.sar > 0
        assert video.fps is None or video.fps > 0
        assert video.bit_rate is None or video.bit_rate > 0
    for audio in media.audio:
        assert audio.channels > 0
        assert audio.sample_rate > 0


@given(st.binary(max_size=200))
def test_any_bytes_are_media_or_refused(output: bytes) -> None:
    with pytest.raises(NotMedia):
        decode(output, 1)


def test_ffmpeg_may_open_no_format_that_names_other_files() -> None:
    dangerous = (
        "hls dash concat concatf sdp rtsp imf image2 image2pipe tedcaptions webvtt srt ass lavfi v4l2 applehttp txt"
    )
    demuxers = {name for container in CONTAINERS for name in container.split(",")}
    assert not demuxers & set(dangerous.split())
