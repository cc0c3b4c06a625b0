"""A farm under test: two daemons, and before them HAProxy or nginx with the very file of deploy/.

Of that file only the addresses and the places on disk are replaced, each of which must be there.
"""

import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import pytest

from tests.support import REPOSITORY
from tests.support.daemon import PATIENCE, LiveDaemon, Response, read_response, until

DEPLOY = REPOSITORY / "deploy"
FRONTS = ("haproxy", "nginx")
_ADDRESSES = ("10.0.0.11:8080", "10.0.0.12:8080")


def needs(program: str, package: str | None = None) -> str:
    """The path of a program; skips the test where there is none."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{program} is not installed (Debian's package {package or program})")
    return found


def free_port() -> int:
    """A port of the loopback interface that is free now."""
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        port: int = tried.getsockname()[1]
        return port


def replaced(text: str, changes: Mapping[str, str]) -> str:
    """The text with each of these replaced; fails if one is not there."""
    for old, new in changes.items():
        assert old in text, f"{old!r} is not in the file any more"
        text = text.replace(old, new)
    return text


class Node(LiveDaemon):
    """A daemon that listens twice: at `port` for us, at `inner_port` for the proxy."""

    # Health checks are logged there.
    twist_options = ("--log-format=text", "--log-level=debug")

    def __init__(self, front: str, directory: Path, media: Path, *arguments: str) -> None:
        self.inner_port = free_port()
        wrapper = "haproxy:" if front == "haproxy" else ""
        inner = f"{wrapper}tcp:{self.inner_port}:interface=127.0.0.1"
        trusted = ["--trusted-proxy", "127.0.0.1"] if front == "nginx" else []
        more = ("--listen", inner, "--host", "media.example", "--state-dir", "off")
        super().__init__(directory, {"m": media}, *more, *trusted, *arguments)

    def _listening(self) -> int | None:
        assert self.process.poll() is None, f"the daemon ended with {self.process.returncode}:\n{self.log()}"
        found = {c.laddr.port for c in psutil.Process(self.process.pid).net_connections("tcp") if c.status == "LISTEN"}
        return next(iter(found - {self.inner_port})) if len(found) == 2 else None

    def asked(self, part: str) -> int:
        """How many requests with this in their path it has answered, by its log."""
        return sum(
            part in line and re.search(r"\b(?:GET|POST) /media/", line) is not None for line in self.log().splitlines()
        )


class Farm:
    """Two nodes and the proxy. `arguments` are for each node."""

    def __init__(self, front: str, media: Path, directory: Path, *arguments: str) -> None:
        self.front = front
        self._directory = directory
        self.nodes = [Node(front, directory / f"node-{n}", media, *arguments) for n in (1, 2)]
        self.port = free_port()
        self.log_path = directory / "front.log"
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with self._stack:
            with ThreadPoolExecutor(2) as pool:
                for entered in [pool.submit(node.__enter__) for node in self.nodes]:
                    entered.result()
            for node in self.nodes:
                self._stack.push(node.__exit__)
            command = getattr(self, f"_{self.front}")()
            with self.log_path.open("wb") as log:
                self.process = subprocess.Popen(
                    command, cwd=self._directory, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
                )
            self._stack.callback(self._stop)
            until(self._serves, f"{self.front} serves")
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, traceback)

    def _stop(self) -> None:
        # nginx's workers end with their master in order only.
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            for worker in psutil.Process(self.process.pid).children(recursive=True):
                with suppress(psutil.Error):
                    worker.kill()
            self.process.kill()
            self.process.wait()

    def _serves(self) -> bool:
        assert self.process.poll() is None, f"{self.front} ended:\n{self.log()}"
        with suppress(OSError):
            return self.get("/healthz").status == 200 and self.get("/readyz").status == 200
        return False

    def _servers(self) -> Mapping[str, str]:
        return {address: f"127.0.0.1:{node.inner_port}" for address, node in zip(_ADDRESSES, self.nodes, strict=True)}

    def _haproxy(self) -> Sequence[str]:
        shipped = (DEPLOY / "haproxy/haproxy.cfg").read_text("utf-8")
        config = self._directory / "haproxy.cfg"
        config.write_text(replaced(shipped, {**self._servers(), "bind 127.0.0.1:8000": f"bind 127.0.0.1:{self.port}"}))
        return [needs("haproxy"), "-db", "-f", str(config)]

    def _nginx(self) -> Sequence[str]:
        shipped = (DEPLOY / "nginx/nginx.conf").read_text("utf-8")
        places = "".join(
            f"{kind}_temp_path {self._directory}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        changes = {
            **self._servers(),
            "listen 127.0.0.1:8000": f"listen 127.0.0.1:{self.port}",
            "/run/nginx.pid": f"{self._directory}/nginx.pid",
            "/var/log/nginx": str(self._directory),
            "worker_processes auto": "worker_processes 1",
            "http {": f"http {{ {places}",
        }
        config = self._directory / "nginx.conf"
        config.write_text(replaced(shipped, changes))
        return [needs("nginx"), "-c", str(config), "-g", "daemon off;"]

    def log(self) -> str:
        """All that the proxy has said, in whichever file."""
        files = [self.log_path, self._directory / "access.log", self._directory / "error.log"]
        return "".join(file.read_text("utf-8", "replace") for file in files if file.exists())

    # Requests, through the proxy.

    def connect(self, source: str = "127.0.0.1", receive_buffer: int | None = None) -> socket.socket:
        """A connection to the proxy, from this address."""
        connection = socket.socket()
        connection.settimeout(PATIENCE)
        if receive_buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.bind((source, 0))
        try:
            connection.connect(("127.0.0.1", self.port))
        except OSError:
            connection.close()
            raise
        return connection

    def open(
        self, url: str, source: str = "127.0.0.1", receive_buffer: int | None = None, headers: str = ""
    ) -> socket.socket:
        """Ask and leave the answer in the connection."""
        connection = self.connect(source, receive_buffer)
        connection.sendall(f"GET {url} HTTP/1.1\r\nHost: media.example\r\n{headers}\r\n".encode())
        return connection

    def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Response:
        """Ask and read the whole answer."""
        with self.connect() as connection:
            lines = {"Host": "media.example", "Connection": "close", "Content-Length": str(len(body)), **headers}
            head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
            connection.sendall(f"{method} {url} HTTP/1.1\r\n{head}\r\n".encode() + body)
            return read_response(connection, method)

    def get(self, url: str) -> Response:
        """GET."""
        with self.connect() as connection:
            connection.sendall(f"GET {url} HTTP/1.1\r\nHost: media.example\r\nConnection: close\r\n\r\n".encode())
            return read_response(connection)

    # Nodes.

    def node_of(self, stream_id: str) -> Node:
        """The node that runs this stream, or has run it."""
        return until(
            lambda: [
                node
                for node in self.nodes
                if node.process.poll() is None
                and any(one["id"] == stream_id for one in (*node.live(), *node.endings()))
            ],
            f"a node has stream {stream_id}",
        )[0]

    def other(self, node: Node) -> Node:
        """Not this one."""
        return self.nodes[1 - self.nodes.index(node)]


def children_of_playlist(text: str) -> list[str]:
    """The URIs in an HLS playlist, as they stand there."""
    lines = re.findall(r"^(?!#)(.+)$", text, re.MULTILINE)
    return [*re.findall(r'URI="([^"]+)"', text), *lines]
