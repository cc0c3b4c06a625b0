"""What arrives is what the transcoder wrote, byte for byte, whichever way it takes and however the client takes it.

A stand-in for ffmpeg writes bytes that can be told apart, so that a block that is lost, doubled or mixed up with another
stream's shows. A picture that is a little wrong, or a film that ends early and looks whole, is what a user would get.
"""

import hashlib
import http.client
import random
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import attrs
import pytest

from tests.support.clips import Clips
from tests.support.daemon import LiveDaemon, media_url
from tests.support.programs import BUNDLED

SIZE = 7_000_000
"""Bytes of a stream: more than the kernel holds between a pipe and a socket, so that the relay has to wait for its client."""

VIEWERS = 3

STAND_IN = f"""#!/bin/sh
case "$(readlink /proc/self/fd/4)" in
    */written-*) exec {sys.executable} -S -E {{program}} "$@" ;;
esac
exec {{ffmpeg}} "$@"
"""

PROGRAM = """
import os, random, re, signal, sys, time
ending, seed = re.search(r"/written-(\\w+)-(\\d+)\\.mp4", os.readlink("/proc/self/fd/4")).groups()
data, sizes = memoryview(random.Random(int(seed)).randbytes({size})), random.Random()
while data:
    data = data[os.write(1, data[: sizes.choice([1, 4096, 32768, 200_000])]):]
    if sizes.random() < 0.05:
        time.sleep(0.002)
if ending == "fails":
    sys.exit(3)
if ending == "crashes":
    os.kill(os.getpid(), signal.SIGSEGV)
"""


@attrs.frozen
class Taken:
    """What a viewer got, and whether it looked complete."""

    size: int
    sha256: str
    complete: bool


@pytest.fixture(scope="module")
def stand_in(clips: Clips, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with `ffmpeg`, and in `media` the files that it does not read: `written-{how it ends}-{seed}.mp4`."""
    directory = tmp_path_factory.mktemp("stand-in")
    (directory / "media").mkdir()
    for how in ("well", "fails", "crashes"):
        for seed in range(VIEWERS):
            shutil.copy(clips.film.path, directory / "media" / f"written-{how}-{seed}.mp4")
    program, ffmpeg = directory / "program.py", directory / "ffmpeg"
    program.write_text(PROGRAM.format(size=SIZE), encoding="utf-8")
    ffmpeg.write_text(STAND_IN.format(program=program, ffmpeg=BUNDLED.ffmpeg), encoding="utf-8")
    ffmpeg.chmod(0o755)
    return directory


@pytest.fixture(scope="module", params=["sendmsg", "splice", "copy"])
def daemon(request: pytest.FixtureRequest, stand_in: Path) -> Iterator[LiveDaemon]:
    """A daemon for each way of relaying."""
    relay: str = request.param
    # What else runs on the machine may eat its memory.
    settings = ("--relay", relay, "--ffmpeg", str(stand_in / "ffmpeg"), "--memory-high", "off")
    with LiveDaemon(stand_in / relay, {"m": stand_in / "media"}, *settings) as daemon:
        yield daemon
        daemon.quiet()


def take(daemon: LiveDaemon, version: str, name: str, rng: random.Random) -> Taken:
    """Watch as a viewer with a bad line does: nothing until all is full, a tiny window, reads of any size, pauses."""
    connection = daemon.connect(rng.choice([2048, 16384, 65536]))
    url = media_url(f"m/{name}", "/stream.mp4")
    digest, size, complete = hashlib.sha256(), 0, False
    try:
        connection.sendall(f"GET {url} HTTP/{version}\r\nHost: localhost\r\n\r\n".encode())
        response = http.client.HTTPResponse(connection, method="GET")
        response.begin()
        assert response.status == 200
        _wait_till_nothing_comes(connection)
        with suppress(http.client.IncompleteRead, ConnectionError):
            while block := response.read1(rng.choice([1000, 50_000, 200_000])):
                digest.update(block)
                size += len(block)
                if rng.random() < 0.005:
                    time.sleep(rng.random() * 0.02)
            complete = True
        response.close()
    finally:
        connection.close()
    return Taken(size, digest.hexdigest(), complete)


def _wait_till_nothing_comes(connection: socket.socket) -> None:
    """Until what is there to be read has not changed for a while."""
    before, same = -1, 0
    while same < 6:
        time.sleep(0.02)
        there = len(connection.recv(1 << 20, socket.MSG_PEEK))
        same, before = (same + 1 if there == before else 0), there


def written(seed: int, size: int = SIZE) -> str:
    """The SHA-256 of the first `size` bytes of a stream."""
    return hashlib.sha256(random.Random(seed).randbytes(SIZE)[:size]).hexdigest()


def together(daemon: LiveDaemon, version: str, *hows: str) -> list[Taken]:
    """What all viewers got, each of its own stream, at the same time. The streams end in these ways by turns."""

    def one(seed: int) -> Taken:
        name = f"written-{hows[seed % len(hows)]}-{seed}.mp4"
        return take(daemon, version, name, random.Random(seed))

    with ThreadPoolExecutor(VIEWERS) as pool:
        return list(pool.map(one, range(VIEWERS)))


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_every_byte_arrives_in_its_place(daemon: LiveDaemon, version: str) -> None:
    assert together(daemon, version, "well") == [Taken(SIZE, written(seed), complete=True) for seed in range(VIEWERS)]
    daemon.quiet()
    endings = daemon.endings(VIEWERS)
    assert {(ending["reason"], ending["bytes_sent"]) for ending in endings} == {("finished", SIZE)}


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_stream_that_is_cut_short_never_looks_whole(daemon: LiveDaemon, version: str) -> None:
    for seed, taken in enumerate(together(daemon, version, "fails", "crashes")):
        assert not taken.complete
        assert taken.sha256 == written(seed, taken.size)
    daemon.quiet()
    assert {ending["reason"] for ending in daemon.endings(VIEWERS)} == {"failed"}
