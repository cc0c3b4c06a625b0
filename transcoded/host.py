"""The machine as one daemon has it: everything that is touched at the start, opened and tried, and closed in the end.

After `config`, this is the only place that raises `SettingsError`, apart from the ports in `daemon`: nothing that is built from
a `Host` fails because of a setting.
"""

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Self

import attrs
from twisted.logger import Logger

from transcoded.config import Settings, SettingsError
from transcoded.plan.media.launcher import Launcher
from transcoded.plan.setting_parsers import OFF
from transcoded.run.host.demo import make_clips
from transcoded.run.host.environment import child_environment
from transcoded.run.host.tools import ToolError, Tools, find_sandbox, find_tools
from transcoded.run.process.ledger import InUse, Ledger, Leftover, open_ledger
from transcoded.run.process.trials import Trials

_log = Logger()


@attrs.frozen
class Host:
    """What the settings come to on this machine.

    `roots` are real directories by their names in URLs, `environment` is what children see besides the ledger's token,
    `launcher` carries out the settings for them, `leftovers` are processes of an earlier daemon that were ended.
    """

    settings: Settings
    roots: Mapping[str, str]
    ledger: Ledger
    leftovers: Sequence[Leftover]
    environment: Mapping[str, str]
    tools: Tools
    launcher: Launcher
    _opened: ExitStack

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Look at the machine and take the state directory. It may take some seconds, so do it before the reactor runs.

        Raises `SettingsError` if the settings cannot work here. Nothing is open and no process is left then.
        """
        # First what costs nothing: a misspelt directory is told before anything is made or tried.
        find_roots(settings.media)
        if not settings.media and not settings.demo:
            raise SettingsError("media", "nothing to serve; name a directory (--media DIR), or try --demo")
        with ExitStack() as opened:
            ledger, leftovers = _open_ledger(settings)
            opened.callback(ledger.close)
            environment = child_environment(os.environ)
            trials = Trials(environment, ledger)
            try:
                tools = find_tools(settings.ffmpeg, settings.ffprobe, trials)
                bwrap = None if settings.sandbox is None else find_sandbox(tools, trials)
                media = [*settings.media, *_demo(settings, tools, trials)]
            except ToolError as error:
                raise SettingsError(error.name, error.detail) from error
            launcher = attrs.evolve(
                tools.launcher,
                bwrap=bwrap,
                niceness=settings.nice,
                io_class=settings.ionice,
                address_space=settings.stream_address_space_max,
            )
            roots = find_roots(media)
            return cls(settings, roots, ledger, leftovers, environment, tools, launcher, opened.pop_all())

    def close(self) -> None:
        """Give the state directory back. May be repeated."""
        self._opened.close()


def find_roots(media: Sequence[str]) -> Mapping[str, str]:
    """The media roots by name, each a real directory; raises `SettingsError`.

    `DIR` is named after its last part, `NAME=DIR` as it says.
    """
    found: dict[str, str] = {}
    for text in media:
        name, equals, path = text.partition("=")
        if not equals or "/" in name:
            name, path = "", text
        real_path = os.path.realpath(os.path.expanduser(path))
        name = name or os.path.basename(os.path.abspath(os.path.expanduser(path))) or "media"
        if not path:
            raise SettingsError("media", f"{text!r} names no directory")
        if not os.path.isdir(real_path):
            raise SettingsError("media", f"{path} is not a directory")
        if not os.access(real_path, os.R_OK | os.X_OK):
            raise SettingsError("media", f"{path} cannot be read")
        if name.startswith("."):
            raise SettingsError("media", f"the name {name!r} begins with a dot; give another one, as in films={path}")
        if name in found:
            raise SettingsError("media", f"two directories are named {name!r}; name them, as in films={path}")
        found[name] = real_path
    return found


def default_state_dir(settings: Settings) -> str:
    """Where the ledger goes if nobody says: one directory for each first port that is listened on.

    Two daemons cannot listen on the same port, so they do not meet in one directory, and the next daemon on the port
    finds what the last one left.
    """
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(
        base, "transcoded", re.sub(r"[^A-Za-z0-9.]+", "-", settings.listen[0]).strip("-")[:80] or "default"
    )


def _open_ledger(settings: Settings) -> tuple[Ledger, Sequence[Leftover]]:
    """The ledger of the state directory. One that was named must work; the default one is done without if it does not."""
    if settings.state_dir == OFF:
        return open_ledger(None)
    directory = os.path.abspath(os.path.expanduser(settings.state_dir or default_state_dir(settings)))
    try:
        return open_ledger(directory)
    except InUse as error:
        raise SettingsError("state_dir", f"{error}") from None
    except OSError as error:
        if settings.state_dir:
            raise SettingsError("state_dir", f"{directory} cannot be used: {error.strerror}") from None
        _log.warn("no state directory ({error}): going on without ledger and journal", error=error)
        return open_ledger(None)


def _demo(settings: Settings, tools: Tools, trials: Trials) -> Sequence[str]:
    """The media root of the demo, if it is wanted."""
    if not settings.demo:
        return []
    directory = os.path.join(os.path.expanduser(settings.cache_dir), "demo")
    try:
        return [f"demo={make_clips(tools, directory, trials)}"]
    except OSError as error:
        raise SettingsError("demo", f"the clips cannot be made: {error}") from error
