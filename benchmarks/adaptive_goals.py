"""The goals of adaptive streaming: how long a viewer waits, by itself and beside a peer."""

import math
from collections.abc import Sequence

from benchmarks.adaptive_loads import FIRST, WHOLE
from benchmarks.figures import Figures
from benchmarks.goals import Goal

FIRST_BYTE = 400.0
COPIED = 300.0
"""Milliseconds."""


def adaptive_goals(figures: Figures, ours: str, peer: str | None) -> Sequence[Goal]:
    """All of them; without a peer, those beside one are not measured."""
    found = [Goal("720p: first byte of video < 400 ms", figures.of("cold", ours, FIRST), FIRST_BYTE)]
    found += [
        Goal(f"{name}: whole first segments < 300 ms", figures.of(name, ours, WHOLE), COPIED)
        for name in ("cold-copy", "cold-copy-film")
    ]

    def ratio(load: str, worst: bool = False) -> float:
        if peer is None:
            return math.nan
        mine, theirs = figures.of(load, ours, WHOLE), figures.of(load, peer, WHOLE)
        if worst:
            mine = max(figures.all_of(load, ours, WHOLE), default=math.nan)
        return mine / theirs if theirs else math.nan

    found += [
        Goal(f"{load}: segments of video and audio ≤ 0.5 x {peer}", ratio(load), 0.5)
        for load in ("cold", "cold-copy", "cold-hevc", "seek", "seek-copy", "scrub")
    ]
    found += [
        Goal(f"{load}: the slowest ≤ 0.5 x the median of {peer}", ratio(load, worst=True), 0.5)
        for load in ("seek", "seek-copy")
    ]
    return found
