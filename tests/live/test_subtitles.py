"""Subtitles, fonts and chapters of real films, with each ffmpeg: whole, on the clock of the film, and with nothing added."""

import re
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest

from tests.support.clips import Clips, ffmpeg, made_once
from tests.support.daemon import LiveDaemon, media_url
from tests.support.programs import Programs

SRT = "1\n00:00:01,000 --> 00:00:02,000\nI <3 you & me\n\n2\n00:00:02,500 --> 00:00:03,000\n<i>one</i>\n{\\an8}two --> three\n"
ASS = """[Script Info]
ScriptType: v4.00+
PlayResX: 640
PlayResY: 360

[V4+ Styles]
Format: Name, Fontname, Fontsize, Bold, Italic, Alignment
Style: Default,Arial,20,0,0,2

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,{\\i1}Hello{\\i0} & you
Dialogue: 0,0:00:02.00,0:00:03.00,Default,,0,0,0,,{\\p1}m 0 0 l 100 0 100 100{\\p0}
"""
VTT = "WEBVTT\n\n00:01.000 --> 00:02.000 align:start position:10% line:0\n<v Roger><c.yellow>We are</c> here\n"
CHAPTERS = (
    ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1500\ntitle=Start & go\n"
    "[CHAPTER]\nTIMEBASE=1/1000\nSTART=1500\nEND=4000\n"
)
FONT = b"\x00\x01\x00\x00" + bytes(range(256)) * 40


def images() -> bytes:
    """Subtitles of a Blu-ray disc: a white square of 8 by 8 pixels, shown from 1 s to 2 s."""

    def segment(kind: int, seconds: int, data: bytes) -> bytes:
        return b"PG" + struct.pack(">IIBH", seconds * 90_000, 0, kind, len(data)) + data

    window = struct.pack(">BBHHHH", 1, 0, 100, 100, 8, 8)
    shown = struct.pack(">HHBHBBBB", 320, 180, 0x10, 0, 0x80, 0, 0, 1) + struct.pack(">HBBHH", 0, 0, 0, 100, 100)
    hidden = struct.pack(">HHBHBBBB", 320, 180, 0x10, 1, 0, 0, 0, 0)
    lines = (b"\x00\x88\x01" + b"\x00\x00") * 8
    picture = struct.pack(">HBB", 0, 0, 0xC0) + struct.pack(">I", len(lines) + 4)[1:] + struct.pack(">HH", 8, 8) + lines
    return b"".join(
        [
            *(segment(0x16, 1, shown), segment(0x17, 1, window), segment(0x14, 1, b"\0\0\x01\xeb\x80\x80\xff")),
            *(segment(0x15, 1, picture), segment(0x80, 1, b"")),
            *(segment(0x16, 2, hidden), segment(0x17, 2, window), segment(0x80, 2, b"")),
        ]
    )


@pytest.fixture(scope="session")
def texts(clips: Clips, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films with all kinds of subtitles."""

    def make(directory: Path) -> None:
        parts = {"s.srt": SRT.encode(), "s.ass": ASS.encode(), "s.vtt": VTT.encode(), "s.sup": images()}
        for name, data in {**parts, "chapters": CHAPTERS.encode(), "font": FONT, "page": b"<script>"}.items():
            (directory / f".{name}").write_bytes(data)
        film = ("-i", f"file:{clips.film.path}")
        inputs = [part for name in parts for part in ("-i", f"file:{directory / f'.{name}'}")]
        maps = [part for number in range(len(parts) + 1) for part in ("-map", str(number))]
        ffmpeg(
            *(*film, *inputs, "-i", f"file:{directory / '.chapters'}", *maps, "-map_chapters", str(len(parts) + 1)),
            *("-c", "copy", "-metadata:s:s:0", "language=eng", "-disposition:s:1", "forced"),
            *("-disposition:s:2", "hearing_impaired"),
            *("-attach", str(directory / ".font"), "-metadata:s:t:0", "mimetype=font/ttf"),
            *("-metadata:s:t:0", "filename=A Font.ttf", "-attach", str(directory / ".page")),
            *("-metadata:s:t:1", "mimetype=text/html", "-metadata:s:t:1", "filename=page.html"),
            f"file:{directory / 'all.mkv'}",
        )
        ffmpeg(
            *(*film, *inputs[:4], *maps[:6], "-c", "copy", "-output_ts_offset", "100"),
            f"file:{directory / 'late.mkv'}",
        )
        ffmpeg(*film, *inputs[:2], *maps[:4], "-c", "copy", "-c:s", "mov_text", f"file:{directory / 'phone.mp4'}")

    return made_once(tmp_path_factory, "texts", make)


@pytest.fixture(scope="module")
def daemon(programs: Programs, texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    """A daemon with each ffmpeg."""
    with LiveDaemon(tmp_path_factory.mktemp("texts-daemon"), {"t": texts}, programs=programs) as daemon:
        yield daemon


def body(daemon: LiveDaemon, path: str, tail: str) -> bytes:
    answer = daemon.get(media_url(f"t/{path}", tail))
    assert answer.status == 200, answer.body
    return answer.body


def test_what_is_in_a_film_is_told(daemon: LiveDaemon) -> None:
    told = daemon.json(media_url("t/all.mkv", "/probe.json"))
    streams = [one for one in told["streams"] if one["kind"] == "subtitle"]
    assert [(one["position"], one["codec"], one["text"], one["external"]) for one in streams] == [
        (0, "subrip", True, False),
        (1, "ass", True, False),
        (2, "webvtt", True, False),
        (3, "hdmv_pgs_subtitle", False, False),
    ]
    assert [one["forced"] for one in streams] == [False, True, False, False]
    assert [one["hearing_impaired"] for one in streams] == [False, False, True, False]
    assert [(one["filename"], one["size"]) for one in told["attachments"]] == [
        ("A Font.ttf", len(FONT)),
        ("page.html", 8),
    ]
    assert [(round(one["start"], 1), one["title"]) for one in told["chapters"]] == [(0.0, "Start & go"), (1.5, None)]
    assert not told["has_cover"]


def cues(text: bytes) -> list[tuple[float, float, str]]:
    """The cues of a file of WebVTT: their times, and what follows.

    ffmpeg has moved all streams of the films by the priming of AAC, so times are only near to those of the texts.
    """
    assert text.startswith(b"WEBVTT\n")
    found = re.findall(
        r"(?:00:)?00:(\d\d\.\d{3}) --> (?:00:)?00:(\d\d\.\d{3})(.*?)\n(?=\n|$)", text.decode(), re.DOTALL
    )
    return [(round(float(start), 1), round(float(end), 1), rest.strip(" ")) for start, end, rest in found]


def test_text_as_webvtt(daemon: LiveDaemon) -> None:
    assert cues(body(daemon, "all.mkv", "/subtitles/0.vtt")) == [
        (1.0, 2.0, "\nI &lt;3 you &amp; me"),
        (2.5, 3.0, "line:0\n<i>one</i>\ntwo --&gt; three"),
    ]
    assert cues(body(daemon, "all.mkv", "/subtitles/1.vtt")) == [(1.0, 2.0, "\n<i>Hello</i> &amp; you")]
    assert cues(body(daemon, "all.mkv", "/subtitles/2.vtt")) == [
        (1.0, 2.0, "align:start position:10% line:0\n<v Roger><c.yellow>We are</c> here")
    ]
    first, second = cues(body(daemon, "phone.mp4", "/subtitles/0.vtt"))
    assert first == (1.0, 2.0, "\nI &lt;3 you &amp; me")
    assert second[2].endswith("<i>one</i>\ntwo --&gt; three")


def test_each_as_it_is(daemon: LiveDaemon) -> None:
    assert b"I <3 you & me" in body(daemon, "all.mkv", "/subtitles/0.srt")
    assert b"{\\p1}m 0 0" in body(daemon, "all.mkv", "/subtitles/1.ass")
    assert segments(body(daemon, "all.mkv", "/subtitles/3.sup")) == segments(images())


def segments(data: bytes) -> list[bytes]:
    """The segments of images, without their times."""
    found: list[bytes] = []
    place = 0
    while place < len(data):
        assert data[place : place + 2] == b"PG"
        length = 13 + int.from_bytes(data[place + 11 : place + 13])
        found.append(data[place + 10 : place + length])
        place += length
    return found


def test_times_are_those_of_the_film_as_it_is_played(daemon: LiveDaemon) -> None:
    """The clock of this file begins at 100 s."""
    for position in (0, 1):
        assert cues(body(daemon, "late.mkv", f"/subtitles/{position}.vtt"))[0][:2] == (1.0, 2.0)
    assert re.search(rb"^00:00:01,0\d\d --> 00:00:02,0\d\d", body(daemon, "late.mkv", "/subtitles/0.srt"), re.MULTILINE)
    assert re.search(rb"Dialogue: 0,0:00:01.0\d,0:00:02.0\d,", body(daemon, "late.mkv", "/subtitles/1.ass"))


def test_fonts_and_chapters(daemon: LiveDaemon) -> None:
    assert body(daemon, "all.mkv", "/attachments/0") == FONT
    page = daemon.get(media_url("t/all.mkv", "/attachments/1"))
    assert (page.body, page.headers["content-type"]) == (b"<script>", "application/octet-stream")
    assert [cue[2] for cue in cues(body(daemon, "all.mkv", "/chapters.vtt"))] == ["\nStart &amp; go", "\nChapter 2"]
    assert body(daemon, "phone.mp4", "/chapters.vtt") == b"WEBVTT\n"
    daemon.get(media_url("t/phone.mp4", "/attachments/0")).problem(404)


def test_files_beside_a_film_are_in_both_views_of_it(clips: Clips, programs: Programs, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "Subs").mkdir(parents=True)
    shutil.copy(clips.film.path, root / "film.mp4")
    names = {
        "film.en.default.srt": b"en",
        "film.forced.en.srt": b"en forced",
        "film.pt-BR.sdh.srt": "ação".encode("cp1252"),
        "film.cc.srt": b"cc",
        "Subs/film.ru.srt": "Привет".encode("cp1251"),
        "film.2.en.srt": b"",
    }
    for name, text in names.items():
        data = b"1\n00:00:01,000 --> 00:00:02,000\n" + text + b"\n" if text else b""
        (root / name).write_bytes(data)
    with LiveDaemon(tmp_path / "daemon", {"f": root}, programs=programs) as daemon:
        told = daemon.json(media_url("f/film.mp4", "/probe.json"))
        streams = [one for one in told["streams"] if one["kind"] == "subtitle"]
        assert all(one["external"] and one["index"] is None for one in streams)
        languages = [one["language"] for one in streams]
        assert languages == ["en", None, "en", "en", "pt-BR", "ru"]
        master = media_url("f/film.mp4", "/master.m3u8")
        listed = daemon.get(master).body.decode()
        tracks = re.findall(r"TYPE=SUBTITLES.*", listed)
        assert len(tracks) == len(streams)
        assert [re.findall(r'LANGUAGE="([^"]+)"', one) for one in tracks] == [[one] if one else [] for one in languages]
        for track, shown_text in zip(tracks, ("", "cc", "en", "en forced", "ação", "Привет"), strict=True):
            (url,) = re.findall(r'URI="([^"]+)"', track)
            playlist = daemon.get(urljoin(master, url)).body.decode()
            (target,) = re.findall(r"^[^#\s]\S+$", playlist, re.MULTILINE)
            shown = daemon.get(urljoin(urljoin(master, url), target))
            assert shown.status == 200
            assert shown.body.decode().partition("00:02.000\n")[2].strip() == shown_text
            assert "immutable" in shown.headers["cache-control"]
        for tail in ("/subtitles/0.vtt", "/master.m3u8", "/manifest.mpd", "/cmaf/s0/index.m3u8", "/cmaf/v180/0.m4s"):
            daemon.get(media_url("f/film.mp4", f"{tail}?v=nonsense")).problem(410)
        # What is edited is new at once.
        (root / "film.cc.srt").write_bytes(b"1\n00:00:01,000 --> 00:00:02,000\nnew\n")
        assert b"new" in body_of(daemon, "f/film.mp4", "/subtitles/1.vtt")
        daemon.get(urljoin(master, re.findall(r'URI="([^"]+)"', tracks[1])[0])).problem(410)


def body_of(daemon: LiveDaemon, path: str, tail: str) -> bytes:
    answer = daemon.get(media_url(path, tail))
    assert answer.status == 200
    return answer.body


def test_no_answer_has_a_path_of_the_disk(clips: Clips, tmp_path: Path) -> None:
    """A film that breaks off, subtitles that cannot be read: whatever ffmpeg says of it, it says it of a file without a name."""
    root = tmp_path / "secret place" / "root"
    root.mkdir(parents=True)
    whole = clips.film.path.read_bytes()
    (root / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (root / "cut.en.srt").write_bytes(b"\x00\xff\x00\xff" * 100)
    with LiveDaemon(tmp_path / "daemon", {"f": root}) as daemon:
        tails = (
            "/subtitles/0.vtt",
            "/stream.mp4?start=3",
            "/stream.webm?start=3&mode=transcode",
            "/thumbnail.jpg?time=3",
        )
        bodies = [daemon.get(media_url("f/cut.mp4", tail)).body for tail in tails]
        bodies.append(daemon.get("/api/v1/endings").body)
        for told in bodies:
            assert b"secret place" not in told
            assert b"/proc/self" not in told
