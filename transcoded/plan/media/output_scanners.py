"""Scanners of what ffmpeg's muxers write: each reads one kind of output up to its first byte of media, and keeps nothing of it.

A scanner is a generator. It yields wishes for bytes, gets the bytes of a `Take`, and returns at the first byte of media of the
first stream. `first_media` grants the wishes, from bytes that come in pieces of any size.
"""

import struct
from collections.abc import Callable, Generator, Mapping

import attrs

LONGEST = 1 << 20
"""Bytes of an output that a scanner is given."""


@attrs.frozen
class Take:
    """A wish of a scanner: the next `size` bytes, at least one."""

    size: int


@attrs.frozen
class Skip:
    """A wish of a scanner: to go on behind the next `size` bytes, which may be none."""

    size: int


@attrs.frozen
class Other:
    """A remark of a scanner: the next `size` bytes are media of another stream. They are skipped."""

    size: int


Wish = Take | Skip | Other
Scanner = Generator[Wish, bytes, None]
"""Reads one kind of output, and returns at the first byte of media of the first stream. It gets the bytes of a `Take`."""


def any_byte() -> Scanner:
    """An output whose header is not known: every byte counts."""
    yield Take(1)


_NO_MEDIA = frozenset(
    {
        *(b"ftyp", b"styp", b"moov", b"sidx", b"free", b"skip", b"uuid", b"emsg", b"prft", b"mfra"),
        *(b"mfhd", b"tfdt", b"trun", b"sdtp", b"sbgp", b"sgpd", b"saiz", b"saio", b"senc", b"pssh", b"udta", b"meta"),
    }
)
"""Boxes without media. `mfra` is behind all media, so behind a header if there is none. Those of the second line may be in `moof`."""


def _mp4() -> Scanner:
    """ISO/IEC 14496-12, section 4.2: boxes. The media is in `mdat`, and the `moof` before it says of which tracks. ffmpeg counts them from 1."""
    of_first = True
    while True:
        header = yield Take(8)
        size, kind = struct.unpack(">I4s", header)
        left = size - 8
        if size == 1:
            (large,) = struct.unpack(">Q", (yield Take(8)))
            left = large - 16
        if kind == b"mdat" and not of_first and left > 0:
            yield Other(left)
        elif kind == b"moof":
            of_first = False
        elif kind == b"tfhd" and left >= 8:
            fields = yield Take(8)
            of_first |= fields[4:] == b"\0\0\0\1"
            yield Skip(left - 8)
        elif kind in _NO_MEDIA and left >= 0:
            yield Skip(left)
        elif kind in _NO_MEDIA and size == 0:
            # It goes on to the end of the output. ffmpeg leaves it so if it fails in the middle of a box.
            yield Skip(LONGEST)
        elif kind != b"traf" and not (kind == b"mdat" and left == 0):
            break
    # All that comes now is media, if anything does.
    yield Take(1)


_SEGMENT, _CLUSTER, _BLOCK_GROUP, _SIMPLE_BLOCK, _BLOCK = 0x18538067, 0x1F43B675, 0xA0, 0xA3, 0xA1
_NO_BLOCKS = frozenset(
    {
        *(0x1A45DFA3, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1254C367, 0x1043A770, 0x1941A469, 0x1C53BB6B),
        *(0xEC, 0xBF, 0xE7, 0xA7, 0xAB, 0x9B, 0xFB, 0x75A1, 0x75A2),
    }
)
"""EBML, SeekHead, Info, Tracks, Tags, Chapters, Attachments, Cues; Void, CRC-32; Timestamp, Position and PrevSize of a Cluster;
BlockDuration, ReferenceBlock, BlockAdditions and DiscardPadding of a BlockGroup."""


def _matroska() -> Scanner:
    """RFC 9559: the media is in the blocks of clusters, each of which begins with the number of its track. ffmpeg counts them from 1."""
    while True:
        kind = yield from _vint(marker=True)
        size = yield from _vint(marker=False)
        if kind in {_SEGMENT, _CLUSTER, _BLOCK_GROUP}:
            continue
        if kind in {_SIMPLE_BLOCK, _BLOCK} and size:
            (track,) = yield Take(1)
            if track == 0x81:
                return
            yield Other(size - 1)
        elif kind in _NO_BLOCKS and size is not None:
            yield Skip(size)
        else:
            break
    yield Take(1)


def _vint(*, marker: bool) -> Generator[Wish, bytes, int | None]:
    """A number of variable size (RFC 8794, section 4), with its marker or without; None: the value for an unknown size."""
    (first,) = yield Take(1)
    length = 9 - first.bit_length()
    if length > 8:
        return None
    rest = (yield Take(length - 1)) if length > 1 else b""
    value = int.from_bytes(bytes([first]) + rest)
    if marker:
        return value
    value &= (1 << 7 * length) - 1
    return value if value + 1 < 1 << 7 * length else None


_TS_PACKET = 188
_TS_FIRST_PID = 0x100


def _mpegts() -> Scanner:
    """ISO/IEC 13818-1, section 2.4.3: the media is in PES packets, and the tables are in sections, which begin in another way.

    ffmpeg gives the first stream the PID 256, and the others those after it.
    """
    others: set[int] = set()
    while True:
        head = yield Take(4)
        if head[0] != 0x47:
            return
        pid = int.from_bytes(head[1:3]) & 0x1FFF
        begins, has_adaptation, has_payload = head[1] & 0x40, head[3] & 0x20, head[3] & 0x10
        left = _TS_PACKET - 4
        if has_adaptation:
            (length,) = yield Take(1)
            length = min(length, left - 1)
            yield Skip(length)
            left -= 1 + length
        if begins and has_payload and left >= 3:
            start = yield Take(3)
            left -= 3
            if start == b"\0\0\1":
                if pid == _TS_FIRST_PID:
                    return
                others.add(pid)
        yield Other(left) if pid in others else Skip(left)


def _behind_id3() -> Scanner:
    """ID3v2.4, section 3.1: a tag may come before the frames of MP3 and of ADTS."""
    start = yield Take(1)
    while start == b"I":
        start += yield Take(9)
        if not start.startswith(b"ID3"):
            return
        size = 0
        for byte in start[6:]:
            size = size << 7 | byte & 0x7F
        has_footer = start[5] & 0x10
        yield Skip(size + (10 if has_footer else 0))
        start = yield Take(1)


_OPUS_HEADERS = 2


def _ogg() -> Scanner:
    """RFC 3533, section 6, and RFC 7845, section 3: two packets are headers, and the media begins on a page of its own."""
    headers = 0
    while True:
        page = yield Take(27)
        if not page.startswith(b"OggS"):
            return
        segments = page[26]
        sizes = (yield Take(segments)) if segments else b""
        if headers >= _OPUS_HEADERS and any(sizes):
            break
        # A packet ends with a segment that is not full.
        headers += sum(size < 255 for size in sizes)
        yield Skip(sum(sizes))
    yield Take(1)


def _flac() -> Scanner:
    """RFC 9639, section 8: metadata blocks, the last of which says so, and then frames."""
    start = yield Take(4)
    is_last = start != b"fLaC"
    while not is_last:
        header = yield Take(4)
        is_last = bool(header[0] & 0x80)
        yield Skip(int.from_bytes(header[1:]))
    yield Take(1)


def _wav() -> Scanner:
    """RIFF: chunks of an even size. The media is in `data`."""
    yield Take(12)
    while True:
        kind, size = struct.unpack("<4sI", (yield Take(8)))
        if kind not in {b"fmt ", b"LIST", b"fact", b"bext", b"JUNK", b"ds64", b"id3 "}:
            break
        yield Skip(size + size % 2)
    yield Take(1)


SCANNERS: Mapping[str, Callable[[], Scanner]] = {
    "mp4": _mp4,
    "mov": _mp4,
    "ipod": _mp4,
    "webm": _matroska,
    "matroska": _matroska,
    "mpegts": _mpegts,
    "mp3": _behind_id3,
    "adts": _behind_id3,
    "ogg": _ogg,
    "opus": _ogg,
    "flac": _flac,
    "wav": _wav,
}
"""By the names of ffmpeg's muxers."""
