"""What daemons have found out about their programs, handed on to the next ones: so that only the first daemon of a run tries an ffmpeg.

A daemon takes it only for the same program under the same circumstances, and tries everything else itself.
"""

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from transcoded.run.host.capability_memory import NAME

_known: dict[str, Any] = {}
"""The entries of all daemons so far, by their keys."""

_MAX_ENTRIES = 20


def state_of(directory: Path, listen: str) -> Path:
    """The default state directory of a daemon whose XDG_STATE_HOME is `directory / "state"`, by its first endpoint."""
    name = re.sub(r"[^A-Za-z0-9.]+", "-", listen).strip("-")[:80]
    return directory / "state" / "transcoded" / name


def hand_on(state: Path) -> None:
    """Put what is known into a state directory that has nothing of this kind. A test may have put something in its place."""
    with suppress(OSError):
        if _known and not (state / NAME).exists():
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
            latest = dict(list(_known.items())[-_MAX_ENTRIES:])
            (state / NAME).write_bytes(msgspec.json.encode({"programs": latest, "used": []}))
            (state / NAME).chmod(0o600)


def learn(state: Path) -> None:
    """Keep what a daemon has found out."""
    if (state / NAME).is_file():
        _known.update(msgspec.json.decode((state / NAME).read_bytes())["programs"])
