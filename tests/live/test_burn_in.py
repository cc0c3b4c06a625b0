"""Subtitles that are drawn into the video: within their times and in no other picture, wherever the stream begins."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urljoin

import pytest

from tests.support.clips import made_once
from tests.support.daemon import LiveDaemon, media_url
from tests.support.films import body
from tests.support.pictures import Frame, frames
from tests.support.programs import BUNDLED, DEBIAN, EACH, NEWEST, Programs, with_programs
from tests.support.subtitled import FONT, LINES, RATE, SECONDS, make_subtitled

TEXT = ("srt.mkv", "text.mp4", "ass.mkv", "film.mp4")
IMAGES = ("pgs.mkv", "dvd.mkv", "dvb.ts", "cut.mkv")


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "subtitled", make_subtitled)


@pytest.fixture(scope="module")
def shared_daemon(programs: Programs, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    """A daemon with each ffmpeg."""
    with LiveDaemon(tmp_path_factory.mktemp(programs.name), {"m": root}, programs=programs) as daemon:
        yield daemon


_WHITE = bytes(range(171, 256))


def whites(source: Path) -> list[int]:
    """How many white pixels each frame has."""
    greens = [frame.data[1::3] for frame in frames(source)]
    return [len(green) - len(green.translate(None, _WHITE)) for green in greens]


def kept(data: bytes, tmp_path: Path, name: str = "got.mkv") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def expected(start: float = 0.0) -> list[bool]:
    """In which frames there is something to be seen."""
    times = [start + number / RATE for number in range(round((SECONDS - start) * RATE))]
    return [any(begin <= time < end for begin, end in LINES) for time in times]


def runs(found: list[int]) -> list[tuple[float, float]]:
    """From when to when something is seen."""
    seen = [any_white > 0 for any_white in found]
    begins = [place for place, one in enumerate(seen) if one and (place == 0 or not seen[place - 1])]
    ends = [place + 1 for place, one in enumerate(seen) if one and (place == len(seen) - 1 or not seen[place + 1])]
    return [(begin / RATE, end / RATE) for begin, end in zip(begins, ends, strict=True)]


def check(found: list[int], start: float = 0.0) -> None:
    wanted = expected(start)
    # The last frames may be one more or less; what counts is when something is seen.
    assert abs(len(found) - len(wanted)) <= 1
    wrong = [number for number, (one, seen) in enumerate(zip(found, wanted, strict=False)) if (one > 0) != seen]
    assert not wrong, f"from {start} s: frames {wrong}"


def refused(daemon: LiveDaemon, url: str) -> str:
    problem = daemon.get(url).problem(400)
    assert problem["parameter"] in {"subtitle", "burn"}
    return str(problem["detail"])


def can_draw(programs: Programs, daemon: LiveDaemon, name: str) -> bool:
    found: bool = daemon.json("/api/v1/capabilities")["burns_in"]["text" if name in TEXT else "bitmap"]
    return found


def each(names: Sequence[str]) -> pytest.MarkDecorator:
    """Every name with every ffmpeg. The decoder of 5.1 does not read DVB subtitles as the encoder of 8.1 writes them."""
    cases = [
        pytest.param(programs, name, id=f"{programs.name}-{name}")
        for programs in EACH
        for name in names
        if (programs, name) != (DEBIAN, "dvb.ts")
    ]
    return pytest.mark.parametrize(("programs", "name"), cases, indirect=["programs"], scope="module")


with_libass = with_programs(NEWEST, DEBIAN)


@each([*TEXT, *IMAGES])
def test_subtitles_are_seen_in_their_times_and_no_others(
    programs: Programs, daemon: LiveDaemon, tmp_path: Path, name: str
) -> None:
    """A stream that begins while a line is showing shows it."""
    query = "subtitle=0&burn=1"
    if not can_draw(programs, daemon, name):
        assert "libass" in refused(daemon, media_url(f"m/{name}", f"/stream.mkv?{query}"))
        return
    for start in (0.0, 4.0, 8.48) if programs is NEWEST else (4.0,):
        check(whites(kept(daemon.stream(f"m/{name}", "mkv", f"{query}&start={start}"), tmp_path)), start)


@with_libass
@pytest.mark.parametrize("name", ["early.mkv", "early ass.mkv"])
def test_a_line_that_has_begun_before_the_film_is_seen_from_its_beginning(
    daemon: LiveDaemon, tmp_path: Path, name: str
) -> None:
    """ffmpeg writes its time as `00:00:-1,000`."""
    found = whites(kept(daemon.stream(f"m/{name}", "mkv", "subtitle=0&burn=1"), tmp_path))
    assert runs(found) == [(0, 3), (5, 6)]
    found = whites(kept(daemon.stream(f"m/{name}", "mkv", "subtitle=0&burn=1&start=1"), tmp_path))
    assert runs(found) == [(0, 2), (4, 5)]
    text = daemon.get(media_url(f"m/{name}", "/subtitles/0.vtt")).body.decode()
    assert re.findall(r"^\d.*", text, re.MULTILINE) == ["00:00.000 --> 00:03.000", "00:05.000 --> 00:06.000"]
    as_it_is = daemon.get(media_url(f"m/{name}", "/subtitles/0." + ("ass" if "ass" in name else "srt"))).body
    assert b"-1" not in as_it_is


@with_programs(BUNDLED, NEWEST)
def test_each_part_of_a_joined_recording_has_its_lines(daemon: LiveDaemon, tmp_path: Path) -> None:
    """The clock begins anew, and the lines of the second part have the times of the first."""
    found = whites(kept(daemon.stream("m/joined.ts", "mkv", "subtitle=0&burn=1"), tmp_path))
    assert runs(found) == [(2, 6), (8, 9), (12, 16), (18, 19)]
    master_url = media_url("m/joined.ts", "/master.m3u8?burn=0")
    url = urljoin(master_url, re.findall(r"^cmaf/v\S+", daemon.get(master_url).body.decode(), re.MULTILINE)[0])
    playlist = body(daemon, url).decode()
    init = re.search(r'URI="([^"]+)"', playlist)
    assert init is not None
    last = re.findall(r"^\S+\.m4s\S*", playlist, re.MULTILINE)[-1]
    data = body(daemon, urljoin(url, init[1])) + body(daemon, urljoin(url, last))
    assert runs(whites(kept(data, tmp_path, "last.mp4"))) == [(0, 1)], "it begins at 18 s"


def test_a_film_without_burn_in_has_nothing_drawn(daemon: LiveDaemon, tmp_path: Path) -> None:
    assert set(whites(kept(daemon.stream("m/srt.mkv", "mkv", "mode=transcode"), tmp_path))) == {0}


@pytest.mark.parametrize("name", ["ass.mkv", "pgs.mkv", "film.mp4"])
def test_segments_have_the_subtitles_in_the_picture(
    programs: Programs, daemon: LiveDaemon, tmp_path: Path, name: str
) -> None:
    """Each segment, whichever was asked for first; and every URL of the playlists says what is drawn."""
    master_url = media_url(f"m/{name}", "/master.m3u8?burn=0")
    if not can_draw(programs, daemon, name):
        assert "libass" in refused(daemon, master_url)
        return
    master = daemon.get(master_url).body.decode()
    urls = re.findall(r"^cmaf/\S+", master, re.MULTILINE)
    assert urls
    assert all("burn=0" in url and "/copy/" not in url for url in urls), "the copy has nothing drawn into it"
    assert "TYPE=SUBTITLES" not in master, "a player would show them twice"
    first = next(url for url in urls if re.match(r"cmaf/v\d+-b0/", url))
    playlist_url = urljoin(master_url, first)
    text = body(daemon, playlist_url).decode()
    segments = re.findall(r"^\S+\.m4s\S*", text, re.MULTILINE)
    assert all("burn=0" in url for url in segments)
    init_url = re.search(r'#EXT-X-MAP:URI="([^"]+)"', text)
    assert init_url is not None
    init = body(daemon, urljoin(playlist_url, init_url[1]))
    last = whites(kept(init + body(daemon, urljoin(playlist_url, segments[-1])), tmp_path, "last.mp4"))
    made = b"".join(body(daemon, urljoin(playlist_url, one)) for one in segments)
    whole = whites(kept(init + made, tmp_path, "whole.mp4"))
    check(whole)
    assert [one > 0 for one in last] == [one > 0 for one in whole[-len(last) :]]
    plain = daemon.get(media_url(f"m/{name}", "/master.m3u8")).body.decode()
    assert "burn" not in plain
    assert "-b0" not in plain
    manifest = daemon.get(media_url(f"m/{name}", "/manifest.mpd?burn=0")).body.decode()
    assert "v180-b0" in manifest
    assert "burn=0" in manifest


@each(IMAGES)
def test_images_stand_where_they_do_on_a_disc(
    programs: Programs, daemon: LiveDaemon, tmp_path: Path, name: str
) -> None:
    """At the bottom, in the middle, and all of them: not cut off where the film was."""
    shown = frames(kept(daemon.stream(f"m/{name}", "mkv", "subtitle=0&burn=1&start=3&duration=0.4"), tmp_path))
    frame = shown[0]
    green = frame.data[1::3]
    at = [place for place, value in enumerate(green) if value > 170]
    columns, rows = [place % frame.width for place in at], [place // frame.width for place in at]
    middle = (min(columns) + max(columns)) / 2 / frame.width
    assert abs(middle - 0.5) < 0.03
    assert 0.75 < (min(rows) + max(rows)) / 2 / frame.height < 1
    # A box four times as wide as high; that of the old discs is 160 by 60 of 720 by 576, in a picture of 16:9.
    shape = (max(columns) - min(columns) + 1) / (max(rows) - min(rows) + 1)
    assert abs(shape - (3.8 if name in {"dvd.mkv", "dvb.ts"} else 4)) < 0.6


@with_libass
@pytest.mark.skipif(not FONT.exists(), reason="no DejaVu on this machine")
def test_the_fonts_of_a_film_are_used(daemon: LiveDaemon, tmp_path: Path) -> None:
    """In the font that is attached, an `i` is as wide as any letter. In the machine's it is narrow."""

    def width(name: str) -> int:
        got = daemon.stream(f"m/{name}", "mkv", "subtitle=0&burn=1&start=3&duration=0.2")
        frame: Frame = frames(kept(got, tmp_path))[0]
        return frame.extent(170)[0]

    assert width("font.mkv") > 1.5 * width("no font.mkv") > 0


@with_libass
def test_a_file_beside_it_that_was_edited_is_drawn_anew(
    programs: Programs, daemon: LiveDaemon, root: Path, tmp_path: Path
) -> None:
    text = root / f"edited {programs.name}.srt"
    film = text.with_suffix(".mp4")
    film.write_bytes((root / "film.mp4").read_bytes())
    try:
        for first, second in ((1, 2), (3, 4)):
            text.write_text(f"1\n00:00:0{first},000 --> 00:00:0{second},000\nMMMM\n", "utf-8")
            master_url = media_url(f"m/{film.name}", "/master.m3u8?burn=0")
            master = daemon.get(master_url).body.decode()
            url = urljoin(master_url, re.findall(r"^cmaf/v\S+", master, re.MULTILINE)[0])
            playlist = body(daemon, url).decode()
            init = re.search(r'URI="([^"]+)"', playlist)
            assert init is not None
            segments = re.findall(r"^\S+\.m4s\S*", playlist, re.MULTILINE)[:2]
            data = b"".join(body(daemon, urljoin(url, part)) for part in (init[1], *segments))
            seen = [number / RATE for number, one in enumerate(whites(kept(data, tmp_path, "a.mp4"))) if one]
            assert seen
            assert first <= min(seen) < max(seen) < second
            got = whites(kept(daemon.stream(f"m/{film.name}", "mkv", "subtitle=0&burn=1"), tmp_path))
            assert [first <= number / RATE < second for number in range(len(got))] == [one > 0 for one in got]
    finally:
        text.unlink()
        film.unlink()


@pytest.mark.parametrize(
    ("tail", "why"),
    [
        ("/stream.mp4?burn=1", "needs the parameter subtitle"),
        ("/stream.mp4?subtitle=0", "burn=1"),
        ("/stream.mp4?subtitle=7&burn=1", "allowed for this file: 0 to 0"),
        ("/stream.mp4?subtitle=0&burn=1&mode=copy", "needs a transcode"),
        ("/stream.mp3?subtitle=0&burn=1", "mp3 has no video"),
        ("/master.m3u8?burn=7", "allowed for this file: 0 to 0"),
        ("/manifest.mpd?burn=7", "allowed for this file: 0 to 0"),
        ("/cmaf/v180-b7/index.m3u8?burn=7", "allowed for this file: 0 to 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_the_reason(daemon: LiveDaemon, tail: str, why: str) -> None:
    assert why in refused(daemon, media_url("m/pgs.mkv", tail))


def test_a_rendition_with_something_drawn_needs_its_parameter(daemon: LiveDaemon) -> None:
    assert daemon.get(media_url("m/pgs.mkv", "/cmaf/v180-b0/0.m4s")).status == 404
    assert daemon.get(media_url("m/pgs.mkv", "/cmaf/v180/0.m4s?burn=0")).status == 404


def test_the_pictures_between_the_lines_are_those_of_the_film(
    programs: Programs, daemon: LiveDaemon, root: Path, tmp_path: Path
) -> None:
    """What is drawn changes nothing but itself."""
    name = "pgs.mkv"
    plain = frames(kept(daemon.stream(f"m/{name}", "mkv", "mode=transcode&duration=1"), tmp_path, "a.mkv"))
    drawn = frames(kept(daemon.stream(f"m/{name}", "mkv", "subtitle=0&burn=1&duration=1"), tmp_path, "b.mkv"))
    assert len(plain) == len(drawn)
    assert all(one.data == other.data for one, other in zip(plain, drawn, strict=True))
