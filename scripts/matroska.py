"""Writes a small Matroska file with one stream of any codec: for samples of codecs that no free encoder writes."""

import struct


def matroska(*, kind: int, private: bytes, packet: bytes, rate: int = 8000, channels: int = 1, size: int = 64) -> bytes:
    """A file with one packet four times. `kind` is 1 for video, 2 for audio, 17 for subtitles; `private` is the CodecPrivate.

    The codec is not named: the reader has to say which decoder it wants.
    """
    track = _number("D7", 1) + _number("73C5", 1) + _number("83", kind) + _element("63A2", private)
    if kind == 1:
        track += _element("86", b"V_MS/VFW/FOURCC") + _element("E0", _number("B0", size) + _number("BA", size))
    elif kind == 2:
        sound = _element("B5", struct.pack(">d", rate)) + _number("9F", channels)
        track += _element("86", b"A_MS/ACM") + _element("E1", sound)
    else:
        track += _element("86", b"S_NONE")
    blocks = b"".join(_element("A3", b"\x81" + struct.pack(">hB", at * 40, 0x80) + packet) for at in range(4))
    segment = (
        _element("1549A966", _number("2AD7B1", 1_000_000))
        + _element("1654AE6B", _element("AE", track))
        + _element("1F43B675", _number("E7", 0) + blocks)
    )
    return _element("1A45DFA3", _element("4282", b"matroska")) + _element("18538067", segment)


def bitmap_header(extra: bytes = b"", bits: int = 24, tag: bytes = b"\0\0\0\0", size: int = 64) -> bytes:
    """BITMAPINFOHEADER, the CodecPrivate of V_MS/VFW/FOURCC."""
    return struct.pack("<IiiHH4sIiiII", 40 + len(extra), size, size, 1, bits, tag, size * size * 3, 0, 0, 0, 0) + extra


def wave_header(extra: bytes = b"", channels: int = 1, rate: int = 8000, align: int = 32, tag: int = 0xFF00) -> bytes:
    """WAVEFORMATEX, the CodecPrivate of A_MS/ACM."""
    return struct.pack("<HHIIHHH", tag, channels, rate, rate, align, 16, len(extra)) + extra


def _element(name: str, data: bytes) -> bytes:
    return bytes.fromhex(name) + (1 << 56 | len(data)).to_bytes(8, "big") + data


def _number(name: str, value: int) -> bytes:
    return _element(name, value.to_bytes(4, "big"))
