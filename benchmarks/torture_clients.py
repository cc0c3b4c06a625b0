"""What clients do to a stream, on plain blocking sockets: every way to leave, and every way to be slow.

An `Attempt` is the client's own account of one request. What is true of its Ending is judged by that account afterwards.
"""

import json
import random
import re
import socket
import struct
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, ClassVar
from urllib.parse import quote

import attrs

from benchmarks.torture_stubs import Kind

PATIENCE = 40.0
"""Seconds without news after which a client calls it a fault of the daemon."""

MOST = 100 << 20
LONG = 15.0
"""Bytes and seconds after which a client has had enough of one stream: some never end."""


@attrs.define(eq=False)
class Attempt:
    """One request, told by its client. Times are the wall clock's, as in an Ending; None: did not happen."""

    request_id: str
    kind: Kind
    path: str
    url: str
    behaviour: str
    held: bool = False
    begun: float = 0.0
    left: float | None = None
    over: float = 0.0
    status: int | None = None
    stream_id: str | None = None
    received: int = 0
    tail: bytes = b""
    complete: bool = False
    longest_pause: float = 0.0
    deleted: Mapping[str, Any] | None = None
    delete_asked: bool = False
    fault: str | None = None


class NoAnswer(Exception):
    """A request of the API was dropped."""


@attrs.frozen
class Release:
    """One DELETE by path and when it was under way; `answered` is False if the daemon went away meanwhile."""

    path: str
    begun: float
    over: float
    answered: bool


class Client:
    """Makes attempts against one daemon. `releases` tells of all DELETEs by path; `proof` is asked whether a pid is gone."""

    def __init__(self, port: int, releases: list[Release], proof: Callable[[int], bool]) -> None:
        self._port = port
        self._releases = releases
        self._gone = proof

    def make(self, attempt: Attempt, rng: random.Random) -> None:
        """Do it, from the connection to its end. A daemon that goes away is no fault of this client."""
        attempt.begun = time.time()
        try:
            with self.connect(attempt.behaviour) as connection:
                self.BEHAVIOURS[attempt.behaviour](self, attempt, connection, rng)
        except TimeoutError:
            attempt.fault = f"no news for {PATIENCE:g} s"
        except (ConnectionError, OSError):
            pass
        except Exception as error:  # noqa: BLE001 - told as a fault of this attempt
            attempt.fault = repr(error)
        attempt.over = time.time()

    def connect(self, behaviour: str = "") -> socket.socket:
        """A connection."""
        connection = socket.socket()
        connection.settimeout(PATIENCE)
        if behaviour in {"stall", "delete-stalled"}:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", self._port))
        return connection

    def ask(self, method: str, url: str) -> tuple[int, Any]:
        """A request to the API; status and document."""
        with self.connect() as connection:
            connection.sendall(f"{method} {url} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            data = b""
            while block := connection.recv(1 << 20):
                data += block
        if not data:
            raise NoAnswer(f"no answer to {method} {url}")
        head, _, body = data.partition(b"\r\n\r\n")
        if b"chunked" in head.lower():
            body = _dechunk(body)
        return int(head.split(None, 2)[1]), json.loads(body)

    # The behaviours.

    def _read_all(self, attempt: Attempt, connection: socket.socket, rng: random.Random) -> None:
        _send(attempt, connection)
        _read(attempt, connection)

    def _close(self, attempt: Attempt, connection: socket.socket, rng: random.Random) -> None:
        _send(attempt, connection)
        _read(attempt, connection, rng.choice((1, 10_000, 200_000, 2_000_000)), rng.choice((0.05, 0.2, 0.5)))
        _leave(attempt, connection)

    def _reset(self, attempt: Attempt, connection: socket.socket, rng: random.Random) -> None:
        _send(attempt, connection)
        _read(attempt, connection, rng.choice((1, 10_000, 200_000)), rng.choice((0.05, 0.2, 0.5)))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        _leave(attempt, connection)

    def _stall(self, attempt: Attempt, connection: socket.socket, rng: random.Random) -> None:
        _send(attempt, connection)
        _read(attempt, connection, 1, 0.5)
        _pause(attempt, rng.choice((0.1, 0.3, 0.3, 0.6, 2.5)))
        _leave(attempt, connection)

    def _half_close(self, attempt: Attempt, connection: socket.socket, rng: random.Random) -> None:
        _send(attempt, connection)
        if rng.random() < 0.7:
            _read(attempt, connection, 1, 0.3)
        attempt.left = time.time()
        connection.shutdown(socket.SHUT_WR)
        _read(attempt, connection)

    def _pipeline(self, attempt: Attempt, connection: socket.socket, rng: random.Random) -> None:
        more = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * rng.choice((500, 2000))
        connection.sendall(_head(attempt) + more)
        _read(attempt, connection, rng.choice((1, 10_000)), rng.choice((0.1, 0.3)))
        with suppress(ConnectionError, BlockingIOError):
            connection.settimeout(0.2)
            connection.sendall(more)
        _leave(attempt, connection)

    def _slowloris(self, attempt: Attempt, connection: socket.socket, rng: random.Random) -> None:
        head = _head(attempt)
        step = len(head) // 12 + 1
        parts = [head[at : at + step] for at in range(0, len(head), step)]
        until = len(parts) if rng.random() < 0.5 else rng.randrange(1, len(parts))
        for part in parts[:until]:
            connection.sendall(part)
            time.sleep(0.02)
        if until == len(parts):
            _read(attempt, connection, 10_000, 0.3)
        _leave(attempt, connection)

    def _before_first_byte(self, attempt: Attempt, connection: socket.socket, rng: random.Random) -> None:
        _send(attempt, connection)
        time.sleep(rng.choice((0, 0, 0.002, 0.01, 0.05)))
        if rng.random() < 0.5:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        _leave(attempt, connection)

    def _delete(self, attempt: Attempt, connection: socket.socket, rng: random.Random) -> None:
        _send(attempt, connection)
        _read(attempt, connection, 1, 5.0)
        if attempt.stream_id is None or attempt.complete:
            return
        if attempt.behaviour == "delete-stalled":
            _pause(attempt, rng.choice((0.1, 0.4)))
        url = f"/api/v1/streams/{attempt.stream_id}"
        status, stream = self.ask("GET", url)
        attempt.delete_asked = True
        status, document = self.ask("DELETE", url)
        if status == 200:
            attempt.deleted = document
            pid = stream.get("pid")
            if isinstance(pid, int) and not self._gone(pid):
                attempt.fault = f"DELETE was answered, but process {pid} is still there"
        elif status != 404:
            attempt.fault = f"DELETE was answered with {status}"
        _read(attempt, connection)

    def _release(self, attempt: Attempt, connection: socket.socket, rng: random.Random) -> None:
        _send(attempt, connection)
        _read(attempt, connection, 1, rng.choice((0.0, 0.3)))
        path = attempt.path if rng.random() < 0.8 else attempt.path.rpartition("/")[0]
        begun, answered = time.time(), False
        try:
            status, document = self.ask("DELETE", f"/api/v1/streams?path={quote(path)}")
            answered = True
        finally:
            self._releases.append(Release(path, begun, time.time(), answered))
        if status != 200:
            attempt.fault = f"a release was answered with {status}: {document}"
        elif odd := [
            e["path"] for e in document["endings"] if e["path"] != path and not e["path"].startswith(f"{path}/")
        ]:
            attempt.fault = f"the release of {path} ended {odd}"
        _read(attempt, connection)

    BEHAVIOURS: ClassVar[Mapping[str, Callable[["Client", Attempt, socket.socket, random.Random], None]]] = {
        "read": _read_all,
        "close": _close,
        "reset": _reset,
        "stall": _stall,
        "half-close": _half_close,
        "pipeline": _pipeline,
        "slowloris": _slowloris,
        "before-first-byte": _before_first_byte,
        "delete": _delete,
        "delete-stalled": _delete,
        "release": _release,
    }


def _head(attempt: Attempt) -> bytes:
    return f"GET {attempt.url} HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: {attempt.request_id}\r\n\r\n".encode()


def _send(attempt: Attempt, connection: socket.socket) -> None:
    connection.sendall(_head(attempt))


def _pause(attempt: Attempt, seconds: float) -> None:
    attempt.longest_pause = max(attempt.longest_pause, seconds)
    time.sleep(seconds)


def _leave(attempt: Attempt, connection: socket.socket) -> None:
    attempt.left = time.time()
    connection.close()


def _read(attempt: Attempt, connection: socket.socket, most: int | None = None, patience: float | None = None) -> None:
    """Read the answer on, `most` bytes of it (None: all), and at the most for `patience` seconds."""
    until = None if patience is None else time.monotonic() + patience
    connection.settimeout(PATIENCE)
    data = b""
    while most is None or attempt.received < most:
        if attempt.received > MOST or time.time() > attempt.begun + LONG:
            _leave(attempt, connection)
            return
        if until is not None:
            connection.settimeout(max(until - time.monotonic(), 0.001))
        try:
            block = connection.recv(1 << 18)
        except TimeoutError:
            if until is None:
                raise
            return
        except ConnectionError:
            return
        if not block:
            return
        if attempt.status is None:
            data += block
            if b"\r\n\r\n" not in data:
                continue
            head, _, block = data.partition(b"\r\n\r\n")
            attempt.status = int(head.split(None, 2)[1])
            found = re.search(rb"(?i)\r\nx-stream-id: ([0-9a-f]+)", head)
            attempt.stream_id = found[1].decode() if found else None
        attempt.received += len(block)
        attempt.tail = (attempt.tail + block)[-7:]
        attempt.complete = attempt.status == 200 and attempt.tail == b"\r\n0\r\n\r\n"


def _dechunk(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            break
        whole += rest[:length]
        body = rest[length + 2 :]
    return whole
