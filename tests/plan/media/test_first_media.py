"""Headers and what follows them. A 200 that comes with a header alone is a promise of a film that may not be there."""

import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.cmaf.boxes import box
from transcoded.plan.media.first_media import MAX_HEADER, MAX_OTHER, MUXERS, FirstMedia
from transcoded.plan.media.formats import FORMATS

FRAME = b"\xff\xfb\x90\x64"


def element(kind: str, *parts: bytes, size: int | None = None) -> bytes:
    """An EBML element (RFC 8794) whose size takes eight bytes; `size` -1: unknown."""
    body = b"".join(parts)
    length = len(body) if size is None else size
    return bytes.fromhex(kind) + (b"\x01" + b"\xff" * 7 if length < 0 else struct.pack(">Q", length | 1 << 56)) + body


EBML = element("1a45dfa3", bytes(20))
TRACKS = element("1654ae6b", bytes(100))
TIMESTAMP = element("e7", b"\0")
WEBM = EBML + element("18538067", TRACKS, size=-1) + element("1f43b675", TIMESTAMP, size=-1)
BLOCK = b"\x81\0\0\x80 frame"


def ts(pid: int, payload: bytes, *, begins: bool = True, adaptation: bytes | None = None) -> bytes:
    """A packet of a transport stream (ISO/IEC 13818-1, section 2.4.3.2), filled up with 0xFF."""
    control = (0x20 if adaptation is not None else 0) | (0x10 if payload else 0)
    head = bytes([0x47, (0x40 if begins else 0) | pid >> 8, pid & 0xFF, control])
    field = b"" if adaptation is None else bytes([len(adaptation)]) + adaptation
    return (head + field + payload).ljust(188, b"\xff")


PAT = ts(0, b"\0\0\xb0\x0d\0\x01\xc1\0\0\0\x01\xf0\0")
PMT = ts(0x1000, b"\0\x02\xb0\x1d\0\x01")
SDT = ts(0x11, b"\0\x42\xf0\x25\0\x01")
AUDIO = ts(0x101, b"\0\0\1\xc0\0\0") + ts(0x101, b"the rest of the packet", begins=False)
PCR = ts(0x100, b"", begins=False, adaptation=b"\x10" + bytes(182))


def page(*packets: bytes, whole: bool = True, serial: int = 1) -> bytes:
    """A page of Ogg (RFC 3533, section 6). With `whole` false its last packet goes on behind it."""
    sizes = b""
    for number, packet in enumerate(packets):
        full, rest = divmod(len(packet), 255)
        sizes += b"\xff" * full + (bytes([rest]) if whole or number + 1 < len(packets) else b"")
    head = struct.pack("<4sBBqIIIB", b"OggS", 0, 0, 0, serial, 0, 0, len(sizes))
    return head + sizes + b"".join(packets)


OPUS_HEAD = b"OpusHead" + bytes(11)
OPUS_TAGS = b"OpusTags" + bytes(30)


def id3(size: int, *, footer: bool = False) -> bytes:
    """A tag (ID3v2.4) with so many bytes behind its header."""
    digits = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\4\0" + bytes([0x10 if footer else 0]) + digits + bytes(size) + (b"3DI" + bytes(7) if footer else b"")


def block(kind: int, size: int, *, last: bool = False) -> bytes:
    """A metadata block of FLAC (RFC 9639, section 8.1)."""
    return bytes([kind | (0x80 if last else 0)]) + size.to_bytes(3) + bytes(size)


def chunk(kind: bytes, size: int) -> bytes:
    """A chunk of RIFF, with its padding."""
    return kind + struct.pack("<I", size) + bytes(size + size % 2)


RIFF = b"RIFF\xff\xff\xff\xffWAVE"


def moof(*tracks: int) -> bytes:
    """A movie fragment with samples of these tracks."""
    trafs = (box(b"traf", box(b"tfhd", struct.pack(">II", 0x20000, track)), box(b"trun", bytes(9))) for track in tracks)
    return box(b"moof", box(b"mfhd", bytes(8)), *trafs)


FTYP, MOOV = box(b"ftyp", b"isom", bytes(12)), box(b"moov", bytes(500))

CASES: Sequence[tuple[str, bytes, bytes, str]] = [
    ("mp4", FTYP + MOOV + moof(1) + b"\0\0\0\x64mdat", FRAME, "mp4"),
    ("mp4", FTYP + MOOV + moof(2, 1) + b"\0\0\0\x64mdat", FRAME, "mp4, two tracks"),
    ("mp4", FTYP + MOOV + moof(2) + box(b"mdat", FRAME) + moof(1) + b"\0\0\0\x64mdat", FRAME, "mp4, late video"),
    ("mp4", FTYP + MOOV + moof(2) + box(b"mdat", FRAME), b"", "mp4, no video"),
    ("mp4", FTYP + b"\0\0\0\0moov" + bytes(90), b"", "mp4, a header that breaks off"),
    ("mp4", FTYP + MOOV + struct.pack(">I4sQ", 1, b"mdat", 1 << 33), FRAME, "mp4, a large box"),
    ("mp4", FTYP + MOOV + box(b"mdat") + moof(1) + b"\0\0\0\x64mdat", FRAME, "mp4, an empty box"),
    ("mp4", FTYP + MOOV + box(b"mfra", bytes(16)), b"", "mp4, an index of nothing"),
    (
        "webm",
        WEBM + element("a3", size=9),
        BLOCK,
        "webm",
    ),
    (
        "matroska",
        EBML
        + element("18538067", element("ec", bytes(90)), TRACKS, size=-1)
        + element("1f43b675", TIMESTAMP, size=99)
        + element("a0", element("9b", b"\1"), size=40)
        + element("a1", size=9),
        BLOCK,
        "matroska, a group",
    ),
    (
        "matroska",
        EBML + element("18538067", TRACKS, element("1254c367", bytes(9)), element("1c53bb6b", bytes(9)), size=-1),
        b"",
        "matroska, no cluster",
    ),
    ("matroska", WEBM + element("a3", b"\x82\0\0\x80 frame") + element("a3", size=9), BLOCK, "matroska, late video"),
    ("matroska", WEBM + element("a0", element("a1", b"\x82\0\0\x80 frame")), b"", "matroska, no video"),
    ("mpegts", PAT + PMT + AUDIO + AUDIO, ts(0x100, b"\0\0\1\xe0\0\0"), "mpegts, late video"),
    ("mpegts", PAT + PMT + AUDIO, b"", "mpegts, no video"),
    ("mpegts", SDT + PAT + PMT + PCR, ts(0x100, b"\0\0\1\xe0\0\0"), "mpegts"),
    ("mpegts", PAT + PMT + PAT, ts(0x100, b"\0\0\1\xc0", adaptation=b"\x40"), "mpegts, with an adaptation field"),
    ("mp3", id3(300), FRAME, "mp3"),
    ("mp3", id3(0) + id3(7, footer=True), FRAME, "mp3, two tags"),
    ("mp3", b"", FRAME, "mp3, no tag"),
    ("adts", b"", b"\xff\xf1\x4c\x80", "adts"),
    ("ogg", page(OPUS_HEAD) + page(OPUS_TAGS), page(b"packet"), "opus"),
    ("ogg", page(OPUS_HEAD) + page(bytes(255 * 255), whole=False) + page(OPUS_TAGS), page(b"packet"), "opus, a cover"),
    ("ogg", page(OPUS_HEAD) + page(bytes(510)) + page(), page(b"packet"), "opus, an empty page"),
    ("flac", b"fLaC" + block(0, 34) + block(4, 40, last=True), FRAME, "flac"),
    ("flac", b"fLaC" + block(0, 34, last=True), FRAME, "flac, one block"),
    ("wav", RIFF + chunk(b"fmt ", 16) + chunk(b"LIST", 27) + b"data\xff\xff\xff\xff", FRAME, "wav"),
    ("nut", b"", b"n", "a muxer that is not known"),
]
"""Muxer, header, the media behind it (none: the output ends with its header), and a name."""


def first_media(muxer: str, pieces: Sequence[bytes]) -> int | None:
    """How many bytes had come when media was found, after one of these pieces."""
    found, count = FirstMedia(muxer), 0
    for piece in pieces:
        count += len(piece)
        if found.feed(piece):
            return count
    return None


def singly(data: bytes) -> Sequence[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


@pytest.mark.parametrize(("muxer", "header", "media"), [pytest.param(*case[:3], id=case[3]) for case in CASES])
def test_a_header_is_no_media(muxer: str, header: bytes, media: bytes) -> None:
    assert first_media(muxer, [header]) is None
    at = first_media(muxer, singly(header + media))
    if not media:
        assert at is None
    elif muxer in {"mpegts", "ogg"}:
        # The head of the packet or of the page has to be read to know what is in it.
        assert at is not None
        assert len(header) < at <= len(header + media)
    else:
        assert at == len(header) + 1


OUTPUTS = st.one_of(
    st.sampled_from([(muxer, header + media) for muxer, header, media, _ in CASES]),
    st.tuples(st.sampled_from(sorted(MUXERS)), st.binary(max_size=600)),
)
"""Muxer and output: one of the cases, or garbage, since an ffmpeg that a file has taken over writes what it likes."""


@given(OUTPUTS, st.lists(st.integers(0, 600), max_size=8))
def test_no_split_changes_the_answer(case: tuple[str, bytes], cuts: list[int]) -> None:
    muxer, output = case
    at = first_media(muxer, singly(output))
    found, count = FirstMedia(muxer), 0
    cuts = sorted(min(cut, len(output)) for cut in cuts)
    for first, behind in zip([0, *cuts], [*cuts, len(output)], strict=True):
        count = behind
        assert found.feed(output[first:behind]) is (at is not None and count >= at)


@pytest.mark.parametrize("muxer", sorted(MUXERS))
def test_what_is_no_header_counts_as_media(muxer: str) -> None:
    """Better too early than never: nobody is answered by an output that is waited for in vain."""
    assert first_media(muxer, [b"x" * 200]) == 200


@pytest.mark.parametrize(
    ("muxer", "header"),
    [
        pytest.param("mp4", b"\0\0\0\1moov" + (1 << 40).to_bytes(8), id="mp4"),
        pytest.param(
            "matroska", EBML + element("18538067", size=-1) + element("1941a469", size=1 << 40), id="matroska"
        ),
        pytest.param("mpegts", b"", id="mpegts"),
        pytest.param("mp3", id3(0)[:6] + b"\x7f\x7f\x7f\x7f", id="mp3"),
        pytest.param("flac", b"fLaC\6\xff\xff\xff", id="flac"),
        pytest.param("wav", RIFF + b"LIST\xff\xff\xff\xfe", id="wav"),
    ],
)
def test_a_header_is_looked_at_up_to_a_limit(muxer: str, header: bytes) -> None:
    """It is kept in memory, and a file may decide its size."""
    filler = PAT if muxer == "mpegts" else bytes(188)
    output = (header + filler * (MAX_HEADER // 188 + 1))[: MAX_HEADER + 10]
    assert first_media(muxer, [output[: MAX_HEADER - 1]]) is None
    assert first_media(muxer, [output[: MAX_HEADER - 1], output[MAX_HEADER - 1 : MAX_HEADER]]) == MAX_HEADER
    assert first_media(muxer, [output]) == len(output)


def other_media(size: int) -> bytes:
    """So many bytes of a second track."""
    return FTYP + MOOV + moof(2) + struct.pack(">I4s", 8 + size, b"mdat") + bytes(size)


def test_media_of_another_stream_is_waited_behind_only_so_long() -> None:
    """Video that begins an hour late must not keep the client waiting for an hour of audio."""
    output = other_media(2 * MAX_OTHER)
    header = len(output) - 2 * MAX_OTHER
    assert first_media("mp4", [output[: header + MAX_OTHER - 1]]) is None
    assert first_media("mp4", [output[: header + MAX_OTHER - 1], output[header + MAX_OTHER - 1 :]]) == len(output)
    assert first_media("mp4", [output[: header + MAX_OTHER - 1], b"x"]) == header + MAX_OTHER


@pytest.mark.parametrize(
    ("output", "expected"),
    [(FTYP + MOOV, False), (other_media(0), False), (other_media(1), True), (other_media(99) + moof(1), True)],
)
def test_media_of_another_stream_is_noted(output: bytes, expected: bool) -> None:
    found = FirstMedia("mp4")
    assert not found.feed(output)
    assert found.has_other is expected


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_has_a_header_that_is_known(name: str) -> None:
    assert FORMATS[name].muxer in MUXERS
