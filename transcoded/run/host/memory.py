"""Reads how much memory is in use: from the kernel's files to one number. `plan.policy.memory` does the arithmetic."""

from transcoded.plan.policy.memory import group_directories, group_fraction, machine_fraction


def memory_in_use() -> float | None:
    """The larger of the machine's and the control group's part in use, 0 to 1; None where neither can be told."""
    fractions = [machine_fraction(_read("/proc/meminfo"))]
    for version, directory in group_directories(_read("/proc/self/cgroup")):
        here = f"/sys/fs/cgroup{directory}"
        names = ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
        limit, usage = (_read(f"{here}/{name}") for name in names)
        fractions.append(group_fraction(limit, usage, _read(f"{here}/memory.stat")))
    known = [fraction for fraction in fractions if fraction is not None]
    return max(known) if known else None


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
