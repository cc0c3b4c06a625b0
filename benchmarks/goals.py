"""The goals of the relay, as ratios between figures of one run, and whether they are met."""

import math
from collections.abc import Sequence

import attrs

from benchmarks.figures import Figures
from benchmarks.loads import BY_HAND

OURS = "transcoded sendmsg"
SPLICE = "transcoded splice"
GO = "go io.Copy"
NODE = "node pipe"
FLOOR = "c splice"


@attrs.frozen
class Goal:
    """What is wanted, what it is, and whether that is enough; `value` is NaN where it was not measured."""

    text: str
    value: float
    limit: float
    at_least: bool = False

    @property
    def verdict(self) -> str:
        """One word."""
        if math.isnan(self.value):
            return "not measured"
        return "met" if (self.value >= self.limit if self.at_least else self.value <= self.limit) else "MISSED"


def goals(figures: Figures) -> Sequence[Goal]:
    """All of them."""
    found = []

    def ratio(load: str, metric: str, ours: str, theirs: str) -> float:
        other = figures.of(load, theirs, metric)
        return figures.of(load, ours, metric) / other if other else math.nan

    for load, least in (("remux", 1.1), ("firehose", 1.5)):
        found += [
            Goal(f"{load}: throughput ≥ {least} x {rival}", ratio(load, "MB/s", OURS, rival), least, at_least=True)
            for rival in (GO, NODE)
        ]
    for load in ("remux", "firehose"):
        found += [
            Goal(f"{load}: CPU per GB ≤ 0.65 x {rival}", ratio(load, "CPU s/GB", OURS, rival), 0.65)
            for rival in (GO, NODE)
        ]
    found.append(Goal(f"200 streams: CPU ≤ 0.75 x {GO}", ratio("paced-200", "CPU %", OURS, GO), 0.75))
    for load, metric in (("firehose", "CPU s/GB"), ("remux", "CPU s/GB"), ("paced-200", "CPU %")):
        found += [
            Goal(f"{load}: CPU of {ours} ≤ 1.5 x {FLOOR}", ratio(load, metric, ours, FLOOR), 1.5)
            for ours in (OURS, SPLICE)
        ]
    found += [
        Goal("200 streams: /healthz p99 ≤ 3 ms", figures.of("paced-200", OURS, "healthz p99 ms"), 3.0),
        Goal("memory per stalled stream ≤ 256 KiB", figures.of("stalled", OURS, "KiB/stream"), 256.0),
        Goal("CPU at rest < 1 %", figures.of("stalled", OURS, "CPU % at rest"), 0.999),
        Goal(
            "first byte ≤ 5 ms after ffmpeg by hand",
            figures.of("first-byte", OURS, "ms") - figures.of("first-byte", BY_HAND, "ms"),
            5.0,
        ),
        Goal("first fragment, 1080p to 720p ≤ 250 ms", figures.of("picture", OURS, "ms"), 250.0),
        Goal("disconnect to reaped, p95 ≤ 1.6 x go SIGKILL", ratio("leaving", "p95 ms", OURS, GO), 1.6),
    ]
    return found
