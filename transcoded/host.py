"""The host: what the settings mean on this machine. Everything that depends on the machine is opened and tried here.

Besides `config` and `config_sources`, only this module raises `SettingsError` (and `daemon`, for the ports): nothing that is
built from a `Host` fails because of a setting.
"""

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Self

import attrs
from twisted.logger import Logger

from transcoded.config import ADDRESS_SPACE, Settings, SettingsError
from transcoded.plan.media.launcher import Launcher
from transcoded.plan.media.sandbox import Sandbox, names_hardware
from transcoded.plan.setting_parsers import OFF
from transcoded.run.files.private_directory import UntrustedFile
from transcoded.run.host.capability_memory import CapabilityMemory
from transcoded.run.host.demo import make_clips
from transcoded.run.host.environment import child_environment
from transcoded.run.host.sandbox import find_sandbox
from transcoded.run.host.tools import ToolError, Tools, find_tools
from transcoded.run.process.ledger import InUse, Ledger, Leftover, open_ledger
from transcoded.run.process.trials import Trials
from transcoded.run.segments.disk_files import DiskFiles

_log = Logger()


@attrs.frozen
class Host:
    """What the settings mean on this machine.

    `roots` are real directories by their names in URLs. `environment` has the variables of child processes, besides the
    ledger's token. The launcher of `tools` starts them according to the settings. `leftovers` are the processes of an earlier
    daemon that were ended. `segments` is the directory for segments; None: none are kept on disk.
    """

    settings: Settings
    roots: Mapping[str, str]
    ledger: Ledger
    leftovers: Sequence[Leftover]
    environment: Mapping[str, str]
    tools: Tools
    segments: DiskFiles | None
    _opened: ExitStack

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Lock the state directory and try the programs. This may take some seconds, so do it before the reactor runs.

        Raises `SettingsError` if the settings do not work here. Then nothing is open, and no process is left.
        """
        # The cheap check first: a misspelt directory is reported before anything is created or tried.
        find_roots(settings.media)
        if not settings.media and not settings.demo:
            raise SettingsError("media", "nothing to serve; name a directory (--media DIR), or try --demo")
        with ExitStack() as opened:
            ledger, leftovers = _open_ledger(settings)
            opened.callback(ledger.close)
            environment = child_environment(os.environ)
            hardware = names_hardware([*settings.input_args, *settings.output_args])
            trials = Trials(environment, ledger)
            try:
                tools = find_tools(
                    settings.ffmpeg,
                    settings.ffprobe,
                    trials,
                    limits=lambda launcher: _limited(launcher, settings, hardware=hardware),
                    find_sandbox=partial(_sandbox, settings, trials, environment, hardware),
                    memory=CapabilityMemory(ledger.directory),
                    engines=settings.engines,
                )
                media = [*settings.media, *_demo(settings, tools, trials)]
            except ToolError as error:
                raise SettingsError(error.name, error.detail) from error
            roots = find_roots(media)
            segments = _open_segments(settings)
            if segments is not None:
                opened.callback(segments.close)
            return cls(settings, roots, ledger, leftovers, environment, tools, segments, opened.pop_all())

    @property
    def launcher(self) -> Launcher:
        """What starts the programs."""
        return self.tools.launcher

    def close(self) -> None:
        """Unlock the state directory. May be repeated."""
        self._opened.close()


def find_roots(media: Sequence[str]) -> Mapping[str, str]:
    """The media roots: real directories by their names. Raises `SettingsError`.

    Each text is `DIR`, which gets the name of its last part, or `NAME=DIR`.
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
        if any("\ud800" <= character <= "\udfff" for character in name):
            raise SettingsError("media", f"the name {name!r} is not UTF-8; give another one, as in films={path}")
        if name.startswith("."):
            raise SettingsError("media", f"the name {name!r} begins with a dot; give another one, as in films={path}")
        if name in found:
            raise SettingsError("media", f"two directories are named {name!r}; name them, as in films={path}")
        found[name] = real_path
    return found


def default_state_dir(settings: Settings) -> str:
    """The state directory if none is set: one for each first entry of `listen`.

    Two daemons cannot listen on the same port, so they do not use the same directory, and the next daemon on this port finds
    what the last one left.
    """
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(
        base, "transcoded", re.sub(r"[^A-Za-z0-9.]+", "-", settings.listen[0]).strip("-")[:80] or "default"
    )


def _open_ledger(settings: Settings) -> tuple[Ledger, Sequence[Leftover]]:
    """Open the ledger in the state directory. If the default directory does not work, there is none; a set one must work."""
    if settings.state_dir == OFF:
        return open_ledger(None)
    directory = os.path.abspath(os.path.expanduser(settings.state_dir or default_state_dir(settings)))
    try:
        return open_ledger(directory)
    except InUse as error:
        raise SettingsError("state_dir", f"{error}") from None
    except UntrustedFile as error:
        # Also for the default directory: somebody has tampered with it, or still could.
        raise SettingsError("state_dir", f"{error.strerror}") from None
    except OSError as error:
        if settings.state_dir:
            raise SettingsError("state_dir", f"{directory} cannot be used: {error.strerror}") from None
        _log.warn("no state directory ({error}): going on without ledger and ending log", error=error)
        return open_ledger(None)


def _open_segments(settings: Settings) -> DiskFiles | None:
    """Open the directory for segments, if they are kept on disk.

    One that others use or could change is an error in the settings. If the disk fails, they are kept in memory alone: the daemon
    serves without it, too.
    """
    if settings.cache_disk_max is None:
        return None
    directory = os.path.join(os.path.abspath(os.path.expanduser(settings.cache_dir)), "segments")
    try:
        return DiskFiles.open(directory)
    except InUse as error:
        raise SettingsError("cache_dir", f"{error}; give each daemon its own") from None
    except UntrustedFile as error:
        raise SettingsError("cache_dir", f"{error.strerror}") from None
    except OSError as error:
        _log.warn(
            "no segments are kept on disk: {directory} cannot be used ({error})", directory=directory, error=error
        )
        return None


def _limited(launcher: Launcher, settings: Settings, *, hardware: bool) -> Launcher:
    """The launcher with what the settings say."""
    return attrs.evolve(
        launcher,
        niceness=settings.nice,
        io_class=settings.ionice,
        address_space=_address_space(settings, hardware=hardware),
        helper_address_space=settings.helper_address_space_max,
    )


def _address_space(settings: Settings, *, hardware: bool) -> int | None:
    """The limit for the address space of an encoder, in bytes.

    The default does not hold for hardware: a CUDA context with 256 MiB reserves 13 GiB, and the surfaces of a transcode come on top.
    """
    is_default = settings.stream_address_space_max == ADDRESS_SPACE
    return None if is_default and hardware else settings.stream_address_space_max


def _sandbox(
    settings: Settings,
    trials: Trials,
    environment: Mapping[str, str],
    hardware: bool,
    launcher: Launcher,
    ffmpegs: Sequence[str],
    ffprobes: Sequence[str],
) -> Sandbox | None:
    """The sandbox, as the setting has it. With `auto`, one line of the log says why there is none. Raises `ToolError`."""
    if settings.sandbox is None:
        return None
    if settings.sandbox == "auto" and hardware:
        _log.warn(
            "no sandbox: input_args or output_args use hardware, which needs more than it has; sandbox = bwrap forces it"
        )
        return None
    try:
        return find_sandbox(launcher, ffmpegs, ffprobes, trials, environment, hardware=hardware)
    except ToolError as error:
        if settings.sandbox == "auto":
            _log.warn("no sandbox: {why}", why=error.detail)
            return None
        raise


def _demo(settings: Settings, tools: Tools, trials: Trials) -> Sequence[str]:
    """The media root of the demo, if it is set."""
    if not settings.demo:
        return []
    directory = os.path.join(os.path.expanduser(settings.cache_dir), "demo")
    try:
        return [f"demo={make_clips(tools, directory, trials)}"]
    except OSError as error:
        raise SettingsError("demo", f"the clips cannot be made: {error.strerror}") from error
