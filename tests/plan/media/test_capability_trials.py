"""From proofs to the value."""

from transcoded.plan.media.capability_trials import attempts, conclude, hardware_attempts
from transcoded.plan.media.codec_trials import Claims, Sample

PROVEN = frozenset(
    {
        *("decoders/h264", "decoders/subrip", "encoders/libx264", "filters/scale", "filters/subtitles"),
        *("burns_in/bitmap", "tone_mapping/zscale", "tone_mapping/libplacebo", "encodes/nvenc/h264"),
    }
)


def test_the_value_has_what_was_proven_and_nothing_else() -> None:
    found = conclude("9.0", PROVEN, {}, {})
    assert (found.version, found.decoders) == ("9.0", {"h264", "subrip"})
    assert found.encoders == {"libx264", "h264_nvenc"}
    assert found.filters >= {"scale", "subtitles", "libplacebo", "zscale", "tonemap"}
    assert "bwdif" not in found.filters
    assert (found.tone_mapping, found.burns_in_text, found.burns_in_bitmap) == ("libplacebo", True, True)


def test_nothing_proven_is_nothing() -> None:
    found = conclude("9.0", frozenset(), {}, {})
    assert found.count == 0
    assert (found.tone_mapping, found.burns_in_text, found.burns_in_bitmap) == (None, False, False)
    assert not any(one.works for one in found.engines)


def test_what_is_needed_most_is_tried_first() -> None:
    """If the deadline comes, films play without their subtitles burned in, and not the other way round."""
    filters = frozenset({"scale", "zscale", "tonemap", "subtitles", "bwdif"})
    claims = Claims({"h264": ["h264"]}, frozenset({"libx264", "h264_nvenc"}), filters)
    samples = [Sample("h264", "video", "matroska", b"x")]
    order = [min(one.subjects) for one in attempts(claims, samples)]
    assert order == [
        *("decoders/h264", "encoders/libx264", "filters/bwdif", "input_options/apply_cropping"),
        *("filters/subtitles", "tone_mapping/zscale"),
    ]
    devices = {"nvenc": ["/dev/nvidia0"]}
    assert {min(one.subjects) for one in hardware_attempts(claims, samples, devices)} >= {"encodes/nvenc/h264"}
