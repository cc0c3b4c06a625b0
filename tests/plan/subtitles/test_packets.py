"""Text from Matroska, as it comes from a pipe: in blocks of any size, with a clock that is not kept."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.errors import NotMedia, TooMuchOutput
from transcoded.plan.subtitles import packets
from transcoded.plan.subtitles.convert import to_webvtt
from transcoded.plan.subtitles.packets import TextPacket, TextReader, TextTrack, as_file

UNKNOWN = b"\x01" + b"\xff" * 7
HEADER = b"[Script Info]\n\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text"


def element(name: int, data: bytes, size: bytes = b"") -> bytes:
    return name.to_bytes((name.bit_length() + 7) // 8) + (size or (1 << 56 | len(data)).to_bytes(8)) + data


def entry(codec: bytes, header: bytes = b"") -> bytes:
    return element(0xAE, element(0x86, codec) + (element(0x63A2, header) if header else b""))


def block(track: int, time: int, data: bytes, duration: int | None = None) -> bytes:
    body = bytes([0x80 | track]) + time.to_bytes(2, signed=True) + b"\0" + data
    if duration is None:
        return element(0xA3, body)
    return element(0xA0, element(0xA1, body) + element(0x9B, duration.to_bytes(2)))


def cluster(time: int, *blocks: bytes) -> bytes:
    return element(0x1F43B675, element(0xE7, time.to_bytes(8, signed=True)) + b"".join(blocks), UNKNOWN)


def file(*clusters: bytes) -> bytes:
    tracks = element(0x1654AE6B, entry(b"S_TEXT/UTF8") + entry(b"S_TEXT/ASS", HEADER) + entry(b"A_AAC", b"x"))
    ebml = element(0x1A45DFA3, element(0x4282, b"matroska"))
    return ebml + element(0x18538067, element(0xEC, b"void" * 9) + tracks + b"".join(clusters), UNKNOWN)


SAMPLE = file(
    cluster(
        0, block(1, 1000, "é".encode(), 500), block(3, 1024, b"sound" * 99), block(2, 1500, b"7,0,A,,0,0,0,,b,c", 1004)
    ),
    cluster(60_000, block(1, -5, b"<i>two</i>", 250), block(3, 0, b"s" * 20)),
    cluster(120_000, block(3, 0, b"s"), block(1, 1, b"behind it", 5)),
)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=60))
def test_however_the_bytes_come(steps: list[int]) -> None:
    reader = TextReader(2, 120_000)
    place = 0
    enough = False
    while not enough:
        step = steps[place % len(steps)]
        assert place < len(SAMPLE)
        enough = reader.feed(SAMPLE[place : place + step])
        place += step
    first, second = reader.tracks
    assert [(one.start, one.duration, one.data) for one in first.packets] == [
        (1000, 500, "é".encode()),
        (59_995, 250, b"<i>two</i>"),
    ]
    assert (second.codec, second.header) == ("S_TEXT/ASS", HEADER)


def test_without_a_clock_that_has_passed_it_is_not_enough() -> None:
    assert not TextReader(2, 120_001).feed(SAMPLE)
    assert len(TextReader(2, 120_001).tracks) == 2


def test_the_clock_is_not_kept_however_large_it_is() -> None:
    reader = TextReader(1, 10)
    reader.feed(file(cluster(0)))
    huge = element(0xA3, b"\x83\0\0\0", (1 << 56 | 1 << 40).to_bytes(8))
    for _ in range(100):
        assert not reader.feed(huge)
        huge = bytes(1 << 20)
    assert len(reader._data) < 1000  # what it costs is the point


def test_text_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packets, "MAX_TEXT", 10_000)
    with pytest.raises(TooMuchOutput):
        TextReader(2, 10).feed(file(cluster(0, *(block(1, 1, b"a" * 100, 5) for _ in range(100)))))
    with pytest.raises(TooMuchOutput):
        TextReader(2, 10).feed(file(cluster(0, block(1, 1, b"a" * 10_001, 5))))
    with pytest.raises(TooMuchOutput):
        TextReader(2, 10).feed(file(cluster(0, *(block(1, 1, b"", 5) for _ in range(200)))))


@pytest.mark.parametrize(
    "data", [bytes(20), file(cluster(0, element(0xA3, b"\x81\0"))), element(0x63A2, b"", b"\x08" + b"\xff" * 7)]
)
def test_what_is_no_matroska_is_refused(data: bytes) -> None:
    with pytest.raises(NotMedia):
        TextReader(2, 10).feed(data + bytes(20))


@given(st.binary(max_size=400))
def test_nothing_but_an_answer_comes_of_any_bytes(data: bytes) -> None:
    with suppress(NotMedia, TooMuchOutput):
        TextReader(2, 10).feed(file() + data)


def webvtt(codec: str, *lines: TextPacket, header: bytes = b"") -> str:
    name = {"S_TEXT/UTF8": "subrip", "S_TEXT/ASS": "ass"}.get(codec, "webvtt")
    return to_webvtt(as_file(TextTrack(codec, header, list(lines))), name).decode()


def test_each_kind_of_text_is_a_file_of_its_kind() -> None:
    srt = webvtt("S_TEXT/UTF8", TextPacket(3_601_005, b"I <3 you\n\n<b>x</b>", 1500), TextPacket(-500, b"early", 1000))
    assert srt == (
        "WEBVTT\n\n00:00.000 --> 00:00.500\nearly\n\n01:00:01.005 --> 01:00:02.505\nI &lt;3 you\n<b>x</b>\n"
    ), srt
    ass = webvtt(
        "S_TEXT/ASS",
        TextPacket(1004, b"1,0,Default,,0,0,0,,second", 1004),
        TextPacket(1004, b"0,0,Default,,0,0,0,,{\\i1}first,\\None\r\n", 1004),
        TextPacket(-1000, b"2,0,Default,,0,0,0,,early", 3000),
        header=HEADER + b"\r\n\0",
    )
    assert ass == (
        "WEBVTT\n\n00:00.000 --> 00:02.000\nearly\n\n00:01.000 --> 00:02.000\n<i>first,\none</i>\n\n"
        "00:01.000 --> 00:02.000\nsecond\n"
    ), ass
    vtt = webvtt(
        "D_WEBVTT/SUBTITLES",
        TextPacket(1000, b"name\nline:0\n<v A>text\nmore", 500),
        TextPacket(3_600_000, b"\n\nx", 5),
    )
    assert (
        vtt == "WEBVTT\n\nname\n00:01.000 --> 00:01.500 line:0\n<v A>text\nmore\n\n01:00:00.000 --> 01:00:00.005\nx\n"
    )


def test_a_script_without_its_columns_has_them() -> None:
    assert "text" in webvtt("S_TEXT/ASS", TextPacket(0, b"0,0,Default,,0,0,0,,text", 10), header=b"[Script Info]")
