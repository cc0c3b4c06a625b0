"""The `CODECS` of playlists and manifests (RFC 6381, section 3): as promised in advance, and as an init segment says.

Each format has its own rule, named beside it. What is not known gives the four characters of the entry alone, which
RFC 6381 allows and a player can refuse.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction

from transcoded.plan.cmaf.boxes import BoxError, child, unpack

# Bytes of a sample entry before the boxes in it: ISO/IEC 14496-12, sections 12.1.3 (visual) and 12.2.3 (audio).
_VISUAL, _AUDIO = 78, 28

# ISO/IEC 14496-1, section 7.2.2.1: tags of the descriptors in an esds.
_ES, _DECODER_CONFIG, _DECODER_SPECIFIC = 3, 4, 5


def codec_string(entry: bytes, config: bytes) -> str:
    """The codec string for a sample entry: its type of four characters and its payload.

    Raises `BoxError` if the box that describes the codec is missing or too short.
    """
    name = entry.decode("latin-1")
    reader = _READERS.get(name)
    return reader(name, config) if reader else name


def avc_string(profile: int, constraints: int, level: int, entry: str = "avc1") -> str:
    """H.264: `avc1.PPCCLL`, the three bytes of the sequence parameter set in hexadecimal (RFC 6381, section 3.3)."""
    return f"{entry}.{profile:02x}{constraints:02x}{level:02x}"


AAC_CODEC = "mp4a.40.2"
"""MPEG-4 AAC LC; ffmpeg's encoder makes nothing else (RFC 6381, section 3.3)."""

# ITU-T H.264, table A-1: level_idc, macroblocks a second, macroblocks a frame, and kbit/s (High is allowed 1.25 times).
_LEVELS = (
    (30, 40_500, 1_620, 10_000),
    (31, 108_000, 3_600, 14_000),
    (32, 216_000, 5_120, 20_000),
    (40, 245_760, 8_192, 20_000),
    (41, 245_760, 8_192, 50_000),
    (42, 522_240, 8_704, 50_000),
    (50, 589_824, 22_080, 135_000),
    (51, 983_040, 36_864, 240_000),
    (52, 2_073_600, 36_864, 240_000),
    (60, 4_177_920, 139_264, 240_000),
    (61, 8_355_840, 139_264, 480_000),
    (62, 16_711_680, 139_264, 800_000),
)


def h264_level(width: int, height: int, rate: Fraction, bit_rate: int) -> int:
    """The lowest level_idc, from 3.0 on, that allows this picture in the High profile (ITU-T H.264, table A-1)."""
    blocks = -(-width // 16) * -(-height // 16)
    for level, per_second, per_frame, kilobits in _LEVELS:
        # Section A.3.1: no side longer than the square root of eight frames' worth of macroblocks.
        long = max(-(-width // 16), -(-height // 16)) ** 2 > 8 * per_frame
        if not long and blocks <= per_frame and blocks * rate <= per_second and bit_rate <= kilobits * 1250:
            return level
    return _LEVELS[-1][0]


def _avc(name: str, config: bytes) -> str:
    """ISO/IEC 14496-15, section 5.3.3: the three bytes after the configuration's version."""
    _, profile, constraints, level = unpack(">BBBB", child(config[_VISUAL:], b"avcC"), 0)
    return avc_string(profile, constraints, level, name)


def _hevc(name: str, config: bytes) -> str:
    """ISO/IEC 14496-15, annex E.3: profile, compatibility in reversed bits, tier and level, constraint bytes."""
    _, profile, compatible, high, low, level = unpack(">BBIIHB", child(config[_VISUAL:], b"hvcC"), 0)
    space = ("", "A", "B", "C")[profile >> 6]
    reversed_bits = int(f"{compatible:032b}"[::-1], 2)
    constraints = (high << 16 | low).to_bytes(6, "big").rstrip(b"\0")
    tail = "".join(f".{byte:X}" for byte in constraints)
    return f"{name}.{space}{profile & 31}.{reversed_bits:X}.{'LH'[profile >> 5 & 1]}{level}{tail}"


def _av1(name: str, config: bytes) -> str:
    """AV1 Codec ISO Media File Format Binding, section 5: profile, level and tier, bit depth."""
    _, first, second = unpack(">BBB", child(config[_VISUAL:], b"av1C"), 0)
    high, twelve = second & 0x40, second & 0x20
    depth = (12 if twelve else 10) if high else 8
    return f"{name}.{first >> 5}.{first & 31:02d}{'MH'[second >> 7]}.{depth:02d}"


def _vp9(name: str, config: bytes) -> str:
    """VP Codec ISO Media File Format Binding: profile, level, bit depth, of the `vpcC` behind its version."""
    _, profile, level, depth = unpack(">IBBB", child(config[_VISUAL:], b"vpcC"), 0)
    return f"{name}.{profile:02d}.{level:02d}.{depth >> 4:02d}"


def _mpeg4_audio(name: str, config: bytes) -> str:
    """RFC 6381, section 3.3: the object type indication in hexadecimal and, for MPEG-4 audio, the audio object type."""
    descriptors = dict(_descriptors(child(config[_AUDIO:], b"esds")[4:]))
    decoder = descriptors.get(_DECODER_CONFIG)
    if not decoder:
        raise BoxError("an esds box has no decoder configuration")
    if decoder[0] != 0x40:
        return f"{name}.{decoder[0]:02X}"
    specific = descriptors.get(_DECODER_SPECIFIC, b"")
    (word,) = unpack(">H", specific, 0)
    # ISO/IEC 14496-3, section 1.6.2.1: 31 is the escape to six more bits.
    kind = word >> 11
    return f"{name}.40.{kind if kind != 31 else 32 + (word >> 5 & 63)}"


def _descriptors(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of the descriptors, and of those inside (ISO/IEC 14496-1, section 8.3.3: seven bits a byte)."""
    at = 0
    while at < len(data):
        tag, size, at = data[at], 0, at + 1
        while at < len(data):
            byte, at = data[at], at + 1
            size = size << 7 | byte & 0x7F
            if not byte & 0x80:
                break
        content, at = data[at : at + size], at + size
        yield tag, content
        if tag == _ES:
            flags = content[2] if len(content) > 2 else 0
            # Flags of what is in between: the stream this depends on, a URL with its length, a clock's stream.
            after = 3 + 2 * bool(flags & 0x80)
            if flags & 0x40:
                after += 1 + int.from_bytes(content[after : after + 1], "big")
            yield from _descriptors(content[after + 2 * bool(flags & 0x20) :])
        elif tag == _DECODER_CONFIG:
            yield from _descriptors(content[13:])


_READERS: dict[str, Callable[[str, bytes], str]] = {
    "avc1": _avc,
    "avc3": _avc,
    "hvc1": _hevc,
    "hev1": _hevc,
    "av01": _av1,
    "vp09": _vp9,
    "mp4a": _mpeg4_audio,
    "Opus": lambda _name, _config: "opus",  # RFC 6381 names are case-sensitive: this is the registered one
}
