"""Hardware that codes video: tried where there is a device, and told with the reason where it does not work."""

from typing import get_args

import pytest

from transcoded.plan.media.attempts import Picture
from transcoded.plan.media.capabilities import EngineName
from transcoded.plan.media.codec_trials import ENCODERS, Claims, Sample
from transcoded.plan.media.engine_trials import ENGINES, concluded_engines, engine_attempts, hardware_encoders

SAMPLES = [Sample(codec, "video", "matroska", b"x") for codec in ("h264", "hevc", "av1", "mpeg2video")]
CLAIMS = Claims(
    {"h264": ["h264", "h264_v4l2m2m"], "hevc": ["hevc"], "av1": ["av1"], "mpeg2video": ["mpeg2video", "mpeg2_v4l2m2m"]},
    frozenset({"h264_nvenc", "hevc_nvenc", "h264_vaapi", "libx264", "h264_v4l2m2m"}),
    frozenset({"scale_cuda", "bwdif_cuda", "transpose_cuda", "overlay_cuda"}),
)


def subjects(devices: dict[str, list[str]]) -> set[str]:
    return {subject for one in engine_attempts(CLAIMS, SAMPLES, devices) for subject in one.subjects}


def test_every_engine_is_told_of() -> None:
    names = [one.name for one in concluded_engines(frozenset(), {}, {})]
    assert names == list(get_args(EngineName))
    assert names[:-1] == [kind.name for kind in ENGINES]


def test_what_has_no_device_is_not_tried_and_says_so() -> None:
    assert subjects({}) == set()
    by_name = {one.name: one for one in concluded_engines(frozenset(), {}, {})}
    assert not by_name["rkmpp"].works
    assert by_name["rkmpp"].why == "not tried: there is no /dev/mpp_service"


def test_encoders_that_are_there_and_decoding_are_tried_each_alone() -> None:
    """One codec that a card does not know must not hide the others."""
    found = subjects({"nvenc": ["/dev/nvidia0"]})
    assert {"encodes/nvenc/h264", "encodes/nvenc/hevc", "decodes/nvenc/av1", "decodes/nvenc/mpeg2video"} <= found
    assert "encodes/nvenc/av1" not in found
    assert all(len(one.subjects) == 1 for one in engine_attempts(CLAIMS, SAMPLES, {"nvenc": ["/dev/nvidia0"]}))


def test_a_decoder_of_hardware_that_falls_back_to_software_proves_nothing() -> None:
    (attempt,) = [
        one
        for one in engine_attempts(CLAIMS, SAMPLES, {"nvenc": ["/dev/nvidia0"]})
        if one.subjects == {"decodes/nvenc/h264"}
    ]
    text = " ".join(attempt.arguments)
    assert "-hwaccel cuda -hwaccel_output_format cuda" in text
    assert "hwdownload" in text, "it takes no frames of software"


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        # Of four pixels, the one above on the left is white. Turned, it is the one on the right.
        ("scale_cuda", bytes((235, 126, 126, 126)), bytes((16, 16, 16, 16))),
        ("bwdif_cuda", bytes((235, 120, 126, 128)), bytes((235, 235, 126, 126))),
        ("transpose_cuda", bytes((126, 235, 126, 126)), bytes((235, 126, 126, 126))),
        ("overlay_cuda", bytes((235, 126, 126, 126)), bytes((126, 126, 126, 126))),
    ],
)
def test_a_filter_must_give_the_right_picture(name: str, right: bytes, wrong: bytes) -> None:
    (picture,) = [
        one
        for one in engine_attempts(CLAIMS, SAMPLES, {"nvenc": ["/dev/nvidia0"]})
        if one.subjects == {f"device_filters/nvenc/{name}"}
    ]
    assert isinstance(picture, Picture)
    assert not picture.helper, "CUDA reserves more addresses than a helper may have"
    assert picture.proven(wrong + right, None) == picture.subjects, "the last one counts"
    for output in (wrong, right + wrong, b"", right[:3]):
        assert not picture.proven(output, None), output
    assert not picture.proven(right, "ended with exit status 1")


def test_vaapi_uses_the_device_that_was_found() -> None:
    (attempt,) = [
        one
        for one in engine_attempts(CLAIMS, SAMPLES, {"vaapi": ["/dev/dri/renderD129"]})
        if one.subjects == {"encodes/vaapi/h264"}
    ]
    text = " ".join(attempt.arguments)
    assert "-init_hw_device vaapi=hw:/dev/dri/renderD129 -filter_hw_device hw" in text
    assert "-filter:0 format=nv12,hwupload -c:0 h264_vaapi" in text


def test_an_engine_with_decoders_of_its_own_is_tried_by_their_names() -> None:
    found = subjects({"v4l2m2m": ["/dev/video0"]})
    assert found == {"encodes/v4l2m2m/h264", "decodes/v4l2m2m/h264", "decodes/v4l2m2m/mpeg2video"}


def test_what_works_and_why_the_rest_does_not() -> None:
    proven = frozenset({"encodes/nvenc/h264", "decodes/nvenc/av1", "decoders/h264", "decoders/aac", "encoders/libx265"})
    problems = {"encodes/nvenc/hevc": "says: no capable devices", "decodes/vaapi/h264": "says: Permission denied"}
    devices = {"nvenc": ["/dev/nvidia0"], "vaapi": ["/dev/dri/renderD128"], "amf": ["/dev/dri/renderD128"]}
    by_name = {one.name: one for one in concluded_engines(proven, problems, devices)}
    nvenc, vaapi, amf, software = (by_name[name] for name in ("nvenc", "vaapi", "amf", "software"))
    assert (nvenc.works, nvenc.encodes, nvenc.decodes) == (True, {"h264"}, {"av1"})
    assert (vaapi.works, vaapi.why) == (False, "tried: ffmpeg says: Permission denied")
    assert amf.why == "not tried: this ffmpeg has no encoder and no decoder for it"
    assert (software.works, software.encodes, software.decodes) == (True, {"hevc"}, {"h264"})
    assert hardware_encoders(proven) == {"h264_nvenc"}


def test_the_encoders_of_software_are_among_those_that_are_tried() -> None:
    every = frozenset(f"encoders/{name}" for name in ENCODERS)
    assert concluded_engines(every, {}, {})[-1].encodes == {"h264", "hevc", "av1", "vp8", "vp9"}
