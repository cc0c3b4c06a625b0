"""The command line: `twist transcoded …` and `twistd -y transcoded.tac`. The only module that uses the global reactor."""

import os
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import ClassVar, NoReturn

from twisted.application.service import Application, IService
from twisted.python.components import Componentized
from twisted.python.usage import Options as UsageOptions

from transcoded.config import Settings, SettingsError, about, names
from transcoded.config_sources import load
from transcoded.daemon import new_daemon
from transcoded.plan import setting_parsers as parsers
from transcoded.process_setup import close_to_others, escape_log, forget_variables, refuse
from transcoded.run.reactor import as_reactor

_REPEATED = tuple(name for name in names() if about(name).split is not None)
_SECRET_VARIABLES = tuple(f"TRANSCODED_{name.upper()}" for name in names() if about(name).secret)
_FLAGS = tuple(name for name in names() if about(name).parse is parsers.flag)


class Options(UsageOptions):
    """The command line: a flag for each setting, and `--config`."""

    synopsis = "[options]"
    longdesc = "The live transcoding daemon that never leaks a transcoder."
    optParameters: ClassVar = [
        ["config", None, None, "TOML file with settings"],
        *([n.replace("_", "-"), None, None, about(n).help] for n in names() if n not in _REPEATED + _FLAGS),
    ]
    optFlags: ClassVar = [[n.replace("_", "-"), None, about(n).help] for n in _FLAGS]

    def __init__(self) -> None:
        super().__init__()
        self.lists: dict[str, list[str]] = {}
        self.settings = Settings()

    def opt_version(self) -> NoReturn:
        """Print the version and end."""
        print(f"transcoded {version('transcoded')}")  # noqa: T201 - the output of --version
        raise SystemExit(0)

    def postOptions(self) -> None:
        """Build the settings, from all sources. Ends the program if they are not valid."""
        arguments: dict[str, str | Sequence[str]] = dict(self.lists)
        for name in names():
            given = self.get(name.replace("_", "-"))
            if given not in {None, 0}:
                arguments[name] = str(given)
        try:
            self.settings = load(arguments, os.environ, self["config"])
        except SettingsError as error:
            refuse(error)
        forget_variables(_SECRET_VARIABLES)


def _repeated(name: str) -> Callable[[Options, str], None]:
    def take(self: Options, value: str) -> None:
        self.lists.setdefault(name, []).append(value)

    take.__doc__ = about(name).help
    return take


# For an option that may be repeated, Twisted calls a method with its name.
for _name in _REPEATED:
    setattr(Options, f"opt_{_name}", _repeated(_name))


def make_service(options: Mapping[str, object]) -> IService:
    """The service that `twist` and `twistd` run."""
    assert isinstance(options, Options)  # noqa: S101 - the plugin creates it from the class in this module
    return _daemon(options.settings)


def application() -> Componentized:
    """The application in `transcoded.tac`, configured by the environment and by the file that TRANSCODED_CONFIG names."""
    try:
        settings = load({}, os.environ)
    except SettingsError as error:
        refuse(error)
    forget_variables(_SECRET_VARIABLES)
    made: Componentized = Application("transcoded")
    _daemon(settings).setServiceParent(made)
    return made


def _daemon(settings: Settings) -> IService:
    from twisted.internet import reactor

    escape_log()
    close_to_others()
    return new_daemon(as_reactor(reactor), settings)


# The name that Twisted requires of a plugin.
makeService = make_service
