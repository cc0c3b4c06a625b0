"""The daemon under test: as a program of its own with a free port, or embedded in this process; and who is left after it.

Every daemon gets a TMPDIR of its own. It hands that on to what it starts, so the mark finds all its processes, wherever
they were reparented to (`LiveDaemon.census`).
"""

import http.client
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar
from urllib.parse import quote

import attrs
import msgspec
import psutil
from twisted.internet.endpoints import serverFromString

from tests.support import REPOSITORY
from tests.support.handed_on import hand_on, learn, state_of
from tests.support.launcher import Running, start
from tests.support.programs import BUNDLED, Programs
from transcoded.config import Settings, names
from transcoded.plan.setting_parsers import OFF
from transcoded.service import Transcoded
from transcoded.web.protocol import QuietSite

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds after which something that must happen counts as not happening. Only a failing test waits so long."""


def until(found: Callable[[], T | None], what: str = "") -> T:
    """Ask until the answer is true, and give it; fails if it never is."""
    deadline = time.monotonic() + PATIENCE
    pause = 0.005
    while not (answer := found()):
        assert time.monotonic() < deadline, f"never happened: {what or found}; the last answer was {answer!r}"
        time.sleep(pause)
        # An answer costs the daemon and us some time, which is the work's that is waited for.
        pause = min(2 * pause, 0.05)
    return answer


@attrs.frozen
class Response:
    """A whole response. `complete` is False where the connection broke before its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool = True

    def json(self) -> Any:
        """The body, decoded."""
        return msgspec.json.decode(self.body)

    def problem(self, status: int) -> dict[str, Any]:
        """The body as the problem document that it must be, with this status."""
        assert self.status == status, f"{self.status}: {self.body[:400]!r}"
        assert self.headers["content-type"] == "application/problem+json"
        document: dict[str, Any] = self.json()
        assert document["status"] == status
        assert document["title"]
        assert document["detail"]
        assert "Traceback" not in self.body.decode()
        return document


def media_url(path: str, tail: str = "") -> str:
    """The URL of a file in the library, by its path there."""
    return f"/media/{quote(path)}{tail}"


@contextmanager
def run_twist(
    arguments: Sequence[str], environment: Mapping[str, str], log: Path, directory: Path, program: Sequence[str] = ()
) -> Iterator[Running]:
    """A program of the daemon's (`twist` unless another is given), its output in `log`; killed if it is still there at the end."""
    command = [*(program or (sys.executable, "-m", "twisted", "--log-format=text", "transcoded")), *arguments]
    with log.open("wb") as output:
        process = start(command, environment, directory, output.fileno())
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def clean_environment(directory: Path, **more: str) -> dict[str, str]:
    """This process's environment without settings of the daemon, and with all its directories below `directory`."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("TRANSCODED_", "XDG_", "PYTEST_"))
    }
    places = {"HOME": str(directory), "TMPDIR": str(directory), "XDG_CACHE_HOME": str(directory / "cache")}
    return {**kept, **places, "XDG_STATE_HOME": str(directory / "state"), "PYTHONPATH": str(REPOSITORY), **more}


class LiveDaemon:
    """A daemon as its users run it. A context manager: stopped by SIGTERM at the end, with proof that nothing is left.

    `directory` is for its log and temporary files, `arguments` are its flags. It runs `programs`, unless flags name others.
    `program` is another command to start a daemon with; it takes its settings from there and from `environment`.
    """

    twist_options: ClassVar[Sequence[str]] = ("--log-format=text",)

    def __init__(
        self,
        directory: Path,
        media: Mapping[str, Path],
        *arguments: str,
        programs: Programs = BUNDLED,
        program: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.log_path = directory / "daemon.log"
        variables = programs.variables if program else {}
        self._environment = clean_environment(directory, **variables, **(environment or {}))
        roots = [part for name, path in media.items() for part in ("--media", f"{name}={path}")]
        face = (sys.executable, "-m", "twisted", *self.twist_options, "transcoded")
        listen = ("--listen", "tcp:0:interface=127.0.0.1")
        self._state = state_of(directory, listen[1])
        more = (*listen, *programs.flags(*arguments), *_roomy(arguments), *arguments)
        self._command = list(program) or [*face, *roots, *more]
        self.expected_status = 0
        self.forgive_tracebacks = False

    def __enter__(self) -> Self:
        hand_on(self._state)
        with self.log_path.open("wb") as log:
            self.process: Running = start(self._command, self._environment, self.directory, log.fileno())
        try:
            self.port = until(self._listening, "the daemon listens")
            learn(self._state)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            status = self.stop()
        finally:
            left = self.census()
            for process in left:
                with suppress(psutil.Error):
                    process.kill()
        if kind is None:
            assert status == self.expected_status, f"exit status {status}:\n{self.log()[-4000:]}"
            assert not left, f"left behind by the daemon: {left}"
            assert self.forgive_tracebacks or "Traceback" not in self.log(), self.log()[-6000:]

    def _listening(self) -> int | None:
        assert self.process.poll() is None, f"the daemon ended with {self.process.returncode}:\n{self.log()}"
        try:
            connections = psutil.Process(self.process.pid).net_connections("tcp")
        except psutil.AccessDenied:  # only root can look into a daemon that runs
            return next((int(port) for port in re.findall(r"listening on http://\S+:(\d+)/", self.log())), None)
        found = [c.laddr.port for c in connections if c.status == "LISTEN"]
        return found[0] if found else None

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it and wait for its end; the exit status, negative for a signal."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the daemon did not stop:\n{self.log()[-4000:]}") from None

    def log(self) -> str:
        """All that it has said."""
        return self.log_path.read_text("utf-8", "replace")

    # Its processes.

    def census(self) -> list[psutil.Process]:
        """Everything that runs, or waits as a zombie to be reaped, because of this daemon; not the daemon itself."""
        mark = f"TMPDIR={self.directory}".encode()
        found = {}
        with suppress(psutil.Error):
            found = {child.pid: child for child in psutil.Process(self.process.pid).children(recursive=True)}
        for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
            with suppress(OSError, psutil.Error):
                environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                if mark in environment and pid not in {self.process.pid, *found}:
                    found[pid] = psutil.Process(pid)
        return list(found.values())

    def rss(self) -> int:
        """Its own resident bytes."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def descriptors(self) -> int:
        """How many descriptors it has open."""
        return int(psutil.Process(self.process.pid).num_fds())

    # Requests.

    def connect(self, receive_buffer: int | None = None) -> socket.socket:
        """A connection of one's own."""
        connection = socket.socket()
        connection.settimeout(PATIENCE)
        if receive_buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.connect(("127.0.0.1", self.port))
        return connection

    def request(self, method: str, url: str, headers: Mapping[str, str] | None = None, body: str = "") -> Response:
        """Ask and read the whole answer. `url` goes as it is."""
        connection = self.connect()
        try:
            lines = {"Host": "localhost", "Connection": "close", **(headers or {})}
            if body:
                lines["Content-Length"] = str(len(body.encode()))
            head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
            connection.sendall(f"{method} {url} HTTP/1.1\r\n{head}\r\n{body}".encode("utf-8", "surrogateescape"))
            return read_response(connection, method)
        finally:
            connection.close()

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Response:
        """GET."""
        return self.request("GET", url, headers)

    def post(self, url: str, body: str, headers: Mapping[str, str] | None = None) -> Response:
        """POST."""
        return self.request("POST", url, headers, body)

    def json(self, url: str) -> Any:
        """GET of a document that must be there."""
        response = self.get(url)
        assert response.status == 200, f"{response.status}: {response.body[:400]!r}"
        return response.json()

    def raw(self, data: bytes) -> bytes:
        """Send bytes, and behind them a request that ends the connection; all that is answered."""
        connection = self.connect()
        answer = b""
        try:
            connection.sendall(data)
            connection.sendall(b"\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            while block := connection.recv(65536):
                answer += block
        except (ConnectionResetError, BrokenPipeError):
            pass
        finally:
            connection.close()
        return answer

    def open(self, url: str, receive_buffer: int | None = None) -> socket.socket:
        """Ask and leave the answer in the connection."""
        connection = self.connect(receive_buffer)
        connection.sendall(f"GET {url} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return connection

    def stream(self, path: str, fmt: str, query: str = "") -> bytes:
        """A whole stream, which must be complete."""
        response = self.get(media_url(path, f"/stream.{fmt}{'?' if query else ''}{query}"))
        assert response.status == 200, f"{response.status}: {response.body[:400]!r}"
        assert response.complete
        return response.body

    # What it says of its streams.

    def live(self) -> list[dict[str, Any]]:
        """The streams in the registry."""
        streams: list[dict[str, Any]] = self.json("/api/v1/streams")["streams"]
        return streams

    def endings(self, limit: int = 1000) -> list[dict[str, Any]]:
        """The latest Endings, newest first."""
        endings: list[dict[str, Any]] = self.json(f"/api/v1/endings?limit={limit}")["endings"]
        return endings

    def ending(self, stream_id: str) -> dict[str, Any]:
        """The Ending of this stream, as soon as it is there."""
        return until(lambda: [e for e in self.endings() if e["id"] == stream_id], f"Ending of {stream_id}")[0]

    def quiet(self) -> None:
        """Wait until no stream lives and no process is left; fails if that never comes."""
        until(lambda: not self.live(), "an empty registry")
        until(lambda: not self.census(), f"no process left: {self.census()}")


def read_head(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Status, headers by their names in small letters, and what was read beyond them."""
    data = b""
    while b"\r\n\r\n" not in data:
        block = connection.recv(65536)
        if not block:
            raise ConnectionResetError(f"closed after {data!r}")
        data += block
    head, _, rest = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    match = re.fullmatch(r"HTTP/1\.[01] (\d{3}) .*", first)
    assert match is not None, first
    return int(match[1]), {n.lower(): v for n, _, v in (line.partition(": ") for line in lines)}, rest


def read_response(connection: socket.socket, method: str = "GET") -> Response:
    """Read one response to its end, or as far as it came."""
    response = http.client.HTTPResponse(connection, method=method)
    response.begin()
    body, complete = bytearray(), True
    try:
        while block := response.read1(1 << 20):
            body += block
        complete = response.length in {0, None}
    except (http.client.IncompleteRead, ConnectionError) as broken:
        body += getattr(broken, "partial", b"")
        complete = False
    headers = {name.lower(): value for name, value in response.getheaders()}
    response.close()
    return Response(response.status, headers, bytes(body), complete)


def reset(connection: socket.socket) -> None:
    """Close with RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _roomy(arguments: Sequence[str]) -> Sequence[str]:
    """Room for the streams of a test, where this daemon has limits and the test sets none."""
    limits = {"max_streams": "64"}
    flags = {name: f"--{name.replace('_', '-')}" for name in limits if name in names()}
    return [part for name, flag in flags.items() if flag not in arguments for part in (flag, limits[name])]


@asynccontextmanager
async def embedded(settings: Settings) -> AsyncIterator[tuple[Transcoded, str]]:
    """The service in this process, listening; the service and its URL. Stopped and waited for at the end.

    It runs the bundled programs, unless the settings name others, and has no state directory unless they name one.
    """
    from twisted.internet import reactor

    ffmpeg, ffprobe = settings.ffmpeg or BUNDLED.ffmpeg, settings.ffprobe or BUNDLED.ffprobe
    service = Transcoded(
        reactor, attrs.evolve(settings, ffmpeg=ffmpeg, ffprobe=ffprobe, state_dir=settings.state_dir or OFF)
    )
    service.startService()
    port = await serverFromString(reactor, "tcp:0:interface=127.0.0.1").listen(QuietSite(service.resource()))
    try:
        yield service, f"http://127.0.0.1:{port.getHost().port}"
    finally:
        stopped = port.stopListening()
        if stopped is not None:
            await stopped
        await service.stopService()
