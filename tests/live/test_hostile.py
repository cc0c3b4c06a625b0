"""Bad input of every kind is answered with a sentence, shows nothing that is not served, and disturbs nobody."""

import os
import shutil
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random
from urllib.parse import quote, quote_from_bytes

import pytest

from tests.support.clips import ODD_NAMES, Clips, ffmpeg
from tests.support.daemon import LiveDaemon, media_url, read_response, until

TAILS = ["", "/stream.mp4", "/stream.wav", "/probe.json"]
OUTSIDE = [
    "h/../outside/secret.mp4",
    "h/%2e%2e/outside/secret.mp4",
    "h/%2E%2E%2Foutside%2Fsecret.mp4",
    "h/..%2foutside/secret.mp4",
    "h/..%5coutside%5csecret.mp4",
    "h/..\\outside\\secret.mp4",
    "h/%252e%252e/outside/secret.mp4",
    "h/%252e%252e%252foutside%252fsecret.mp4",
    "h/%c0%ae%c0%ae/outside/secret.mp4",
    "h/%e0%80%ae%e0%80%ae/outside/secret.mp4",
    "h/%uff0e%uff0e/outside/secret.mp4",
    "h/folder/../../outside/secret.mp4",
    "h/folder/%2e%2e/film.mp4",
    "h/./film.mp4",
    "h//film.mp4",
    "h/film.mp4/",
    "h/film.mp4/.",
    "h/film.mp4/..",
    "../outside/secret.mp4",
    "%2e%2e/outside/secret.mp4",
    "%2foutside/secret.mp4",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "h/%2fetc%2fpasswd",
    "h/away.mp4",
    "h/away/secret.mp4",
    "h/away",
    "h/.dot.mp4",
    "h/%2edot.mp4",
    "h/.hidden/film.mp4",
    "h/visible.mp4",
    "h/nowhere.mp4",
    "h/circle.mp4",
    "h/film.mp4%00",
    "h/film.mp4%00.jpg",
    "h%00/film.mp4",
    "h/%00",
    "h/" + "a" * 300,
    "h/" + "a/" * 3000 + "a",
    "h",
    "h/",
    "h/folder",
    "nobody/film.mp4",
    "H/film.mp4",
    ".",
    "..",
    "%ff%fe/film.mp4",
    "h/%ff%fe.mp4",
    "h/%ed%a0%80.mp4",
    "~/film.mp4",
    "h/~root/film.mp4",
    "h/film.mp4%20",
    "h/film.mp4%0a",
]


@pytest.mark.parametrize("tail", TAILS)
def test_what_is_not_served_is_not_there(daemon: LiveDaemon, tail: str) -> None:
    for path in OUTSIDE:
        response = daemon.get(f"/media/{path}{tail}")
        assert response.status in {400, 404}, (path, response)
        problem = response.problem(response.status)
        assert "outside" not in problem["detail"], "where things are on disk is nobody's business"
        assert b"ftyp" not in response.body
        assert daemon.request("HEAD", f"/media/{path}{tail}").status == response.status


def test_links_that_stay_inside_are_followed(daemon: LiveDaemon) -> None:
    assert daemon.stream("h/same.mp4", "mkv")
    assert daemon.stream("h/stream.mp4/film.mp4", "mkv"), "a directory may be named like a route"


def test_a_listing_shows_only_what_can_be_asked_for(daemon: LiveDaemon) -> None:
    names = {entry["name"] for entry in daemon.json("/api/v1/library/h")["entries"]}
    assert names == {"film.mp4", "same.mp4", "folder", "odd", "stream.mp4"}
    for path in ("h/..", "h/.hidden", "h/away", "h/film.mp4", "h/%2e%2e", "nobody", "h/%00", "h//folder"):
        daemon.get(f"/api/v1/library/{path}").problem(404)
    for entry in daemon.json("/api/v1/library/h/odd")["entries"]:
        assert daemon.request("HEAD", media_url(entry["path"])).status == 200


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_are_names(daemon: LiveDaemon, clips: Clips, name: str) -> None:
    path = f"h/odd/{name}"
    assert daemon.get(media_url(path)).body == clips.song.path.read_bytes()
    assert daemon.json(media_url(path, "/probe.json"))["path"] == path
    assert daemon.stream(path, "wav", "duration=0.1")
    ending = daemon.endings(1)[0]
    assert (ending["path"], ending["reason"]) == (path, "finished")
    assert daemon.request("DELETE", f"/api/v1/streams?path={quote(path, safe='')}").json() == {"endings": []}


def test_a_name_that_is_no_text_and_a_link_to_it(daemon: LiveDaemon, hostile: Path) -> None:
    """What lies behind a good name may have a bad one."""
    target = os.fsencode(hostile / "odd") + b"/\xff.mp3"
    shutil.copy(os.fsencode(hostile / "odd" / "100%.mp3"), target)
    link = hostile / "odd" / "good.mp3"
    link.symlink_to(os.fsdecode(b"\xff.mp3"))
    try:
        assert daemon.stream("h/odd/good.mp3", "wav", "duration=0.1")
        bad = f"/media/h/odd/{quote_from_bytes(bytes([255]))}.mp3"
        assert daemon.get(bad).body == (hostile / "odd" / "100%.mp3").read_bytes()
        daemon.get(bad.replace(".mp3", "%2f..%2f..%2fodd")).problem(404)
    finally:
        link.unlink()
        os.unlink(target)


@pytest.fixture(scope="module")
def traps(clips: Clips, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that are no media, or want more than to be read."""
    root = tmp_path_factory.mktemp("traps")
    film = clips.film.path.read_bytes()
    beside = root / "beside.mp4"
    beside.write_bytes(film)
    lines = "1\n00:00:00,500 --> 00:00:02,000\nHello\n\n"
    ffmpeg("-f", "lavfi", "-i", "color=red:size=64x64:rate=1", "-frames:v", "1", f"file:{root / 'picture.bmp'}")
    ffmpeg("-f", "lavfi", "-i", "color=red:size=64x64:rate=1", "-frames:v", "1", f"file:{root / 'picture.jpg'}")
    texts = {
        "text": "Dear reader,\nthis is a letter.\n" * 40,
        "html": "<!DOCTYPE html><html><body><video src='beside.mp4'></body></html>",
        "json": '{"streams": []}',
        "srt": lines,
        "vtt": "WEBVTT\n\n00:00.500 --> 00:02.000\nHello\n",
        "ass": "[Script Info]\nScriptType: v4.00+\n[Events]\nFormat: Start, End, Text\nDialogue: 0:00:00.00,0:00:01.00,Hello\n",
        "concat": f"ffconcat version 1.0\nfile beside.mp4\nfile {beside}\n",
        "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nbeside.mp4\n#EXT-X-ENDLIST\n",
        "hls-key": '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="file:///etc/passwd"\n#EXTINF:4,\nbeside.mp4\n#EXT-X-ENDLIST\n',
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        "mpd": "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static'"
        " mediaPresentationDuration='PT4S' profiles='urn:mpeg:dash:profile:isoff-on-demand:2011'><Period><AdaptationSet>"
        "<Representation id='1' mimeType='video/mp4' bandwidth='1'><BaseURL>beside.mp4</BaseURL></Representation>"
        "</AdaptationSet></Period></MPD>",
        "m3u": "beside.mp4\n",
        "pls": "[playlist]\nFile1=beside.mp4\n",
        "asx": "<asx version='3.0'><entry><ref href='beside.mp4'/></entry></asx>",
        "xspf": "<playlist xmlns='http://xspf.org/ns/0/'><trackList><track><location>beside.mp4</location></track></trackList></playlist>",
        "avs": 'AviSource("beside.mp4")\n',
        "ffmeta": ";FFMETADATA1\ntitle=x\n",
        "lavfi": "testsrc\n",
        "rtsp": "RTSPtext\nrtsp://127.0.0.1/\n",
    }
    for name, text in texts.items():
        for suffix in (".mp4", ".mkv", "", f".{name}"):
            (root / f"{name}-trap{suffix}").write_text(text, encoding="utf-8")
    datas = {
        "empty": b"",
        "one": b"\0",
        "zeros": bytes(300_000),
        "random": Random(1).randbytes(300_000),
        "header-only": film[:600],
        "headless": film[5000:],
        "picture": (root / "picture.bmp").read_bytes(),
        "photo": (root / "picture.jpg").read_bytes(),
        "program": Path("/bin/ls").read_bytes(),
        "gzip": b"\x1f\x8b\x08\0" + bytes(1000),
        "tar": b"beside.mp4".ljust(257, b"\0") + b"ustar\x0000" + bytes(1000),
    }
    for name, data in datas.items():
        for suffix in (".mp4", ".mp3", ".ts", ""):
            (root / f"{name}-trap{suffix}").write_bytes(data)
    os.mkfifo(root / "fifo-trap.mp4")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(root / "socket-trap.mp4"))
    return root


@pytest.fixture
def trapped(traps: Path, tmp_path: Path) -> Iterator[LiveDaemon]:
    with LiveDaemon(tmp_path / "daemon", {"t": traps}) as daemon:
        yield daemon


def test_what_is_no_media_is_refused(trapped: LiveDaemon, traps: Path) -> None:
    # Machine code may hold what looks like frames of MP3, if the name says so too.
    names = sorted(path.name for path in traps.iterdir() if "-trap" in path.name and path.name != "program-trap.mp3")
    assert len(names) > 100
    for name in names:
        response = trapped.get(f"/media/t/{name}/stream.mp4")
        assert response.status == 415, f"{name}: {response.status} {response.body[:200]!r}"
        response.problem(415)
    trapped.quiet()
    assert not trapped.endings(), "for none of them a transcoder was started"


def test_playlists_read_no_other_file_and_no_network(traps: Path, tmp_path: Path) -> None:
    """What such a file names must not even be opened: a FIFO would notice, and so would a port."""
    root = tmp_path / "media"
    root.mkdir()
    witness = root / "witness.ts"
    os.mkfifo(witness)
    opened = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    web = f"http://127.0.0.1:{listener.getsockname()[1]}/x.ts"
    for target, kind in (
        (str(witness), "absolute"),
        ("witness.ts", "relative"),
        (f"file:{witness}", "url"),
        (web, "web"),
    ):
        bodies = {
            "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{target}\n#EXT-X-ENDLIST\n",
            "concat": f"ffconcat version 1.0\nfile {target}\n",
            "master": f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{target}\n",
            "mpd": "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static'><Period><AdaptationSet>"
            f"<Representation id='1'><BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>",
        }
        for name, body in bodies.items():
            for suffix in ("mp4", "m3u8", "ts", "ffconcat", "mpd"):
                (root / f"{name}-{kind}.{suffix}").write_text(body, encoding="utf-8")

    def watch() -> None:
        # Opening for writing waits until somebody opens it for reading.
        os.close(os.open(witness, os.O_WRONLY))
        opened.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with LiveDaemon(tmp_path / "daemon", {"m": root}) as daemon:
            for path in sorted(root.iterdir()):
                if stat.S_ISREG(path.stat().st_mode):
                    daemon.get(f"/media/m/{path.name}/stream.mp4").problem(415)
                    daemon.get(f"/media/m/{path.name}/probe.json").problem(415)
        assert not opened.is_set(), "a file was opened that a playlist names"
        with pytest.raises(BlockingIOError):
            listener.accept()
    finally:
        os.close(os.open(witness, os.O_RDONLY | os.O_NONBLOCK))
        watcher.join()
        listener.close()


def test_a_film_that_is_cut_short_plays_as_far_as_it_goes(clips: Clips, tmp_path: Path) -> None:
    root = tmp_path / "media"
    root.mkdir()
    for clip in clips.all():
        data = clip.path.read_bytes()
        (root / f"half-{clip.name}").write_bytes(data[: len(data) * 2 // 3])
        (root / f"hole-{clip.name}").write_bytes(data[: len(data) // 2] + bytes(2000) + data[len(data) // 2 + 2000 :])
    with LiveDaemon(tmp_path / "daemon", {"m": root}) as daemon:
        for path in sorted(root.iterdir()):
            response = daemon.get(f"/media/m/{path.name}/stream.mkv")
            if response.status == 200:
                assert response.body
            else:
                response.problem(response.status)
                assert response.status in {415, 500}
        daemon.quiet()


@pytest.mark.parametrize(
    ("query", "name"),
    [
        *[
            (f"start={v}", "start")
            for v in ("nan", "inf", "-inf", "-1", "1e3", "0x10", "1_0", "", "%20", "1%20", "٣", "1:2:3:4")
        ],
        *[
            (f"start={v}", "start")
            for v in ("999999999999999999999", "864001", "00:99:00", "1:60", "1%00", "1%0a", "1,5", "+1", "4")
        ],
        *[(f"duration={v}", "duration") for v in ("0", "nan", "-5", "inf", "", "0.0001", "99999999")],
        *[(f"height={v}", "height") for v in ("0", "1", "-2", "1.5", "nan", "999999999999", "", "720p", "²")],
        *[(f"video_bitrate={v}", "video_bitrate") for v in ("0", "-1", "nan", "1G", "9999999999M", "M", "1e6", "2MM")],
        *[(f"audio_bitrate={v}", "audio_bitrate") for v in ("0", "5k", "3M", "inf", "k")],
        *[(f"audio={v}", "audio") for v in ("-1", "1", "99", "1000", "x", "0.0", "")],
        *[(f"mode={v}", "mode") for v in ("", "Copy", "copy%20", "remux", "%ff")],
        ("start=1&start=1", "start"),
        ("start=1&start=2", "start"),
        ("colour=red", "colour"),
        ("START=1", "START"),
        ("start%00=1", None),
        ("=1", None),
        ("%ff=%fe", None),
        ("start[]=1", "start[]"),
        ("a" * 500 + "=1", None),
        ("&".join(f"p{n}=1" for n in range(1000)), None),
        ("start=1%26duration=nan", "start"),
    ],
)
def test_parameters_of_every_wrong_kind(daemon: LiveDaemon, query: str, name: str | None) -> None:
    before = len(daemon.endings())
    problem = daemon.get(f"/media/m/film.mp4/stream.mp4?{quote(query, safe='=&%[]+:,')}").problem(400)
    if name is not None:
        assert problem["parameter"] == name
        assert name in problem["detail"]
    assert problem["detail"].isprintable(), "it stands in logs and on terminals"
    assert len(problem["detail"]) < 500
    assert len(daemon.endings()) == before


@pytest.mark.parametrize("query", ["start", "start=1&duration", "colour", "start=1;colour=2", "start;duration"])
def test_parameters_without_a_value_are_not_passed_over(daemon: LiveDaemon, query: str) -> None:
    daemon.get(f"/media/m/film.mp4/stream.mp4?{query}").problem(400)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "/media/m/film.mp4?start=1",
            "/media/m/film.mp4/probe.json?x=1",
            "/api/v1/streams?x=1",
            "/api/v1/library/m?x=1",
        ),
        *(
            "/api/v1/endings?limit=0",
            "/api/v1/endings?limit=x",
            "/api/v1/endings?limit=1&limit=2",
            "/api/v1/endings?limit=-1",
        ),
    ],
)
def test_other_routes_check_their_parameters_too(daemon: LiveDaemon, url: str) -> None:
    daemon.get(url).problem(400)


@pytest.mark.parametrize(
    "url", ["/api/v1/streams", "/api/v1/streams?path=", "/api/v1/streams?path=/", "/api/v1/streams?x=1"]
)
def test_a_release_must_name_a_file(daemon: LiveDaemon, url: str) -> None:
    daemon.request("DELETE", url).problem(400)


@pytest.mark.parametrize(
    ("method", "url", "status"),
    [
        ("GET", "/media/m/film.mp4/stream.exe", 404),
        ("GET", "/media/m/film.mp4/stream.", 404),
        ("GET", "/media/m/film.mp4/stream.MP4", 404),
        ("GET", "/media/m/film.mp4/stream.mp4/", 404),
        ("GET", "/media/m/film.mp4/stream.mp4%00", 404),
        ("GET", "/media/", 404),
        ("GET", "/media", 404),
        ("GET", "/nothing", 404),
        ("GET", "/static/../app.py", 404),
        ("GET", "/static/..%2fapp.py", 404),
        ("GET", "/static/%2e%2e", 404),
        ("GET", "/api/v1/streams/%00", 404),
        ("GET", "/api/v1/streams/..", 404),
        ("POST", "/media/m/film.mp4/stream.mp4", 405),
        ("PUT", "/media/m/film.mp4", 405),
        ("DELETE", "/media/m/film.mp4", 405),
        ("PROPFIND", "/", 405),
        ("TRACE", "/healthz", 405),
        ("GET", "/%ff", 400),
        ("GET", "/healthz%fe", 400),
    ],
)
def test_wrong_turns(daemon: LiveDaemon, method: str, url: str, status: int) -> None:
    problem = daemon.request(method, url).problem(status)
    assert problem["request_id"]


HEADERS = [
    "Range",
    "If-Range",
    "If-Match",
    "If-None-Match",
    "If-Modified-Since",
    "If-Unmodified-Since",
    "X-Request-Id",
    "Accept",
]


@pytest.mark.parametrize(
    "value", ["\udcff\udcfe", "é", "\x01", "", "Mon, 01 Jan 99999999999 00:00:00 GMT", "no date", "=" * 9000]
)
def test_headers_that_make_no_sense_are_passed_over(daemon: LiveDaemon, value: str) -> None:
    for name in HEADERS:
        for url in ("/media/m/film.mp4", "/media/m/film.mp4/probe.json", "/api/v1/streams"):
            response = daemon.get(url, {name: value})
            assert response.status in {200, 412 if name == "If-Match" else 200}, (
                name,
                value,
                url,
                response.status,
                response.body[:200],
            )


@pytest.mark.parametrize("host", ["\udcff\udcfe", "x:y", "", "[::1", "a" * 5000])
def test_hosts_that_make_no_sense(daemon: LiveDaemon, host: str) -> None:
    response = daemon.get("/healthz", {"Host": host})
    if response.status != 200:
        response.problem(400)


GARBAGE = [
    b"\0" * 5000,
    b"\r\n" * 5000,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 4,
    b"GET\r\n\r\n",
    b"GET /\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    b"GET / HTTP/1.1\r\n: empty\r\n\r\n",
    b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=\r\nContent-Length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 6\r\n\r\na=%ff&",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nx: " + b"a" * 100_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000 + b"\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
]


@pytest.mark.parametrize("data", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_on_the_socket_disturbs_nobody(daemon: LiveDaemon, data: bytes) -> None:
    answer = daemon.raw(data)
    assert b"Traceback" not in answer
    assert b" 500 " not in answer
    assert daemon.json("/healthz") == {"status": "ok"}


def test_requests_in_pieces_and_in_heaps(daemon: LiveDaemon) -> None:
    """A stream may come behind other requests of its connection; it is then the last."""
    with daemon.connect() as connection:
        for piece in (
            b"GET /health",
            b"z HTTP/1.1\r\nHo",
            b"st: localhost\r\n\r\nGET /media/m/film.mp4/stream.wav HTTP/1.1\r\nHost: localhost\r\n",
        ):
            connection.sendall(piece)
        connection.sendall(b"\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        everything = b""
        while block := connection.recv(65536):
            everything += block
        assert everything.count(b"HTTP/1.1 200 OK\r\n") == 2
        assert everything.index(b'{"status":"ok"}') < everything.index(b"RIFF")
        assert everything.endswith(b"\r\n0\r\n\r\n"), "and nothing comes behind it"


def test_a_stream_over_http_1_0(daemon: LiveDaemon) -> None:
    with daemon.connect() as connection:
        connection.sendall(b"GET /media/m/film.mp4/stream.wav HTTP/1.0\r\n\r\n")
        response = read_response(connection)
        assert response.status == 200
        assert "transfer-encoding" not in response.headers
        assert response.body.startswith(b"RIFF")


def test_a_stream_is_no_place_to_send_a_body_to(daemon: LiveDaemon) -> None:
    with daemon.connect() as connection:
        connection.sendall(
            b"GET /media/m/film.mp4/stream.wav HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70000\r\n\r\n"
            + bytes(70000)
        )
        read_response(connection).problem(413)


def test_a_slow_request_holds_nobody_up(daemon: LiveDaemon) -> None:
    slow = [daemon.connect() for _ in range(50)]
    for connection in slow:
        connection.sendall(b"GET /media/m/film.mp4/stream.mp4 HTTP/1.1\r\nX: ")
    assert daemon.stream("m/film.mp4", "wav")
    for connection in slow:
        connection.close()
    assert not daemon.live()


def test_request_ids_are_taken_over_if_they_are_sane(daemon: LiveDaemon) -> None:
    for given, taken in (("abc-123", True), ("a b", False), ("x" * 200, False), ('"', False), ("é", False)):
        response = daemon.get("/media/m/film.mp4/stream.wav?duration=0.1", {"X-Request-Id": given})
        assert (response.headers["x-request-id"] == given) is taken
        assert daemon.ending(response.headers["x-stream-id"])["request_id"] == response.headers["x-request-id"]


def test_an_mtime_that_no_calendar_holds(tmp_path: Path, clips: Clips) -> None:
    root = Path("/dev/shm") if os.path.isdir("/dev/shm") else tmp_path
    file = root / f"transcoded-test-{os.getpid()}" / "film.mp4"
    file.parent.mkdir()
    try:
        shutil.copy(clips.film.path, file)
        with LiveDaemon(tmp_path / "daemon", {"m": file.parent}) as daemon:
            for moment in (400_000_000_000, -100_000_000_000, 0, -1, 2**33):
                os.utime(file, (moment, moment))
                assert daemon.get("/media/m/film.mp4").body == file.read_bytes()
                assert daemon.get(
                    "/media/m/film.mp4", {"If-Modified-Since": "Mon, 01 Jan 2024 00:00:00 GMT"}
                ).status in {200, 304}
                assert daemon.json("/api/v1/library/m")["entries"]
    finally:
        shutil.rmtree(file.parent)


def test_nothing_is_said_twice_of_a_viewer_who_left(daemon: LiveDaemon) -> None:
    """One line for each request in the log, with what was asked, and without the query."""
    mark = len(daemon.log())
    daemon.get("/media/m/film.mp4/stream.wav?duration=0.1", {"X-Request-Id": "look-for-me"})
    until(lambda: "/stream.wav 200" in daemon.log()[mark:], "the line")
    assert "duration=0.1" not in daemon.log()[mark:].replace("-t 0.1", "")
