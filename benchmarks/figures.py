"""Figures as they are measured, and what they say: medians, percentiles, a table."""

import math
from collections.abc import Sequence
from statistics import median
from typing import Any

import attrs


@attrs.frozen
class Metric:
    """A column of a load's table."""

    name: str
    unit: str
    digits: int = 1


@attrs.define
class Figures:
    """All samples of one run, by load, contender and metric."""

    samples: dict[str, dict[str, dict[str, list[float]]]] = attrs.Factory(dict)

    def add(self, load: str, contender: str, **values: float) -> None:
        """One more sample of each metric."""
        row = self.samples.setdefault(load, {}).setdefault(contender, {})
        for name, value in values.items():
            row.setdefault(name, []).append(value)

    def of(self, load: str, contender: str, metric: str) -> float:
        """The median; NaN where nothing was measured."""
        found = self.samples.get(load, {}).get(contender, {}).get(metric, [])
        return median(found) if found else math.nan

    def all_of(self, load: str, contender: str, metric: str) -> Sequence[float]:
        """The samples."""
        return self.samples.get(load, {}).get(contender, {}).get(metric, [])

    def table(self, load: str, title: str) -> str:
        """A load's medians in Markdown, which reads well as plain text too; the least and the most beside them."""
        rows = self.samples.get(load, {})
        metrics = list(dict.fromkeys(name for row in rows.values() for name in row))
        lines = [[title, *metrics], ["---", *("---:" for _ in metrics)]]
        for contender, row in rows.items():
            lines.append([contender, *(_shown(row.get(name, [])) for name in metrics)])
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        return "\n".join(_line(line, widths) for line in lines)

    def document(self) -> dict[str, Any]:
        """For JSON: medians beside the samples."""
        return {
            load: {
                contender: {name: {"median": median(found), "samples": found} for name, found in row.items()}
                for contender, row in rows.items()
            }
            for load, rows in self.samples.items()
        }


def percentile(samples: Sequence[float], percent: float) -> float:
    """The smallest sample that is not exceeded by `percent` of all (nearest rank)."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def _shown(found: Sequence[float]) -> str:
    if not found:
        return ""
    middle = median(found)
    digits = 0 if abs(middle) >= 100 else 1 if abs(middle) >= 10 else 2
    spread = f" ({min(found):.{digits}f} to {max(found):.{digits}f})" if len(found) > 1 else ""
    return f"{middle:.{digits}f}{spread}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [_padded(cell, width, i) for i, (cell, width) in enumerate(zip(cells, widths, strict=True))]
    return f"| {' | '.join(padded)} |"


def _padded(cell: str, width: int, column: int) -> str:
    if cell in {"---", "---:"}:
        return cell[0] * (width - 1) + cell[-1]
    return cell.ljust(width) if column == 0 else cell.rjust(width)
