"""Choosing: a wrong copy gives black video, and an unnecessary transcode uses a CPU core for hours."""

from fractions import Fraction
from typing import Any

import attrs
import pytest
from hypothesis import given

from tests.plan.examples import AUDIO_STREAM, MEDIA, MP4, VIDEO_STREAM, formats, media, params
from transcoded.plan.errors import BadParameter, NotMedia, TranscodedError
from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.choose import MAX_FPS, EncodeVideo, Plan, choose, plan_all_formats
from transcoded.plan.media.choose_audio import EncodeAudio
from transcoded.plan.media.formats import FORMATS, PCM_24, Format
from transcoded.plan.media.packaging import Copy
from transcoded.plan.media.params import StreamParams
from transcoded.plan.media.probe import AudioStream, Media


def media_with(video: dict[str, Any] | None = None, audio: dict[str, Any] | None = None, **fields: Any) -> Media:
    video_stream, audio_stream = attrs.evolve(VIDEO_STREAM, **video or {}), attrs.evolve(AUDIO_STREAM, **audio or {})
    return attrs.evolve(MEDIA, **{"video": (video_stream,), "audio": (audio_stream,), **fields})


def actions(media: Media, name: str, **requested: Any) -> tuple[str | None, str | None]:
    plan = choose(media, FORMATS[name], StreamParams(**requested))
    return (
        plan.video_action.action if plan.video_action else None,
        plan.audio_action.action if plan.audio_action else None,
    )


C, T = "copy", "transcode"


@pytest.mark.parametrize(
    ("media", "name", "expected"),
    [
        pytest.param(media_with(), "mp4", (C, C), id="H.264 and AAC fit MP4"),
        pytest.param(media_with(), "ts", (C, C), id="H.264 and AAC fit TS"),
        pytest.param(media_with(), "mkv", (C, C), id="H.264 and AAC fit Matroska"),
        pytest.param(media_with(), "webm", (T, T), id="H.264 and AAC do not fit WebM"),
        pytest.param(media_with(), "aac", (None, C), id="only the audio, copied"),
        pytest.param(media_with(), "mp3", (None, T), id="only the audio, as MP3"),
        pytest.param(media_with({"codec": "vp9"}, {"codec": "opus"}), "webm", (C, C), id="VP9 and Opus fit WebM"),
        pytest.param(media_with({"codec": "vp8"}, {"codec": "vorbis"}), "webm", (C, C), id="VP8 and Vorbis fit WebM"),
        pytest.param(media_with({"codec": "av1"}, {"codec": "opus"}), "webm", (C, C), id="AV1 fits WebM"),
        pytest.param(
            media_with({"codec": "vp9"}, {"codec": "opus"}), "mp4", (T, T), id="VP9 and Opus are not expected in MP4"
        ),
        pytest.param(media_with({"codec": "hevc"}), "mp4", (T, C), id="not all players of MP4 play HEVC"),
        pytest.param(media_with({"pix_fmt": "yuv420p10le"}), "mp4", (T, C), id="H.264 with 10 bits"),
        pytest.param(media_with({"pix_fmt": "yuv444p"}), "mp4", (T, C), id="H.264 in 4:4:4"),
        pytest.param(media_with({"pix_fmt": None}), "mp4", (C, C), id="pixel format not known"),
        pytest.param(media_with({"width": 641, "height": 359}), "mp4", (C, C), id="odd dimensions are copied"),
        pytest.param(media_with({"rotation": 90}), "mp4", (C, C), id="players apply a rotation in MP4"),
        pytest.param(media_with({"rotation": 90}), "ts", (T, C), id="TS has no rotation"),
        pytest.param(media_with(container="avi"), "mp4", (T, C), id="packets without presentation times"),
        pytest.param(media_with(container="matroska,webm"), "mp4", (C, C), id="from Matroska"),
        pytest.param(media_with(audio={"codec": "mp3"}), "mp4", (C, C), id="MP3 in MP4"),
        pytest.param(media_with(audio={"codec": "ac3"}), "mp4", (C, T), id="AC-3 in MP4, for browsers"),
        pytest.param(media_with(audio={"codec": "ac3"}), "ts", (C, C), id="AC-3 in TS, for televisions"),
        pytest.param(attrs.evolve(MEDIA, audio=()), "mp4", (C, None), id="no audio"),
        pytest.param(attrs.evolve(MEDIA, video=()), "mp4", (None, C), id="no video"),
        pytest.param(attrs.evolve(MEDIA, video=()), "webm", (None, T), id="no video, audio transcoded"),
    ],
)
def test_a_stream_is_copied_if_players_of_the_format_play_it(
    media: Media, name: str, expected: tuple[str | None, str | None]
) -> None:
    assert actions(media, name) == expected


@pytest.mark.parametrize(
    ("media", "name", "requested", "expected"),
    [
        pytest.param(media_with(), "mp4", {"height": 720}, (T, C), id="smaller"),
        pytest.param(media_with(), "mp4", {"height": 1080}, (C, C), id="the height of the source"),
        pytest.param(media_with(), "mp4", {"height": 2160}, (C, C), id="larger than the source"),
        pytest.param(media_with(), "mp4", {"video_bitrate": 2_000_000}, (T, C), id="lower video bit rate"),
        pytest.param(media_with(), "mp4", {"video_bitrate": 4_000_000}, (C, C), id="the video bit rate of the source"),
        pytest.param(
            media_with({"bit_rate": None}), "mp4", {"video_bitrate": 10**8}, (T, C), id="video bit rate not known"
        ),
        pytest.param(media_with(), "mp4", {"audio_bitrate": 64_000}, (C, T), id="lower audio bit rate"),
        pytest.param(media_with(), "mp4", {"audio_bitrate": 128_000}, (C, C), id="the audio bit rate of the source"),
        pytest.param(
            media_with(audio={"codec": "flac"}, container="flac"),
            "flac",
            {"audio_bitrate": 64_000},
            (None, C),
            id="a lossless codec has no bit rate",
        ),
        pytest.param(media_with(), "mp4", {"start": 5.0}, (T, C), id="exact start"),
        pytest.param(media_with(), "aac", {"start": 5.0}, (None, C), id="exact start of audio"),
        pytest.param(media_with(), "mp4", {"duration": 5.0}, (C, C), id="a copy can end anywhere"),
        pytest.param(media_with(), "mp4", {"start": 5.0, "mode": C}, (C, C), id="start at a keyframe"),
        pytest.param(media_with(), "mp4", {"mode": T}, (T, T), id="mode=transcode"),
        pytest.param(media_with({"codec": "hevc"}), "mp4", {"mode": C}, (C, C), id="mode=copy: MP4 can contain HEVC"),
        pytest.param(media_with({"pix_fmt": "yuv420p10le"}), "mp4", {"mode": C}, (C, C), id="mode=copy: 10 bits"),
        pytest.param(media_with({"rotation": 90}), "ts", {"mode": C}, (C, C), id="mode=copy: rotated"),
        pytest.param(media_with(audio={"codec": "flac"}), "mp4", {"mode": C}, (C, C), id="mode=copy: FLAC in MP4"),
    ],
)
def test_a_request_can_force_or_forbid_a_copy(
    media: Media, name: str, requested: dict[str, Any], expected: tuple[str | None, str | None]
) -> None:
    assert actions(media, name, **requested) == expected


@pytest.mark.parametrize(
    ("media", "name", "requested", "parameter", "why"),
    [
        pytest.param(media_with(), "webm", {"mode": C}, "mode", "webm cannot contain h264", id="video codec"),
        pytest.param(
            media_with(audio={"codec": "cook"}), "mp4", {"mode": C}, "mode", "mp4 cannot contain cook", id="audio codec"
        ),
        pytest.param(media_with(), "mp4", {"mode": C, "height": 720}, "mode", "height=720 was requested", id="smaller"),
        pytest.param(
            media_with(), "mp4", {"mode": C, "audio_bitrate": 64_000}, "mode", "bit rate", id="lower bit rate"
        ),
        pytest.param(
            media_with(container="avi"), "mp4", {"mode": C}, "mode", "presentation times", id="no presentation times"
        ),
        pytest.param(
            media_with(), "mp4", {"audio": 1}, "audio", "allowed for this file: 0", id="no second audio stream"
        ),
        pytest.param(attrs.evolve(MEDIA, audio=()), "mp4", {"audio": 0}, "audio", "no audio", id="no audio at all"),
        pytest.param(media_with(), "mp4", {"start": 60.0}, "start", "60.000 s", id="at the end"),
        pytest.param(media_with(), "mp4", {"start": 1e5}, "start", "60.000 s", id="after the end"),
    ],
)
def test_an_impossible_request_is_refused_with_the_reason(
    media: Media, name: str, requested: dict[str, Any], parameter: str, why: str
) -> None:
    with pytest.raises(BadParameter, match=why) as caught:
        choose(media, FORMATS[name], StreamParams(**requested))
    assert caught.value.name == parameter


def test_the_message_names_only_audio_streams_that_exist() -> None:
    """The stream at position 1 cannot be decoded, so it is not offered; the one at position 2 is."""
    streams = (AUDIO_STREAM, attrs.evolve(AUDIO_STREAM, index=3, position=2))
    assert choose(attrs.evolve(MEDIA, audio=streams), FORMATS["mp4"], StreamParams(audio=2)).audio == streams[1]
    with pytest.raises(BadParameter) as caught:
        choose(attrs.evolve(MEDIA, audio=streams), FORMATS["mp4"], StreamParams(audio=1))
    assert "0 to 1" not in caught.value.detail


def test_an_audio_format_needs_audio() -> None:
    with pytest.raises(NotMedia, match="no audio"):
        choose(attrs.evolve(MEDIA, audio=()), FORMATS["mp3"], StreamParams())


def test_a_missing_encoder_is_named_and_a_copy_needs_none() -> None:
    without = attrs.evolve(Capabilities.everything(), encoders=frozenset({"aac"}))
    with pytest.raises(NotMedia, match=r"no libx264 that works\. mp4 needs it"):
        choose(media_with({"codec": "wmv2"}), FORMATS["mp4"], StreamParams(), without)
    assert choose(media_with(), FORMATS["mp4"], StreamParams(), Capabilities()).action == "copy"


@pytest.mark.parametrize(
    ("media", "codec", "formats"),
    [
        pytest.param(
            media_with({"codec": "av1", "pix_fmt": "yuv420p"}, container="matroska,webm"),
            "av1",
            ["mp4", "ts"],
            id="video",
        ),
        pytest.param(media_with(audio={"codec": "cook"}), "cook", ["mp4", "mkv", "mp3", "wav"], id="audio"),
    ],
)
def test_a_codec_that_cannot_be_decoded_here_is_named(media: Media, codec: str, formats: list[str]) -> None:
    """Else the answer is 500, after ffmpeg has tried: a promise that fails."""
    known = Capabilities.everything()
    without = attrs.evolve(known, decoders=known.decoders - {codec})
    for name in formats:
        assert choose(media, FORMATS[name], StreamParams(), known).action == "transcode"
        with pytest.raises(NotMedia, match=f"cannot decode {codec}"):
            choose(media, FORMATS[name], StreamParams(), without)
        assert isinstance(plan_all_formats(media, without)[name], NotMedia)


def test_what_can_be_copied_needs_no_decoder() -> None:
    known = Capabilities.everything()
    without = attrs.evolve(known, decoders=known.decoders - {"av1", "opus"})
    video = {"codec": "av1", "pix_fmt": "yuv420p"}
    media = media_with(video, container="matroska,webm", audio={"codec": "opus"})
    assert choose(media, FORMATS["webm"], StreamParams(), without).action == "copy"
    with pytest.raises(NotMedia, match="mp4 can contain it: mode=copy copies it"):
        choose(media, FORMATS["mp4"], StreamParams(), without)
    assert choose(media, FORMATS["mp4"], StreamParams(mode="copy"), without).action == "copy"


def encoded_audio(name: str, **source: Any) -> EncodeAudio:
    action = choose(media_with(audio=source), FORMATS[name], StreamParams(mode="transcode")).audio_action
    assert isinstance(action, EncodeAudio)
    return action


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("mp4", {"channels": 6}, {"channels": 2, "sample_rate": 48_000, "bit_rate": 160_000}),
        ("mp4", {"channels": 1}, {"channels": 1}),
        ("opus", {"sample_rate": 44_100}, {"sample_rate": 48_000}),
        ("flac", {"channels": 6, "sample_rate": 96_000}, {"channels": 6, "sample_rate": 96_000, "sample_fmt": "s16"}),
        ("flac", {"codec": "alac", "bits_per_sample": 24}, {"sample_fmt": "s32", "bit_rate": None}),
        ("wav", {"channels": 24}, {"channels": 2}),
        ("wav", {"codec": "alac", "bits_per_sample": 24}, {"encoder": PCM_24, "sample_fmt": None}),
    ],
)
def test_encoded_audio_fits_its_encoder(name: str, source: dict[str, Any], expected: dict[str, Any]) -> None:
    action = encoded_audio(name, **source)
    assert {field: getattr(action, field) for field in expected} == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"fps": Fraction(120)}, {"fps": MAX_FPS}),
        ({"fps": Fraction(60000, 1001)}, {"fps": None}),
        ({"fps": Fraction(90_000)}, {"fps": None}),
        ({"fps": None}, {"fps": None}),
        ({"sar": Fraction(4, 3), "width": 1440}, {"width": 1920, "height": 1080}),
        ({"width": 641, "height": 361}, {"width": 640, "height": 360}),
        ({"width": 2, "height": 2000}, {"width": 2, "height": 2000}),
    ],
)
def test_encoded_video_fits_live_use(source: dict[str, Any], expected: dict[str, Any]) -> None:
    action = choose(media_with(source), FORMATS["mp4"], StreamParams(mode="transcode")).video_action
    assert isinstance(action, EncodeVideo)
    assert {field: getattr(action, field) for field in expected} == expected


@given(media(), formats, params)
def test_each_plan_follows_the_rules(media: Media, output: Format, params: StreamParams) -> None:
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
        assert plan.video_action.height <= max(2, plan.video.height)
        assert plan.video_action.width % 2 == plan.video_action.height % 2 == 0
    if isinstance(plan.audio_action, Copy):
        assert plan.audio is not None
        assert plan.audio.codec in output.holds_audio
    elif plan.audio_action is not None:
        assert plan.audio is not None
        check_audio(plan.audio_action, plan.audio, output)


def check_audio(action: EncodeAudio, audio: AudioStream, output: Format) -> None:
    assert action.encoder is output.audio or (output.name, action.encoder) == ("wav", PCM_24)
    assert action.channels in {1, 2, 6, audio.channels}
    assert action.channels <= output.audio.max_channels
    # 5.1 may have channels that the source lacks, such as LFE. Else no channel is added.
    assert action.channels <= audio.channels or (action.channels == 6 and audio.channels > 2)
    rates = output.audio.sample_rates
    assert action.sample_rate in rates or (output.audio.any_rate and rates[-1] <= action.sample_rate <= rates[0])
    assert (action.bit_rate is None) == (output.audio.bit_rate is None)


@given(media())
def test_every_format_has_a_plan_or_an_error(media: Media) -> None:
    plans = plan_all_formats(media)
    assert list(plans) == list(FORMATS)
    for name, plan in plans.items():
        if isinstance(plan, TranscodedError):
            assert isinstance(plan, NotMedia)
            with pytest.raises(NotMedia):
                choose(media, FORMATS[name], StreamParams())
        else:
            assert plan == choose(media, FORMATS[name], StreamParams())


def test_a_plan_explains_itself() -> None:
    plan = choose(media_with(container=MP4, audio={"codec": "ac3"}), FORMATS["mp4"], StreamParams())
    assert plan.why == (
        "video: copy, h264 High yuv420p fits mp4 as it is; audio: transcode, mp4 is not expected to play ac3"
    )
