"""What an index may claim. A file of some bytes must not cost memory for its claims, nor time, nor an exception."""

import struct
from collections.abc import Callable
from fractions import Fraction

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.media.probe import AudioStream, Media, VideoStream
from transcoded.plan.media.timeline.index import source as limits
from transcoded.plan.media.timeline.index.reader import has_index, read_index
from transcoded.plan.media.timeline.index.source import NoIndex, Source
from transcoded.plan.media.timeline.packets import PacketScan

VIDEO = VideoStream(0, "h264", 320, 180, fps=Fraction(25), coded_width=320, coded_height=180, reorder=2)
MP4 = Media("mov,mp4", 12.0, 0, (VIDEO,))
MKV = attrs.evolve(MP4, container="matroska,webm")
HUGE = 100_000_000


def scan(media: Media, data: bytes, size: int | None = None) -> PacketScan | None:
    """The scan from the index of `data`, behind which come zeros up to a size."""
    size = len(data) if size is None else size

    def read(offset: int, length: int) -> bytes:
        found = data[offset : offset + length]
        return found + bytes(min(length, max(0, size - offset)) - len(found))

    return read_index(attrs.evolve(media, size=size), size, read)


# ISO base media.


def box(kind: bytes, *parts: bytes, length: int | None = None) -> bytes:
    data = b"".join(parts)
    return struct.pack(">I4s", 8 + len(data) if length is None else length, kind) + data


def full(kind: bytes, *numbers: int, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(f">{1 + len(numbers)}I", version << 24 | flags, *numbers))


FRAMES = 300
TABLES = {
    b"stsd": full(b"stsd", 1)[:8]
    + bytes(4)
    + struct.pack(">I", 1)
    + box(b"avc1", bytes(24), struct.pack(">HH", 320, 180), bytes(50)),
    b"stts": full(b"stts", 1, FRAMES, 1),
    b"ctts": full(b"ctts", 4, 1, 2, 1, 5, 1, 1, FRAMES - 3, 2),
    b"stss": full(b"stss", 3, 1, 101, 201),
    b"stsz": full(b"stsz", 0, FRAMES, *[10] * FRAMES),
}
TABLES[b"stsd"] = box(b"stsd", TABLES[b"stsd"][8:])
EDIT = full(b"elst", 1, 12_000, 2, 1 << 16)


def movie(
    tables: dict[bytes, bytes] | None = None,
    *,
    edit: bytes = EDIT,
    timescale: int = 25,
    behind: bytes = b"",
    **changed: bytes,
) -> bytes:
    """A file of 12 seconds, with other tables by their names; empty: without it."""
    parts = {**TABLES, **{name.encode(): table for name, table in changed.items()}, **(tables or {})}
    media = box(
        b"mdia",
        full(b"mdhd", 0, 0, timescale, FRAMES, 0),
        full(b"hdlr", 0, int.from_bytes(b"vide", "big"), 0, 0, 0),
        box(b"minf", box(b"stbl", *parts.values())),
    )
    track = box(b"trak", full(b"tkhd", 0, 0, 1, *[0] * 18), *([box(b"edts", edit)] if edit else []), media)
    whole = box(b"moov", full(b"mvhd", 0, 0, 1000, 12_000, *[0] * 20), track, behind)
    return box(b"ftyp", b"isom", bytes(4)) + box(b"mdat", bytes(FRAMES * 10)) + whole


def test_the_tables_of_an_mp4_tell_its_keyframes() -> None:
    found = scan(MP4, movie())
    assert found is not None
    assert list(found.keyframes) == [0, 4_000_000, 8_000_000]
    assert found.leading is False
    assert found.delay == 80_000
    assert list(found.offsets) == [0, 1000, 2000, 3000]


def test_times_count_from_where_the_container_starts() -> None:
    """The edit list lets the picture begin 0.4 seconds later, and the sound begins before the clock does."""
    gap = full(b"elst", 2, 400, 0xFFFFFFFF, 1 << 16, 12_000, 2, 1 << 16)
    found = scan(attrs.evolve(MP4, start_time=-0.02), movie(edit=gap))
    assert found is not None
    assert list(found.keyframes) == [420_000, 4_420_000, 8_420_000]


def test_frames_that_are_shown_before_their_keyframe_are_noticed() -> None:
    """An encoder that began with a keyframe could not show them."""
    offsets = [1, 2, 99, 1, 1, 4, 1, 1, 1, 1, FRAMES - 103, 2]
    found = scan(MP4, movie(ctts=full(b"ctts", 6, *offsets)))
    assert found is not None
    assert found.leading is True


def without(name: bytes) -> Callable[[], bytes]:
    return lambda: movie({name: b""})


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(without(b"stts"), id="no times"),
        pytest.param(without(b"stsz"), id="no sizes"),
        pytest.param(lambda: movie(stts=full(b"stts", 1, FRAMES + 1, 1)), id="more times than sizes"),
        pytest.param(lambda: movie(stts=full(b"stts", HUGE, FRAMES, 1)), id="a table of 10^8 times"),
        pytest.param(lambda: movie(stts=full(b"stts", 1, FRAMES, 1 << 31)), id="frames of years"),
        pytest.param(lambda: movie(ctts=full(b"ctts", HUGE, FRAMES, 1)), id="a table of 10^8 offsets"),
        pytest.param(lambda: movie(ctts=full(b"ctts", 1, FRAMES, 1 << 29)), id="an offset of years"),
        pytest.param(lambda: movie(ctts=full(b"ctts", 1, FRAMES - 1, 1)), id="too few offsets"),
        pytest.param(lambda: movie(stss=full(b"stss", HUGE, 1)), id="a table of 10^8 keyframes"),
        pytest.param(lambda: movie(stss=full(b"stss", 0)), id="no keyframes"),
        pytest.param(lambda: movie(stss=full(b"stss", 2, 200, 100)), id="keyframes that do not ascend"),
        pytest.param(lambda: movie(stss=full(b"stss", 1, FRAMES + 1)), id="a keyframe behind the last frame"),
        pytest.param(lambda: movie(stsz=full(b"stsz", 0, HUGE)), id="10^8 frames, without their sizes"),
        pytest.param(
            lambda: movie(stsz=full(b"stsz", 10, HUGE), stts=full(b"stts", 1, HUGE, 1)), id="10^8 equal frames"
        ),
        pytest.param(lambda: movie(stsz=full(b"stsz", 1000, FRAMES)), id="more bytes than there are"),
        pytest.param(lambda: movie(stps=full(b"stps", 1, 50)), id="keyframes in a second table"),
        pytest.param(lambda: movie(edit=full(b"elst", HUGE, 12_000, 2, 1 << 16)), id="10^8 edits"),
        pytest.param(lambda: movie(edit=full(b"elst", 2, 5, 2, 1 << 16, 5, 100, 1 << 16)), id="several edits"),
        pytest.param(lambda: movie(edit=full(b"elst", 1, 12_000, 50, 1 << 16)), id="frames that are hidden"),
        pytest.param(lambda: movie(timescale=0), id="no clock"),
        pytest.param(lambda: movie(timescale=1, edit=b""), id="times behind the end"),
        pytest.param(lambda: movie()[:-2000], id="cut off"),
        pytest.param(lambda: b"", id="nothing"),
        pytest.param(lambda: box(b"moov", length=1 << 31), id="a header behind the end"),
        pytest.param(lambda: box(b"free", length=0) + movie(), id="a box to the end"),
        pytest.param(lambda: box(b"free", length=7) + movie(), id="a box shorter than its header"),
        pytest.param(lambda: box(b"moov", box(b"trak") * 5000), id="too many tracks"),
    ],
)
def test_a_wrong_index_of_an_mp4_is_none(make: Callable[[], bytes]) -> None:
    """Then the packets are listed, as if there were none."""
    assert scan(MP4, make()) is None


def test_a_header_that_is_too_long_is_not_read() -> None:
    whole = movie()
    large = 100 << 20
    head = struct.pack(">I4s", large, b"moov") + whole[whole.index(b"moov") + 4 :]
    assert scan(MP4, head, large) is None


def test_two_sync_samples_in_a_row_and_all_of_them() -> None:
    """Without a table of keyframes all frames are one. One a second is kept."""
    found = scan(MP4, movie(stss=b"", ctts=b"", edit=b""))
    assert found is not None
    assert list(found.keyframes) == list(range(0, 12_000_000, 1_000_000))
    assert (found.leading, found.delay) == (False, 0)


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_compact_sizes(bits: int) -> None:
    packed = {4: b"\xaa" * (FRAMES // 2), 8: b"\x0a" * FRAMES, 16: b"\x00\x0a" * FRAMES}[bits]
    found = scan(MP4, movie(stsz=box(b"stz2", bytes(7), bytes([bits]), struct.pack(">I", FRAMES), packed)))
    assert found is not None
    assert list(found.offsets) == [0, 1000, 2000, 3000]


# Fragments.

EXTENDS = box(b"mvex", full(b"trex", 1, 1, 1, 10, 0x01010000))
EMPTY = {
    b"stts": full(b"stts", 0),
    b"stss": b"",
    b"ctts": b"",
    b"stsz": full(b"stsz", 0, 0),
}


def fragment(
    number: int, *, frames: int = 25, time: int | None = None, flags: int = 0x02000000, count: int | None = None
) -> bytes:
    """A second of frames that begins with a keyframe."""
    run = full(b"trun", frames if count is None else count, flags, flags=0x4)
    begin = full(b"tfdt", 25 * number if time is None else time)
    return box(b"moof", full(b"mfhd", number), box(b"traf", full(b"tfhd", 1), begin, run)) + box(b"mdat", bytes(250))


def fragmented(*parts: bytes, edit: bytes = b"") -> bytes:
    whole = movie(EMPTY, edit=edit, behind=EXTENDS)
    return whole[:16] + whole[whole.index(b"moov") - 4 :] + b"".join(parts)


def mfra(*entries: tuple[int, int], count: int | None = None) -> bytes:
    table = b"".join(struct.pack(">IIBBB", time, offset, 1, 1, 1) for time, offset in entries)
    index = box(b"tfra", struct.pack(">IIII", 0, 1, 0, len(entries) if count is None else count), table)
    return box(b"mfra", index, full(b"mfro", 8 + len(index) + 16))


LENGTH = len(fragment(0))
SECONDS = [second * 1_000_000 for second in range(30)]
LONG = attrs.evolve(MP4, duration=None)


def begins(head: bytes, number: int) -> int:
    return len(head) + LENGTH * number


def test_fragments_are_read_one_by_one() -> None:
    found = scan(LONG, fragmented(*map(fragment, range(30))))
    assert found is not None
    assert list(found.keyframes) == SECONDS
    assert found.end == 30.0


def test_an_index_of_fragments_saves_reading_them() -> None:
    head = fragmented()
    whole = head + b"".join(map(fragment, range(30)))
    index = mfra(*((25 * number + 7, begins(head, number)) for number in range(30)))
    reads = []

    def read(offset: int, length: int) -> bytes:
        reads.append(offset)
        return (whole + index)[offset : offset + length]

    found = read_index(LONG, len(whole + index), read)
    assert found is not None
    assert list(found.keyframes) == SECONDS, "a clock that is later by the same time everywhere is told apart"
    assert found.end == 30.0
    assert len(reads) < 22


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            lambda entries: [(time + 1, at) if time > 100 else (time, at) for time, at in entries], id="other times"
        ),
        pytest.param(lambda entries: [(time, at + 1) for time, at in entries], id="places in the middle"),
        pytest.param(lambda entries: entries[::-1], id="backwards"),
        pytest.param(lambda entries: [(time, 1 << 31) for time, _ in entries], id="places behind the end"),
        pytest.param(lambda entries: [(time, entries[0][1]) for time, _ in entries], id="all at one place"),
        pytest.param(lambda entries: [], id="none"),
    ],
)
def test_an_index_of_fragments_that_lies_is_not_believed(
    change: Callable[[list[tuple[int, int]]], list[tuple[int, int]]],
) -> None:
    head = fragmented()
    entries = change([(25 * number, begins(head, number)) for number in range(30)])
    found = scan(LONG, head + b"".join(map(fragment, range(30))) + mfra(*entries))
    assert found is None or list(found.keyframes) == SECONDS


def sidx(references: list[tuple[int, int]], first: int = 0, count: int | None = None) -> bytes:
    table = b"".join(struct.pack(">III", kind, length, 0x90000000) for kind, length in references)
    return box(
        b"sidx", struct.pack(">IIIIIHH", 0, 1, 25, 0, first, 0, len(references) if count is None else count), table
    )


def test_indexes_of_segments_can_name_each_other() -> None:
    inner = [sidx([(LENGTH, 25)] * 10) for _ in range(3)]
    parts = [inner[number] + b"".join(fragment(10 * number + one) for one in range(10)) for number in range(3)]
    outer = sidx([(1 << 31 | len(part), 250) for part in parts])
    found = scan(LONG, fragmented(outer, *parts))
    assert found is not None
    assert list(found.keyframes) == SECONDS


def test_indexes_of_segments_that_name_themselves_end() -> None:
    loop = sidx([(1 << 31 | 0, 25)] * 20)
    deep = b"".join(sidx([(1 << 31 | 44, 25)]) for _ in range(3000))
    for index in (loop, deep, sidx([(LENGTH, 25)], count=60_000), sidx([(0, 25)] * 30)):
        found = scan(LONG, fragmented(index, *map(fragment, range(30))))
        assert found is None or list(found.keyframes) == SECONDS


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([fragment(0, count=HUGE)], id="10^8 frames"),
        pytest.param(
            [fragment(0, count=60_000), *(fragment(one, count=60_000, time=60_000 * one) for one in range(1, 60))],
            id="millions of frames",
        ),
        pytest.param([fragment(0, flags=0x01010000)], id="no keyframe"),
        pytest.param([fragment(1), fragment(0)], id="backwards"),
        pytest.param([], id="nothing"),
        pytest.param([box(b"moof", box(b"traf", full(b"tfhd", 1)))], id="no time"),
        pytest.param([box(b"moof", length=1 << 30)], id="behind the end"),
        pytest.param([box(b"free")] * 70_000, id="70,000 boxes"),
    ],
)
def test_wrong_fragments_are_no_index(parts: list[bytes]) -> None:
    assert scan(LONG, fragmented(*parts)) is None


def test_the_end_is_that_of_the_last_track() -> None:
    """Who lists the length of a film must not leave out the end of its sound."""
    media = attrs.evolve(LONG, audio=(AudioStream(1, 0, "aac", 2, 48_000),))
    found = scan(media, fragmented(*map(fragment, range(30))))
    assert found is not None
    assert found.end == 30.0


# Matroska.


def element(kind: int, *parts: bytes, size: int | None = None) -> bytes:
    data = b"".join(parts)
    length = len(data) if size is None else size
    return kind.to_bytes((kind.bit_length() + 7) // 8, "big") + (length | 1 << 56).to_bytes(8, "big") + data


def value(kind: int, number: int) -> bytes:
    data = number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")
    return kind.to_bytes((kind.bit_length() + 7) // 8, "big") + bytes([0x80 | len(data)]) + data


def block(time: int, *, track: int = 1, key: bool = False, grouped: bool = False) -> bytes:
    flags = 0x80 if key and not grouped else 0
    data = bytes([0x80 | track]) + struct.pack(">hB", time, flags) + bytes(20)
    if not grouped:
        return element(0xA3, data)
    return element(0xA0, element(0xA1, data), *([] if key else [value(0xFB, 1)]))


def cluster(time: int, *blocks: bytes) -> bytes:
    return element(0x1F43B675, value(0xE7, time), *blocks)


def group(time: int, *, leading: bool = False, grouped: bool = False) -> bytes:
    """Two seconds: a keyframe, two frames behind it or before it, and a sound."""
    shown = [80, 0, 40, 120] if leading else [0, 80, 40, 120]
    frames = [block(one, key=not place, grouped=grouped) for place, one in enumerate(shown)]
    return cluster(time, *frames[:2], block(0, track=2, key=True), *frames[2:])


TRACKS = element(
    0x1654AE6B,
    element(
        0xAE,
        value(0xD7, 1),
        value(0x83, 1),
        element(0x86, b"V_TEST"),
        element(0xE0, value(0xB0, 320), value(0xBA, 180)),
    ),
    element(0xAE, value(0xD7, 2), value(0x83, 2), element(0x86, b"A_TEST")),
)
INFO = element(0x1549A966, value(0x2AD7B1, 1_000_000))


def point(time: int, at: int, *, track: int = 1, more: bytes = b"") -> bytes:
    positions = value(0xF7, track) + value(0xF1, at)
    inner = value(0xB3, time) + bytes([0xB7, 0x80 | len(positions)]) + positions + more
    return bytes([0xBB, 0x80 | len(inner)]) + inner


def matroska(
    *clusters: bytes,
    cues: Callable[[list[int]], bytes] | None = None,
    info: bytes = INFO,
    tracks: bytes = TRACKS,
    size: int | None = None,
) -> bytes:
    """A file with its Cues behind the clusters, which begin two seconds apart. `cues` makes them from where the clusters begin."""
    seek = element(0x114D9B74, element(0x4DBB, element(0x53AB, b"\x1c\x53\xbb\x6b"), value(0x53AC, 1 << 40)))
    head = len(seek) + len(info) + len(tracks)
    places = [head + sum(map(len, clusters[:number])) for number in range(len(clusters))]
    index = cues(places) if cues else element(0x1C53BB6B, *(point(2000 * one, at) for one, at in enumerate(places)))
    end = head + sum(map(len, clusters))
    seek = element(
        0x114D9B74, element(0x4DBB, element(0x53AB, b"\x1c\x53\xbb\x6b"), b"\x53\xac\x86" + end.to_bytes(6, "big"))
    )
    inside = b"".join((seek, info, tracks, *clusters, index))
    return element(0x1A45DFA3, b"\x42\x82\x88matroska") + element(0x18538067, inside, size=size)


GROUPS = [group(2000 * number) for number in range(6)]
TWO = [2_000_000 * number for number in range(6)]


def test_the_cues_of_a_matroska_file_tell_its_keyframes() -> None:
    found = scan(MKV, matroska(*GROUPS))
    assert found is not None
    assert list(found.keyframes) == TWO
    assert found.leading is False
    assert found.delay == 80_000


def test_the_size_of_the_segment_need_not_be_known() -> None:
    found = scan(MKV, matroska(*GROUPS, size=(1 << 56) - 1))
    assert found is not None
    assert list(found.keyframes) == TWO


@pytest.mark.parametrize("grouped", [False, True])
def test_leading_frames_of_a_matroska_file_are_noticed(grouped: bool) -> None:
    clusters = [group(2000 * number, leading=number > 0, grouped=grouped) for number in range(6)]

    def later(places: list[int]) -> bytes:
        return element(0x1C53BB6B, *(point(2000 * one + 80 * (one > 0), at) for one, at in enumerate(places)))

    found = scan(MKV, matroska(*clusters, cues=later))
    assert found is not None
    assert found.leading is True


def test_a_first_keyframe_that_is_not_in_the_cues_is_found() -> None:
    found = scan(
        MKV,
        matroska(
            *GROUPS,
            cues=lambda places: element(0x1C53BB6B, *(point(2000 * one, at) for one, at in enumerate(places) if one)),
        ),
    )
    assert found is not None
    assert list(found.keyframes) == TWO


def test_cues_of_other_tracks_do_not_count() -> None:
    def cues(places: list[int]) -> bytes:
        of_sound = value(0xF7, 2) + value(0xF1, places[0])
        extra = bytes([0xB7, 0x80 | len(of_sound)]) + of_sound
        points = [
            (point(2000 * one + 700, at, track=2), point(2000 * one, at, more=extra)) for one, at in enumerate(places)
        ]
        return element(0x1C53BB6B, *(two[one] for two in points for one in (1, 0)))

    found = scan(MKV, matroska(*GROUPS, cues=cues))
    assert found is not None
    assert list(found.keyframes) == TWO
    assert scan(MKV, matroska(*GROUPS, cues=lambda places: element(0x1C53BB6B, point(0, places[0], track=2)))) is None


Change = Callable[[list[int]], bytes]


def cues(*points: bytes) -> bytes:
    return element(0x1C53BB6B, *points)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda places: cues(), id="empty"),
        pytest.param(lambda places: element(0x1C53BB6B, size=1 << 40), id="of a terabyte"),
        pytest.param(lambda places: element(0x1C53BB6B, bytes(3 << 20)), id="zeros"),
        pytest.param(lambda places: cues(*[b"\xbb\x80"] * 300_000), id="300,000 empty points"),
        pytest.param(
            lambda places: cues(*(point(2000 * one + 40, at) for one, at in enumerate(places))),
            id="frames that are not key",
        ),
        pytest.param(
            lambda places: cues(*(point(2000 * one + 1, at) for one, at in enumerate(places))), id="times of no frame"
        ),
        pytest.param(
            lambda places: cues(*(point(2000 * one, at + 1) for one, at in enumerate(places))),
            id="places of no cluster",
        ),
        pytest.param(
            lambda places: cues(*(point(2000 * one, 1 << 50) for one in range(6))), id="places behind the end"
        ),
        pytest.param(
            lambda places: cues(*(point(2000 * (5 - one), at) for one, at in enumerate(places))), id="backwards"
        ),
        pytest.param(lambda places: cues(point(1 << 60, places[0])), id="times behind the end"),
    ],
)
def test_wrong_cues_are_no_index(change: Change) -> None:
    assert scan(MKV, matroska(*GROUPS, cues=change)) is None


def test_cues_that_are_far_apart_are_no_index_if_the_packets_can_be_listed() -> None:
    """They may have left out keyframes. In a film of 10 GB they are better than nothing."""
    long = attrs.evolve(MKV, duration=100.0)

    def two(places: list[int]) -> bytes:
        return cues(point(0, places[0]), point(90_000, places[1]))

    data = matroska(group(0), cluster(90_000, block(0, key=True)), cues=two)
    assert scan(long, data) is None
    found = scan(long, data, 10 << 30)
    assert found is not None
    assert list(found.keyframes) == [0, 90_000_000]


def test_a_clock_of_its_own_or_another_track_is_no_index() -> None:
    picture = element(0xE0, value(0xB0, 320), value(0xBA, 180))
    for more in (value(0x23314F, 1), value(0x56AA, 5)):
        entry = element(0xAE, value(0xD7, 1), value(0x83, 1), element(0x86, b"V_TEST"), picture, more)
        assert scan(MKV, matroska(*GROUPS, tracks=element(0x1654AE6B, entry))) is None
    assert scan(MKV, matroska(*GROUPS, tracks=element(0x1654AE6B))) is None
    assert scan(MKV, matroska(*GROUPS, info=element(0x1549A966, value(0x2AD7B1, 0)))) is None
    assert scan(attrs.evolve(MKV, video=(attrs.evolve(VIDEO, index=1),)), matroska(*GROUPS)) is None


# Any bytes.


@given(st.sampled_from([MP4, LONG, MKV]), st.binary(max_size=300))
def test_any_bytes_are_read_without_an_error(media: Media, data: bytes) -> None:
    assert scan(media, data) is None


WHOLE = {
    "mp4": (MP4, movie()),
    "fragments": (LONG, fragmented(*map(fragment, range(15)))),
    "matroska": (MKV, matroska(*GROUPS)),
}


@given(
    st.sampled_from(list(WHOLE)),
    st.lists(st.tuples(st.integers(0, 1 << 14), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4),
)
def test_changed_bytes_are_read_without_an_error(name: str, changes: list[tuple[int, bytes]]) -> None:
    media, whole = WHOLE[name]
    data = bytearray(whole)
    for place, new in changes:
        at = place % len(data)
        data[at : at + len(new)] = new
    found = scan(media, bytes(data))
    if found is not None:
        assert sorted(set(found.keyframes)) == list(found.keyframes)


def test_what_is_read_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source(lambda offset, length: bytes(length), 10**12, max_bytes=100)
    assert source.exactly(0, 60) == bytes(60)
    with pytest.raises(NoIndex):
        source.exactly(0, 41)
    monkeypatch.setattr(limits, "MAX_READS", 3)
    source = Source(lambda offset, length: bytes(length), 10**12)
    for _ in range(3):
        source.up_to(0, 1)
    with pytest.raises(NoIndex):
        source.up_to(0, 1)
    with pytest.raises(NoIndex):
        Source(lambda offset, length: b"", 5).exactly(3, 3)


@pytest.mark.parametrize(
    ("container", "expected"),
    [("mov,mp4,m4a,3gp,3g2,mj2", True), ("matroska,webm", True), ("avi", False), ("mpegts", False)],
)
def test_which_files_have_an_index(container: str, expected: bool) -> None:
    assert has_index(container) is expected


def test_a_file_that_broke_off_has_no_index_that_is_believed() -> None:
    assert scan(attrs.evolve(MP4, cut=True), movie()) is None
