"""Decoding ffprobe: a wrong field turns a video on its side, plays the wrong stream, or refuses a good file."""

import json
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transcoded.plan.errors import NotMedia
from transcoded.plan.media.ffprobe import MAX_STREAMS, MIN_SCORE, decode
from transcoded.plan.media.ffprobe_output import MAX_DURATION, MAX_TEXT
from transcoded.plan.media.probe import AudioStream, EmbeddedCover, Media, SubtitleStream, VideoStream

VIDEO = {"index": 0, "codec_type": "video", "codec_name": "h264", "width": 640, "height": 360}
AUDIO = {
    "index": 1,
    "codec_type": "audio",
    "codec_name": "aac",
    "channels": 2,
    "sample_rate": "48000",
    "extradata_size": 5,
}
SUBTITLE = {"index": 2, "codec_type": "subtitle", "codec_name": "subrip"}
COVER = {**VIDEO, "codec_name": "mjpeg", "disposition": {"attached_pic": 1, "default": 1}}


def probe(*streams: Mapping[str, object], **container: object) -> Media:
    document = {"streams": streams, "format": {"format_name": "matroska,webm", **container}}
    return decode(json.dumps(document).encode(), 1000)


def video(**fields: object) -> VideoStream:
    return probe({**VIDEO, **fields}).video[0]


def audio(**fields: object) -> AudioStream:
    return probe({**AUDIO, **fields}).audio[0]


def test_a_whole_description_of_a_file() -> None:
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
            "tags": {"LANGUAGE": "deu", "title": "Main"},
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
                title="Main",
                field_order="progressive",
                timing_rate=Fraction(30),
                coded_width=640,
                coded_height=360,
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
def test_a_rotation_is_applied_to_the_size(degrees: float, rotation: int, size: tuple[int, int]) -> None:
    side_data = [{"side_data_type": "CPB properties"}, {"rotation": degrees}]
    stream = video(side_data_list=side_data, sample_aspect_ratio="4:3")
    assert stream.rotation == rotation
    assert (stream.width, stream.height) == size
    assert stream.sar == (Fraction(3, 4) if size == (360, 640) else Fraction(4, 3))


def test_a_missing_or_implausible_number_is_none() -> None:
    for rate in ("0/0", "N/A", "", "25/0", "-25/1"):
        assert video(avg_frame_rate=rate).fps is None, rate
    assert video(avg_frame_rate="0/0", r_frame_rate="50/1").fps == 50
    for ratio in ("0:1", "N/A", "1:0", ""):
        assert video(sample_aspect_ratio=ratio).sar == 1, ratio
    for rate in ("N/A", "-5", "0", "", "1e3", "9" * 400):
        assert video(bit_rate=rate).bit_rate is None, rate
    assert video(level=-99).level is None
    for seconds in ("N/A", "", "0", "-3", "nan", "inf", "1e300", "900000"):
        assert probe(VIDEO, duration=seconds).duration is None, seconds
        assert probe({**VIDEO, "duration": "4.5"}, duration=seconds).duration == 4.5, seconds
    assert probe(VIDEO, start_time="nan").start_time == 0


def test_fields_that_decide_whether_a_stream_is_copied() -> None:
    for field_order, interlaced in (("tt", True), ("bt", True), ("progressive", False), ("unknown", False)):
        assert video(field_order=field_order).interlaced is interlaced
    for transfer, hdr in (("smpte2084", "hdr10"), ("arib-std-b67", "hlg"), ("bt709", None), (None, None)):
        assert video(color_transfer=transfer).hdr == hdr
    assert video(tags={"BPS": "750000"}).bit_rate == 750_000
    assert audio(bits_per_raw_sample="24", bits_per_sample=32).bits_per_sample == 24
    assert audio(bits_per_sample=16).bits_per_sample == 16
    assert audio().bits_per_sample is None
    assert video(profile=100).profile == "100"


@pytest.mark.parametrize(("codec", "size", "described"), [("aac", 5, True), ("aac", 0, False), ("mp3", 0, True)])
def test_aac_without_a_description_is_noticed(codec: str, size: int, described: bool) -> None:
    """It cannot be copied to MP4 and Matroska."""
    assert audio(codec_name=codec, extradata_size=size).described is described


def test_an_attached_image_is_not_video() -> None:
    media = probe(COVER, AUDIO, {**VIDEO, "disposition": {"timed_thumbnails": 1}})
    assert media.video == ()
    assert media.default_video is None
    assert media.default_audio is not None


def test_streams_that_cannot_be_decoded_do_not_change_the_positions_of_the_others() -> None:
    broken = [{**AUDIO, "codec_name": "unknown"}, {**AUDIO, "channels": 0}, {**AUDIO, "sample_rate": "0"}]
    media = probe(*broken, AUDIO)
    assert [stream.position for stream in media.audio] == [3]
    assert probe(VIDEO, {**VIDEO, "codec_name": "none"}, {**VIDEO, "width": 0}).video == (probe(VIDEO).video[0],)


def test_bitmap_subtitles_are_not_text() -> None:
    codecs = ["subrip", "ass", "mov_text", "webvtt", "hdmv_pgs_subtitle", "dvd_subtitle", ""]
    media = probe(VIDEO, *({**SUBTITLE, "codec_name": codec} for codec in codecs))
    assert [stream.text for stream in media.subtitles] == [True, True, True, True, False, False, False]
    assert [stream.position for stream in media.subtitles] == list(range(7))
    assert media.subtitles[-1].codec == "unknown"


def test_a_title_that_is_not_utf8_does_not_make_the_file_unplayable() -> None:
    output = json.dumps({"streams": [{**VIDEO, "tags": {"title": "X"}}], "format": {"format_name": "avi"}}).encode()
    assert decode(output.replace(b"X", b"\xe9t\xe9"), 1).video[0].title == "�t�"


def decoded(size: int, **fields: object) -> Media:
    document = {"streams": [AUDIO], "format": {"format_name": "x", **fields}}
    return decode(json.dumps(document).encode(), size)


@pytest.mark.parametrize(
    ("size", "seconds"),
    [
        pytest.param(1000 * 3600, 3600, id="speech at 8 kbit/s"),
        pytest.param(20 * 7200, 7200, id="silence in Opus, with packets left out"),
        pytest.param(3 * 7200, 7200, id="silence in FLAC at 8 kHz"),
        pytest.param(10_000, 3600, id="one picture, shown for an hour"),
        pytest.param(10_000 + 30 * 600, 36_000, id="a slideshow of ten hours, one frame a minute"),
        pytest.param(10_000 + 30 * 24, 86_400, id="a picture a day long, one frame an hour"),
    ],
)
def test_the_length_of_a_small_but_real_file_is_believed(size: int, seconds: int) -> None:
    media = decoded(size, duration=str(seconds))
    assert media.duration == seconds
    assert media.claimed is None


def test_a_length_that_is_not_possible_for_the_size_is_not_believed() -> None:
    media = decoded(2574, duration="863136.0")
    assert (media.duration, media.claimed) == (None, 863_136.0)
    document = {"streams": [{**AUDIO, "duration": "1.0"}], "format": {"format_name": "x", "duration": "863136.0"}}
    media = decode(json.dumps(document).encode(), 2574)
    assert (media.duration, media.claimed) == (1.0, 863_136.0), "the stream's own length is plausible"


@pytest.mark.parametrize("told", [pytest.param("13.022", id="as a length"), pytest.param("13.700", id="as the end")])
def test_an_mp4_that_begins_late_is_as_long_as_its_streams(told: str) -> None:
    """What the header tells means another thing in each version of ffprobe. Its last part would not be played."""
    streams = [
        {**VIDEO, "start_time": "0.700", "duration": "13.000", "nb_frames": "325"},
        {**AUDIO, "start_time": "0.678", "duration": "13.021", "nb_frames": "611"},
        {**COVER, "index": 2, "start_time": "0.678", "duration": "99.000"},
    ]
    media = probe(*streams, format_name="mov,mp4", start_time="0.678", duration=told)
    assert media.duration == pytest.approx(13.022)
    assert not media.duration_estimated


@pytest.mark.parametrize(
    ("start", "estimated"), [("-0.021", False), ("0.000", False), ("0.083", False), ("0.700", True), ("5.000", True)]
)
@pytest.mark.parametrize("name", ["matroska,webm", "flv"])
def test_a_length_that_could_be_an_end_is_doubted(name: str, start: str, estimated: bool) -> None:
    assert probe(VIDEO, format_name=name, start_time=start, duration="13").duration_estimated == estimated


@pytest.mark.parametrize(
    ("first", "fields", "length"),
    [
        pytest.param("0.000", {"start_time": "0.000", "tags": {"DURATION": "00:00:13.000"}}, 13, id="without a run-up"),
        pytest.param("-0.021", {"start_time": "0.000", "tags": {"DURATION": "00:00:13.021"}}, 13, id="with a run-up"),
        pytest.param(
            "-0.021", {"start_time": "-0.021", "tags": {"DURATION": "00:00:13.021"}}, 13.021, id="that is not told"
        ),
        pytest.param(
            "4.979", {"start_time": "5.000", "tags": {"DURATION": "00:00:18.021"}}, 13, id="the clock is late"
        ),
        pytest.param(
            "5.000", {"start_time": "5.000", "tags": {"DURATION": "00:00:05.000"}}, None, id="nothing is left"
        ),
        pytest.param(
            "-0.021", {"start_time": "0.000", "duration": "13.021"}, 13, id="fragments, which have the run-up"
        ),
        pytest.param(
            "-0.021", {"start_time": "0.000", "duration": "13.000", "nb_frames": "611"}, 13, id="a table, without it"
        ),
    ],
)
def test_the_length_of_audio_counts_from_its_first_sound(
    first: str, fields: Mapping[str, object], length: float | None
) -> None:
    """Of what is announced and does not come, a player waits for the end."""
    packets = [{"stream_index": 1, "pts_time": first}]
    document = {"streams": [{**AUDIO, **fields}], "packets": packets, "format": {"format_name": "x", "duration": "13"}}
    found = decode(json.dumps(document).encode(), 100_000).audio[0].duration
    assert found == (None if length is None else pytest.approx(length))


def test_texts_of_the_file_are_cut() -> None:
    """They are kept, and repeated in every answer about the file."""
    stream = video(tags={"title": "t" * 10**6, "language": "l" * 10**6})
    assert (stream.title, stream.language) == ("t" * MAX_TEXT, "l" * MAX_TEXT)


def test_a_file_with_too_many_streams_is_refused_with_the_numbers() -> None:
    assert len(probe(*[AUDIO] * MAX_STREAMS).audio) == MAX_STREAMS
    with pytest.raises(NotMedia, match=r"has 501 streams, and at most 500"):
        probe(*[AUDIO] * (MAX_STREAMS + 1))


def test_a_rate_is_two_numbers_and_no_power() -> None:
    """`Fraction` would compute this one for minutes."""
    assert video(avg_frame_rate="1e999999999", r_frame_rate="1e999999999").fps is None


@pytest.mark.parametrize(
    "output",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut short"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"{}", id="an empty object"),
        pytest.param(b'{"format": {"format_name": "mp3"}}', id="no streams"),
        pytest.param(json.dumps({"streams": [VIDEO]}).encode(), id="no container"),
        pytest.param(json.dumps({"streams": [COVER], "format": {"format_name": "mp3"}}).encode(), id="only a cover"),
        pytest.param(
            json.dumps({"streams": [SUBTITLE], "format": {"format_name": "srt"}}).encode(), id="only subtitles"
        ),
        pytest.param(b'{"streams": ' + b"[" * 100_000, id="nested too deeply"),
        pytest.param(b'{"x": ' + b"[" * 100_000, id="nested too deeply in an unknown field"),
    ],
)
def test_a_file_without_media_is_refused_with_a_sentence(output: bytes) -> None:
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
def test_any_json_gives_plausible_values_or_is_refused(document: object) -> None:
    try:
        media = decode(json.dumps(document).encode(), 1)
    except NotMedia:
        return
    assert media.video or media.audio
    assert media.duration is None or 0 < media.duration <= MAX_DURATION
    for video_stream in media.video:
        assert video_stream.width > 0
        assert video_stream.height > 0
        assert video_stream.rotation in {0, 90, 180, 270}
        assert video_stream.sar > 0
        assert video_stream.fps is None or video_stream.fps > 0
        assert video_stream.bit_rate is None or video_stream.bit_rate > 0
    for audio_stream in media.audio:
        assert audio_stream.channels > 0
        assert audio_stream.sample_rate > 0


@given(st.binary(max_size=200))
def test_bytes_that_are_not_json_are_refused(output: bytes) -> None:
    with pytest.raises(NotMedia):
        decode(output, 1)


@pytest.mark.parametrize(("score", "refused"), [(MIN_SCORE - 1, True), (MIN_SCORE, False)])
def test_a_format_that_ffprobe_only_guesses_is_refused(score: int, refused: bool) -> None:
    """A text file can begin with bytes that some demuxer takes for its own."""
    if refused:
        with pytest.raises(NotMedia, match="guess"):
            probe(VIDEO, probe_score=score)
    else:
        assert probe(VIDEO, probe_score=score).video


@pytest.mark.parametrize(
    ("fields", "commentary", "descriptive"),
    [
        ({}, False, False),
        ({"disposition": {"comment": 1}}, True, False),
        ({"disposition": {"visual_impaired": 1}}, False, True),
        ({"disposition": {"descriptions": 1}}, False, True),
        ({"tags": {"title": "Director's Commentary"}}, True, False),
        ({"tags": {"TITLE": "English (Audio Description)"}}, False, True),
        ({"tags": {"title": "Longplay, no commentary"}}, False, False),
        ({"tags": {"title": "Documentary"}}, False, False),
    ],
)
def test_audio_that_is_not_the_films_own(fields: dict[str, object], *, commentary: bool, descriptive: bool) -> None:
    found = audio(**fields)
    assert (found.commentary, found.descriptive) == (commentary, descriptive)


def test_the_tags_of_a_file_and_those_that_ogg_has_in_its_streams() -> None:
    tags = {"title": "Stream", "ARTIST": "A", "encoder": "x"}
    for container, expected in (("ogg", (("title", "Stream"), ("artist", "A"))), ("mp3", ())):
        media = probe({**AUDIO, "tags": tags}, format_name=container)
        assert media.tags == expected
    media = probe({**AUDIO, "tags": tags}, format_name="ogg", tags={"title": "File"})
    assert media.tags == (("title", "File"), ("artist", "A"))


def test_audio_with_more_channels_than_ffmpeg_mixes_is_left_out() -> None:
    media = probe({**AUDIO, "channels": 65}, {**AUDIO, "index": 2, "channels": 64})
    assert [(stream.position, stream.channels) for stream in media.audio] == [(1, 64)]


def test_a_cover_is_known_with_its_bytes_even_if_ffprobe_cannot_decode_it() -> None:
    """ffmpeg may well be able to."""
    cover = {"index": 1, "codec_type": "video", "codec_name": "png", "disposition": {"attached_pic": 1}}
    document = {
        "streams": [{**AUDIO, "index": 0}, cover],
        "format": {"format_name": "mp3"},
        "packets": [{"stream_index": 1, "flags": "K__", "size": "17586"}],
    }
    media = decode(json.dumps(document).encode(), 1000)
    assert media.cover is not None
    assert (media.cover.index, media.cover.codec, media.cover.width, media.cover.height) == (1, "png", 0, 0)
    assert media.embedded_cover == EmbeddedCover(1, "png", 17_586)
    assert probe({**AUDIO, "index": 0}, cover).embedded_cover is None


@pytest.mark.parametrize(("hidden", "edited"), [(0, False), (2, False), (40, True)])
def test_a_decoders_run_up_is_no_edit(hidden: int, edited: bool) -> None:
    """Every AAC in MP4 begins with a packet that is not heard. A trimmed one has many, which a copy would play."""
    packets = [{"stream_index": 0, "flags": "KD_" if number < hidden else "K__"} for number in range(60)]
    document = {
        "streams": [{**AUDIO, "index": 0}],
        "packets": packets,
        "format": {"format_name": "mov", "duration": "9"},
    }
    media = decode(json.dumps(document).encode(), 10_000)
    assert media.audio[0].edited is edited
