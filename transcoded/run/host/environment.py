"""The environment of child processes: where programs, libraries and drivers are, and no secrets of the daemon."""

from collections.abc import Mapping

_KEPT = ("PATH", "LD_LIBRARY_PATH", "LIBVA_DRIVER_NAME", "TMPDIR")


def child_environment(environment: Mapping[str, str]) -> Mapping[str, str]:
    """The variables for children: some of this environment, and the C locale, so that numbers and errors have one format."""
    return {**{name: environment[name] for name in _KEPT if name in environment}, "LC_ALL": "C"}
