"""Choosing: a copy that should not be gives a black picture, an encoding that need not be costs a core for two hours."""

from fractions import Fraction
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.plan.examples import AUDIO_STREAM, MEDIA, MP4, VIDEO_STREAM, formats, media, params, video_streams
from transcoded.plan.errors import BadParameter, NotMedia, TranscodedError
from transcoded.plan.media.choose import MAX_FPS, Copy, EncodeAudio, EncodeVideo, Plan, choose, outlook, scaled
from transcoded.plan.media.formats import FORMATS, Format
from transcoded.plan.media.params import StreamParams
from transcoded.plan.media.probe import AudioStream, Media, VideoStream


def film(video: dict[str, Any] | None = None, audio: dict[str, Any] | None = None, **fields: Any) -> Media:
    picture, sound = attrs.evolve(VIDEO_STREAM, **video or {}), attrs.evolve(AUDIO_STREAM, **audio or {})
    return attrs.evolve(MEDIA, **{"video": (picture,), "audio": (sound,), **fields})


def actions(media: Media, name: str, **asked: Any) -> tuple[str | None, str | None]:
    plan = choose(media, FORMATS[name], StreamParams(**asked))
    return (
        plan.video_action.action if plan.video_action else None,
        plan.audio_action.action if plan.audio_action else None,
    )


C, T = "copy", "transcode"


@pytest.mark.parametrize(
    ("media", "name", "expected"),
    [
        pytest.param(film(), "mp4", (C, C), id="H.264 and AAC fit MP4"),
        pytest.param(film(), "ts", (C, C), id="and TS"),
        pytest.param(film(), "mkv", (C, C), id="and Matroska"),
        pytest.param(film(), "webm", (T, T), id="but not WebM"),
        pytest.param(film(), "aac", (None, C), id="the sound alone"),
        pytest.param(film(), "mp3", (None, T), id="as another"),
        pytest.param(film({"codec": "vp9"}, {"codec": "opus"}), "webm", (C, C), id="VP9 and Opus fit WebM"),
        pytest.param(film({"codec": "vp8"}, {"codec": "vorbis"}), "webm", (C, C), id="VP8 and Vorbis"),
        pytest.param(film({"codec": "av1"}, {"codec": "opus"}), "webm", (C, C), id="AV1"),
        pytest.param(film({"codec": "vp9"}, {"codec": "opus"}), "mp4", (T, T), id="not expected in MP4"),
        pytest.param(film({"codec": "hevc"}), "mp4", (T, C), id="HEVC is not played everywhere"),
        pytest.param(film({"pix_fmt": "yuv420p10le"}), "mp4", (T, C), id="10 bits of H.264"),
        pytest.param(film({"pix_fmt": "yuv444p"}), "mp4", (T, C), id="4:4:4"),
        pytest.param(film({"pix_fmt": None}), "mp4", (C, C), id="not said"),
        pytest.param(film({"width": 641, "height": 359}), "mp4", (C, C), id="odd sizes stay as they are"),
        pytest.param(film({"rotation": 90}), "mp4", (C, C), id="MP4 says that it is rotated"),
        pytest.param(film({"rotation": 90}), "ts", (T, C), id="TS cannot"),
        pytest.param(film(container="avi"), "mp4", (T, C), id="packets without presentation times"),
        pytest.param(film(container="matroska,webm"), "mp4", (C, C), id="out of Matroska"),
        pytest.param(film(audio={"codec": "mp3"}), "mp4", (C, C), id="MP3 in MP4"),
        pytest.param(film(audio={"codec": "ac3"}), "mp4", (C, T), id="AC-3 in a browser"),
        pytest.param(film(audio={"codec": "ac3"}), "ts", (C, C), id="AC-3 on a television"),
        pytest.param(attrs.evolve(MEDIA, audio=()), "mp4", (C, None), id="no sound"),
        pytest.param(attrs.evolve(MEDIA, video=()), "mp4", (None, C), id="no picture"),
        pytest.param(attrs.evolve(MEDIA, video=()), "webm", (None, T), id="no picture, made anew"),
    ],
)
def test_a_track_is_copied_where_the_format_plays_it(
    media: Media, name: str, expected: tuple[str | None, str | None]
) -> None:
    assert actions(media, name) == expected


@pytest.mark.parametrize(
    ("media", "name", "asked", "expected"),
    [
        pytest.param(film(), "mp4", {"height": 720}, (T, C), id="smaller"),
        pytest.param(film(), "mp4", {"height": 1080}, (C, C), id="as high as it is"),
        pytest.param(film(), "mp4", {"height": 2160}, (C, C), id="higher than it is"),
        pytest.param(film(), "mp4", {"video_bitrate": 2_000_000}, (T, C), id="fewer bits of picture"),
        pytest.param(film(), "mp4", {"video_bitrate": 4_000_000}, (C, C), id="as many as there are"),
        pytest.param(film({"bit_rate": None}), "mp4", {"video_bitrate": 10**8}, (T, C), id="nobody knows how many"),
        pytest.param(film(), "mp4", {"audio_bitrate": 64_000}, (C, T), id="fewer bits of sound"),
        pytest.param(film(), "mp4", {"audio_bitrate": 128_000}, (C, C), id="as many of sound"),
        pytest.param(
            film(audio={"codec": "flac"}), "flac", {"audio_bitrate": 64_000}, (None, C), id="lossless has no rate"
        ),
        pytest.param(film(), "mp4", {"start": 5.0}, (T, C), id="exact start"),
        pytest.param(film(), "aac", {"start": 5.0}, (None, C), id="sound starts anywhere"),
        pytest.param(film(), "mp4", {"duration": 5.0}, (C, C), id="an end needs no encoder"),
        pytest.param(film(), "mp4", {"start": 5.0, "mode": C}, (C, C), id="start at a keyframe"),
        pytest.param(film(), "mp4", {"mode": T}, (T, T), id="anew"),
        pytest.param(film({"codec": "hevc"}), "mp4", {"mode": C}, (C, C), id="held though not played everywhere"),
        pytest.param(film({"pix_fmt": "yuv420p10le"}), "mp4", {"mode": C}, (C, C), id="who asks knows the player"),
        pytest.param(film({"rotation": 90}), "ts", {"mode": C}, (C, C), id="even lying down"),
        pytest.param(film(audio={"codec": "flac"}), "mp4", {"mode": C}, (C, C), id="FLAC in MP4"),
    ],
)
def test_what_is_asked_for_decides(
    media: Media, name: str, asked: dict[str, Any], expected: tuple[str | None, str | None]
) -> None:
    assert actions(media, name, **asked) == expected


@pytest.mark.parametrize(
    ("media", "name", "asked", "parameter", "why"),
    [
        pytest.param(film(), "webm", {"mode": C}, "mode", "webm cannot contain h264", id="picture"),
        pytest.param(film(audio={"codec": "cook"}), "mp4", {"mode": C}, "mode", "mp4 cannot contain cook", id="sound"),
        pytest.param(film(), "mp4", {"mode": C, "height": 720}, "mode", "height=720 was requested", id="and smaller"),
        pytest.param(film(), "mp4", {"mode": C, "audio_bitrate": 64_000}, "mode", "bit rate", id="and fewer bits"),
        pytest.param(film(container="avi"), "mp4", {"mode": C}, "mode", "presentation times", id="no times"),
        pytest.param(film(), "mp4", {"audio": 1}, "audio", "allowed for this file: 0", id="no second track"),
        pytest.param(attrs.evolve(MEDIA, audio=()), "mp4", {"audio": 0}, "audio", "no audio", id="no audio at all"),
        pytest.param(film(), "mp4", {"start": 60.0}, "start", "60.000 s", id="at the end"),
        pytest.param(film(), "mp4", {"start": 1e5}, "start", "60.000 s", id="after the end"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(
    media: Media, name: str, asked: dict[str, Any], parameter: str, why: str
) -> None:
    with pytest.raises(BadParameter, match=why) as caught:
        choose(media, FORMATS[name], StreamParams(**asked))
    assert caught.value.name == parameter


def test_the_tracks_that_are_named_exist() -> None:
    """Position 1 cannot be decoded and was left out: it is not offered, and 2 is."""
    tracks = (AUDIO_STREAM, attrs.evolve(AUDIO_STREAM, index=3, position=2))
    assert choose(attrs.evolve(MEDIA, audio=tracks), FORMATS["mp4"], StreamParams(audio=2)).audio == tracks[1]
    with pytest.raises(BadParameter) as caught:
        choose(attrs.evolve(MEDIA, audio=tracks), FORMATS["mp4"], StreamParams(audio=1))
    assert "0 to 1" not in caught.value.detail


def test_a_format_of_sound_needs_sound() -> None:
    with pytest.raises(NotMedia, match="no audio"):
        choose(attrs.evolve(MEDIA, audio=()), FORMATS["mp3"], StreamParams())


def test_an_encoder_that_this_machine_has_not_is_named_and_a_copy_needs_none() -> None:
    with pytest.raises(NotMedia, match="no libx264"):
        choose(film({"codec": "wmv2"}), FORMATS["mp4"], StreamParams(), frozenset({"aac"}))
    assert choose(film(), FORMATS["mp4"], StreamParams(), frozenset()).action == "copy"


def encoded_sound(name: str, **source: Any) -> EncodeAudio:
    action = choose(film(audio=source), FORMATS[name], StreamParams(mode="transcode")).audio_action
    assert isinstance(action, EncodeAudio)
    return action


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("mp4", {"channels": 6}, {"channels": 2, "sample_rate": None, "bit_rate": 160_000}),
        ("mp4", {"channels": 1}, {"channels": 1}),
        ("mp4", {"sample_rate": 96_000}, {"sample_rate": 48_000}),
        ("mp4", {"sample_rate": 47_999}, {"sample_rate": 44_100}),
        ("mp4", {"sample_rate": 4_000}, {"sample_rate": 8_000}),
        ("opus", {"sample_rate": 44_100}, {"sample_rate": 48_000}),
        ("flac", {"channels": 6, "sample_rate": 96_000}, {"channels": 6, "sample_rate": None, "sample_fmt": "s16"}),
        ("flac", {"bits_per_sample": 24}, {"sample_fmt": None, "bit_rate": None}),
        ("wav", {"channels": 24}, {"channels": 8}),
    ],
)
def test_sound_is_made_as_its_encoder_takes_it(name: str, source: dict[str, Any], expected: dict[str, Any]) -> None:
    action = encoded_sound(name, **source)
    assert {field: getattr(action, field) for field in expected} == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"fps": Fraction(120)}, {"fps": MAX_FPS}),
        ({"fps": Fraction(60000, 1001)}, {"fps": None}),
        ({"fps": Fraction(90_000)}, {"fps": None}),
        ({"fps": None}, {"fps": None}),
        ({"interlaced": True}, {"deinterlace": True}),
        ({"transfer": "smpte2084"}, {"tone_map": True}),
        ({"width": 641, "height": 361}, {"width": 640, "height": 360}),
        ({"width": 2, "height": 2000}, {"width": 2, "height": 2000}),
    ],
)
def test_pictures_are_made_for_live_use(source: dict[str, Any], expected: dict[str, Any]) -> None:
    action = choose(film(source), FORMATS["mp4"], StreamParams(mode="transcode")).video_action
    assert isinstance(action, EncodeVideo)
    assert {field: getattr(action, field) for field in expected} == expected


@given(video_streams, st.none() | st.integers(16, 8640))
def test_nothing_is_scaled_up_and_all_is_even(stream: VideoStream, height: int | None) -> None:
    columns, rows = scaled(stream, height)
    assert columns % 2 == rows % 2 == 0
    # Two is the least that an encoder takes.
    assert 2 <= columns <= max(2, stream.width)
    assert 2 <= rows <= max(2, min(stream.height, height or stream.height))
    # The shape is kept: half a pixel from rounding, one or two from evenness.
    assert abs(columns - stream.width * min(height or stream.height, stream.height) / stream.height) <= 2


@given(media(), formats, params)
def test_every_plan_keeps_the_rules(media: Media, output: Format, params: StreamParams) -> None:
    try:
        plan = choose(media, output, params)
    except BadParameter:
        assert params.mode == "copy" or params.audio is not None or params.start
        return
    except NotMedia:
        assert output.video is None
        assert not media.audio
        return
    check(plan, media, output, params)


def check(plan: Plan, media: Media, output: Format, params: StreamParams) -> None:
    assert plan.video is not None or plan.audio is not None
    assert (plan.video is None) == (plan.video_action is None)
    assert (plan.audio is None) == (plan.audio_action is None)
    assert plan.video is None or (plan.video in media.video and output.video is not None)
    assert plan.audio is None or plan.audio in media.audio
    assert params.audio is None or (plan.audio is not None and plan.audio.position == params.audio)
    assert plan.why
    assert plan.content_type == (output.content_type if plan.video else output.audio_content_type)
    if params.mode != "auto":
        assert plan.action == params.mode
    if isinstance(plan.video_action, Copy):
        assert plan.video is not None
        assert plan.video.codec in output.holds_video
        assert params.height is None or plan.video.height <= params.height
        assert params.mode == "copy" or not params.start
    elif plan.video_action is not None:
        assert plan.video is not None
        assert plan.video_action.encoder is output.video
        assert plan.video_action.width <= max(2, plan.video.width)
        assert plan.video_action.height <= max(2, plan.video.height)
        assert plan.video_action.width % 2 == plan.video_action.height % 2 == 0
    if isinstance(plan.audio_action, Copy):
        assert plan.audio is not None
        assert plan.audio.codec in output.holds_audio
    elif plan.audio_action is not None:
        assert plan.audio is not None
        check_sound(plan.audio_action, plan.audio, output)


def check_sound(action: EncodeAudio, audio: AudioStream, output: Format) -> None:
    assert action.encoder is output.audio
    assert 1 <= action.channels <= min(audio.channels, output.audio.max_channels)
    rates = output.audio.sample_rates
    assert not rates or (action.sample_rate or audio.sample_rate) in rates
    assert action.bit_rate is None or output.audio.bit_rate is not None


@given(media())
def test_the_outlook_tells_of_every_format_what_a_stream_would_do(media: Media) -> None:
    plans = outlook(media)
    assert list(plans) == list(FORMATS)
    for name, plan in plans.items():
        if isinstance(plan, TranscodedError):
            assert isinstance(plan, NotMedia)
            with pytest.raises(NotMedia):
                choose(media, FORMATS[name], StreamParams())
        else:
            assert plan == choose(media, FORMATS[name], StreamParams())


def test_a_plan_says_why_for_people() -> None:
    plan = choose(film(container=MP4, audio={"codec": "ac3"}), FORMATS["mp4"], StreamParams())
    assert plan.why == (
        "video: copy, h264 High yuv420p fits mp4 as it is; audio: transcode, mp4 is not expected to play ac3"
    )
