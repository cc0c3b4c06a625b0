"""Another program keeps a record of who watched: it is told of every start and end, of those too that the daemon's own end brings."""

import json
import re
from collections.abc import Iterator, Mapping
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.support import REPOSITORY
from tests.support.clips import Clips
from tests.support.daemon import LiveDaemon, media_url, until

OPERATING = REPOSITORY / "docs" / "operating.md"
SECRET = "sixteen letters or more"


def is_genuine(secret: str, headers: Mapping[str, str] | Message, body: bytes, now: float | None = None) -> bool:
    """The check that docs/operating.md shows, as it stands there."""
    (code,) = re.findall(r"^```python\n(.*?)^```", OPERATING.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    checked: bool = names["is_genuine"](secret, headers, body, now)
    return checked


class Receiver(ThreadingHTTPServer):
    """Takes what it is told; the first time it has a fault."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.told: list[tuple[str, str, str | None]] = []
        self.faults = 1
        self.forged = 0


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.forged += not is_genuine(SECRET, self.headers, body)
        self.server.faults -= 1
        if self.server.faults >= 0:
            self.send_error(503)
            return
        told = json.loads(body)
        self.server.told.append((told["event"], told["data"]["path"], told["data"].get("reason")))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        thread = Thread(target=receiver.serve_forever)
        thread.start()
        yield receiver
        receiver.shutdown()
        thread.join()


def test_every_start_and_end_is_told_also_at_the_end_of_the_daemon(
    receiver: Receiver, clips: Clips, tmp_path: Path
) -> None:
    song = f"m/{clips.song.name}"
    more = ("--webhook", f"http://127.0.0.1:{receiver.server_port}/hook?token=hush", "--webhook-secret", SECRET)
    with LiveDaemon(tmp_path / "daemon", {"m": clips.directory}, *more) as daemon:
        assert daemon.get(media_url(song, "/stream.mp3?duration=1")).status == 200
        until(lambda: len(receiver.told) == 2, "the first stream is told, after another try")
        with daemon.open(media_url(f"m/{clips.long.name}", "/stream.wav"), 4096):
            until(daemon.live, "the second stream runs")
            daemon.process.terminate()
            assert daemon.process.wait(40) == 0
        assert "hush" not in daemon.log()
    assert [(event, reason) for event, _, reason in receiver.told] == [
        ("stream-started", None),
        ("stream-ended", "finished"),
        ("stream-started", None),
        ("stream-ended", "shutdown"),
    ]
    assert {path for _, path, _ in receiver.told[:2]} == {song}
    assert receiver.forged == 0
