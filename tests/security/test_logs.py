"""The log: what a file name, a request or a program would do to it, and which secrets it would give away."""

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from tests.support import REPOSITORY
from tests.support.clips import Clips
from tests.support.daemon import LiveDaemon, until
from tests.support.programs import BUNDLED
from tests.support.stubs import stub, teach

FORGED = "2026-01-01T00:00:00+0000 [transcoded.service.Transcoded#info] stopped; 0 streams ended by it"
NAME = f"film\n{FORGED}\x1b[2J\x1b]0;owned\x07\r\x9b31m\u202egpj.\u2028.mp4"
KEY, READER, SIGNING, HOOK = (
    "a-key-of-sixteen-letters",
    "another-key-of-sixteen",
    "a-signing-key-of-sixteen",
    "hush-hush-hush",
)
WRONG = "a-wrong-key-of-sixteen"
FACES = {
    "text": (sys.executable, "-m", "twisted", "--log-format=text", "--log-level=debug", "transcoded"),
    "json": (sys.executable, "-m", "twisted", "--log-format=json", "--log-level=debug", "transcoded"),
    "twistd": (str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "transcoded"),
}


@pytest.fixture(params=FACES)
def face(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def daemon(face: str, directory: Path, media: Path, *arguments: str) -> LiveDaemon:
    listen = ("--listen", "tcp:0:interface=127.0.0.1")
    command = [*FACES[face], *listen, "--media", f"m={media}", *BUNDLED.flags(*arguments), *arguments]
    return LiveDaemon(directory, {}, program=command, environment={"PYTHONPATH": str(REPOSITORY)})


def check_lines(face: str, log: str) -> None:
    """Every character of a log is one that a terminal shows; every line is one of the daemon's."""
    assert {one for one in log if not one.isprintable()} <= set("\n\t\x1e")
    if face == "json":
        for line in log.split("\x1e"):
            assert not line or json.loads(line)
    else:
        assert [line for line in log.splitlines() if line.startswith(("2026-01-01", "owned"))] == []


def test_a_file_name_neither_forges_a_line_nor_acts_on_a_terminal(face: str, clips: Clips, tmp_path: Path) -> None:
    media = tmp_path / "media"
    media.mkdir()
    shutil.copy(clips.film.path, media / NAME)
    with daemon(face, tmp_path / "d", media) as running:
        url = f"/media/m/{quote(NAME)}"
        assert running.get(f"{url}/stream.wav").status == 200
        assert running.get(f"{url}/thumbnail.jpg").status == 200
        assert running.get(url).status == 200
    check_lines(face, running.log())
    shown = r"film\n2026-01-01T00:00:00+0000"
    assert shown in running.log().replace("\\\\", "\\"), "the stream is logged, with its name"


def test_a_request_neither_forges_a_line_nor_acts_on_a_terminal(face: str, clips: Clips, tmp_path: Path) -> None:
    evil = "\x1b[2J\x9b31m".encode() + b"\xff\xfe\xed\xb0\x80\x0b\x08"
    with daemon(face, tmp_path / "d", clips.directory) as running:
        for head in (
            b"GET /" + evil + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"G" + evil + b"T / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: " + evil + b"\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: " + evil + b"\r\n\r\n",
            b"GET /x HTTP/1.1\r\nHost: localhost\r\nUser-Agent: " + evil + b"\r\nReferer: " + evil + b"\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: " + evil + b"\r\n\r\n",
            b"GET /media/m/%0A" + quote(FORGED).encode() + b"%1b%5b2J HTTP/1.1\r\nHost: localhost\r\n\r\n",
            evil + b"\r\n\r\n",
        ):
            running.raw(head)
        assert running.get("/healthz").status == 200
    check_lines(face, running.log())


def test_what_ffmpeg_writes_neither_forges_a_line_nor_acts_on_a_terminal(
    face: str, clips: Clips, tmp_path: Path
) -> None:
    ffmpeg = stub(tmp_path, "ffmpeg")
    teach(ffmpeg, f"os.write(2, {(chr(10) + FORGED + chr(27) + '[2J' + chr(10)).encode()!r})\nraise SystemExit(1)")
    with daemon(face, tmp_path / "d", clips.directory, "--ffmpeg", str(ffmpeg)) as running:
        assert running.get("/media/m/film.mp4/stream.wav").status >= 500
    check_lines(face, running.log())


def test_a_name_in_a_usage_error_does_not_act_on_a_terminal(tmp_path: Path) -> None:
    """Exit status 64 comes with one line on the terminal of whoever starts the daemon."""
    with (
        pytest.raises(AssertionError, match="ended with 64"),
        daemon("text", tmp_path / "d", tmp_path / "no\n\x1b[2Jwhere"),
    ):
        pass
    said = (tmp_path / "d" / "daemon.log").read_text("utf-8")
    assert said.count("\n") == 1
    assert said.strip("\n").isprintable()


def test_no_level_and_no_format_gives_away_a_secret(face: str, clips: Clips, tmp_path: Path) -> None:
    """A whole day of a daemon: keys, signed URLs, sign-in, webhooks that fail, and everything that goes wrong with them."""
    files = keep(tmp_path, api_key=f"boss={KEY}\ntv:read={READER}", signing_key=SIGNING)
    hooks = ("--webhook", f"http://127.0.0.1:9/{HOOK}?token={HOOK}")
    boss = {"Authorization": f"Bearer {KEY}"}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    with daemon(face, tmp_path / "d", clips.directory, *files, *hooks) as running:
        found = {KEY, READER, SIGNING, HOOK, WRONG}
        answer = running.post("/api/v1/sign", '{"path": "m/film.mp4", "expires_in": 600}', boss)
        url = answer.json()["url"]
        query = urlsplit(url).query
        found |= {query, query.rpartition("=")[2]}
        assert running.get(url).status == 200
        assert running.get(url.replace("?", "/stream.wav?")).status == 200
        running.get(url.replace("?", "/stream.nothing?"))
        running.get(url.replace("film", "song"))
        running.get(f"{url}0")
        running.raw(f"GET {url} HTTP/1.1\r\nHost: \xff\r\n\r\n".encode())
        for name, value in (
            ("Authorization", f"Bearer {WRONG}"),
            ("Authorization", f"Basic {WRONG}"),
            ("Cookie", f"transcoded={WRONG}; session={WRONG}"),
            ("X-Api-Key", WRONG),
        ):
            running.request("GET", f"/api/v1/streams?key={WRONG}", {name: value})
        running.post("/login", f"key={WRONG}", form)
        running.post("/login", f"key={WRONG}&key={WRONG}\xff%", form)
        signed_in = running.post("/login", f"key={READER}", form)
        cookie = signed_in.headers["set-cookie"].partition(";")[0]
        found.add(cookie.partition("=")[2])
        assert running.get("/api/v1/streams", {"Cookie": cookie}).status == 200
        running.get("/api/v1/streams", {"Cookie": f"{cookie}x"})
        running.post("/logout", "", {"Cookie": cookie})
        running.post("/api/v1/sign", f'{{"path": "{WRONG}"', boss)
        until(lambda: "webhook" in running.log(), "a webhook has failed")
    assert [secret for secret in found if secret in running.log()] == []


def keep(directory: Path, **secrets: str) -> Sequence[str]:
    """Write secrets into files; the flags that name these."""
    flags: list[str] = []
    for name, text in secrets.items():
        (directory / name).touch(mode=0o600)
        (directory / name).write_text(text, encoding="utf-8")
        flags += [f"--{name.replace('_', '-')}", f"file:{directory / name}"]
    return flags
