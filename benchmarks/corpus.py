"""`python -m benchmarks.corpus`: what becomes of each kind of file, by each route and each ffmpeg, as a table for docs/media.md.

It makes the corpus of the tests, serves it by one daemon for each ffmpeg, one after the other, and compares what comes with what is right.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.corpus import KINDS, Kind, make_corpus
from tests.support.corpus_checks import Checker, Result
from tests.support.daemon import LiveDaemon
from tests.support.launcher import launcher
from tests.support.programs import BUNDLED, DEBIAN, NEWEST, Programs

COLUMNS = (NEWEST, BUNDLED, DEBIAN)
VERSIONS = {"newest": "9.0", "bundled": "8.1", "debian": "5.1"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the corpus and print the table. The exit status is 1 if anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corpus", description=__doc__)
    parser.add_argument("kinds", nargs="*", help="parts of names of kinds; by default all")
    parser.add_argument("--threads", type=int, default=2, help="kinds that are checked at the same time")
    options = parser.parse_args(arguments)
    kinds = [kind for kind in KINDS if not options.kinds or any(part in kind.name for part in options.kinds)]
    with tempfile.TemporaryDirectory(prefix="transcoded-corpus-") as name:
        directory = Path(name)
        files = directory / "files"
        files.mkdir()
        make_corpus(files, NEWEST.ffmpeg, kinds)
        found = {programs.name: _check(programs, kinds, files, directory, options.threads) for programs in COLUMNS}
    print("\n".join(_table(kinds, found)))
    verdicts = Counter(one.verdict for results in found.values() for one in results)
    print(f"\n{len(kinds)} kinds, {sum(verdicts.values())} checks: {dict(verdicts)}", file=sys.stderr)
    return 1 if verdicts["wrong"] else 0


def _check(programs: Programs, kinds: Sequence[Kind], files: Path, directory: Path, threads: int) -> list[Result]:
    out = directory / f"out-{programs.name}"
    out.mkdir()
    begun = time.monotonic()
    with (
        launcher(),
        LiveDaemon(directory / programs.name, {"c": files}, programs=programs) as daemon,
        ThreadPoolExecutor(threads) as pool,
    ):
        results = [
            one
            for several in pool.map(lambda kind: list(Checker(daemon, kind, "c", out).results()), kinds)
            for one in several
        ]
    print(f"{programs.name}: {time.monotonic() - begun:.0f} s", file=sys.stderr)
    for one in results:
        if one.verdict != "held":
            print(f"  {one.kind}, {one.route}: {one.verdict}: {one.why}", file=sys.stderr)
    return results


def _table(kinds: Sequence[Kind], found: dict[str, list[Result]]) -> list[str]:
    lines = [f"| kind | {' | '.join(f'FFmpeg {VERSIONS[one.name]}' for one in COLUMNS)} |", "|---|---|---|---|"]
    for kind in kinds:
        cells = [_cell([one for one in found[programs.name] if one.kind == kind.name]) for programs in COLUMNS]
        lines.append(f"| {kind.what} | {' | '.join(cells)} |")
    return lines


def _cell(results: Sequence[Result]) -> str:
    wrong = [one for one in results if one.verdict == "wrong"]
    refused = [one for one in results if one.verdict == "refused"]
    if wrong:
        return "wrong: " + ", ".join(one.route for one in wrong)
    if refused:
        reasons = "; ".join(dict.fromkeys(one.why for one in refused))
        return f"refused by {', '.join(one.route for one in refused)}: {reasons}"
    return f"right ({len(results)})"


if __name__ == "__main__":
    sys.exit(main())
