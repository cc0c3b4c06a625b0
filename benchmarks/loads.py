"""The loads. Each measures all contenders in turn, round by round, so that whatever else the machine does hits them alike."""

import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress

import attrs

from benchmarks.clients import Body, ask, asking_for_health, draining, gone, produced, received
from benchmarks.contenders import PATIENCE, Contender, Server, cpu_of, running
from benchmarks.figures import Figures, percentile
from benchmarks.workshop import CannotMeasure, Workshop
from transcoded.plan.media.argv import PROGRESS_FD
from transcoded.plan.media.first_media import FirstMedia

BY_HAND = "ffmpeg by hand"
STALLED = 50


@attrs.frozen
class Bench:
    """What a load needs."""

    workshop: Workshop
    contenders: Sequence[Contender]
    figures: Figures
    rounds: int
    say: Callable[[str], None]

    @contextmanager
    def servers(self, contenders: Sequence[Contender] | None = None) -> Iterator[Sequence[Server]]:
        """All of them, started."""
        with ExitStack() as stack:
            chosen = self.contenders if contenders is None else contenders
            yield [stack.enter_context(running(contender, self.workshop)) for contender in chosen]

    def turns(self, servers: Sequence[Server], rounds: int | None = None) -> Iterator[Server]:
        """Every server once in each round, each round beginning with another one."""
        for number in range(rounds or self.rounds):
            start = number % len(servers)
            yield from servers[start:]
            yield from servers[:start]

    def one_of_each(self) -> Sequence[Contender]:
        """The contenders without the ways of the daemon that its default stands for."""
        return [c for c in self.contenders if c.checkout is None or c.name.endswith(" sendmsg")]


def integrity(bench: Bench) -> None:
    """What arrives is what was sent."""
    sent = produced([bench.workshop.child, "pattern"])
    rng = random.Random(4)
    with bench.servers() as servers:
        for server in servers:
            if received(server, "pattern", rng) != sent:
                raise CannotMeasure(f"{server.contender.name} does not deliver what was sent")
            server.settle()


def _one_stream(bench: Bench, load: str) -> None:
    """Megabytes a second, and seconds of the server's processor for each gigabyte."""
    expected = produced_size(bench, load)
    with bench.servers() as servers:
        for server in servers:  # unmeasured: probes, page cache, just-in-time compilers
            with draining(bench.workshop, server, "film", 1) as drain:
                drain.begun()
                drain.result()
            server.settle()
        for server in bench.turns(servers):
            before = server.cpu()
            with draining(bench.workshop, server, load, 1) as drain:
                drain.begun()
                result = drain.result()
            server.settle()
            used = server.cpu() - before
            if result.broken or result.size < expected:
                raise CannotMeasure(f"{server.contender.name}: {result} of {expected} bytes")
            bench.figures.add(
                load,
                server.contender.name,
                **{"MB/s": expected / result.seconds / 1e6, "CPU s/GB": used / expected * 1e9},
            )


def produced_size(bench: Bench, stream: str) -> int:
    """How many bytes a stream has."""
    if stream == "firehose":
        return bench.workshop.firehose_bytes
    with subprocess.Popen([bench.workshop.child, stream], stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        size, fd = 0, process.stdout.fileno()
        while block := os.read(fd, 1 << 20):
            size += len(block)
        return size


def firehose(bench: Bench) -> None:
    """One stream as fast as it goes."""
    _one_stream(bench, "firehose")


def remux(bench: Bench) -> None:
    """One real remux."""
    _one_stream(bench, "remux")


def _paced(bench: Bench, count: int, turns: int) -> None:
    """Percent of one core for `count` streams of 1 MB/s; then the health check under the same load. Each turn is several windows of a second."""
    load, windows = f"paced-{count}", -(-bench.rounds // turns)
    with bench.servers() as servers:
        for server in bench.turns(servers, turns):
            with draining(bench.workshop, server, "paced", count) as drain:
                drain.begun()
                # Every stream begins with a burst. The steady state is there when the burst is over.
                while drain.ask().size < count * (3 << 20):
                    time.sleep(0.1)
                time.sleep(1.0)
                for _ in range(windows):
                    used, taken = server.cpu(), drain.ask()
                    time.sleep(1.0)
                    used, then = server.cpu() - used, drain.ask()
                    elapsed = then.seconds - taken.seconds
                    bench.figures.add(
                        load,
                        server.contender.name,
                        **{"CPU %": 100 * used / elapsed, "MB/s": (then.size - taken.size) / elapsed / 1e6},
                    )
                # Afterwards, because answering so many of them has a price of its own.
                with asking_for_health(bench.workshop, server) as health:
                    time.sleep(2.0)
                then = drain.ask()
                if then.ended:
                    raise CannotMeasure(f"{server.contender.name}: {then.ended} of {count} streams have ended")
            bench.figures.add(
                load,
                server.contender.name,
                **{"healthz p50 ms": percentile(health, 50), "healthz p99 ms": percentile(health, 99)},
            )
            server.settle()


def paced_50(bench: Bench) -> None:
    """50 streams at the pace of their viewers."""
    _paced(bench, 50, 1)


def paced_200(bench: Bench) -> None:
    """200 of them."""
    _paced(bench, 200, 2)


def stalled(bench: Bench) -> None:
    """Memory for each client that does not read, and the processor at rest."""
    for contender in bench.contenders:
        with running(contender, bench.workshop) as server, ExitStack() as stack:
            first = stack.enter_context(ask(server, "stalled", 4096))
            Body(first)
            time.sleep(0.5)
            before = server.memory()
            for _ in range(STALLED):
                Body(stack.enter_context(ask(server, "stalled", 4096)))
            time.sleep(1.0)
            grown = server.memory() - before
            used, start = server.cpu(), time.monotonic()
            time.sleep(2.0)
            rest = 100 * (server.cpu() - used) / (time.monotonic() - start)
            bench.figures.add(
                "stalled", contender.name, **{"KiB/stream": grown / STALLED / 1024, "CPU % at rest": rest}
            )
            stack.close()
            server.settle()


def _since(start: float) -> float:
    return 1000 * (time.perf_counter() - start)


@contextmanager
def _by_hand(bench: Bench, stream: str) -> Iterator[int]:
    """The daemon's own ffmpeg command, its output in a pipe; the read end."""
    null = os.open(os.devnull, os.O_WRONLY)
    command = [f"pipe:{null}" if word == f"pipe:{PROGRESS_FD}" else word for word in bench.workshop.ffmpeg_argv[stream]]
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, pass_fds=[null]) as process:
            assert process.stdout is not None
            try:
                yield process.stdout.fileno()
            finally:
                process.kill()
    finally:
        os.close(null)


def _first_byte(bench: Bench) -> None:
    contenders = [c for c in bench.one_of_each() if c.name != "c splice"]
    with bench.servers(contenders) as servers:
        for server in servers:  # the probe is remembered from here on
            with ask(server, "film") as connection:
                Body(connection).read()
            server.settle()
        for _ in range(max(5, 3 * bench.rounds)):
            start, media = time.perf_counter(), FirstMedia("mp4")
            with _by_hand(bench, "film") as fd:
                while not media.feed(os.read(fd, 1 << 18)):
                    pass
                bench.figures.add("first-byte", BY_HAND, ms=_since(start))
            for server in servers:
                start, media = time.perf_counter(), FirstMedia("mp4")
                with ask(server, "film") as connection:
                    body = Body(connection)
                    while not media.feed(body.read()):
                        pass
                    bench.figures.add("first-byte", server.contender.name, ms=_since(start))
                server.settle()


def first_byte(bench: Bench) -> None:
    """From the request to the first byte of media, against the same ffmpeg into a pipe."""
    _first_byte(bench)


class Boxes:
    """Follows MP4 boxes until a fragment is whole: what a player needs to show its first picture."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> bool:
        """Whether a `moof` and its `mdat` have come in whole by now."""
        self._buffer += data
        while len(self._buffer) >= 8:
            size, kind = int.from_bytes(self._buffer[:4], "big"), self._buffer[4:8]
            if len(self._buffer) < size:
                return False
            self._buffer = self._buffer[size:]
            if kind == b"mdat":
                return True
        return False


def picture(bench: Bench) -> None:
    """From the request to the first fragment of a 1080p file as 720p."""
    contenders = [c for c in bench.one_of_each() if c.name != "c splice"]
    with bench.servers(contenders) as servers:
        for server in servers:
            with ask(server, "film") as connection:
                Body(connection).read()
            server.settle()
        for _ in range(bench.rounds):
            start, boxes = time.perf_counter(), Boxes()
            with _by_hand(bench, "picture") as fd:
                while not boxes.feed(os.read(fd, 1 << 18)):
                    pass
                bench.figures.add("picture", BY_HAND, ms=_since(start))
            for server in servers:
                start, boxes = time.perf_counter(), Boxes()
                with ask(server, "picture") as connection:
                    body = Body(connection)
                    while not boxes.feed(body.read()):
                        pass
                    bench.figures.add("picture", server.contender.name, ms=_since(start))
                server.settle()


def leaving(bench: Bench) -> None:
    """From a disconnect to the end of an ffmpeg that is blocked on a full pipe: reaped, not only signalled."""
    contenders = [c for c in bench.one_of_each() if c.name != "c splice"]
    samples: dict[str, list[float]] = {}
    with bench.servers(contenders) as servers:
        for server in bench.turns(servers, max(10, 4 * bench.rounds)):
            connection = ask(server, "remux", 4096)
            Body(connection)
            pid = server.children()[0]
            _wait_till_blocked(pid)
            start = time.perf_counter()
            connection.close()
            while not gone(pid):
                if _since(start) > 1000 * PATIENCE:
                    raise CannotMeasure(f"{server.contender.name} leaks an ffmpeg")
                time.sleep(0.0002)
            samples.setdefault(server.contender.name, []).append(_since(start))
            server.settle()
    for name, found in samples.items():
        bench.figures.add(
            "leaving", name, **{"p50 ms": percentile(found, 50), "p95 ms": percentile(found, 95), "max ms": max(found)}
        )


def _wait_till_blocked(pid: int) -> None:
    """Until a process has used no processor for a while."""
    quiet, before = 0, -1.0
    with suppress(FileNotFoundError):
        while quiet < 4:
            time.sleep(0.03)
            used = cpu_of(pid)
            quiet, before = (quiet + 1 if used == before else 0), used


LOADS: Mapping[str, tuple[str, Callable[[Bench], None]]] = {
    "integrity": ("SHA-256 under stalls and tiny windows", integrity),
    "firehose": ("one stream of 2 GiB", firehose),
    "remux": ("one real remux", remux),
    "paced-50": ("50 streams of 1 MB/s", paced_50),
    "paced-200": ("200 streams of 1 MB/s", paced_200),
    "stalled": (f"{STALLED} clients that do not read", stalled),
    "first-byte": ("request to first byte", first_byte),
    "picture": ("1080p to 720p: first fragment", picture),
    "leaving": ("disconnect to reaped, ffmpeg blocked", leaving),
}
