"""Colours: what is guessed, what is kept, and when HDR can be shown at all."""

import re
from typing import Any

import attrs
import pytest
from hypothesis import given

from tests.plan.examples import VIDEO_STREAM, video_streams
from transcoded.plan.media.capabilities import Capabilities, ToneMapping
from transcoded.plan.media.colors import (
    BT709,
    Colors,
    encoded_colors,
    source_colors,
    tone_mapping_filters,
    tone_mapping_obstacle,
)
from transcoded.plan.media.probe import DolbyVision, VideoStream

HD: dict[str, Any] = {"width": 1280, "height": 720}
PAL: dict[str, Any] = {"width": 720, "height": 576}
NTSC: dict[str, Any] = {"width": 720, "height": 480}
PQ: dict[str, Any] = {"transfer": "smpte2084", "primaries": "bt2020", "matrix": "bt2020nc"}


def stream(*parts: dict[str, Any], **changes: Any) -> VideoStream:
    merged: dict[str, Any] = {}
    for part in (*parts, changes):
        merged.update(part)
    return attrs.evolve(VIDEO_STREAM, **merged)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param(stream(HD), Colors("tv", "bt709", "bt709", "bt709"), id="HD is BT.709"),
        pytest.param(stream(PAL), Colors("tv", "bt470bg", "smpte170m", "smpte170m"), id="PAL is BT.601"),
        pytest.param(stream(NTSC), Colors("tv", "smpte170m", "smpte170m", "smpte170m"), id="so is NTSC"),
        pytest.param(stream(width=720, height=1280), Colors("tv", "bt709", "bt709", "bt709"), id="HD upright"),
        pytest.param(stream(PAL, matrix="bt709"), Colors("tv", "bt470bg", "smpte170m", "bt709"), id="as it says"),
        pytest.param(stream(HD, color_range="pc"), Colors("pc", "bt709", "bt709", "bt709"), id="full range"),
        pytest.param(stream(HD, pix_fmt="yuvj420p"), Colors("pc", "bt709", "bt709", "bt709"), id="JPEG's full range"),
        pytest.param(stream(HD, pix_fmt="gray"), Colors("tv", "bt709", "bt709", "bt709"), id="gray H.264"),
        pytest.param(stream(HD, codec="ffv1", pix_fmt="gray"), Colors("pc", "bt709", "bt709", "bt709"), id="gray FFV1"),
        pytest.param(stream(HD, pix_fmt="gbrp"), Colors("pc", "bt709", "bt709", "gbr"), id="RGB"),
        pytest.param(stream(HD, matrix="gbr"), Colors("tv", "bt709", "bt709", "bt709"), id="4:2:0 marked as RGB"),
        pytest.param(stream(HD, matrix="ictcp"), Colors("tv", "bt709", "bt709", "bt709"), id="none that is converted"),
        pytest.param(stream(HD, PQ), Colors("tv", "bt2020", "smpte2084", "bt2020nc"), id="PQ"),
        pytest.param(
            stream(HD, transfer="smpte2084"), Colors("tv", "bt2020", "smpte2084", "bt2020nc"), id="PQ says enough"
        ),
        pytest.param(
            stream(HD, dolby_vision=DolbyVision(8, 6, 4)),
            Colors("tv", "bt2020", "arib-std-b67", "bt2020nc"),
            id="the base layer of Dolby Vision 8.4",
        ),
    ],
)
def test_what_a_file_does_not_say_is_guessed_as_players_do(source: VideoStream, expected: Colors) -> None:
    assert source_colors(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param(stream(HD), BT709, id="HD"),
        pytest.param(stream(PAL), Colors("tv", "bt470bg", "smpte170m", "smpte170m"), id="SD stays BT.601"),
        pytest.param(stream(HD, matrix="smpte170m"), Colors("tv", "bt709", "bt709", "smpte170m"), id="so does HD"),
        pytest.param(stream(HD, pix_fmt="gbrp"), BT709, id="RGB in HD"),
        pytest.param(
            stream(NTSC, pix_fmt="gbrp"),
            attrs.evolve(BT709, primaries="smpte170m", transfer="smpte170m", matrix="smpte170m"),
            id="RGB in SD",
        ),
        pytest.param(stream(HD, matrix="smpte240m"), BT709, id="a matrix that few know"),
        pytest.param(stream(HD, color_range="pc"), BT709, id="full range becomes limited"),
        pytest.param(stream(HD, PQ), BT709, id="HDR"),
    ],
)
def test_an_encode_keeps_what_players_know(source: VideoStream, expected: Colors) -> None:
    assert encoded_colors(source) == expected


@given(video_streams)
def test_any_encode_is_of_limited_range_and_has_a_matrix_that_players_know(source: VideoStream) -> None:
    found = encoded_colors(source)
    assert found.span == "tv"
    assert found.matrix in {"bt709", "bt470bg", "smpte170m"}
    assert found.transfer not in {"smpte2084", "arib-std-b67"}


PROFILE_5 = DolbyVision(5, 6, 0)


@pytest.mark.parametrize(
    ("source", "way", "why"),
    [
        pytest.param(stream(HD), None, None, id="SDR needs nothing"),
        pytest.param(stream(HD, PQ), "scale", None, id="PQ"),
        pytest.param(stream(HD, PQ), None, "cannot convert it to standard range", id="PQ without a way"),
        pytest.param(stream(HD, transfer="arib-std-b67"), None, "The video is HLG", id="HLG without a way"),
        pytest.param(stream(HD, PQ, dolby_vision=DolbyVision(8, 6, 1)), "zscale", None, id="8.1 is HDR10"),
        pytest.param(stream(HD, dolby_vision=DolbyVision(7, 6, 6)), "zscale", None, id="so is 7"),
        pytest.param(stream(HD, dolby_vision=DolbyVision(9, 6, 2)), None, None, id="over SDR"),
        pytest.param(stream(HD, dolby_vision=PROFILE_5), "libplacebo", None, id="profile 5 with libplacebo"),
        pytest.param(stream(HD, dolby_vision=PROFILE_5), "zscale", "profile 5.*libplacebo", id="profile 5 without"),
        pytest.param(stream(HD, dolby_vision=DolbyVision(10, 6, 0)), "scale", "profile 10", id="in AV1"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_the_reason(source: VideoStream, way: Any, why: str | None) -> None:
    """Else it is shown too dark, too bright, or in green and purple."""
    obstacle = tone_mapping_obstacle(source, Capabilities.everything(way))
    if why is None:
        assert obstacle is None
    else:
        assert re.search(why, obstacle or "") is not None


def filters(way: ToneMapping, *args: Any, **kwargs: Any) -> str:
    return ",".join(tone_mapping_filters(way, 1280, 720, *args, **kwargs))


def test_the_ways_from_hdr() -> None:
    assert filters("libplacebo") == (
        "libplacebo=w=1280:h=720:colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv:apply_dolbyvision=false:"
        "peak_detect=false:format=yuv420p"
    )
    assert filters("zscale", 1000.0) == (
        "scale=w=1280:h=720,zscale=transfer=linear:npl=100,format=gbrpf32le,zscale=primaries=bt709,"
        "tonemap=reinhard:param=0.1667:desat=0:peak=10.0000,zscale=transfer=bt709:matrix=bt709:range=tv,format=yuv420p"
    )
    assert filters("scale") == (
        "scale=w=1280:h=720,scale=out_transfer=bt709:out_primaries=bt709:out_color_matrix=bt709:out_range=tv:"
        "intent=perceptual,format=yuv420p"
    )


def test_a_peak_that_cannot_be_is_not_taken_for_white() -> None:
    assert "setparams=color_trc=smpte2084,tonemap=reinhard:param=0.1667:desat=0,setparams=" in filters("zscale")
    assert ",zscale=primaries=bt709,tonemap=reinhard:param=0.1667:desat=0,zscale" in filters("zscale", hlg=True)
    assert ":peak=40.0000," in filters("zscale", 4000.0)
    assert ":peak=2.0300," in filters("zscale", 1.0)


def test_only_profile_5_is_reshaped() -> None:
    """The other profiles have a base layer, which each way shows."""
    assert "apply_dolbyvision=true" in filters("libplacebo", dolby=True)
