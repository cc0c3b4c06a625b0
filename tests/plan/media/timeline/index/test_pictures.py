"""Whether a frame can be a keyframe. An index that calls all frames so would have a film cut where no player can begin."""

import pytest

from transcoded.plan.media.timeline.index.pictures import Look

AVC = Look.of("h264", b"\x01\x64\x00\x1f\xff\xe1")
HEVC = Look.of("hevc", b"\x01" + bytes(20) + b"\x0f")


def units(*found: bytes, width: int = 4) -> bytes:
    return b"".join(len(unit).to_bytes(width, "big") + unit for unit in found)


SPS, SEI, RECOVERY = b"\x67abc", b"\x06\x05\x04abcd\x80", b"\x06\x06\x01\xc4\x80"
IDR, INTER = b"\x65" + bytes(90), b"\x41" + bytes(90)


@pytest.mark.parametrize(
    ("frame", "denied"),
    [
        (units(SPS, SEI, IDR), False),
        (units(b"\x09\xf0", SPS, RECOVERY, INTER), False),
        (units(SEI, INTER), True),
        (units(INTER), True),
        (units(SEI), False),
        (b"", False),
        (b"\xff" * 100, False),
        (bytes(100), False),
    ],
    ids=["IDR", "recovery point", "inter", "inter alone", "too short to tell", "empty", "no units", "zeros"],
)
def test_a_frame_of_h264(frame: bytes, denied: bool) -> None:
    assert AVC.denies(frame) is denied


@pytest.mark.parametrize(("kind", "denied"), [(1, True), (9, True), (16, False), (19, False), (21, False), (32, False)])
def test_a_frame_of_hevc(kind: int, denied: bool) -> None:
    assert HEVC.denies(units(b"\x40\x01", bytes([kind << 1, 1]) + bytes(50))) is denied


@pytest.mark.parametrize(
    ("first", "denied"), [(0b10000010, False), (0b10000110, True), (0b10110001, False), (0b10110010, True), (0, False)]
)
def test_a_frame_of_vp9(first: int, denied: bool) -> None:
    assert Look.of("vp9", b"").denies(bytes([first, 0x49])) is denied


def test_what_is_not_known_is_not_denied() -> None:
    assert not Look.of("av1", b"\x81").denies(bytes(10))
    assert not Look.of("h264", b"").denies(units(INTER))
    assert not Look.of("h264", bytes(40)).denies(units(INTER))
    assert not Look.of("vp9", b"").denies(b"")
    assert AVC.denies(units(INTER)), "in units with lengths of four bytes"
    assert Look.of("h264", b"\x01\x64\x00\x1f\xfd").denies(units(INTER, width=2)), "or of two"
