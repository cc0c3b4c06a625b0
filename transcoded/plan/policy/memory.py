"""How much memory is in use, of the machine or of the daemon's control group: parsing of /proc and cgroup files."""

import re

_NUMBER = re.compile(r"[ \n]*([0-9]{1,20})[ \n]*", re.ASCII)
_KIB = re.compile(r"^(MemTotal|MemAvailable):\s+([0-9]+) kB$", re.MULTILINE)


def machine_fraction(meminfo: str) -> float | None:
    """The fraction of the machine's memory that is not available, 0 to 1, from the text of /proc/meminfo.

    None: not known.
    """
    values = {name: int(kib) for name, kib in _KIB.findall(meminfo)}
    total, available = values.get("MemTotal"), values.get("MemAvailable")
    return None if not total or available is None else 1 - available / total


def group_fraction(limit: str, usage: str, stat: str) -> float | None:
    """The fraction of a control group's memory limit that is in use, 0 to 1. None: no limit, or not known.

    The arguments are the texts of memory.max, memory.current and memory.stat (cgroup version 2), or
    memory.limit_in_bytes, memory.usage_in_bytes and memory.stat (version 1). Inactive file cache does not count: the
    kernel frees it when memory is short.
    """
    limit_match, usage_match = _NUMBER.fullmatch(limit), _NUMBER.fullmatch(usage)
    if limit_match is None or usage_match is None:
        return None
    maximum, used = int(limit_match[1]), int(usage_match[1])
    # In version 1, "no limit" is a number near 2^63.
    if not 0 < maximum < 1 << 60:
        return None
    cache = re.search(r"^(?:total_)?inactive_file ([0-9]+)$", stat, re.MULTILINE)
    return max(0, used - (int(cache[1]) if cache else 0)) / maximum


def group_directories(cgroup: str) -> list[tuple[int, str]]:
    """The possible places of the control group's memory files: (version, directory below /sys/fs/cgroup), best first.

    `cgroup` is the text of /proc/self/cgroup. In a container, its path is often that of the host and is not mounted.
    The control group is then the root of the mount, so this is tried as well.
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
