"""HLS and DASH as players read them, over HTTP: a film without a seam whatever order it was made in, and heads that come and go.

The pictures count their frames, as in `tests.support.clips`: a frame that is lost or doubled at a seam shows.
"""

import json
import random
import re
import shutil
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import count, pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urljoin
from xml.etree import ElementTree as ET

import attrs
import pytest

from tests.support.clips import BITS, ffmpeg, ffprobe, find_tools_once, frame_numbers
from tests.support.daemon import LiveDaemon, media_url, read_response, until
from tests.support.stubs import stub, teach

SIZE = "192x144"
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", "2", "-g", "150", "-sc_threshold", "0")
X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-x265-params", "log-level=none:pools=1")
TWO_SOUNDS = (
    *("-f", "lavfi", "-i", "sine=440:d=13", "-f", "lavfi", "-i", "sine=880:d=13", "-map", "0", "-map", "1", "-map"),
    *("2", "-c:a", "aac", "-metadata:s:a:0", "language=ger", "-metadata:s:a:1", "language=eng"),
)
LINES = "1\n00:00:01,000 --> 00:00:03,000\n{}\n"
DASH = {"d": "urn:mpeg:dash:schema:mpd:2011"}
IMMUTABLE = "private, max-age=31536000, immutable"


@attrs.frozen
class Film:
    """One input: how many frames it has at which rate (0: no picture), and the renditions that are to be offered."""

    name: str
    frames: int
    rate: Fraction
    renditions: tuple[str, ...]


FILMS = (
    Film("long groups.mp4", 525, Fraction(25), ("v144", "copy", "a0")),
    Film("two sounds.mkv", 312, Fraction(24), ("v144", "a0", "a1")),
    Film("odd and silent.mov", 390, Fraction(30000, 1001), ("v120",)),
    Film("sound alone.mp3", 0, Fraction(48000, 1024), ("a0",)),
)


@attrs.frozen
class Piece:
    """One segment of a playlist: where it is, and its time in seconds."""

    url: str
    start: Fraction
    duration: Fraction


@attrs.frozen
class Playlist:
    """A media playlist."""

    rendition: str
    init: str
    pieces: tuple[Piece, ...]

    @property
    def seconds(self) -> Fraction:
        """How long the whole is."""
        return sum((piece.duration for piece in self.pieces), Fraction(0))


@attrs.frozen
class Packet:
    """What ffprobe says of a packet; seconds."""

    pts: float
    dts: float
    duration: float
    key: bool


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The films."""
    directory = tmp_path_factory.mktemp("films")
    counting(directory / FILMS[0].name, SIZE, 525, "25", "-f", "lavfi", "-i", "sine=d=21", *X264, "-c:a", "aac")
    counting(directory / FILMS[1].name, SIZE, 312, "24", *TWO_SOUNDS, *X265)
    # Odd, and in a pixel format that no browser takes.
    odd = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv444p")
    counting(directory / FILMS[2].name, "161x121", 390, "30000/1001", *odd)
    ffmpeg("-f", "lavfi", "-i", "sine=d=15.5", "-c:a", "libmp3lame", f"file:{directory / FILMS[3].name}")
    # Half an hour, for what must not come to its end.
    loop = ("-stream_loop", "84", "-i", f"file:{directory / FILMS[0].name}", "-c", "copy")
    ffmpeg(*loop, f"file:{directory / 'endless.mkv'}")
    text = directory / ".text.srt"
    text.write_text(LINES.format("Inside"), encoding="utf-8")
    beside = ("-i", f"file:{directory / FILMS[0].name}", "-i", f"file:{text}", "-map", "0", "-map", "1", "-c", "copy")
    ffmpeg(*beside, "-c:s", "srt", "-metadata:s:s:0", "language=fre", f"file:{directory / 'texts.mkv'}")
    (directory / "texts.en.srt").write_text(LINES.format("Beside"), encoding="utf-8")
    return directory


def counting(path: Path, size: str, frames: int, rate: str, *arguments: str) -> None:
    """Make a film whose pictures are the bits of their number."""
    width, height = map(int, size.split("x"))
    rows = [bytes(235 if n >> (x * BITS // width) & 1 else 16 for x in range(width)) * height for n in range(256)]
    raw = ("-f", "rawvideo", "-pix_fmt", "gray", "-video_size", size, "-framerate", rate, "-i", "pipe:0")
    ffmpeg(*raw, *arguments, f"file:{path}", stdin=b"".join(rows[number % 256] for number in range(frames)))


@pytest.fixture(scope="module")
def shared(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    with LiveDaemon(tmp_path_factory.mktemp("adaptive"), {"f": root}) as daemon:
        yield daemon


@pytest.fixture
def daemon(shared: LiveDaemon) -> Iterator[LiveDaemon]:
    """The shared daemon. Heads outlive their requests, so what the test left running is released at its end."""
    yield shared
    shared.request("DELETE", "/api/v1/streams?path=f")
    shared.quiet()


_copies = count()


@pytest.fixture
def endless(root: Path) -> Iterator[str]:
    """The half hour under a name of its own, of which nobody has a segment yet; its path in the library."""
    path = root / f"endless-{next(_copies)}.mkv"
    shutil.copy(root / "endless.mkv", path)
    yield f"f/{path.name}"
    path.unlink()


def renditions(daemon: LiveDaemon, path: str) -> list[str]:
    """The URLs of the media playlists that the master playlist names."""
    master = media_url(path, "/master.m3u8")
    text = daemon.get(master)
    assert text.status == 200, text.body
    assert text.headers["content-type"] == "application/vnd.apple.mpegurl"
    found = re.findall(r'^cmaf/\S+|URI="(cmaf/[^"]+)"', text.body.decode(), re.MULTILINE)
    plain = re.findall(r"^cmaf/\S+", text.body.decode(), re.MULTILINE)
    return [urljoin(master, url) for url in dict.fromkeys([*plain, *filter(None, found)])]


def playlist(daemon: LiveDaemon, path: str, rendition: str) -> Playlist:
    """The media playlist of a rendition."""
    url = next(url for url in renditions(daemon, path) if f"/cmaf/{rendition}/" in url)
    text = daemon.get(url).body.decode()
    assert text.startswith("#EXTM3U\n")
    assert text.endswith("#EXT-X-ENDLIST\n")
    init = re.search(r'#EXT-X-MAP:URI="([^"]+)"', text)
    assert init is not None
    pieces, start = [], Fraction(0)
    for length, name in re.findall(r"#EXTINF:([0-9.]+),\n(\S+)", text):
        pieces.append(Piece(urljoin(url, name), start, Fraction(length)))
        start += Fraction(length)
    return Playlist(rendition, urljoin(url, init[1]), tuple(pieces))


def body(daemon: LiveDaemon, url: str) -> bytes:
    """What is there."""
    response = daemon.get(url)
    assert response.status == 200, f"{url}: {response.status} {response.body[:400]!r}"
    assert response.complete
    return response.body


def packets(source: bytes | str, *arguments: str) -> dict[int, list[Packet]]:
    """The packets of each stream, of some bytes or of a URL."""
    entries = "packet=stream_index,pts_time,dts_time,duration_time,flags"
    if isinstance(source, bytes):
        found = ffprobe(source, "-show_entries", entries, "-show_packets", *arguments)
    else:
        found = probe_url(source, "-show_entries", entries, "-show_packets", *arguments)
    streams: dict[int, list[Packet]] = {}
    for one in found["packets"]:
        times = (float(one["pts_time"]), float(one["dts_time"]), float(one.get("duration_time", 0)))
        streams.setdefault(one["stream_index"], []).append(Packet(*times, key="K" in one["flags"]))
    return streams


def probe_url(url: str, *arguments: str) -> Any:
    """What ffprobe says of a URL."""
    import subprocess

    command = [find_tools_once()[1], "-loglevel", "error", "-of", "json", *arguments, "-i", url]
    done = subprocess.run(command, capture_output=True, check=True, timeout=100, stdin=subprocess.DEVNULL)
    assert not done.stderr, done.stderr.decode()
    return json.loads(done.stdout)


def seamless(found: Sequence[Packet], seconds: float, frame: float) -> None:
    """Decode times rise by the same step everywhere, and the whole is as long as it should be, to within a frame."""
    steps = [later.dts - earlier.dts for earlier, later in pairwise(found)]
    assert min(steps) > 0
    assert max(steps) - min(steps) < 0.0015, "a gap at a seam"
    assert abs(min(packet.pts for packet in found)) <= 0.001
    assert abs(max(packet.pts + packet.duration for packet in found) - seconds) <= frame + 0.001


def length(root: Path, film: Film) -> float:
    """Seconds of the file itself."""
    return float(ffprobe(root / film.name)["format"]["duration"])


def frame_of(film: Film, rendition: str) -> float:
    return 1024 / 48000 if rendition.startswith("a") else float(1 / film.rate)


def streams_of(daemon: LiveDaemon, path: str) -> list[dict[str, Any]]:
    """The streams of a file, live ones and those that have ended."""
    return [stream for stream in (*daemon.live(), *daemon.endings()) if stream["path"] == path]


# The whole film.


@pytest.mark.parametrize("film", FILMS, ids=lambda film: film.name)
def test_a_player_reads_the_whole_film_without_a_seam(daemon: LiveDaemon, root: Path, film: Film) -> None:
    names = [re.sub(r".*/cmaf/([^/]+)/.*", r"\1", url) for url in renditions(daemon, f"f/{film.name}")]
    assert sorted(names) == sorted(film.renditions)
    found = packets(f"http://127.0.0.1:{daemon.port}{media_url(f'f/{film.name}', '/master.m3u8')}")
    assert len(found) == len(film.renditions)
    seconds = length(root, film)
    for stream in found.values():
        picture = abs(stream[0].duration - float(1 / film.rate)) < 0.001
        seamless(stream, seconds, float(1 / film.rate) if picture else 1024 / 48000)
    assert {ending["reason"] for ending in daemon.endings() if ending["path"] == f"f/{film.name}"} <= {"finished"}


@pytest.mark.parametrize("film", FILMS, ids=lambda film: film.name)
def test_segments_that_were_asked_for_in_random_order_are_one_film(root: Path, tmp_path: Path, film: Film) -> None:
    """As by one who seeks all the time: each segment may come from another transcoder, and none shows it."""
    path, seconds = f"f/{film.name}", length(root, film)
    with LiveDaemon(tmp_path / "daemon", {"f": root}) as daemon:
        for name in film.renditions:
            shown = playlist(daemon, path, name)
            assert abs(float(shown.seconds) - seconds) <= frame_of(film, name)
            order = list(shown.pieces)
            random.Random(7).shuffle(order)
            made = {piece.url: body(daemon, piece.url) for piece in order}
            init = body(daemon, shown.init)
            for piece in shown.pieces:
                (alone,) = packets(init + made[piece.url]).values()
                assert alone[0].key, "a player that seeks here cannot begin"
                first = min(packet.pts for packet in alone)
                assert alone[0].pts == first
                assert abs(first - float(piece.start)) <= 0.001
            whole = init + b"".join(made[piece.url] for piece in shown.pieces)
            (joined,) = packets(whole).values()
            seamless(joined, seconds, frame_of(film, name))
            if name.startswith(("v", "copy")):
                numbers = frame_numbers(whole)
                assert numbers == [min(n, film.frames - 1) % 256 for n in range(len(numbers))]
                assert film.frames <= len(numbers) <= film.frames + 1
        assert len(daemon.endings()) + len(daemon.live()) > len(film.renditions), "it took no more than one of each"
        found = packets(f"http://127.0.0.1:{daemon.port}{media_url(path, '/master.m3u8')}")
        for stream in found.values():
            picture = abs(stream[0].duration - float(1 / film.rate)) < 0.001
            seamless(stream, seconds, float(1 / film.rate) if picture else 1024 / 48000)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mp3", "ts"])
def test_sound_is_heard_when_it_was_recorded(root: Path, daemon: LiveDaemon, suffix: str) -> None:
    """Each second half of a second is silent, from the first segment to the last, whichever order they were made in."""
    # A priming that is not taken off, or a seek that is a frame off, would move it by 21 ms.
    codec = ("-c:a", "libmp3lame") if suffix == "mp3" else ("-c:a", "aac")
    path = root / f"ticking.{suffix}"
    tick = "aevalsrc=exprs=sin(2*PI*440*t)*lt(mod(t\\,1)\\,0.5):s=48000:d=13"
    ffmpeg("-f", "lavfi", "-i", tick, *codec, f"file:{path}")
    shown = playlist(daemon, f"f/{path.name}", "a0")
    order = [2, 0, 3, 1] if len(shown.pieces) == 4 else list(range(len(shown.pieces)))[::-1]
    made = {number: body(daemon, shown.pieces[number].url) for number in order}
    whole = body(daemon, shown.init) + b"".join(made[number] for number in sorted(made))
    expected = turns(ffmpeg("-i", f"file:{path}", *PLAIN_SOUND))
    assert len(expected) == 25
    for heard, recorded in zip(turns(ffmpeg("-i", "pipe:0", *PLAIN_SOUND, stdin=whole)), expected, strict=True):
        assert abs(heard - recorded) < 0.015
    path.unlink()


PLAIN_SOUND = ("-af", "aresample=async=1:first_pts=0", "-ac", "1", "-ar", "8000", "-f", "s16le", "-")


def turns(raw: bytes) -> list[float]:
    """When sound becomes silence, and silence sound: seconds, to the hundredth, without the very beginning."""
    samples, step = memoryview(raw).cast("h"), 80
    loud = [max(map(abs, samples[at : at + step])) > 2000 for at in range(0, len(samples) - step, step)]
    return [at / 100 for at, (before, now) in enumerate(pairwise(loud), 1) if before != now and at > 10]


@pytest.mark.parametrize("film", FILMS, ids=lambda film: film.name)
def test_dash_names_the_same_segments_at_the_same_times(daemon: LiveDaemon, film: Film) -> None:
    path = f"f/{film.name}"
    url = media_url(path, "/manifest.mpd")
    response = daemon.get(url)
    assert response.headers["content-type"] == "application/dash+xml"
    mpd = ET.fromstring(response.body)
    seen = []
    for group in mpd.iterfind(".//d:AdaptationSet[d:SegmentTemplate]", DASH):
        template = group.find("d:SegmentTemplate", DASH)
        assert template is not None
        ticks = [(int(s.get("d", 0)), int(s.get("r", 0)) + 1) for s in template.iterfind("d:SegmentTimeline/d:S", DASH)]
        lengths = [Fraction(d, int(template.get("timescale", 0))) for d, repeated in ticks for _ in range(repeated)]
        for shown in group.iterfind("d:Representation", DASH):
            name = shown.get("id", "")
            hls = playlist(daemon, path, name)

            def filled(pattern: str, number: int, name: str = name) -> str:
                text = pattern.replace("$RepresentationID$", name).replace("$Number$", str(number))
                return urljoin(url, text.replace("$$", "$"))

            media = template.get("media", "")
            assert filled(template.get("initialization", ""), 0) == hls.init
            assert [filled(media, number) for number in range(len(lengths))] == [piece.url for piece in hls.pieces]
            for exact, piece in zip(lengths, hls.pieces, strict=True):
                assert abs(exact - piece.duration) <= Fraction(1, 1_000_000)
            seen.append(name)
    assert sorted(seen) == sorted(film.renditions)
    assert not [stream for stream in daemon.live() if stream["path"] == path and stream["state"] == "starting"]


def test_playlists_take_no_process(daemon: LiveDaemon, endless: str) -> None:
    shown = playlist(daemon, endless, "v144")
    assert shown.seconds > 1700
    daemon.get(media_url(endless, "/manifest.mpd"))
    assert daemon.request("HEAD", shown.pieces[5].url).status == 200
    assert not streams_of(daemon, endless)


# Heads.


def test_twenty_viewers_share_one_process(daemon: LiveDaemon, endless: str) -> None:
    shown = playlist(daemon, endless, "v144")
    with ThreadPoolExecutor(20) as viewers:
        for url in (shown.init, *(piece.url for piece in shown.pieces[:4])):
            bodies = set(viewers.map(lambda _, url=url: body(daemon, url), range(20)))
            assert len(bodies) == 1
            assert len(streams_of(daemon, endless)) == 1
            assert len(daemon.census()) <= 1


def test_segments_are_kept_when_their_head_is_superseded(daemon: LiveDaemon, endless: str) -> None:
    shown = playlist(daemon, endless, "v144")
    first = body(daemon, shown.pieces[0].url)
    body(daemon, shown.pieces[200].url)
    until(lambda: [ending for ending in daemon.endings() if ending["path"] == endless], "the Ending of the first")
    (ending,) = [ending for ending in daemon.endings() if ending["path"] == endless]
    assert ending["reason"] == "superseded"
    assert ending["kill_ms"] is not None
    assert body(daemon, shown.pieces[0].url) == first
    assert len(streams_of(daemon, endless)) == 2


def test_scrubbing_never_runs_two_and_settles_on_the_last(daemon: LiveDaemon, endless: str) -> None:
    shown = playlist(daemon, endless, "v144")
    until(lambda: not daemon.census(), "the end of the look at the keyframes, which a playlist has begun")
    dice = random.Random(3)
    for _ in range(20):
        connection = daemon.open(dice.choice(shown.pieces[:300]).url)
        # Ten seeks a second are what is to be survived, so this is the pace.
        time.sleep(0.1)
        running = [stream for stream in daemon.live() if stream["path"] == endless]
        assert len(running) <= 1
        assert len(daemon.census()) <= 1
        connection.close()
    last = 400  # beyond all that was made
    assert body(daemon, shown.pieces[last].url)
    (settled,) = [stream for stream in daemon.live() if stream["path"] == endless]
    assert settled["why"] == f"segments from {last} on"
    ended = sorted((e["started"], e["ended"]) for e in daemon.endings() if e["path"] == endless)
    assert len(ended) > 3, "the test has not made anybody seek"
    for earlier, later in pairwise([*ended, (settled["started"], "")]):
        assert earlier[1] <= later[0], "two transcoders of one rendition at the same time"


def test_a_head_that_is_far_ahead_sleeps_and_goes_on_when_it_is_needed(root: Path, tmp_path: Path) -> None:
    """And it is not taken for one that hangs, however long that is."""
    limits = ("--hang-timeout", "1", "--idle-timeout", "60")
    with LiveDaemon(tmp_path / "daemon", {"f": root}, *limits) as daemon:
        shown = playlist(daemon, "f/endless.mkv", "a0")
        body(daemon, shown.pieces[0].url)
        (stream,) = until(lambda: [one for one in daemon.live() if one["backpressured"]], "the brake")
        # Several looks of the monitor, which comes by each second.
        still = until(lambda: after(daemon, stream["id"], 4.0), "four seconds")
        assert still["state"] == "running"
        assert still["backpressured"]
        assert still["bytes_sent"] == stream["bytes_sent"]
        assert still["position_s"] < 120, "the pipe is full, and nothing more"
        for piece in shown.pieces[1:20]:
            body(daemon, piece.url)
        (only,) = streams_of(daemon, "f/endless.mkv")
        assert only["id"] == stream["id"]
        assert only["bytes_sent"] > stream["bytes_sent"]


def after(daemon: LiveDaemon, stream_id: str, seconds: float) -> dict[str, Any] | None:
    shown: dict[str, Any] = daemon.json(f"/api/v1/streams/{stream_id}")
    return shown if shown["uptime_s"] >= seconds else None


def test_who_says_that_he_leaves_ends_the_heads_at_once(root: Path, tmp_path: Path) -> None:
    """Ten minutes before anybody would miss him, and only those of his film."""
    (tmp_path / "other").mkdir()
    shutil.copy(root / "endless.mkv", tmp_path / "other" / "film.mkv")
    roots = {"f": root, "g": tmp_path / "other"}
    with LiveDaemon(tmp_path / "daemon", roots, "--idle-timeout", "600", "--max-streams", "4") as daemon:
        left, kept = playlist(daemon, "f/endless.mkv", "a0"), playlist(daemon, "g/film.mkv", "a0")
        body(daemon, kept.pieces[0].url)
        for number in (3, 200):
            body(daemon, left.pieces[number].url)
            assert daemon.post(media_url("f/endless.mkv", "/cmaf/leave"), "").status == 204
            until(lambda: [stream["path"] for stream in daemon.live()] == ["g/film.mkv"], "his alone is over")
        assert [ending["reason"] for ending in daemon.endings()] == ["idle", "idle"]
        # What was made is there still, and who comes back is served without another.
        body(daemon, left.pieces[3].url)
        assert len(daemon.live()) == 1


def test_who_leaves_with_a_request_under_way_ends_the_head_with_it(root: Path, tmp_path: Path) -> None:
    program = stub(tmp_path, "ffmpeg")
    teach(program, "for_ever()")
    limits = ("--idle-timeout", "600", "--ffmpeg", str(program))
    with LiveDaemon(tmp_path / "daemon", {"f": root}, *limits) as daemon:
        with daemon.open(playlist(daemon, "f/endless.mkv", "v144").pieces[0].url):
            until(daemon.live, "the head")
            assert daemon.post(media_url("f/endless.mkv", "/cmaf/leave"), "").status == 204
            assert daemon.live(), "somebody waits for it"
        daemon.quiet()
        assert [ending["reason"] for ending in daemon.endings()] == ["idle"]


def test_a_head_that_nobody_asks_for_is_ended(root: Path, tmp_path: Path) -> None:
    with LiveDaemon(tmp_path / "daemon", {"f": root}, "--idle-timeout", "2") as daemon:
        shown = playlist(daemon, "f/endless.mkv", "a0")
        made = body(daemon, shown.pieces[9].url)
        daemon.quiet()
        (ending,) = daemon.endings()
        assert (ending["reason"], ending["format"]) == ("idle", "cmaf/a0")
        # What it made is there still, and a new one is started for what is not.
        assert body(daemon, shown.pieces[9].url) == made
        assert len(daemon.endings()) == 1
        assert not daemon.live()
        body(daemon, shown.pieces[100].url)
        assert len(daemon.live()) == 1


def test_a_file_that_is_released_ends_its_heads_and_fails_those_who_wait(root: Path, tmp_path: Path) -> None:
    program = stub(tmp_path, "ffmpeg")
    teach(program, "for_ever()")
    with LiveDaemon(tmp_path / "daemon", {"f": root}, "--ffmpeg", str(program)) as daemon:
        waiting = daemon.open(playlist(daemon, "f/endless.mkv", "v144").pieces[0].url)
        until(daemon.live, "the head")
        endings = daemon.request("DELETE", "/api/v1/streams?path=f/endless.mkv").json()["endings"]
        assert [ending["reason"] for ending in endings] == ["file-released"]
        assert not daemon.census()
        with waiting:
            problem = read_response(waiting)
        problem.problem(503)
        assert int(problem.headers["retry-after"]) >= 1
        assert problem.headers["cache-control"] == "no-store"
        assert "etag" not in problem.headers


def test_who_leaves_does_not_wait_any_more(root: Path, tmp_path: Path) -> None:
    """A head is held by those who wait for it, and by nobody else."""
    program = stub(tmp_path, "ffmpeg")
    teach(program, "for_ever()")
    limits = ("--idle-timeout", "1", "--ffmpeg", str(program))
    with LiveDaemon(tmp_path / "daemon", {"f": root}, *limits) as daemon:
        url = playlist(daemon, "f/endless.mkv", "v144").pieces[0].url
        with daemon.open(url):
            (stream,) = until(daemon.live, "the head")
            assert until(lambda: after(daemon, stream["id"], 3.0), "three seconds")["state"] == "starting"
        daemon.quiet()
        (ending,) = daemon.endings()
        assert ending["reason"] == "idle"


def test_who_leaves_the_queue_takes_no_place(root: Path, tmp_path: Path) -> None:
    program = stub(tmp_path, "ffmpeg")
    teach(program, "for_ever()")
    limits = ("--max-streams", "1", "--idle-timeout", "1", "--ffmpeg", str(program))
    with LiveDaemon(tmp_path / "daemon", {"f": root}, *limits) as daemon:
        first = daemon.open(playlist(daemon, "f/endless.mkv", "v144").pieces[0].url)
        until(daemon.live, "the head")
        second = daemon.open(playlist(daemon, f"f/{FILMS[1].name}", "v144").pieces[0].url)
        until(lambda: b"1 waiting" in daemon.get("/readyz").body, "the other one waits")
        second.close()
        until(lambda: b"waiting" not in daemon.get("/readyz").body, "the queue is empty")
        first.close()
        daemon.quiet()
        assert [ending["path"] for ending in daemon.endings()] == ["f/endless.mkv"]


def test_a_head_that_dies_fails_those_who_wait_and_is_not_tried_for_ever(root: Path, tmp_path: Path) -> None:
    program = stub(tmp_path, "ffmpeg")
    teach(program, "sys.stderr.write('the film is torn\\n'); raise SystemExit(3)")
    with LiveDaemon(tmp_path / "daemon", {"f": root}, "--ffmpeg", str(program)) as daemon:
        shown = playlist(daemon, "f/endless.mkv", "v144")
        for tries in range(1, 6):
            response = daemon.get(shown.pieces[0].url)
            problem = response.problem(500)
            assert response.headers["cache-control"] == "no-store", "a player would keep the failure"
            assert len(daemon.endings()) == min(tries, 3)
            if tries <= 3:
                assert problem["stderr_tail"] == ["the film is torn"]
        # Another rendition of it is another matter.
        daemon.get(playlist(daemon, "f/endless.mkv", "a0").pieces[0].url).problem(500)
        assert len(daemon.endings()) == 4


def test_a_head_that_breaks_off_is_no_end_of_the_film(root: Path, tmp_path: Path) -> None:
    """Half a segment is not taken for a whole one."""
    program = stub(tmp_path, "ffmpeg")
    teach(program, f"os.execv('/bin/sh', ['sh', '-c', {BREAKS_OFF!r}, *asked])")
    with LiveDaemon(tmp_path / "daemon", {"f": root}, "--ffmpeg", str(program)) as daemon:
        shown = playlist(daemon, "f/endless.mkv", "copy")
        body(daemon, shown.init)
        daemon.get(shown.pieces[0].url).problem(500)
        assert {ending["reason"] for ending in daemon.endings()} == {"failed"}


BREAKS_OFF = f'{find_tools_once()[0]} "$0" "$@" | head -c 6000; exit 7'


def test_two_who_watch_different_places_both_get_on(daemon: LiveDaemon, endless: str) -> None:
    shown = playlist(daemon, endless, "v144")

    def watch(first: int) -> int:
        return sum(len(body(daemon, piece.url)) > 0 for piece in shown.pieces[first : first + 6])

    with ThreadPoolExecutor(2) as viewers:
        assert list(viewers.map(watch, (20, 300))) == [6, 6]


def test_one_place_is_enough_for_picture_and_sound(root: Path, tmp_path: Path) -> None:
    """A film that one may watch has both, and who goes over to another film need not wait for the first to be forgotten."""
    limits = ("--max-streams", "1", "--queue-timeout", "20")
    with LiveDaemon(tmp_path / "daemon", {"f": root}, *limits) as daemon:
        for path in ("f/endless.mkv", f"f/{FILMS[1].name}"):
            picture, sound = playlist(daemon, path, "v144"), playlist(daemon, path, "a0")
            with ThreadPoolExecutor(2) as player:
                for number in range(3):
                    urls = [one.pieces[number].url for one in (picture, sound)]
                    list(player.map(lambda url: body(daemon, url), urls))


def test_stopping_the_daemon_sends_everybody_away(root: Path, tmp_path: Path) -> None:
    program = stub(tmp_path, "ffmpeg")
    teach(program, "for_ever()")
    with LiveDaemon(tmp_path / "daemon", {"f": root}, "--ffmpeg", str(program)) as daemon:
        urls = [playlist(daemon, "f/endless.mkv", name).pieces[3].url for name in ("v144", "a0", "copy")]
        waiting: list[socket.socket] = [daemon.open(url) for url in urls]
        until(lambda: len(daemon.live()) == 3, "three heads")
        assert daemon.stop() == 0
        for connection in waiting:
            with connection:
                assert told(connection) in {None, 503}


def told(connection: socket.socket) -> int | None:
    """The status that was answered; None if the connection was closed without a word."""
    try:
        return read_response(connection).status
    except ConnectionError:
        return None


# The store, and what may be kept.


def test_a_small_store_forgets_and_the_film_still_plays(root: Path, tmp_path: Path) -> None:
    """Smaller than what a head makes ahead: each segment that was forgotten is made again, and so is what comes before them all."""
    path = f"f/{FILMS[0].name}"
    with LiveDaemon(tmp_path / "daemon", {"f": root}, "--cache-max", "120K") as daemon:
        shown = playlist(daemon, path, "a0")
        init, *made = [body(daemon, url) for url in (shown.init, *(piece.url for piece in shown.pieces))]
        assert sum(map(len, made)) > 120 * 1024, "all of it would have fitted"
        (found,) = packets(init + b"".join(made)).values()
        seamless(found, length(root, FILMS[0]), 1024 / 48000)


def test_a_newcomer_gets_what_the_head_told_long_ago(root: Path, tmp_path: Path) -> None:
    """The init segment is written once by each head, and it goes first when the store is full."""
    with LiveDaemon(tmp_path / "daemon", {"f": root}, "--cache-max", "120K") as daemon:
        shown = playlist(daemon, "f/endless.mkv", "a0")
        init = body(daemon, shown.init)
        for piece in shown.pieces[:8]:
            body(daemon, piece.url)
        assert [stream["state"] for stream in daemon.live()] == ["running"]
        assert body(daemon, shown.init) == init


def test_segments_may_be_kept_for_ever_and_are_gone_when_the_file_has_changed(root: Path, daemon: LiveDaemon) -> None:
    film = root / "changing.mp3"
    shutil.copy(root / FILMS[3].name, film)
    shown = playlist(daemon, "f/changing.mp3", "a0")
    for url in (shown.init, shown.pieces[1].url):
        first = daemon.get(url)
        assert first.headers["cache-control"] == IMMUTABLE
        assert first.headers["content-type"] == "audio/mp4"
        tag = first.headers["etag"]
        again = daemon.get(url, {"If-None-Match": tag})
        assert (again.status, again.body) == (304, b"")
        assert again.headers["etag"] == tag
        assert daemon.get(url, {"If-None-Match": f'"other", W/{tag}'}).status == 304
        assert daemon.get(url, {"If-None-Match": '"other"'}).body == first.body
    assert daemon.get(shown.init).headers["etag"] != daemon.get(shown.pieces[1].url).headers["etag"]
    master = daemon.get(media_url("f/changing.mp3", "/master.m3u8"))
    assert master.headers["cache-control"] == "private, no-cache"
    ffmpeg("-f", "lavfi", "-i", "sine=220:d=9", "-c:a", "libmp3lame", f"file:{film}.new.mp3")
    Path(f"{film}.new.mp3").rename(film)
    for url in (shown.init, shown.pieces[0].url, shown.pieces[3].url):
        gone = daemon.get(url)
        gone.problem(410)
        assert gone.headers["cache-control"] == "no-store"
        assert daemon.get(url, {"If-None-Match": tag}).status == 410, "what is kept is of another film"
    changed = playlist(daemon, "f/changing.mp3", "a0")
    assert {changed.init, *(piece.url for piece in changed.pieces)}.isdisjoint(
        {shown.init, *(p.url for p in shown.pieces)}
    )
    assert abs(float(changed.seconds) - 9) < 0.1
    (found,) = packets(body(daemon, changed.init) + body(daemon, changed.pieces[0].url)).values()
    assert found[0].pts == 0
    film.unlink()


def test_what_there_is_not(daemon: LiveDaemon) -> None:
    path = f"f/{FILMS[0].name}"
    shown = playlist(daemon, path, "v144")
    base, query = shown.init.split("init.mp4")
    for name in (f"{len(shown.pieces)}.m4s", "9999999.m4s", "-1.m4s", "x.m4s", "init.mp5"):
        daemon.get(base + name + query).problem(404)
    for name in ("init.mp4/0.m4s", "../0.m4s", "%2e%2e/0.m4s", ""):
        daemon.get(base + name).problem(404)
    daemon.get(base.replace("v144", "v1080") + "0.m4s" + query).problem(404)
    daemon.get(base.replace("v144", "copyx") + "index.m3u8" + query).problem(404)
    daemon.get(base + "0.m4s" + query + "&x=1").problem(400)
    daemon.get(media_url("f/nothing.mp4", "/master.m3u8")).problem(404)
    daemon.get(media_url("f/texts.en.srt", "/master.m3u8")).problem(415)
    assert not [stream for stream in daemon.live() if stream["state"] == "starting"]


# Pictures and texts.


def test_a_thumbnail_is_made_once(daemon: LiveDaemon) -> None:
    path = f"f/{FILMS[0].name}"
    url = media_url(path, "/thumbnail.jpg?time=8.02&width=96")
    with ThreadPoolExecutor(4) as viewers:
        (picture,) = set(viewers.map(lambda _: body(daemon, url), range(4)))
    shown = daemon.get(url)
    assert shown.headers["content-type"] == "image/jpeg"
    (stream,) = ffprobe(picture)["streams"]
    assert (stream["codec_name"], stream["width"], stream["height"]) == ("mjpeg", 96, 72)
    assert frame_numbers(picture) == [201], "the frame that is shown at this time"
    assert daemon.get(url, {"If-None-Match": shown.headers["etag"]}).status == 304
    assert daemon.request("HEAD", url).body == b""
    daemon.get(media_url(path, "/thumbnail.jpg?time=22")).problem(400)
    daemon.get(media_url(path, "/thumbnail.jpg?width=4000")).problem(400)
    daemon.get(media_url(f"f/{FILMS[3].name}", "/thumbnail.jpg")).problem(415)
    assert not daemon.live()
    assert not daemon.census()


def test_subtitles_of_the_film_and_beside_it(daemon: LiveDaemon) -> None:
    master = daemon.get(media_url("f/texts.mkv", "/master.m3u8")).body.decode()
    tracks = re.findall(r'TYPE=SUBTITLES.*?LANGUAGE="(\w+)".*?URI="([^"]+)"', master)
    assert [language for language, _ in tracks] == ["fr", "en"]
    for (_, url), text in zip(tracks, ("Inside", "Beside"), strict=True):
        at = urljoin(media_url("f/texts.mkv", "/master.m3u8"), url)
        listed = daemon.get(at).body.decode()
        name = re.search(r"^[^#\s]\S+$", listed, re.MULTILINE)
        assert name is not None
        with ThreadPoolExecutor(4) as viewers:
            target = urljoin(at, name[0])
            (shown,) = set(viewers.map(lambda _, target=target: body(daemon, target), range(4)))
        assert shown.decode().startswith("WEBVTT")
        # In the film they lie behind AAC's priming, as all of it does.
        (start,) = re.findall(rf"00:0(1\.0[0-9]+) --> 00:03\.0[0-9]+\n{text}\n", shown.decode())
        assert float(start) <= (1.03 if text == "Inside" else 1.0)
        answer = daemon.get(target)
        assert answer.headers["content-type"] == "text/vtt; charset=utf-8"
        assert daemon.get(target, {"If-None-Match": answer.headers["etag"]}).status == 304
    daemon.get(media_url("f/texts.mkv", "/subtitles/2.vtt")).problem(404)
    daemon.get(media_url("f/texts.mkv", "/subtitles/x.vtt")).problem(404)
    assert not daemon.census()
