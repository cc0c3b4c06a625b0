"""`python -m benchmarks.adaptive [part …]`: what viewers of HLS wait for, and what they cost, beside a peer and beside ffmpeg by hand. See docs/benchmarks.md.

A peer is given by its command line; go-vod's URLs and configuration are built in:

    python -m benchmarks.adaptive --peer '/path/to/go-vod {config}'
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.adaptive_goals import adaptive_goals
from benchmarks.adaptive_hand import know
from benchmarks.adaptive_loads import LOADS, Bench
from benchmarks.adaptive_media import KINDS, make_films
from benchmarks.adaptive_servers import Contender, ours, peer, running
from benchmarks.figures import Figures
from benchmarks.workshop import HERE, CannotMeasure, keep
from transcoded.run.host.tools import find_tools

OURS = "transcoded"
ALONE = frozenset({"quality"})
"""Parts that compare no contenders."""

ON_DEMAND = ALONE | {"watch"}
"""Parts that run only if they are asked for. `watch` takes ten minutes for each contender."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for."""
    options = _options(arguments)
    started, figures, notes = time.monotonic(), Figures(), list[str]()

    def say(text: str) -> None:
        when = f"{time.monotonic() - started:5.0f} s, load {os.getloadavg()[0]:.1f}"
        print(f"[{when}] {text}", file=sys.stderr, flush=True)

    def note(text: str) -> None:
        notes.append(text)
        say(text)

    parts = options.parts or [name for name in LOADS if name not in ON_DEMAND]
    try:
        chosen = _contenders(options)
        with ExitStack() as stack:
            directory = options.work or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="transcoded-hls-")))
            say("setting up: programs and films")
            films = make_films(directory.resolve(), find_tools())
            can = films.tools.capabilities
            known = {kind.name: know(films.of(kind), films.ffmpeg, films.ffprobe, can) for kind in KINDS}
            needed = chosen if set(parts) - ALONE else []
            servers = [stack.enter_context(running(one, films)) for one in needed]
            rounds = options.rounds or (1 if options.quick else 5)
            bench = Bench(films, servers, known, figures, rounds, not options.no_hand, options.seed, say, note)
            for server in servers:
                server.quiet()
            for name in parts:
                title, load = LOADS[name]
                say(f"{name}: {title}")
                load(bench, name)
                if name in figures.samples:
                    print(f"\n{figures.table(name, title)}\n", flush=True)
            document = {
                "date": datetime.now(UTC).isoformat(timespec="seconds"),
                "ffmpeg": films.tools.version,
                "contenders": {one.name: list(one.command) for one in chosen},
                "cpus": os.cpu_count(),
                "load": os.getloadavg(),
                "rounds": rounds,
                "seed": options.seed,
            }
    except CannotMeasure as error:
        print(f"cannot measure: {error}", file=sys.stderr)
        return 1
    goals = [
        one
        for one in adaptive_goals(figures, OURS, chosen[-1].name if options.peer else None)
        if one.verdict != "not measured"
    ]
    for goal in goals:
        print(f"{goal.verdict:6}  {goal.value:8.2f}  {goal.text}")
    document["notes"] = notes
    document["figures"] = figures.document()
    document["goals"] = [{"goal": g.text, "value": round(g.value, 3), "verdict": g.verdict} for g in goals]
    say(f"written to {keep(document, 'adaptive-')}")
    return 0


def _contenders(options: argparse.Namespace) -> list[Contender]:
    checkouts = [path.resolve() for path in options.checkout or [HERE.parent]]
    names = [OURS if path == checkouts[0] else f"{OURS}@{path.name}" for path in checkouts]
    found = [ours(path, name) for path, name in zip(checkouts, names, strict=True)]
    if options.peer is not None:
        found.append(peer(options.peer, options.peer_name, options.peer_url, options.peer_leave))
    return found


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.adaptive", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="part",
        help=f"{', '.join(LOADS)}; by default all but {' and '.join(sorted(ON_DEMAND))}",
    )
    parser.add_argument("--quick", action="store_true", help="one round and few viewers: does it work at all?")
    parser.add_argument(
        "--rounds", type=int, default=None, help="rounds of a load (5); the longer loads have a part of them"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the places that are sought (1)")
    parser.add_argument(
        "--peer",
        metavar="COMMAND",
        help="command line of another server, with {port}, {media}, {work}, {ffmpeg}, {ffprobe}, or {config}: a configuration of go-vod",
    )
    parser.add_argument("--peer-name", metavar="NAME", help="its name in the tables (that of its program)")
    parser.add_argument(
        "--peer-url",
        metavar="URL",
        help="path of its multivariant playlist, with {viewer}, {path} or {name} of the file (go-vod's /{viewer}{path}/index.m3u8)",
    )
    parser.add_argument("--peer-leave", metavar="URL", help="path that is requested when a viewer leaves (none)")
    parser.add_argument("--no-hand", action="store_true", help="without ffmpeg by hand")
    parser.add_argument(
        "--checkout", action="append", type=Path, metavar="DIR", help="source tree of the daemon; several are compared"
    )
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep the films here for the next run")
    options = parser.parse_args(arguments)
    for part in options.parts:
        if part not in LOADS:
            parser.error(f"there is no part {part!r}, only {', '.join(LOADS)}")
    return options


if __name__ == "__main__":
    # Then everything is ended that was started.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    sys.exit(main())
