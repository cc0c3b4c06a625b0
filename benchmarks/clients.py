"""The clients: the C ones under a leash, and plain sockets where what arrives is looked at."""

import hashlib
import os
import random
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import attrs

from benchmarks.contenders import PATIENCE, Server
from benchmarks.workshop import CannotMeasure, Workshop


@attrs.frozen
class Drained:
    """What the drain tells: bytes with headers and framing, seconds since its start, streams that ended, and badly."""

    size: int
    seconds: float
    ended: int
    broken: int


class Drain:
    """Clients that take all they get."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def begun(self) -> None:
        """Wait until every stream has."""
        if self._line() != "ready":
            raise CannotMeasure("a stream does not begin")

    def ask(self) -> Drained:
        """How much it is by now."""
        assert self._process.stdin is not None
        self._process.stdin.write("?\n")
        self._process.stdin.flush()
        return self.result()

    def result(self) -> Drained:
        """What it says next: at the latest when all streams have ended."""
        size, seconds, ended, broken = self._line().split()
        return Drained(int(size), float(seconds), int(ended), int(broken))

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def draining(workshop: Workshop, server: Server, stream: str, count: int) -> Iterator[Drain]:
    """`count` clients on one stream's URL, gone at the end."""
    arguments = [str(server.port), server.contender.path(stream), str(count), server.contender.http]
    command = [str(workshop.program("drain")), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Drain(process)
        finally:
            process.kill()


@contextmanager
def asking_for_health(workshop: Workshop, server: Server) -> Iterator[list[float]]:
    """Milliseconds of answers of /healthz while this lasts; the list is filled at its end."""
    answers: list[float] = []
    command = [str(workshop.program("health")), str(server.port), "/healthz", "4000"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield answers
        finally:
            answers += map(float, process.communicate()[0].split())
    if process.returncode:
        raise CannotMeasure(f"{server.contender.name} is not healthy")


def ask(server: Server, stream: str, receive_buffer: int | None = None) -> socket.socket:
    """A connection with a request on it."""
    connection = socket.socket()
    connection.settimeout(PATIENCE)
    if receive_buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.connect(("127.0.0.1", server.port))
    connection.sendall(
        f"GET {server.contender.path(stream)} HTTP/{server.contender.http}\r\nHost: localhost\r\n"
        "Connection: close\r\n\r\n".encode()
    )
    return connection


class Body:
    """The body of an answer, with the framing taken off as it comes."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = b""
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        if head.split()[1:2] != [b"200"]:
            raise CannotMeasure(f"not answered with 200: {head[:300]!r}")
        self._chunked = b"chunked" in head.lower()
        self._left = 0
        self.complete = False

    def read(self) -> bytes:
        """Some of it, nothing at its end; raises OSError if the connection is broken or ends in the middle."""
        if self._chunked and not self._left:
            self._left = self._next_size()
            if not self._left:
                self.complete = True
                return b""
        if not self._buffer and not self._more(may_end=not self._chunked):
            self.complete = True
            return b""
        taken = self._buffer[: self._left] if self._chunked else self._buffer
        self._buffer = self._buffer[len(taken) :]
        self._left -= len(taken)
        if self._chunked and not self._left:
            self._line()
        return taken

    def _next_size(self) -> int:
        return int(self._line(), 16)

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            self._more()
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _more(self, *, may_end: bool = False) -> bool:
        block = self._connection.recv(65536)
        self._buffer += block
        if not block and not may_end:
            raise ConnectionResetError("ended in the middle")
        return bool(block)


def received(server: Server, stream: str, rng: random.Random) -> "tuple[int, str]":
    """Size and SHA-256 of a stream, taken through a tiny window and with pauses."""
    digest, size = hashlib.sha256(), 0
    with ask(server, stream, receive_buffer=4096) as connection:
        body = Body(connection)
        while block := body.read():
            digest.update(block)
            size += len(block)
            if rng.random() < 0.004:
                time.sleep(rng.random() * 0.02)
    return size, digest.hexdigest()


def produced(command: Sequence[str]) -> "tuple[int, str]":
    """Size and SHA-256 of what a command writes."""
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return len(done.stdout), hashlib.sha256(done.stdout).hexdigest()


def gone(pid: int) -> bool:
    """Whether a process was reaped."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
