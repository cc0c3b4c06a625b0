"""What children see of the daemon's environment: where programs, libraries and drivers are, and no secret."""

from collections.abc import Mapping

_KEPT = ("PATH", "LD_LIBRARY_PATH", "LIBVA_DRIVER_NAME", "TMPDIR")


def child_environment(environment: Mapping[str, str]) -> Mapping[str, str]:
    """The variables of this environment that children get, and a locale in which programs write numbers and errors alike."""
    return {**{name: environment[name] for name in _KEPT if name in environment}, "LC_ALL": "C"}
