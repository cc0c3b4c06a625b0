"""The torture suite: thousands of streams, every way to misbehave at random, and a census of what is left after each round.

    python -m benchmarks.torture [--rounds N] [--streams N] [--seconds N] [--fuzz N] [--seed N] [--ffmpeg PATH] [--ffprobe PATH]

A round is the life of one daemon: it is started in the state directory that the last one left, is asked for `--streams`
streams by clients of all kinds, and is looked at when all is quiet. Then some more streams are begun, and it is ended by
TERM, INT, two TERMs, KILL, or KILL while its transcoders are stopped. Exit status 1 if anything survived or an Ending was
not true; the printed seed repeats the choices (not the timing).

Before the rounds, another daemon and all parsers get `--fuzz` seconds of input that is broken at random (`fuzz`, `fuzz_parsers`).
"""

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import attrs

from benchmarks.fuzz import Report, fuzz_http
from benchmarks.fuzz_parsers import fuzz_parsers
from benchmarks.torture_census import (
    Process,
    Round,
    descriptors,
    gone,
    journal,
    judge,
    kinds,
    marked,
    stray_files,
    when,
)
from benchmarks.torture_clients import PATIENCE, Attempt, Client, Release
from benchmarks.torture_stubs import FOLDERS, Kind, Stage, build
from transcoded.run.host.tools import Tools, find_tools

T = TypeVar("T")

GRACE = 0.3
HANG_TIMEOUT = 3.0
WORKERS = 12
HELD = 10
ENDS = ("TERM", "INT", "TERM twice", "KILL", "KILL, children stopped")
MOMENT = 3.0
"""Seconds that the kernel may take to end what a killed daemon had started, on a busy machine."""


@attrs.define
class Tally:
    """What is told at the end."""

    rounds: int = 0
    streams: int = 0
    endings: Counter[str] = attrs.Factory(Counter)
    faults: Counter[str] = attrs.Factory(Counter)
    clients: Counter[str] = attrs.Factory(Counter)
    ends: Counter[str] = attrs.Factory(Counter)
    answers: Counter[str] = attrs.Factory(Counter)
    survivors: list[str] = attrs.Factory(list)
    untrue: list[str] = attrs.Factory(list)
    obeying: list[float] = attrs.Factory(list)
    real: list[float] = attrs.Factory(list)
    deaf: list[float] = attrs.Factory(list)
    peak_memory: int = 0


class Daemon:
    """One daemon as a program of its own."""

    def __init__(self, stage: Stage, number: int, settings: Mapping[str, str]) -> None:
        self.state = stage.directory / "state"
        self.temporary = stage.directory / "tmp"
        self.cache = stage.directory / "cache"
        self.temporary.mkdir(exist_ok=True)
        self.mark = f"TMPDIR={self.temporary}".encode()
        self.log_path = stage.directory / f"daemon-{number}.log"
        flags = {
            "media": f"m={stage.media}",
            "listen": "tcp:0:interface=127.0.0.1",
            "state-dir": str(self.state),
            "cache-dir": str(self.cache),
            "ffmpeg": str(stage.ffmpeg),
            "ffprobe": str(stage.ffprobe),
            # What else the machine does is not the question here.
            "memory-high": "off",
            "grace": str(GRACE),
            "hang-timeout": str(HANG_TIMEOUT),
            **settings,
        }
        arguments = [part for name, value in flags.items() for part in (f"--{name}", value)]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TRANSCODED_")}
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "twisted", "--log-format=text", "transcoded", *arguments],
                env={**kept, "TMPDIR": str(self.temporary)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.pid = self.process.pid
        try:
            self.port = self._listening()
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def log(self) -> str:
        """All that it has said."""
        return self.log_path.read_text("utf-8", "replace")

    def _listening(self) -> int:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self.process.poll() is None:
            told = re.search(r"listening on .*?[:=]([0-9]+)\b", self.log())
            if told:
                return int(told[1])
            time.sleep(0.02)
        raise SystemExit(f"the daemon does not listen:\n{self.log()[-3000:]}")

    def peak_memory(self) -> int:
        """The most resident bytes so far."""
        with suppress(OSError, IndexError):
            status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
            return int(status.partition("VmHWM:")[2].split()[0]) * 1024
        return 0


class Torture:
    """The whole suite on one stage."""

    def __init__(self, stage: Stage, seed: int, streams: int, tally: Tally) -> None:
        self._stage = stage
        self._seed = seed
        self._streams = streams
        self._tally = tally

    def round(self, until: float) -> None:
        """One daemon's life."""
        tally, number = self._tally, self._tally.rounds
        rng = random.Random(f"{self._seed}/{number}")
        preempt = rng.random() < 0.3
        settings = {
            "max-streams": str(rng.choice((4, 8, 12))),
            "queue-size": str(rng.choice((0, 4, 16))),
            "queue-timeout": str(rng.choice((0.2, 1, 5))),
            "preempt-after": "1" if preempt else "off",
        }
        if rng.random() < 0.2:
            settings["max-streams-per-client"] = "10"
        end = rng.choice(ENDS)
        daemon = Daemon(self._stage, number, settings)
        try:
            self._live(daemon, rng, end, until, preempt_after=1.0 if preempt else None)
        finally:
            if daemon.process.poll() is None:
                daemon.process.kill()
                daemon.process.wait()
        tally.rounds += 1
        tally.ends[end] += 1

    def _live(self, daemon: Daemon, rng: random.Random, end: str, until: float, preempt_after: float | None) -> None:
        tally, number = self._tally, self._tally.rounds
        # What an earlier daemon left was ended by the start of this one.
        self._note("left by an earlier daemon", marked(daemon.mark, daemon.pid))
        releases: list[Release] = []
        client = Client(daemon.port, releases, gone)
        prefix = f"t{self._seed}-{number}-"
        warm = _attempt(self._stage.kinds, rng, f"{prefix}warm", "read", "real-film")
        client.make(warm, rng)
        client.ask("GET", "/api/v1/streams")
        open_before = self._settled(daemon)
        attempts = [_attempt(self._stage.kinds, rng, f"{prefix}{i}") for i in range(self._streams)]
        made = self._make(client, attempts, rng, until)
        self._quiet(daemon, client, open_before)
        held = [_attempt(self._stage.kinds, rng, f"{prefix}held-{i}", "read") for i in range(HELD)]
        for attempt in held:
            attempt.held = True
        workers = [threading.Thread(target=client.make, args=(a, random.Random(a.request_id))) for a in held]
        for worker in workers:
            worker.start()
        time.sleep(rng.choice((0.0, 0.1, 0.4, 0.8)))
        stop_at = self._end(daemon, end)
        for worker in workers:
            worker.join()
        done = [warm, *made, *held]
        killed = end.startswith("KILL")
        story = Round(done, releases, daemon.log(), stop_at, killed, HANG_TIMEOUT, preempt_after)
        endings = journal(daemon.state, prefix)
        tally.untrue += judge(story, endings)
        if "Traceback" in story.log:
            tally.untrue.append(f"a traceback in the log: {story.log[story.log.index('Traceback') - 300 :][:3000]}")
        self._count(done, endings)

    def _make(self, client: Client, attempts: Sequence[Attempt], rng: random.Random, until: float) -> list[Attempt]:
        """Let the workers make the attempts; those that were made, as far as time allowed."""
        left = list(reversed(attempts))
        made: list[Attempt] = []

        def work(own: random.Random) -> None:
            while time.monotonic() < until:
                try:
                    attempt = left.pop()
                except IndexError:
                    return
                made.append(attempt)
                client.make(attempt, own)

        workers = [threading.Thread(target=work, args=(random.Random(rng.random()),)) for _ in range(WORKERS)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return made

    def _settled(self, daemon: Daemon) -> Counter[str]:
        """The daemon's descriptors as soon as they stay the same for a moment."""
        before = kinds(descriptors(daemon.pid))
        while True:
            time.sleep(0.1)
            now = kinds(descriptors(daemon.pid))
            if now == before:
                return now
            before = now

    def _quiet(self, daemon: Daemon, client: Client, open_before: Counter[str]) -> None:
        """All clients have left: whatever is still there has survived."""

        def busy() -> str:
            status, document = client.ask("GET", "/api/v1/streams")
            left = {name: document[name] for name in ("streams", "queue") if document[name]}
            taken = document["capacity"]["used"]
            return "" if status == 200 and not left and not taken else f"{status} {left} {taken} units taken"

        self._note("in the daemon's registry", _wait(busy))
        self._note("after all clients had left", _wait(lambda: marked(daemon.mark, daemon.pid)))
        self._note("as a file", _wait(lambda: stray_files(daemon.state, daemon.temporary, daemon.cache)))
        more = _wait(lambda: dict(kinds(descriptors(daemon.pid)) - open_before))
        self._note("as an open descriptor", [f"{count} of {target}" for target, count in more.items()])
        for folder in FOLDERS:
            status, document = client.ask("DELETE", f"/api/v1/streams?path={quote(f'm/{folder}')}")
            if status != 200 or document != {"endings": []}:
                self._note("as a lock", f"{status} {document}")
        self._tally.peak_memory = max(self._tally.peak_memory, daemon.peak_memory())

    def _end(self, daemon: Daemon, end: str) -> float:
        """End the daemon and look for what survives it; when it was told to end."""
        if end == "KILL, children stopped":
            for process in marked(daemon.mark, daemon.pid):
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGSTOP)
        children = [p for p in marked(daemon.mark, daemon.pid) if p.parent == daemon.pid]
        stop_at = time.time()
        number = {"K": signal.SIGKILL, "I": signal.SIGINT, "T": signal.SIGTERM}[end[0]]
        daemon.process.send_signal(number)
        if end == "TERM twice":
            time.sleep(0.05)
            daemon.process.send_signal(number)
        try:
            status = daemon.process.wait(GRACE + PATIENCE)
        except subprocess.TimeoutExpired:
            self._note("its own SIGTERM", f"daemon {daemon.pid}")
            return stop_at
        if number is signal.SIGKILL:
            # The kernel ends the transcoders; what those had started is the next daemon's task.
            known = {p.pid for p in children}
            self._note("a killed daemon", _wait(lambda: [p for p in marked(daemon.mark) if p.pid in known], MOMENT))
        else:
            self._note("a stopped daemon", marked(daemon.mark))
            self._note("as a file", stray_files(daemon.state, daemon.temporary, daemon.cache))
            # A second signal may come when the program has nothing left to do but to end.
            if status not in ({0, -signal.SIGTERM} if end == "TERM twice" else {0}):
                self._tally.untrue.append(f"exit status {status} after {end}:\n{daemon.log()[-2000:]}")
        return stop_at

    def fuzz(self, tools: Tools, seconds: float) -> Report:
        """Broken requests for a daemon, then broken input for the parsers, for half of the time each."""
        rng = random.Random(f"{self._seed}/fuzz")
        directory = self._stage.directory / "fuzz"
        directory.mkdir()
        daemon = Daemon(self._stage, -1, {"max-streams": "8", "queue-timeout": "1", "ffmpeg": tools.ffmpeg})
        try:
            report = fuzz_http(daemon, "m/a/real-film.mp4", rng, time.monotonic() + seconds / 2)
            self._note("after the fuzz", _wait(lambda: marked(daemon.mark, daemon.pid)))
        finally:
            self._end(daemon, "TERM")
            if daemon.process.poll() is None:
                daemon.process.kill()
                daemon.process.wait()
        report.add(fuzz_parsers(tools, directory, rng, time.monotonic() + seconds / 2))
        return report

    def finish(self) -> None:
        """End what the last daemon left if it was killed, as the next start would, and see that it is gone."""
        daemon = Daemon(self._stage, self._tally.rounds, {})
        self._note("left by an earlier daemon", marked(daemon.mark, daemon.pid))
        self._end(daemon, "TERM")

    def _note(self, where: str, found: Sequence[Process | str] | str) -> None:
        for each in [found] if isinstance(found, str) else found:
            if each:
                self._tally.survivors.append(f"round {self._tally.rounds}, {where}: {each}")

    def _count(self, attempts: Sequence[Attempt], endings: Sequence[Mapping[str, object]]) -> None:
        tally = self._tally
        by_request = {attempt.request_id: attempt for attempt in attempts}
        tally.streams += len(attempts)
        tally.answers.update(str(attempt.status or "left before") for attempt in attempts)
        for attempt in attempts:
            tally.faults[attempt.kind.name] += 1
            tally.clients[attempt.behaviour] += 1
        for ending in endings:
            attempt = by_request[str(ending["request_id"])]
            tally.endings[str(ending["reason"])] += 1
            if ending["reason"] == "client-gone" and attempt.left is not None:
                ms = max(0.0, (when(ending) - attempt.left) * 1000)
                (tally.obeying if attempt.kind.obeys else tally.deaf).append(ms)
                if attempt.kind.name.startswith("real"):
                    tally.real.append(ms)


def _attempt(
    kinds: Sequence[Kind],
    rng: random.Random,
    request_id: str,
    behaviour: str | None = None,
    kind_name: str | None = None,
) -> Attempt:
    kind = (
        next(k for k in kinds if k.name == kind_name) if kind_name else rng.choices(kinds, [k.weight for k in kinds])[0]
    )
    names = list(Client.BEHAVIOURS)
    # Waiting for one that never ends costs its hang_timeout, so few do; releases end the streams of others, so few do that.
    weights = [1 if n == "release" or (n == "read" and kind.natural in {None, "hung"}) else 5 for n in names]
    if behaviour is None:
        behaviour = rng.choices(names, weights)[0]
        while behaviour == "read" and kind.name in {"endless", "trickles"}:
            behaviour = rng.choices(names, weights)[0]
    path = f"m/{rng.choice(FOLDERS)}/{kind.name}{kind.suffix}"
    return Attempt(request_id, kind, path, f"/media/{quote(path)}/{rng.choice(kind.targets)}", behaviour)


def _wait(ask: Callable[[], T], seconds: float = PATIENCE) -> T:
    """Ask until the answer is empty, and give the last one."""
    until = time.monotonic() + seconds
    while (answer := ask()) and time.monotonic() < until:
        time.sleep(0.05)
    return answer


def clear(directory: Path) -> None:
    """End what was started here and is still there: survivors, or what an interrupted run has left."""
    for process in marked(f"TMPDIR={directory / 'tmp'}".encode()):
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


def percentiles(values: Sequence[float]) -> str:
    """p50, p95 and the largest, in milliseconds."""
    if not values:
        return "-"
    ordered = sorted(values)
    p50, p95 = (ordered[min(len(ordered) - 1, int(len(ordered) * part))] for part in (0.5, 0.95))
    return f"p50 {p50:.0f} ms, p95 {p95:.0f} ms, max {ordered[-1]:.0f} ms  (of {len(ordered)})"


def show_fuzz(report: Report) -> None:
    """What the fuzz has tried, and what it has found."""
    connections = report.tried.pop("connections", 0)
    answers = ", ".join(f"{name} {count}" for name, count in report.answers.most_common())
    print(
        f"fuzz: {connections} connections, the slowest health check {report.slowest * 1000:.0f} ms; answers: {answers}"
    )
    print(f"fuzz: {report.tried.total()} calls of {len(report.tried)} parsers; {len(report.faults)} faults")
    for fault in report.faults:
        print(f"! {fault}")


def show(tally: Tally, seconds: float, seed: int) -> None:
    """The table."""

    def line(name: str, value: object) -> None:
        print(f"{name:32} {value}")

    def counts(counter: Counter[str]) -> str:
        return ", ".join(f"{name} {count}" for name, count in counter.most_common())

    print()
    line("seed", seed)
    line("seconds", f"{seconds:.0f}")
    line("rounds (one daemon each)", tally.rounds)
    line("  ended by", counts(tally.ends))
    line("streams asked for", tally.streams)
    line("  transcoders", counts(tally.faults))
    line("  clients", counts(tally.clients))
    line("  answers", counts(tally.answers))
    line("Endings", sum(tally.endings.values()))
    line("  by reason", counts(tally.endings))
    line("disconnect to reaped: real ffmpeg", percentiles(tally.real))
    line("  all that obey", percentiles(tally.obeying))
    line(f"  deaf (grace {GRACE * 1000:.0f} ms)", percentiles(tally.deaf))
    line("daemon's peak memory", f"{tally.peak_memory / 2**20:.0f} MiB")
    line("untrue or missing Endings", len(tally.untrue))
    line("survivors", len(tally.survivors))
    for problem in [*tally.survivors[:20], *tally.untrue[:20]]:
        print(f"! {problem}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.torture", description="Torture a real daemon.")
    parser.add_argument("--rounds", type=int, default=10_000, help="rounds at the most")
    parser.add_argument("--streams", type=int, default=150, help="streams in each round (150)")
    parser.add_argument("--seconds", type=float, default=300.0, help="time at the most (300)")
    parser.add_argument("--fuzz", type=float, default=30.0, help="seconds of input that is broken at random (30)")
    parser.add_argument("--seed", type=int, default=None, help="repeat the choices of an earlier run")
    parser.add_argument("--ffmpeg", default=None, help="the ffmpeg to work with (as the daemon finds it)")
    parser.add_argument("--ffprobe", default=None, help="and its ffprobe")
    given = parser.parse_args(arguments)
    seed = random.SystemRandom().randrange(1_000_000) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    tools = find_tools(given.ffmpeg, given.ffprobe)
    tally, fuzzed = Tally(), Report()
    begun = time.monotonic()
    # A round's last part, its census and the next start take a few seconds beyond the last attempt.
    until = begun + max(given.seconds - 5, 1) + max(given.fuzz, 0)
    directory = Path(tempfile.mkdtemp(prefix="torture-"))
    try:
        torture = Torture(build(directory, tools.ffmpeg, tools.ffprobe), seed, given.streams, tally)
        if given.fuzz > 0:
            fuzzed = torture.fuzz(tools, given.fuzz)
            show_fuzz(fuzzed)
        while tally.rounds < given.rounds and (time.monotonic() < until or not tally.rounds):
            torture.round(until)
            print(
                f"round {tally.rounds}: {tally.streams} streams, {len(tally.survivors)} survivors, "
                f"{len(tally.untrue)} untrue",
                flush=True,
            )
        torture.finish()
    finally:
        show(tally, time.monotonic() - begun, seed)
        clear(directory)
        shutil.rmtree(directory, ignore_errors=True)
    return 1 if tally.survivors or tally.untrue or fuzzed.faults else 0


if __name__ == "__main__":
    sys.exit(main())
