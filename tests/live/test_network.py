"""A network that dies in silence, between two network namespaces of our own: no FIN, no RST, and nothing from then on.

The daemon must notice within 30 seconds, whatever was going on; and a live viewer who has paused must stay.
"""

import ctypes
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

import attrs
import pytest

from benchmarks.torture_stubs import build
from tests.support.daemon import LiveDaemon, media_url, read_head, until
from tests.support.programs import BUNDLED

T = TypeVar("T")
CLONE_NEWNET = 0x40000000
SERVER, CLIENT = "10.213.7.1", "10.213.7.2"
PORT = 8080
NOTICED_WITHIN = 30.0
"""Seconds; the guarantee."""


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def enter(namespace: str) -> None:
    """Move this thread into a namespace."""
    with open(f"/run/netns/{namespace}", encoding="ascii") as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")


def inside(namespace: str, call: Callable[[], T]) -> T:
    """Call it in a namespace. A socket stays in the one where it was made."""
    results: list[T] = []
    problems: list[BaseException] = []

    def run() -> None:
        try:
            enter(namespace)
            results.append(call())
        except BaseException as problem:  # noqa: BLE001 - raised again by the caller's thread
            problems.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if problems:
        raise problems[0]
    return results[0]


@attrs.frozen
class Wire:
    """Two namespaces and the wire between them."""

    server: str
    client: str

    def cut(self) -> None:
        """From now on nothing arrives and nobody is told: the client's address is no longer anybody's."""
        ip("-n", self.client, "address", "flush", "dev", "wire")


@pytest.fixture
def wire() -> Iterator[Wire]:
    names = [f"transcoded-test-{os.getpid()}-{end}" for end in ("server", "client")]
    made = []
    try:
        for name in names:
            try:
                ip("netns", "add", name)
            except (OSError, subprocess.CalledProcessError) as error:
                said = error.stderr.decode().strip() if isinstance(error, subprocess.CalledProcessError) else error
                pytest.skip(f"no network namespaces here: {said}")
            made.append(name)
        server, client = names
        try:
            ip("-n", server, "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", client)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no virtual wires here: {error.stderr.decode().strip()}")
        for name, address in ((server, SERVER), (client, CLIENT)):
            ip("-n", name, "address", "add", f"{address}/24", "dev", "wire")
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", "wire", "up")
        # Else the loss would show as an unanswered ARP question, as it does not behind a router.
        shown = subprocess.run(
            ["ip", "-n", client, "link", "show", "wire"], check=True, capture_output=True
        ).stdout.decode()
        mac = re.search(r"link/ether ([0-9a-f:]+)", shown)
        assert mac is not None
        ip("-n", server, "neighbour", "replace", CLIENT, "lladdr", mac[1], "nud", "permanent", "dev", "wire")
        yield Wire(server, client)
    finally:
        for name in made:
            ip("netns", "delete", name)


class FarDaemon(LiveDaemon):
    """A daemon in a namespace; what the test asks of it goes over that namespace's own loopback."""

    def __init__(self, namespace: str, directory: Path, *arguments: str, media: Path) -> None:
        super().__init__(directory, {"m": media}, *arguments)
        self._namespace = namespace
        command = [part.replace("tcp:0:interface=127.0.0.1", f"tcp:{PORT}") for part in self._command]
        self._command = ["nsenter", f"--net=/run/netns/{namespace}", "--", *command]

    def _listening(self) -> int | None:
        assert self.process.poll() is None, self.log()
        return PORT if str(PORT) in self.log().partition("listening on")[2] else None

    def connect(self, receive_buffer: int | None = None) -> socket.socket:
        """A connection over loopback, in the daemon's namespace."""
        return connect(self._namespace, "127.0.0.1", receive_buffer)


def connect(namespace: str, address: str, receive_buffer: int | None = None) -> socket.socket:
    connection = inside(namespace, socket.socket)
    connection.settimeout(120)
    if receive_buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.connect((address, PORT))
    return connection


@attrs.frozen
class Viewer:
    """Somebody who watches a stream that has begun."""

    connection: socket.socket
    stream_id: str


def watch(connection: socket.socket, path: str, tail: str) -> Viewer:
    connection.sendall(f"GET {media_url(path, tail)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    status, headers, _ = read_head(connection)
    assert status == 200
    return Viewer(connection, headers["x-stream-id"])


def keep_reading(connection: socket.socket) -> threading.Thread:
    def read() -> None:
        with suppress(OSError):
            while connection.recv(1 << 16):
                time.sleep(0.01)  # a film plays at some speed

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def test_a_silent_drop_is_noticed_and_a_paused_viewer_is_not_cut(wire: Wire, tmp_path: Path) -> None:
    stage = build(tmp_path / "stage", BUNDLED.ffmpeg, BUNDLED.ffprobe)
    tools = ("--ffmpeg", str(stage.ffmpeg), "--ffprobe", str(stage.ffprobe))
    calm = ("--memory-high", "off", "--hang-timeout", "off", "--preempt-after", "off", "--grace", "0.3")
    with FarDaemon(wire.server, tmp_path / "d", *tools, *calm, media=stage.media) as daemon:
        near = watch(daemon.connect(4096), "m/b/real-long.wav", "/stream.wav")
        flowing, paused, silent = (
            watch(connect(wire.client, SERVER, receive_buffer), path, tail)
            for receive_buffer, path, tail in (
                (None, "m/a/endless.mp4", "/stream.mp4"),
                (4096, "m/a/real-long.wav", "/stream.wav"),
                (None, "m/a/slow.mp4", "/stream.mp4"),
            )
        )
        far = {"data flowing": flowing, "client paused": paused, "nothing to send": silent}
        reader = keep_reading(flowing.connection)
        until(lambda: backpressured(daemon, paused.stream_id), "the paused client holds its stream up")
        # Longer than the silence that makes a peer dead: one that lives answers the probes of its closed window.
        time.sleep(17)
        live = {stream["id"] for stream in daemon.live()}
        assert live == {near.stream_id, *(viewer.stream_id for viewer in far.values())}
        before = bytes_sent(daemon, flowing.stream_id)
        until(lambda: bytes_sent(daemon, flowing.stream_id) > before, "data flows")

        wire.cut()
        cut_at = time.monotonic()
        late: dict[str, float] = {}
        while len(late) < len(far) and time.monotonic() < cut_at + 2 * NOTICED_WITHIN:
            live = {stream["id"] for stream in daemon.live()}
            for case, viewer in far.items():
                if viewer.stream_id not in live:
                    late.setdefault(case, round(time.monotonic() - cut_at, 1))
            time.sleep(0.2)
        print(f"noticed after seconds: {late}")  # noqa: T201 - shown with -s, and when the test fails
        assert set(late) == set(far)
        assert max(late.values()) <= NOTICED_WITHIN, late
        for viewer in far.values():
            assert daemon.ending(viewer.stream_id)["reason"] == "client-gone"
            with suppress(OSError):
                viewer.connection.shutdown(socket.SHUT_RDWR)  # wakes the reader
        until(lambda: not reader.is_alive(), "the reader sees that its connection is closed")
        # Only now: another socket could get the number of one that the reader is about to read.
        for viewer in far.values():
            viewer.connection.close()
        # The paused viewer has been there all the time, and goes on from where it was.
        assert [stream["id"] for stream in daemon.live()] == [near.stream_id]
        before = bytes_sent(daemon, near.stream_id)
        with closing(near.connection):
            size = 0
            while size < 2 << 20:
                size += len(near.connection.recv(1 << 20))
            assert bytes_sent(daemon, near.stream_id) > before
        daemon.quiet()


def backpressured(daemon: LiveDaemon, stream_id: str) -> bool:
    return bool(daemon.json(f"/api/v1/streams/{stream_id}")["backpressured"])


def bytes_sent(daemon: LiveDaemon, stream_id: str) -> int:
    return int(daemon.json(f"/api/v1/streams/{stream_id}")["bytes_sent"])
