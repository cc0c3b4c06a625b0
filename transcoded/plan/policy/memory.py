"""How much memory is in use, of the machine or of the control group that confines the daemon: parsing and arithmetic."""

import re

_KIB = re.compile(r"^(MemTotal|MemAvailable):\s+([0-9]+) kB$", re.MULTILINE)


def machine_fraction(meminfo: str) -> float | None:
    """The part of the machine's memory that is not available, 0 to 1, from the text of /proc/meminfo."""
    values = {name: int(kib) for name, kib in _KIB.findall(meminfo)}
    total, available = values.get("MemTotal"), values.get("MemAvailable")
    return None if not total or available is None else 1 - available / total


def group_fraction(limit: str, usage: str, stat: str) -> float | None:
    """The part of a control group's limit that is in use and cannot be given back, 0 to 1; None without a limit.

    The texts of memory.max, memory.current, memory.stat (version 2) or memory.limit_in_bytes, memory.usage_in_bytes,
    memory.stat (version 1). Inactive file cache is given back under pressure, so it does not count.
    """
    if not limit.strip().isdigit() or not usage.strip().isdigit():
        return None
    most, used = int(limit), int(usage)
    # Version 1 says "no limit" by a number near 2^63.
    if not 0 < most < 1 << 60:
        return None
    cache = re.search(r"^(?:total_)?inactive_file ([0-9]+)$", stat, re.MULTILINE)
    return max(0, used - (int(cache[1]) if cache else 0)) / most


def group_directories(cgroup: str) -> list[tuple[int, str]]:
    """Where the control group's memory files are, as (version, directory below /sys/fs/cgroup), from /proc/self/cgroup.

    Inside a container the path is often that of the host and not mounted; then the root of the mount is it.
    """
    found: list[tuple[int, str]] = []
    for line in cgroup.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            found += [(2, path), (2, "/")]
        elif "memory" in controllers.split(","):
            found += [(1, f"/memory{path}"), (1, "/memory")]
    return found
