"""Who is left, told by /proc and the disk alone, and whether the Endings are true. Asks the daemon nothing.

Every process that a daemon starts inherits its TMPDIR, which is the suite's own, and carries the daemon's TRANSCODED_TOKEN.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs

from benchmarks.torture_clients import Attempt, Release

CLOCK = 0.1
"""Seconds by which two accounts of one moment may differ on a busy machine."""


@attrs.frozen
class Process:
    """One process as /proc shows it."""

    pid: int
    parent: int
    state: str
    command: str

    def __str__(self) -> str:
        return f"{self.pid} ({self.state}, child of {self.parent}) {self.command}"


def processes() -> Iterator[Process]:
    """All of the machine's."""
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        with suppress(OSError, IndexError):
            fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")[:120]
            yield Process(pid, int(fields[1]), fields[0], command)


def environment(pid: int) -> Sequence[bytes]:
    """What a process was started with; nothing for those that are gone or are zombies."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return ()


def marked(mark: bytes, *but: int) -> list[Process]:
    """Those that carry `mark` in the environment, and the zombie children of those in `but`, which are left out themselves."""
    return [p for p in processes() if p.pid not in but and (p.parent in but or mark in environment(p.pid))]


def gone(pid: int) -> bool:
    """Whether there is no such process, not even a zombie."""
    return not os.path.exists(f"/proc/{pid}")


def descriptors(pid: int) -> Mapping[str, str]:
    """The open descriptors of a process and where they lead."""
    found = {}
    with suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                found[name] = os.readlink(f"/proc/{pid}/fd/{name}")
    return found


def kinds(open_files: Mapping[str, str]) -> Counter[str]:
    """Descriptors by kind: numbers of sockets and pipes differ from one to the next."""
    return Counter(re.sub(r":\[[0-9]+\]", "", target) for target in open_files.values())


def stray_files(state: Path, temporary: Path, cache: Path) -> list[str]:
    """Files that should not be there when nothing runs."""
    known = {"lock", "daemon.json", "running", "capabilities.json", "endings.jsonl", "endings.jsonl.1", "media"}
    stray = [str(path) for path in state.iterdir() if path.name not in known]
    stray += [str(path) for path in (state / "running").iterdir()]
    # What was found out about files, by digests; a crash can leave one that is not finished, which the next start removes.
    if (state / "media").is_dir():
        stray += [str(path) for path in (state / "media").iterdir() if not re.match("[0-9a-f]{32}", path.name)]
    for place in (temporary, cache):
        if place.is_dir():
            stray += [str(path) for path in place.rglob("*") if path.is_file()]
    return stray


def journal(state: Path, prefix: str) -> list[Mapping[str, Any]]:
    """The Endings of the requests whose ids begin with `prefix`, the oldest first."""
    found: list[Mapping[str, Any]] = []
    for name in ("endings.jsonl.1", "endings.jsonl"):
        with suppress(FileNotFoundError):
            found += [json.loads(line) for line in (state / name).read_bytes().splitlines()]
    return [ending for ending in found if ending["request_id"].startswith(prefix)]


@attrs.frozen
class Round:
    """What was done to one daemon, for the judgement of its Endings. Times are the wall clock's."""

    attempts: Sequence[Attempt]
    releases: Sequence[Release]
    log: str
    stop_at: float
    killed: bool
    hang_timeout: float
    preempt_after: float | None


def judge(done: Round, endings: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is wrong with the Endings of a round: streams with none or two, reasons that are not true."""
    wrong = [
        f"{attempt.request_id} {attempt.kind.name}/{attempt.behaviour}: {attempt.fault}"
        for attempt in done.attempts
        if attempt.fault
    ]
    times = Counter(ending["id"] for ending in endings)
    wrong += [f"stream {name} has {count} Endings" for name, count in times.items() if count > 1]
    started = set(re.findall(r"stream ([0-9a-f]{16}) started", done.log)) if not done.killed else set()
    wrong += [f"stream {name} was started and has no Ending" for name in started - set(times)]
    by_request = {ending["request_id"]: ending for ending in endings}
    ids = {attempt.request_id for attempt in done.attempts}
    wrong += [f"an Ending of {name}, which nobody asked for" for name in set(by_request) - ids]
    for attempt in done.attempts:
        ending = by_request.get(attempt.request_id)
        where = f"{attempt.request_id} {attempt.kind.name}/{attempt.behaviour} (status {attempt.status})"
        if ending is None:
            # One that was under way when the daemon was killed has nobody who could write its Ending.
            if attempt.status in {200, 500} and not (done.killed and attempt.over >= done.stop_at - CLOCK):
                wrong.append(f"{where}: no Ending")
        elif problem := _untrue(done, attempt, ending):
            wrong.append(f"{where}: {problem}: {json.dumps(ending)[:600]}")
    return wrong


def _untrue(done: Round, attempt: Attempt, ending: Mapping[str, Any]) -> str | None:
    reason, ended = ending["reason"], when(ending)
    rules: Mapping[str, Callable[[], bool]] = {
        "finished": lambda: (
            attempt.kind.natural == "finished" and (attempt.complete or attempt.left is not None or done.killed)
        ),
        "failed": lambda: attempt.kind.natural == "failed",
        "client-gone": lambda: attempt.left is not None and ended >= attempt.left - CLOCK,
        "stopped": lambda: attempt.delete_asked,
        "file-released": lambda: any(
            _covers(r.path, attempt.path) and ended >= r.begun - CLOCK and when(ending, "started") <= r.over + CLOCK
            for r in done.releases
        ),
        "hung": lambda: (
            ending["duration_s"] >= done.hang_timeout - 1
            and attempt.kind.natural is None
            and attempt.kind.name != "trickles"
        ),
        "preempted": lambda: (
            done.preempt_after is not None and (attempt.longest_pause >= done.preempt_after - CLOCK or attempt.held)
        ),
        "shutdown": lambda: ended >= done.stop_at - CLOCK,
    }
    if reason not in rules or not rules[reason]():
        return "not the true reason"
    if attempt.complete and reason != "finished" and attempt.status == 200:
        return "the client has a whole stream, but it did not finish"
    if attempt.deleted is not None and dict(attempt.deleted) != dict(ending):
        return f"DELETE told another Ending: {attempt.deleted}"
    if attempt.stream_id is not None and attempt.stream_id != ending["id"]:
        return "another stream's Ending"
    if ending["kill_ms"] is None and reason not in {"finished", "failed"} and ending["signals_sent"]:
        return "signals were sent, but no time is told"
    # One that dies of itself may take its time about it (a core dump), and is told to meanwhile.
    if attempt.kind.obeys and ending["signal"] == "SIGKILL" and not attempt.kind.name.startswith("real"):
        return "an obeying transcoder was killed"
    return None


def _covers(released: str, path: str) -> bool:
    return path == released or path.startswith(f"{released}/")


def when(ending: Mapping[str, Any], what: str = "ended") -> float:
    """A moment of an Ending by the wall clock."""
    return datetime.fromisoformat(str(ending[what])).timestamp()
