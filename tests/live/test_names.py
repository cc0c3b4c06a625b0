"""Names as people have them: bytes of an old disk, ellipses, and files that nobody may read. Each is found, or it is told why not."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.clips import Clips
from tests.support.daemon import LiveDaemon, until
from tests.support.launcher import launcher

CAFE = "caf%E9.mp4"
"""A name that is not UTF-8, in a URL."""


@pytest.fixture(scope="module")
def root(clips: Clips, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("names")
    raw = os.fsencode(directory)
    for name in (b"caf\xe9.mp4", b"...And Justice/01.mp4", b".hidden.mp4", b"f\xfcr/b%E4r.mp4", b"100% \xff.mp4"):
        os.makedirs(os.path.dirname(raw + b"/" + name), exist_ok=True)
        shutil.copy(os.fsencode(clips.film.path), raw + b"/" + name)
    for suffix in ("en.srt", "fr\udce9.srt"):
        subtitles = directory / f"caf\udce9.{suffix}"
        subtitles.write_text("1\n00:00:00,000 --> 00:00:02,000\nHello.\n", "utf-8")
    return directory


@pytest.fixture(scope="module")
def named(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    key = ("--api-key", "boss:admin=a-key-of-the-operator", "--api-key", "guest:read=a-key-of-the-guests")
    with launcher(), LiveDaemon(tmp_path_factory.mktemp("daemon"), {"L": root}, *key) as daemon:
        yield daemon


BOSS = {"Authorization": "Bearer a-key-of-the-operator"}


@pytest.mark.parametrize(
    "name", [CAFE, quote(CAFE), "100%25%20%FF.mp4", "f%FCr/b%25E4r.mp4", quote("f%FCr/b%25E4r.mp4")]
)
def test_a_name_that_is_no_text_plays_on_every_route(named: LiveDaemon, clips: Clips, name: str) -> None:
    url = f"/media/L/{name}"
    assert named.get(url, BOSS).body == clips.film.path.read_bytes()
    assert named.get(url, {**BOSS, "Range": "bytes=4-7"}).body == b"ftyp"
    described = named.get(f"{url}/probe.json", BOSS).json()
    assert quote(described["path"], safe="/%") in {f"L/{name}", f"L/{name.replace('%25', '%')}"}
    stream = named.get(f"{url}/stream.mkv?duration=0.2", BOSS)
    assert (stream.status, stream.complete) == (200, True)
    assert named.get(f"{url}/thumbnail.jpg", BOSS).body.startswith(b"\xff\xd8")
    for manifest in ("master.m3u8", "manifest.mpd"):
        assert named.get(f"{url}/{manifest}", BOSS).status == 200
    playlist = named.get(f"{url}/cmaf/a0/index.m3u8", BOSS).body.decode()
    for part in re.findall(r'"(init[^"]+)"|^([0-9][^\n]+)', playlist, re.MULTILINE)[:2]:
        assert named.get(f"{url}/cmaf/a0/{''.join(part)}", BOSS).status == 200
    assert named.request("POST", f"{url}/cmaf/leave", BOSS).status == 204


def test_its_subtitles_are_found(named: LiveDaemon) -> None:
    for number in (0, 1):
        assert b"Hello." in named.get(f"/media/L/{CAFE}/subtitles/{number}.vtt", BOSS).body


def test_a_listing_has_it_with_a_path_that_leads_back(named: LiveDaemon, clips: Clips) -> None:
    found = named.get("/api/v1/library/L", BOSS).json()["entries"]
    assert [(entry["name"], entry["path"]) for entry in found] == [
        ("...And Justice", "L/...And Justice"),
        ("f\ufffdr", "L/f%FCr"),
        ("100% \ufffd.mp4", "L/100%25 %FF.mp4"),
        ("caf\ufffd.mp4", "L/caf%E9.mp4"),
    ]
    for entry in found[:2]:
        (film,) = named.get(f"/api/v1/library/{quote(entry['path'])}", BOSS).json()["entries"]
        assert named.get(f"/media/{quote(film['path'])}", BOSS).body == clips.film.path.read_bytes()
    for entry in found[2:]:
        assert named.get(f"/media/{quote(entry['path'])}", BOSS).body == clips.film.path.read_bytes()
    (film,) = named.get("/api/v1/library/L/f%FCr", BOSS).json()["entries"]
    assert film["path"] == "L/f%FCr/b%25E4r.mp4"


def test_it_can_be_signed_and_got_back_by_the_path_that_is_told(named: LiveDaemon, clips: Clips) -> None:
    signed = named.post("/api/v1/sign", '{"path": "L/caf%E9.mp4"}', BOSS).json()["url"]
    assert signed.startswith("/media/L/caf%E9.mp4?expires=")
    assert named.get(signed).body == clips.film.path.read_bytes()
    assert named.get(f"{signed}&CMCD=bl%3D1&_HLS_msn=2").status == 200
    query = signed.partition("?")[2]
    assert named.get(f"/media/L/caf%25E9.mp4/probe.json?{query}").json()["path"] == "L/caf%E9.mp4"
    assert named.get(f"/media/L/caf%E9.mp4/master.m3u8?{query}").status == 200
    named.get(f"/media/L/f%FCr/b%25E4r.mp4?{query}").problem(401)
    with named.connect(8192) as viewer:
        head = f"GET /media/L/{CAFE}/stream.mkv?mode=transcode HTTP/1.1\r\nHost: localhost\r\n"
        viewer.sendall(f"{head}Authorization: {BOSS['Authorization']}\r\n\r\n".encode())
        (live,) = until(lambda: named.get("/api/v1/streams", BOSS).json()["streams"])
        assert live["path"] == "L/caf%E9.mp4"
        for path in ("L%2Fcaf%25E9.mp4", "L/caf%E9.mp4"):
            released = named.request("DELETE", f"/api/v1/streams?path={path}", BOSS).json()["endings"]
            assert {one["path"] for one in released} <= {"L/caf%E9.mp4"}
    endings = named.get("/api/v1/endings", BOSS).json()["endings"]
    assert {"L/caf%E9.mp4"} <= {one["path"] for one in endings}
    assert "Traceback" not in named.log()


def test_hidden_files_are_there_if_the_operator_wants_it(root: Path, clips: Clips, tmp_path: Path) -> None:
    with LiveDaemon(tmp_path, {"L": root}, "--hidden-files", "show") as daemon:
        assert daemon.get("/media/L/.hidden.mp4").status == 200
        assert ".hidden.mp4" in {entry["name"] for entry in daemon.json("/api/v1/library/L")["entries"]}
        daemon.get("/media/L/%2e%2e/names").problem(404)


def test_by_default_they_are_not(named: LiveDaemon) -> None:
    named.get("/media/L/.hidden.mp4", BOSS).problem(404)
    assert named.get("/media/L/...And%20Justice/01.mp4", BOSS).status == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="somebody else must be able to take a permission away")
def test_what_may_not_be_read_is_listed_as_such_and_told(clips: Clips, tmp_path: Path) -> None:
    """ "No such file", and nothing in the log: its owner has no idea what is wrong."""
    root = Path("/tmp") / f"transcoded-unreadable-{os.getpid()}"
    (root / "shut").mkdir(parents=True)
    try:
        shutil.copy(clips.film.path, root / "film.mp4")
        shutil.copy(clips.film.path, root / "secret.mp4")
        (root / "secret.mp4").chmod(0)
        (root / "shut").chmod(0)
        drop = (
            "setpriv",
            "--bounding-set",
            "-dac_override,-dac_read_search",
            "--inh-caps",
            "-dac_override,-dac_read_search",
        )
        face = LiveDaemon(tmp_path, {"L": root})
        with LiveDaemon(tmp_path, {"L": root}, program=(*drop, *face._command)) as daemon:
            entries = {entry["name"]: entry["readable"] for entry in daemon.json("/api/v1/library/L")["entries"]}
            assert entries == {"film.mp4": True, "secret.mp4": False, "shut": False}
            assert daemon.get("/media/L/film.mp4").status == 200
            for tail in ("", "/stream.mp4", "/probe.json", "/master.m3u8", "/thumbnail.jpg"):
                problem = daemon.get(f"/media/L/secret.mp4{tail}").problem(403)
                assert str(root) not in problem["detail"]
            daemon.get("/api/v1/library/L/shut").problem(403)
            daemon.get("/media/L/none.mp4").problem(404)
            lines = [line for line in daemon.log().splitlines() if "cannot read" in line]
            assert [line.partition("cannot read ")[2].split()[0] for line in lines] == [
                "'L'",
                "'L/secret.mp4'",
                "'L/shut'",
            ]
            assert str(root) not in "".join(lines)
    finally:
        (root / "shut").chmod(0o700)
        shutil.rmtree(root)
