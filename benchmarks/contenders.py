"""The servers under test: how each is started, where it serves a stream, and what the kernel tells of its process."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs
import psutil

from benchmarks.workshop import HERE, CannotMeasure, Workshop

TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE = 30.0
"""Seconds after which what must happen counts as broken."""


@attrs.frozen
class Contender:
    """One server. `http` is the version that its clients speak; `checkout` is set for this daemon, and is its source tree."""

    name: str
    command: tuple[str, ...]
    http: str = "1.1"
    checkout: Path | None = None

    def path(self, stream: str) -> str:
        """Where it serves the stream of this name."""
        if self.checkout is None:
            return f"/{stream}"
        if stream == "picture":
            return "/media/m/film.mp4/stream.mp4?height=720"
        return f"/media/m/{stream}.mp4/stream.mp4"


class Server:
    """A running contender."""

    def __init__(self, contender: Contender, pid: int, port: int) -> None:
        self.contender = contender
        self.pid = pid
        self.port = port

    def cpu(self) -> float:
        """Seconds of processor that it has used itself, without its children."""
        return cpu_of(self.pid)

    def memory(self) -> int:
        """Bytes that it alone has in memory (USS)."""
        rollup = Path(f"/proc/{self.pid}/smaps_rollup").read_text("ascii")
        return 1024 * sum(int(number) for number in re.findall(r"^Private_\w+: +(\d+) kB", rollup, re.MULTILINE))

    def children(self) -> Sequence[int]:
        """The pids of those it has started and not yet reaped."""
        found = []
        for task in os.listdir(f"/proc/{self.pid}/task"):
            found += Path(f"/proc/{self.pid}/task/{task}/children").read_text("ascii").split()
        return [int(pid) for pid in found]

    def settle(self) -> None:
        """Wait until it has no child left."""
        deadline = time.monotonic() + PATIENCE
        while self.children():
            if time.monotonic() > deadline:
                raise CannotMeasure(f"{self.contender.name} has children left: {self.children()}")
            time.sleep(0.02)


def cpu_of(pid: int) -> float:
    """utime and stime of a process, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def contenders(workshop: Workshop, checkouts: Sequence[Path]) -> Sequence[Contender]:
    """All that can run here: this daemon's ways (of each source tree), its rivals, and the floor."""
    found = []
    for checkout in checkouts:
        label = "transcoded" if checkout == checkouts[0] else f"transcoded@{checkout.name}"
        for strategy, http in (("sendmsg", "1.1"), ("splice", "1.0"), ("copy", "1.1")):
            found.append(Contender(f"{label} {strategy}", _daemon(workshop, strategy), http, checkout))
    go, node, floor = workshop.program("relay"), shutil.which("node"), workshop.program("splice")
    if go is not None:
        found.append(Contender("go io.Copy", (go, workshop.child)))
    if node is not None:
        found.append(Contender("node pipe", (node, str(HERE / "peers" / "relay.js"), workshop.child)))
    found.append(Contender("twisted naive", (sys.executable, str(HERE / "peers" / "naive.py"), workshop.child)))
    if floor is not None:
        found.append(Contender("c splice", (floor, workshop.child), "1.0"))
    return found


def _daemon(workshop: Workshop, strategy: str) -> tuple[str, ...]:
    return (
        *(sys.executable, "-m", "twisted", "--log-format=text", "transcoded"),
        *("--listen", "tcp:0:interface=127.0.0.1:backlog=512", "--media", f"m={workshop.media}"),
        *("--ffmpeg", workshop.stub, "--ffprobe", workshop.tools.ffprobe),
        *("--max-streams", "400", "--queue-size", "0", "--memory-high", "off"),
        *("--max-connections-per-client", "off"),
        *("--relay", strategy, "--state-dir", "off"),
    )


@contextmanager
def running(contender: Contender, workshop: Workshop) -> Iterator[Server]:
    """Start it, and end it with all its children afterwards."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRANSCODED_")}
    if contender.checkout is not None:
        environment["PYTHONPATH"] = str(contender.checkout)
    log = workshop.directory / f"{contender.name.replace(' ', '-')}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            contender.command,
            cwd=contender.checkout or workshop.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Server(contender, process.pid, port_of(process, log))
    finally:
        process.send_signal(signal.SIGTERM if contender.checkout else signal.SIGKILL)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def port_of(process: "subprocess.Popen[bytes]", log: Path) -> int:
    """Where it listens."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        for connection in psutil.Process(process.pid).net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN:
                return int(connection.laddr.port)
        time.sleep(0.02)
    raise CannotMeasure(f"a server does not start:\n{log.read_text('utf-8', 'replace')}")
