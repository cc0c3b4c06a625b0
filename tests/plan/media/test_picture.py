"""The filter graph of pictures, as a table: what it says is what every stream, segment and thumbnail shows."""

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.plan.examples import VIDEO_STREAM, video_streams
from transcoded.plan.media.capabilities import Capabilities
from transcoded.plan.media.geometry import fitted
from transcoded.plan.media.picture import decoding_argv, picture_argv
from transcoded.plan.media.probe import Crop, DolbyVision, VideoStream

ALL = attrs.evolve(Capabilities.everything("zscale"), input_options=frozenset({"apply_cropping"}))
UPRIGHT_HD = ("setsar=1", "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709")
WIDTH = "if(lt(abs(dar*9/16-1),0.02),1280,min(1280,max(4,4*trunc(1280*dar*9/16/4))))"
HEIGHT = "if(lt(abs(dar*9/16-1),0.02),720,min(720,max(4,4*trunc(720/(dar*9/16)/4))))"
HD = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"


def stream(**changes: Any) -> VideoStream:
    return attrs.evolve(VIDEO_STREAM, **{"field_order": "progressive", **changes})


def graph(source: VideoStream, capabilities: Capabilities = ALL, timing: Sequence[str] = (), **kwargs: Any) -> str:
    flag, found, *rest = picture_argv(source, timing, *fitted(source), capabilities, **kwargs)
    assert (flag, *rest) == ("-filter_complex", "-map", "[v]")
    return found


def filters(source: VideoStream, capabilities: Capabilities = ALL, *, jpeg: bool = False) -> list[str]:
    """The filters between the input and the output. No argument of theirs has a comma that is not quoted."""
    found = graph(source, capabilities, jpeg=jpeg)
    inside = found.removeprefix(f"[0:{source.index}]").removesuffix(f"[v];[0:{source.index}]nullsink")
    return re.split(r",(?=(?:[^']*'[^']*')*[^']*$)", inside)


def test_the_whole_graph_of_a_usual_film() -> None:
    assert filters(stream(width=1280, height=720)) == [
        HD,
        f"scale=w='{WIDTH}':h='{HEIGHT}':eval=frame:interl=-1",
        "pad=w=1280:h=720:x='4*trunc((ow-iw)/8)':y='4*trunc((oh-ih)/8)':eval=frame",
        "scale=w=1280:h=720:out_range=tv",
        "format=yuv420p",
        "setsar=1",
        HD,
        "sidedata=mode=delete:type=DISPLAYMATRIX",
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param(stream(), [], id="nothing"),
        pytest.param(stream(field_order="tt"), ["bwdif=mode=send_frame:deint=interlaced"], id="interlaced"),
        pytest.param(
            stream(field_order="bb", codec="ffv1"),
            ["bwdif=mode=send_frame:deint=all"],
            id="interlaced, says only the container",
        ),
        pytest.param(stream(field_order=None), ["bwdif=mode=send_frame:deint=interlaced"], id="perhaps interlaced"),
        pytest.param(
            stream(codec="mpeg2video"), ["bwdif=mode=send_frame:deint=interlaced"], id="interlaced in other parts"
        ),
        pytest.param(stream(field_order="tt", width=8, height=8), [], id="too small for fields"),
        pytest.param(
            stream(height=1000, coded_width=1920, coded_height=1080, crop=Crop(top=30, bottom=50)),
            ["crop=w=iw-0:h=ih-80:x=0:y=30"],
            id="cropped",
        ),
        pytest.param(stream(rotation=90, width=1080, height=1920), ["transpose=clock"], id="a quarter"),
        pytest.param(stream(rotation=180), ["hflip", "vflip"], id="half"),
        pytest.param(stream(rotation=270, width=1080, height=1920), ["transpose=cclock"], id="three quarters"),
        pytest.param(stream(mirrored=True), ["hflip"], id="mirrored"),
        pytest.param(stream(mirrored=True, rotation=180), ["vflip"], id="upside down"),
        pytest.param(
            stream(mirrored=True, rotation=90, width=1080, height=1920), ["hflip", "transpose=clock"], id="transposed"
        ),
    ],
)
def test_what_a_picture_needs_is_done_once_and_in_order(source: VideoStream, expected: list[str]) -> None:
    names = ("bwdif", "crop", "transpose", "hflip", "vflip")
    found = filters(source)
    assert [one for one in found if one.startswith(names)] == expected
    assert found.index(next(one for one in found if one.startswith("pad="))) == 2, "no pixel is looked at before"


@pytest.mark.parametrize(
    ("source", "scaled"),
    [
        pytest.param(
            stream(width=720, height=576, sar=Fraction(64, 45)), "scale=w=1024:h=576:out_range=tv", id="wide pixels"
        ),
        pytest.param(
            stream(width=1080, height=1920, rotation=90), "scale=w=1920:h=1080:out_range=tv", id="scaled lying"
        ),
        pytest.param(stream(pix_fmt="gbrp"), "scale=w=1920:h=1080:out_range=tv:out_color_matrix=bt709", id="RGB"),
        pytest.param(
            stream(matrix="smpte240m"), "scale=w=1920:h=1080:out_range=tv:out_color_matrix=bt709", id="another matrix"
        ),
    ],
)
def test_what_is_scaled(source: VideoStream, scaled: str) -> None:
    assert [one for one in filters(source) if one.startswith("scale=w=") and "eval" not in one] == [scaled]


def test_frames_of_another_shape_get_bars() -> None:
    source = stream(width=720, height=576, sar=Fraction(64, 45))
    normaliser = filters(source)[1]
    # ffmpeg from 7 on hides that the shape of pixels has changed: then the number of pixels means nothing.
    assert "if(lt(abs(dar*9/16-1),0.02)+lt(abs(sar*45/64-1),0.001),720," in normaliser
    turned = filters(attrs.evolve(source, width=576, height=720, sar=Fraction(45, 64), rotation=90))[1]
    assert turned == normaliser, "frames come lying"
    cropped = filters(attrs.evolve(source, height=500, coded_width=720, coded_height=576, crop=Crop(top=76)))[1]
    assert "if(lt(abs(a*4/5-1),0.02),720," in cropped, "the shape of pixels is not known alike by all"


def test_hdr_becomes_sdr_and_nothing_says_otherwise() -> None:
    source = stream(transfer="smpte2084", peak=1000.0, mirrored=True)
    found = filters(source)
    assert found[0] == "setparams=range=tv:color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc"
    assert "tonemap=reinhard:param=0.1667:desat=0:peak=10.0000" in found
    assert found[-4:] == ["hflip", *UPRIGHT_HD, "sidedata=mode=delete"]
    assert "scale=out_color_matrix=smpte170m:out_range=pc" in filters(source, jpeg=True)


def test_frames_that_are_reshaped_are_not_marked() -> None:
    source = stream(dolby_vision=DolbyVision(5, 6, 0))
    found = filters(source, Capabilities.everything("libplacebo"))
    assert found[0].startswith("scale=")
    assert any("apply_dolbyvision=true" in one for one in found)


def test_jpeg_is_bt601_of_full_range() -> None:
    """Programs that show JPEG know nothing else."""
    found = filters(stream(), jpeg=True)
    assert found[3:5] == ["scale=w=1920:h=1080:out_range=pc:out_color_matrix=smpte170m", "format=yuvj420p"]


def test_ffmpeg_puts_no_filter_before_ours() -> None:
    assert list(decoding_argv(ALL)) == ["-reinit_filter:v", "0", "-noautorotate", "-apply_cropping:v", "codec"]
    assert list(decoding_argv(Capabilities())) == ["-reinit_filter:v", "0", "-noautorotate"]


def test_the_graph_has_an_idle_branch() -> None:
    """Without it, ffmpeg 5.1 tells players to turn what is upright already."""
    found = graph(stream(index=3), timing=("fps=5", "setpts=PTS"))
    assert found.startswith("[0:3]fps=5,setpts=PTS,setparams=")
    assert found.endswith("[v];[0:3]nullsink")


@given(video_streams, st.sampled_from([None, "libplacebo", "zscale", "scale"]), st.booleans())
def test_any_graph_is_well_formed(source: VideoStream, way: Any, jpeg: bool) -> None:
    """No text of the file gets into it: with one, a file could add filters."""
    found = graph(source, Capabilities.everything(way), jpeg=jpeg)
    assert found.count("'") % 2 == 0
    assert set(found.removesuffix(f"[v];[0:{source.index}]nullsink").partition("]")[2]) <= set(
        "abcdefghijklmnopqrstuvwxyzDISPLAYMATRIX0123456789_=:,'()+-*/.<>"
    )
