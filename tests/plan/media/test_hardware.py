"""Chains of hardware: which there are for a stream, in which order, and their arguments, in tables for each engine."""

from typing import Any, get_args

import attrs
import pytest

from tests.plan.examples import VIDEO_STREAM
from transcoded.plan.media.capabilities import Capabilities, CodecEngine, EngineName
from transcoded.plan.media.hardware import (
    DEVICES,
    ORDER,
    SOFTWARE,
    Chain,
    chain_picture_argv,
    chains,
    decoder_argv,
    encoder_argv,
    encoding_engine,
    engine_order,
    opening_argv,
)
from transcoded.plan.media.probe import Crop, SubtitleStream, VideoStream

FILTERS = frozenset(
    described.partition("=")[0]
    for device in DEVICES.values()
    for described in (device.scale, device.deinterlace, device.transpose, device.tone_map, device.overlay)
    if described is not None
)
CODECS = frozenset({"h264", "hevc"})
HD = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
PQ = "setparams=range=tv:color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc"
LAST = f"setsar=1,{HD},sidedata=mode=delete:type=DISPLAYMATRIX"
HDR = {
    "codec": "hevc",
    "pix_fmt": "yuv420p10le",
    "transfer": "smpte2084",
    "primaries": "bt2020",
    "matrix": "bt2020nc",
}
IMAGES = SubtitleStream(2, 0, "hdmv_pgs_subtitle", text=False)


def stream(**changes: Any) -> VideoStream:
    return attrs.evolve(
        VIDEO_STREAM, **{"field_order": "progressive", "width": 1920, "height": 1080, "pix_fmt": "yuv420p", **changes}
    )


def able(*names: EngineName, **changes: Any) -> Capabilities:
    """An ffmpeg with engines that can do everything, but for the changes."""
    engines = tuple(
        attrs.evolve(CodecEngine(name, True, "", CODECS, CODECS, CODECS, FILTERS), **changes) for name in names
    )
    return attrs.evolve(Capabilities.everything("zscale"), engines=engines)


def names(source: VideoStream, capabilities: Capabilities, **more: Any) -> list[str]:
    return [one.name for one in chains(source, "h264", capabilities, **more)]


def graph(engine: EngineName, source: VideoStream, decodes: EngineName | None = None, **more: Any) -> str:
    chain = Chain(engine, engine if decodes is None else decodes)
    _, found, *_ = chain_picture_argv(chain, source, ("fps=25",), 1280, 720, able(engine), **more)
    return found.removeprefix(f"[0:{source.index}]").removesuffix(f"[v];[0:{source.index}]nullsink")


def test_every_engine_has_its_place() -> None:
    assert sorted([*ORDER, "software"]) == sorted(get_args(EngineName))
    assert set(DEVICES) == set(ORDER)


def test_the_whole_device_comes_before_the_encoder_and_software_last() -> None:
    assert names(stream(), able("nvenc")) == ["nvenc", "software-nvenc", "software"]
    assert names(stream(), able("vaapi", "nvenc")) == ["nvenc", "software-nvenc", "vaapi", "software-vaapi", "software"]
    assert names(stream(), able("nvenc", "vaapi"), order=("vaapi",)) == ["vaapi", "software-vaapi", "software"]
    assert names(stream(), able("nvenc"), order=()) == ["software"]
    assert names(stream(), able("nvenc", works=False)) == ["software"]


def test_a_card_that_only_decodes_decodes() -> None:
    """Those of data centres have no encoder."""
    assert names(stream(), able("nvenc", encodes=frozenset())) == ["nvenc-software", "software"]


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(stream(codec="vp9"), id="a codec that it does not know"),
        pytest.param(stream(pix_fmt="yuv422p"), id="4:2:2"),
        pytest.param(stream(pix_fmt="gbrp"), id="RGB"),
        pytest.param(stream(crop=Crop(8, 8, 0, 0)), id="cropped"),
        pytest.param(stream(color_range="pc"), id="full range"),
        pytest.param(stream(matrix="smpte240m"), id="a matrix that players do not know"),
        pytest.param(stream(**HDR), id="HDR, and no tone mapper"),
    ],
)
def test_what_filters_of_the_card_do_not_do_is_done_by_the_cpu(source: VideoStream) -> None:
    assert names(source, able("nvenc")) == ["software-nvenc", "software"]


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        (stream(field_order="tt"), "bwdif_cuda"),
        (stream(rotation=90), "transpose_cuda"),
        (stream(), "scale_cuda"),
    ],
)
def test_a_filter_that_was_not_proven_is_not_used(source: VideoStream, missing: str) -> None:
    assert names(source, able("nvenc"))[0] == "nvenc"
    assert names(source, able("nvenc", filters=FILTERS - {missing}))[0] == "software-nvenc"


def test_ten_bits_need_a_decoder_for_ten_bits() -> None:
    deep = stream(codec="hevc", pix_fmt="yuv420p10le")
    assert names(deep, able("nvenc"))[0] == "nvenc"
    assert names(deep, able("nvenc", decodes_10_bit=frozenset()))[0] == "software-nvenc"


def test_text_is_drawn_by_the_cpu_and_images_by_the_card() -> None:
    text = attrs.evolve(IMAGES, text=True, codec="subrip")
    assert names(stream(), able("vaapi"), burn=text)[0] == "software-vaapi"
    assert names(stream(), able("vaapi"), burn=IMAGES)[0] == "vaapi"
    assert names(stream(), able("amf"), burn=IMAGES)[0] == "software-amf"


def test_hlg_is_mapped_only_by_what_knows_it() -> None:
    hlg = stream(**{**HDR, "transfer": "arib-std-b67"})
    assert names(hlg, able("vaapi"))[0] == "software-vaapi"
    assert names(hlg, able("vulkan"))[0] == "vulkan"


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        ("nvenc", f"fps=25,{HD},scale_cuda=w=1280:h=720:format=yuv420p,{LAST}"),
        ("vaapi", f"fps=25,{HD},scale_vaapi=w=1280:h=720:format=nv12:out_color_matrix=bt709:out_range=tv,{LAST}"),
        ("qsv", f"fps=25,{HD},scale_qsv=w=1280:h=720:format=nv12,{LAST}"),
        ("vulkan", f"fps=25,{HD},libplacebo=w=1280:h=720:format=nv12:colorspace=bt709:range=tv:peak_detect=0,{LAST}"),
        ("amf", f"fps=25,{HD},vpp_amf=w=1280:h=720:format=nv12,{LAST}"),
        ("videotoolbox", f"fps=25,{HD},scale_vt=w=1280:h=720,{LAST}"),
    ],
)
def test_frames_that_stay_on_the_device(engine: EngineName, expected: str) -> None:
    assert graph(engine, stream()) == expected


@pytest.mark.parametrize(
    ("engine", "last"),
    [
        ("nvenc", "format=yuv420p"),
        ("vaapi", "format=nv12,hwupload"),
        ("qsv", "format=nv12"),
        ("vulkan", "format=nv12,hwupload"),
        ("amf", "format=nv12"),
        ("v4l2m2m", "format=nv12"),
        ("rkmpp", "format=nv12"),
        ("videotoolbox", "format=nv12"),
    ],
)
def test_frames_of_the_cpu_go_to_the_encoder(engine: EngineName, last: str) -> None:
    found = graph(engine, stream(), decodes="software")
    assert found.endswith(f"{LAST},{last}")
    assert "bwdif" not in found
    assert "scale=w=1280:h=720" in found


def test_frames_of_a_card_that_only_decodes_come_to_the_cpu_when_they_are_small() -> None:
    assert graph("software", stream(), decodes="nvenc") == (
        f"fps=25,{HD},scale_cuda=w=1280:h=720:format=yuv420p,hwdownload,format=yuv420p,{LAST}"
    )


def test_all_that_a_device_does_comes_in_order() -> None:
    turned = stream(field_order="tt", rotation=90, width=1080, height=1920)
    found = chain_picture_argv(Chain("vaapi", "vaapi"), turned, (), 720, 1280, able("vaapi"))[1]
    order = ("deinterlace_vaapi=rate=frame:auto=1", "scale_vaapi=w=1280:h=720", "transpose_vaapi=dir=clock", "setsar=1")
    assert sorted(order, key=found.index) == list(order)


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        ("vaapi", "scale_vaapi=w=1280:h=720,tonemap_vaapi=format=nv12:primaries=bt709:transfer=bt709:matrix=bt709"),
        (
            "qsv",
            "scale_qsv=w=1280:h=720,vpp_qsv=tonemap=1:format=nv12:out_color_matrix=bt709:out_color_primaries=bt709:out_color_transfer=bt709",
        ),
        (
            "vulkan",
            "libplacebo=w=1280:h=720:format=nv12:colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv:peak_detect=0",
        ),
    ],
)
def test_hdr_keeps_its_bits_until_it_is_mapped(engine: EngineName, expected: str) -> None:
    assert graph(engine, stream(**HDR)) == f"fps=25,{PQ},{expected},setsar=1,{HD},sidedata=mode=delete"


def test_images_are_laid_over_on_the_device() -> None:
    found = graph("nvenc", stream(), burn=IMAGES)
    assert "[1:0]scale=w=1280:h=720:out_color_matrix=bt709:out_range=tv,format=yuva420p,hwupload[images]" in found
    assert "[picture][images]overlay_cuda=x=0:y=0:eof_action=pass:repeatlast=0,setsar=1" in found


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        (SOFTWARE, ""),
        (
            Chain("nvenc", "nvenc"),
            "-init_hw_device cuda=hw -filter_hw_device hw -hwaccel cuda -hwaccel_device hw -hwaccel_output_format cuda",
        ),
        (Chain("nvenc"), ""),
        (
            Chain("software", "nvenc", "1"),
            "-init_hw_device cuda=hw:1 -filter_hw_device hw -hwaccel cuda -hwaccel_device hw -hwaccel_output_format cuda",
        ),
        (
            Chain("vaapi", device="/dev/dri/renderD129"),
            "-init_hw_device vaapi=hw:/dev/dri/renderD129 -filter_hw_device hw",
        ),
        (Chain("v4l2m2m"), ""),
    ],
)
def test_devices_are_opened_before_the_input(chain: Chain, expected: str) -> None:
    assert " ".join(opening_argv(chain)) == expected


def test_decoders_of_intel_have_names_of_their_own() -> None:
    assert decoder_argv(Chain("qsv", "qsv"), "mpeg2video") == ("-c:v", "mpeg2_qsv")
    assert decoder_argv(Chain("nvenc", "nvenc"), "h264") == ()


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        (
            "nvenc",
            (
                "-c:v h264_nvenc -profile:v high -level:v 4.0 -preset p4 -rc vbr -cq 24 -b:v 0 -maxrate:v 3000000 -bufsize:v 3000000 "
                "-forced-idr 1 -no-scenecut 1 -delay 0 -bf 0"
            ),
        ),
        (
            "vaapi",
            "-c:v h264_vaapi -profile:v high -rc_mode VBR -b:v 2400000 -maxrate:v 3000000 -bufsize:v 3000000 -bf 0",
        ),
        (
            "vulkan",
            "-c:v h264_vulkan -profile:v high -rc_mode vbr -b:v 2400000 -maxrate:v 3000000 -bufsize:v 3000000 -bf 0",
        ),
        (
            "qsv",
            (
                "-c:v h264_qsv -profile:v high -preset veryfast -b:v 2400000 -maxrate:v 3000000 -bufsize:v 3000000 -forced_idr 1 "
                "-async_depth 1 -bf 0"
            ),
        ),
        (
            "amf",
            (
                "-c:v h264_amf -profile:v high -level:v 4.0 -usage transcoding -quality speed -rc vbr_peak -b:v 2400000 "
                "-maxrate:v 3000000 -bufsize:v 3000000 -forced_idr 1 -bf 0"
            ),
        ),
        (
            "videotoolbox",
            "-c:v h264_videotoolbox -profile:v high -b:v 2400000 -maxrate:v 3000000 -bufsize:v 3000000 -realtime 1 -allow_sw 0 -bf 0",
        ),
        (
            "rkmpp",
            "-c:v h264_rkmpp -profile:v high -rc_mode VBR -b:v 2400000 -maxrate:v 3000000 -bufsize:v 3000000 -bf 0",
        ),
        ("v4l2m2m", "-c:v h264_v4l2m2m -b:v 2400000"),
    ],
)
def test_encoders_keep_within_the_bandwidth_that_is_announced(engine: EngineName, expected: str) -> None:
    assert " ".join(encoder_argv(Chain(engine), "h264", 3_000_000, 1280 * 720 * 25, 40)) == expected


def test_without_a_limit_quality_decides_where_it_can() -> None:
    rate = 1280 * 720 * 24
    assert "-cq 24 -b:v 0 -forced-idr" in " ".join(encoder_argv(Chain("nvenc"), "h264", None, rate))
    assert "-rc_mode CQP -qp 24" in " ".join(encoder_argv(Chain("vaapi"), "h264", None, rate))
    assert "-rc_mode cqp -qp 24" in " ".join(encoder_argv(Chain("vulkan"), "h264", None, rate))
    assert "-b:v 1474560" in " ".join(encoder_argv(Chain("v4l2m2m"), "h264", None, rate))


def test_the_engine_of_renditions_is_the_first_that_encodes() -> None:
    assert encoding_engine("h264", able("vaapi", "nvenc"), ORDER) == "nvenc"
    assert encoding_engine("h264", able("nvenc", encodes=frozenset()), ORDER) == "software"
    assert encoding_engine("h264", able("nvenc"), ()) == "software"


def test_the_order_of_a_setting() -> None:
    assert engine_order("auto") == (tuple(ORDER), {})
    assert engine_order("software") == ((), {})
    assert engine_order("vaapi=/dev/dri/renderD129, nvenc") == (("vaapi", "nvenc"), {"vaapi": "/dev/dri/renderD129"})
    assert engine_order("nvenc=1,software,vaapi") == (("nvenc",), {"nvenc": "1"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cuda", "'cuda'"),
        ("", "''"),
        ("nvenc,nvenc", "nvenc is there twice"),
        ("nvenc=0 -f null", "takes no device"),
        ("v4l2m2m=/dev/video11", "v4l2m2m takes no device"),
    ],
)
def test_an_order_that_is_none_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        engine_order(text)
