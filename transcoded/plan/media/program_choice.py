"""Which of several ffmpegs and ffprobes is used, and why: decided from what each was found to be able to do.

A program that is named in the settings is the only candidate. Of several ffmpegs the one is taken that can do most of what was
tried, of several ffprobes the newest: it describes files and makes nothing. A program that does not work is taken only if it was named.
"""

import re
from collections.abc import Sequence

import attrs

from transcoded.plan.media.capabilities import Capabilities

_OLDEST_LIBAVUTIL = (58, 29, 0)
"""libavutil of FFmpeg 6.1. Unlike the version of the program, every build states this one, also one of a git snapshot."""

_UNKNOWN = (0, 0, 0)


@attrs.frozen
class Candidate:
    """A program that may be used.

    `path` is absolute, `origin` says where it was found. `statement` is what it writes for `-version`. `problem` says why it
    cannot be used, with the program as its subject; None: it works. `capabilities` are those of an ffmpeg.
    """

    path: str
    origin: str
    statement: str = attrs.field(default="", repr=False)
    problem: str | None = None
    capabilities: Capabilities = attrs.field(factory=Capabilities, repr=False)

    @property
    def version(self) -> str:
        """As it states it: `9.0`, or `N-113007-g8d24a28d06`; empty if it does not."""
        found = re.match(r"\w+ version (\S+)", self.statement)
        return found[1] if found else ""

    @property
    def libavutil(self) -> tuple[int, int, int]:
        """The version of the library in it, by which builds can be compared; zeros if it does not state it."""
        found = re.search(r"^libavutil\s+(\d+)\.\s*(\d+)\.\s*(\d+)", self.statement, re.MULTILINE)
        return (int(found[1]), int(found[2]), int(found[3])) if found else _UNKNOWN

    @property
    def age(self) -> str | None:
        """The version, if it is older than 6.1 or does not say how old it is; None for a newer one."""
        if self.libavutil >= _OLDEST_LIBAVUTIL:
            return None
        version = self.version or "unknown version"
        return f"{version}, of unknown age" if self.libavutil == _UNKNOWN else version


@attrs.frozen
class Choice:
    """The program that is used, why, and all candidates, this one among them."""

    used: Candidate
    why: str
    candidates: tuple[Candidate, ...]


def choose_ffmpeg(candidates: Sequence[Candidate], *, named: bool) -> Choice | None:
    """The ffmpeg that can do most; among equals the newest, then the first. None if none works.

    `named`: there is only one candidate, because the settings name it.
    """
    working = [one for one in candidates if one.problem is None]
    if not working:
        return None
    best = max(working, key=lambda one: (one.capabilities.count, one.libavutil))
    others = ", ".join(f"{one.path} {one.capabilities.count}" for one in working if one is not best)
    why = f"it can do {best.capabilities.count} of the things that were tried, {others}"
    return Choice(best, _why(working, why, named=named), tuple(candidates))


def choose_ffprobe(candidates: Sequence[Candidate], *, named: bool) -> Choice | None:
    """The newest ffprobe that works; among equals the first. None if none works."""
    working = [one for one in candidates if one.problem is None]
    if not working:
        return None
    best = max(working, key=lambda one: one.libavutil)
    return Choice(best, _why(working, "it is the newest that works", named=named), tuple(candidates))


def _why(working: Sequence[Candidate], reason: str, *, named: bool) -> str:
    if named:
        return "it is named in the settings"
    return reason if len(working) > 1 else "it is the only one that works"
