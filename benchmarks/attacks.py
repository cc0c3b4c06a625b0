"""Attacks on a real daemon, one after the other, and what a health check notices of each.

    python -m benchmarks.attacks [--only NAME] [--seconds N] [--checkout DIR]

Each attack runs for some seconds against a daemon of its own. Meanwhile `/healthz` is asked a hundred times a second over one
connection. The table has the median and the longest answer to that, how much memory the daemon and its largest child took, and
how the attacker's requests were answered. Everything stays on this machine, and every loop is bounded.
"""

import argparse
import http.client
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import attrs
import psutil

from benchmarks import hostile_files
from transcoded.run.host.tools import Tools, find_tools

START_TIMEOUT = 30.0
ANSWER_TIMEOUT = 60.0
HEALTH_INTERVAL = 0.01

Answers = Counter[str]


@attrs.frozen
class Target:
    """The daemon under attack. `until` is when the attack is over, in seconds of `time.monotonic`."""

    port: int
    until: float
    answers: Answers

    def connect(self) -> socket.socket:
        """A new connection."""
        connection = socket.create_connection(("127.0.0.1", self.port), ANSWER_TIMEOUT)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def ask(self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> int:
        """One request over a connection of its own, its answer read to the end and counted; 0 if there was none."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_TIMEOUT)
        try:
            connection.request(method, url, body or None, dict(headers or {}))
            response = connection.getresponse()
            size = sum(len(block) for block in iter(lambda: response.read(1 << 20), b""))
            self.answers[f"{response.status}" + (f" of {size >> 20} MB" if size >> 20 else "")] += 1
        except (OSError, http.client.HTTPException) as error:
            self.answers[type(error).__name__] += 1
            return 0
        else:
            return response.status
        finally:
            connection.close()

    def repeat(self, workers: int, call: Callable[[int], object], most: int = 100_000) -> None:
        """Call this with 0, 1, 2, … from so many threads until the time is over."""
        numbers = iter(range(most))

        def work() -> None:
            while time.monotonic() < self.until:
                number = next(numbers, None)
                if number is None:
                    return
                call(number)

        with ThreadPoolExecutor(workers) as pool:
            for _ in range(workers):
                pool.submit(work)


@attrs.frozen
class Attack:
    """One attack. `prepare` puts files into the media root; `settings` are flags of the daemon."""

    name: str
    run: Callable[[Target], object]
    prepare: Callable[[Path, Tools], object] = lambda *_: None
    settings: Mapping[str, str] = attrs.field(factory=dict)


def _large_form(target: Target) -> None:
    body = b"a=1&" * (4 << 20)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    target.repeat(1, lambda _: target.ask("POST", "/login", body, form))


def _endless_bodies(target: Target) -> None:
    """A length of a terabyte is promised, and sent as fast as it is taken."""
    head = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000000\r\n\r\n"

    def send(_: int) -> None:
        try:
            with closing(target.connect()) as connection:
                connection.sendall(head)
                while time.monotonic() < target.until:
                    connection.sendall(bytes(1 << 16))
        except OSError as error:
            target.answers[type(error).__name__] += 1

    target.repeat(4, send)


def _multipart(target: Target) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n'
    body = part * (100_000) + b"--x--\r\n"
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    target.repeat(1, lambda _: target.ask("POST", "/login", body, form))


def _hold(target: Target, count: int, first: bytes, drip: bytes) -> None:
    """Hold many connections that send a little from time to time."""
    held = []
    try:
        for _ in range(count):
            with suppress(OSError):
                held.append(target.connect())
        while time.monotonic() < target.until:
            for connection in held:
                with suppress(OSError):
                    connection.send(first, socket.MSG_DONTWAIT)
            first = drip
            time.sleep(0.5)
    finally:
        for connection in held:
            connection.close()
        target.answers["connections held"] += len(held)


def _wrong_keys(target: Target) -> None:
    target.repeat(2, lambda n: target.ask("GET", "/api/v1/streams", headers={"Authorization": f"Bearer wrong-{n}"}))


def _get(url: str, workers: int = 1) -> Callable[[Target], None]:
    return lambda target: target.repeat(workers, lambda _: target.ask("GET", url))


def _silent_listeners(target: Target) -> None:
    head = b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 0-0\r\n\r\n"
    _hold(target, 200, head, b"")


def _thumbnails(target: Target) -> None:
    target.repeat(
        16, lambda n: target.ask("GET", f"/media/m/film.mp4/thumbnail.jpg?time={n % 1900 / 1000 + 0.001:.3f}")
    )


def _leave(target: Target) -> None:
    target.repeat(2, lambda _: target.ask("POST", "/media/m/film.mp4/cmaf/leave"))


def _full_queue(target: Target) -> None:
    target.repeat(40, lambda n: target.ask("GET", f"/media/m/film.mp4/stream.mp4?mode=transcode&start={n % 19 / 10}"))


def _pipelined(target: Target) -> None:
    """As many requests in one piece as the daemon reads at once."""
    request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    burst = request * 1400 + request.removesuffix(b"\r\n") + b"Connection: close\r\n\r\n"

    def send(_: int) -> None:
        with suppress(OSError), closing(target.connect()) as connection:
            connection.sendall(burst)
            while time.monotonic() < target.until and (answer := connection.recv(1 << 20)):
                target.answers["200"] += answer.count(b"HTTP/1.1 200")

    target.repeat(2, send)


KEY = {"api-key": "ops=a-key-that-is-long-enough"}
ATTACKS: Sequence[Attack] = (
    Attack("nothing (the rest of the machine)", lambda target: time.sleep(max(0, target.until - time.monotonic()))),
    Attack("a form of 16 MB", _large_form, settings=KEY),
    Attack("bodies of a terabyte", _endless_bodies, settings=KEY),
    Attack("a form of 100,000 parts", _multipart, settings=KEY),
    Attack("1,100 idle connections", lambda target: _hold(target, 1100, b"", b"")),
    Attack("1,000 slow heads", lambda target: _hold(target, 1000, b"GET / HTTP/1.1\r\nX: ", b"x")),
    Attack("wrong keys", _wrong_keys, settings=KEY),
    Attack("200 silent listeners of events", _silent_listeners),
    Attack("1,400 requests in one piece", _pipelined),
    Attack("a playlist of ten days", _get("/media/m/days.mkv/cmaf/v36/index.m3u8"), hostile_files.ten_days),
    Attack("a manifest of ten days, 40 sounds", _get("/media/m/sounds.mkv/manifest.mpd"), hostile_files.forty_sounds),
    Attack("85,000,000 samples claimed", _get("/media/m/samples.mp4/probe.json"), hostile_files.many_samples),
    Attack("a frame of 16,000 x 16,000", _get("/media/m/huge.webm/thumbnail.jpg"), hostile_files.huge_frame),
    Attack("a subtitle file of 60 MB", _get("/media/m/film.mp4/subtitles/0.vtt"), hostile_files.long_subtitles),
    Attack("24 MB of keyframes", _get("/media/m/intra.mp4/master.m3u8"), hostile_files.all_intra),
    Attack("a folder of 100,000 files", _get("/api/v1/library/m/many", 4), hostile_files.many_files),
    Attack("thumbnails by one client", _thumbnails, hostile_files.film),
    Attack("a queue full of one client", _full_queue, hostile_files.film),
    Attack("leaving without having been there", _leave, hostile_files.film),
)


class Health:
    """Asks `/healthz` over one connection, again and again, in a thread. `seconds` are the answers' times."""

    def __init__(self, port: int) -> None:
        self.seconds: list[float] = []
        self.failures: list[str] = []
        self._port = port
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """The last answer was enough."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_TIMEOUT)
        while not self._over.is_set():
            begun = time.monotonic()
            try:
                connection.request("GET", "/healthz")
                response = connection.getresponse()
                response.read()
                if response.status != 200:
                    self.failures.append(str(response.status))
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(type(error).__name__)
                connection.close()
            self.seconds.append(time.monotonic() - begun)
            time.sleep(HEALTH_INTERVAL)
        connection.close()


class Memory:
    """The most resident bytes of a process and of any of its descendants, sampled 20 times a second."""

    def __init__(self, pid: int) -> None:
        self.own = self.child = 0
        self._process = psutil.Process(pid)
        self.before = self._process.memory_info().rss
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """No more samples."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.05):
            with suppress(psutil.Error):
                self.own = max(self.own, self._process.memory_info().rss)
                for child in self._process.children(recursive=True):
                    with suppress(psutil.Error):
                        self.child = max(self.child, child.memory_info().rss)


def attack(one: Attack, directory: Path, tools: Tools, checkout: Path, seconds: float) -> str:
    """Carry out one attack against a new daemon; its line of the table."""
    media = directory / "media"
    media.mkdir(parents=True)
    one.prepare(media, tools)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    flags = {
        "media": f"m={media}",
        "listen": f"tcp:{port}:interface=127.0.0.1",
        "state-dir": "off",
        "cache-dir": str(directory / "cache"),
        "ffmpeg": tools.ffmpeg,
        "ffprobe": tools.ffprobe,
        "memory-high": "off",
        **one.settings,
    }
    arguments = [part for name, value in flags.items() for part in (f"--{name}", value)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRANSCODED_")}
    with (directory / "daemon.log").open("wb") as log:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "twisted", "--log-format=text", "transcoded", *arguments],
            env={**kept, "PYTHONPATH": str(checkout)},
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_it_answers(port, daemon)
        target = Target(port, time.monotonic() + seconds, Answers())
        health, memory = Health(port), Memory(daemon.pid)
        try:
            one.run(target)
        finally:
            health.stop()
            memory.stop()
    finally:
        daemon.terminate()
        try:
            daemon.wait(20)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
    times = sorted(health.seconds)
    answers = ", ".join(f"{count} x {name}" for name, count in target.answers.most_common(4))
    failures = f"; health failed: {Counter(health.failures).most_common(2)}" if health.failures else ""
    return (
        f"{one.name:36} {times[len(times) // 2] * 1000:8.1f} {times[-1] * 1000:9.1f} "
        f"{(memory.own - memory.before) / 2**20:8.0f} {memory.child / 2**20:8.0f}   {answers}{failures}"
    )


def _wait_until_it_answers(port: int, daemon: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + START_TIMEOUT
    while time.monotonic() < until and daemon.poll() is None:
        with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port), 1)):
            return
        time.sleep(0.05)
    raise SystemExit("the daemon does not start")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the attacks; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attacks", description="Attack a real daemon.")
    parser.add_argument("--only", action="append", default=[], help="attacks whose name contains this; may be repeated")
    parser.add_argument("--seconds", type=float, default=8.0, help="the length of an attack (8)")
    parser.add_argument(
        "--checkout", type=Path, default=Path(__file__).resolve().parent.parent, help="what is attacked"
    )
    given = parser.parse_args(arguments)
    tools = find_tools()
    chosen = [one for one in ATTACKS if not given.only or any(word in one.name for word in given.only)]
    print(f"{'attack':36} {'health':>8} {'longest':>9} {'daemon':>8} {'child':>8}   answers")
    print(f"{'':36} {'ms':>8} {'ms':>9} {'MB more':>8} {'MB':>8}")
    for one in chosen:
        directory = Path(tempfile.mkdtemp(prefix="attacks-"))
        try:
            print(attack(one, directory, tools, given.checkout, given.seconds), flush=True)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
