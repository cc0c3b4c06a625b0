"""Reads from the kernel's files how much memory is in use. `plan.policy.memory` does the arithmetic."""

from transcoded.plan.policy.memory import group_directories, group_fraction, machine_fraction


def memory_in_use() -> float | None:
    """The fraction of memory in use, 0 to 1: of the machine, or of a control group if that is fuller. None if unknown."""
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
