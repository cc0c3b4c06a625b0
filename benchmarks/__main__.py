"""`python -m benchmarks`: measure, print tables, write JSON to benchmarks/results/. See docs/benchmarks.md."""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.contenders import contenders
from benchmarks.figures import Figures
from benchmarks.goals import goals
from benchmarks.loads import LOADS, Bench
from benchmarks.workshop import HERE, CannotMeasure, keep, set_up, versions


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for."""
    options = _options(arguments)
    started, figures = time.monotonic(), Figures()

    def say(text: str) -> None:
        when = f"{time.monotonic() - started:5.0f} s, load {os.getloadavg()[0]:.1f}"
        print(f"[{when}] {text}", file=sys.stderr, flush=True)

    with ExitStack() as stack:
        directory = options.work or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="transcoded-bench-")))
        directory.mkdir(parents=True, exist_ok=True)
        say("setting up")
        try:
            workshop = set_up(directory.resolve(), quick=options.quick)
            found = contenders(workshop, [path.resolve() for path in options.checkout or [HERE.parent]])
            chosen = [c for c in found if not options.contender or any(word in c.name for word in options.contender)]
            for note in workshop.notes:
                say(note)
            bench = Bench(workshop, chosen, figures, options.rounds or (2 if options.quick else 5), say)
            for name, (title, load) in LOADS.items():
                if not options.only or name in options.only:
                    say(f"{name}: {title}")
                    load(bench)
                    if name in figures.samples:
                        print(f"\n{figures.table(name, title)}\n", flush=True)
        except CannotMeasure as error:
            print(f"cannot measure: {error}", file=sys.stderr)
            return 1
        document = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": versions(workshop),
            "cpus": os.cpu_count(),
            "rounds": bench.rounds,
            "notes": workshop.notes,
            "figures": figures.document(),
            "goals": [{"goal": g.text, "value": round(g.value, 3), "verdict": g.verdict} for g in goals(figures)],
        }
    for goal in goals(figures):
        if goal.verdict != "not measured":
            print(f"{goal.verdict:6}  {goal.value:8.2f}  {goal.text}")
    say(f"written to {keep(document)}")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small files and two rounds: does it work at all?")
    parser.add_argument("--rounds", type=int, default=None, help="rounds of each load (5)")
    parser.add_argument("--only", action="append", choices=LOADS, metavar="LOAD", help=f"one of {', '.join(LOADS)}")
    parser.add_argument("--contender", action="append", metavar="WORD", help="only those with WORD in their name")
    parser.add_argument(
        "--checkout", action="append", type=Path, metavar="DIR", help="source tree of the daemon; several are compared"
    )
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep programs and media here for the next run")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
