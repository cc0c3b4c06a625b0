"""Files that attack ffmpeg's memory: small, and each claims to be large."""

import struct


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full(kind: bytes, *parts: bytes, flags: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", flags), *parts)


def mp4_with_samples(count: int) -> bytes:
    """An MP4 of 4.6 KB whose sample table claims `count` samples of one byte (ISO/IEC 14496-12, section 8.7)."""
    matrix = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    movie_header = _full(
        b"mvhd",
        struct.pack(">IIII", 0, 0, 1000, 1000),
        struct.pack(">IHH8x", 0x10000, 0x100, 0),
        matrix,
        bytes(24),
        struct.pack(">I", 2),
    )
    track_header = _full(
        b"tkhd",
        struct.pack(">IIIII", 0, 0, 1, 0, 1000),
        bytes(8),
        bytes(8),
        matrix,
        struct.pack(">II", 64 << 16, 64 << 16),
        flags=3,
    )
    entry = _box(
        b"jpeg",
        *(bytes(6), struct.pack(">H", 1), bytes(16), struct.pack(">HHIII", 64, 64, 0x480000, 0x480000, 0)),
        *(struct.pack(">H", 1), bytes(32), struct.pack(">Hh", 24, -1)),
    )
    tables = _box(
        b"stbl",
        _full(b"stsd", struct.pack(">I", 1), entry),
        _full(b"stts", struct.pack(">III", 1, count, 1)),
        _full(b"stsc", struct.pack(">IIII", 1, 1, count, 1)),
        _full(b"stsz", struct.pack(">II", 1, count)),
        _full(b"stco", struct.pack(">II", 1, 700)),
    )
    reference = _box(b"dinf", _full(b"dref", struct.pack(">I", 1), _full(b"url ", flags=1)))
    media = _box(
        b"mdia",
        _full(b"mdhd", struct.pack(">IIIIHH", 0, 0, 1000, count, 0x55C4, 0)),
        _full(b"hdlr", bytes(4), b"vide", bytes(12), b"v\0"),
        _box(b"minf", _full(b"vmhd", bytes(8), flags=1), reference, tables),
    )
    movie = _box(b"moov", movie_header, _box(b"trak", track_header, media))
    return _box(b"ftyp", b"isom", bytes(4), b"isom") + movie + _box(b"mdat", bytes(4000))


def vp8_with_size(width: int, height: int) -> bytes:
    """Three VP8 keyframes (RFC 6386, section 9.1) in IVF, 12 KB, that claim this size."""
    frame = (
        struct.pack("<I", 2000 << 5 | 1 << 4)[:3] + b"\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(4000)
    )
    header = b"DKIF" + struct.pack("<HH4sHHIIII", 0, 32, b"VP80", width, height, 25, 1, 3, 0)
    return header + b"".join(struct.pack("<IQ", len(frame), number) + frame for number in range(3))
