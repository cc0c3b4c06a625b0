"""Codec strings: with a wrong one, a player refuses the stream, or tries to play it and fails."""

import pytest

from transcoded.plan.cmaf.boxes import BoxError, box, full_box
from transcoded.plan.cmaf.codecs import codec_string

VISUAL, AUDIO = bytes(78), bytes(28)


def descriptor(tag: int, content: bytes, size_bytes: int = 4) -> bytes:
    """A descriptor of MPEG-4 Systems. Its size is written in `size_bytes` bytes with seven bits each."""
    size = [len(content) >> 7 * place & 0x7F | (0x80 if place else 0) for place in reversed(range(size_bytes))]
    return bytes([tag, *size]) + content


def esds(object_type: int, specific: bytes | None, flags: int = 0, extra: bytes = b"", size_bytes: int = 4) -> bytes:
    inner = descriptor(5, specific, size_bytes) if specific is not None else b""
    config = descriptor(4, bytes([object_type]) + bytes(12) + inner, size_bytes)
    sync_layer = descriptor(6, b"\x02", size_bytes)
    return full_box(b"esds", 0, 0, descriptor(3, b"\0\1" + bytes([flags]) + extra + config + sync_layer, size_bytes))


@pytest.mark.parametrize(
    ("entry", "config", "codec"),
    [
        pytest.param(b"avc1", VISUAL + box(b"avcC", b"\1\x64\0\x1f\xff"), "avc1.64001f", id="high 3.1"),
        pytest.param(b"avc3", VISUAL + box(b"avcC", b"\1\x42\xc0\x15"), "avc3.42c015", id="constrained baseline"),
        pytest.param(
            b"avc1", VISUAL + box(b"pasp") + box(b"avcC", b"\1\x4d\x40\x28"), "avc1.4d4028", id="after another box"
        ),
        pytest.param(
            b"hvc1",
            VISUAL + box(b"hvcC", bytes.fromhex("01 01 60000000 b00000000000 5d")),
            "hvc1.1.6.L93.B0",
            id="hevc main",
        ),
        pytest.param(
            b"hev1",
            VISUAL + box(b"hvcC", bytes.fromhex("01 22 20000000 900000000000 99")),
            "hev1.2.4.H153.90",
            id="hevc main 10, high tier",
        ),
        pytest.param(
            b"hvc1",
            VISUAL + box(b"hvcC", bytes.fromhex("01 41 60000000 000000000000 5d")),
            "hvc1.A1.6.L93",
            id="hevc profile space, no constraints",
        ),
        pytest.param(b"av01", VISUAL + box(b"av1C", b"\x81\x08\x0c\0"), "av01.0.08M.08", id="av1 8 bit"),
        pytest.param(b"av01", VISUAL + box(b"av1C", b"\x81\x2d\xcc\0"), "av01.1.13H.10", id="av1 high, 10 bit"),
        pytest.param(b"av01", VISUAL + box(b"av1C", b"\x81\x48\x6c\0"), "av01.2.08M.12", id="av1 12 bit"),
        pytest.param(b"vp09", VISUAL + full_box(b"vpcC", 1, 0, b"\x00\x1f\x82"), "vp09.00.31.08", id="vp9"),
        pytest.param(b"mp4a", AUDIO + esds(0x40, b"\x11\x90"), "mp4a.40.2", id="aac lc"),
        pytest.param(b"mp4a", AUDIO + esds(0x40, b"\x2b\x92", size_bytes=1), "mp4a.40.5", id="he-aac, short sizes"),
        pytest.param(b"mp4a", AUDIO + esds(0x40, b"\xf9\x46"), "mp4a.40.42", id="xhe-aac, escaped type"),
        pytest.param(
            b"mp4a",
            AUDIO + esds(0x40, b"\x11\x90", flags=0xE0, extra=b"\0\1" + b"\2ab" + b"\0\2"),
            "mp4a.40.2",
            id="aac with all optional fields",
        ),
        pytest.param(b"mp4a", AUDIO + esds(0x6B, None), "mp4a.6B", id="mp3"),
        pytest.param(b"Opus", AUDIO, "opus", id="opus"),
        pytest.param(b"fLaC", AUDIO, "fLaC", id="flac"),
        pytest.param(b"ac-3", AUDIO, "ac-3", id="ac-3"),
        pytest.param(b"ec-3", AUDIO, "ec-3", id="e-ac-3"),
    ],
)
def test_the_codec_string_of_a_sample_entry(entry: bytes, config: bytes, codec: str) -> None:
    assert codec_string(entry, config) == codec


@pytest.mark.parametrize(
    ("entry", "config"),
    [
        pytest.param(b"avc1", VISUAL, id="no avcC"),
        pytest.param(b"avc1", VISUAL + box(b"avcC", b"\1"), id="short avcC"),
        pytest.param(b"mp4a", AUDIO, id="no esds"),
        pytest.param(b"mp4a", AUDIO + full_box(b"esds", 0, 0), id="empty esds"),
        pytest.param(b"mp4a", AUDIO + full_box(b"esds", 0, 0, b"\3\xff\xff"), id="a size that does not end"),
        pytest.param(b"mp4a", AUDIO + esds(0x40, None), id="no audio object type"),
    ],
)
def test_a_damaged_sample_entry_is_an_error(entry: bytes, config: bytes) -> None:
    with pytest.raises(BoxError):
        codec_string(entry, config)
