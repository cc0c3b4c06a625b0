"""Reads the settings: the command line has priority over the environment, that over a TOML file, and that over the defaults.

In each of these, the value of a secret can be `file:PATH`. Then it is what is in that file; a setting of several values takes one
from each line. A file that others can read or change, and a secret on the command line, get a warning in the log.

A line of a file, or a variable, that is no setting may be a secret that was written in the wrong place. So no error repeats
such a text: it says where it is, and what may have been meant.
"""

import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches

from twisted.logger import Logger

from transcoded.config import FILE, Settings, SettingsError, about, check, names
from transcoded.plan import setting_parsers as parsers
from transcoded.run.host.secret_files import exposure, read_secret_file

_log = Logger()


def load(
    arguments: Mapping[str, str | Sequence[str]], environment: Mapping[str, str], config: str | None = None
) -> Settings:
    """Build the settings from all sources.

    `arguments` are those of the command line, as text by setting name. `environment` is that of the process. `config` is the
    path of a TOML file; by default the value of `TRANSCODED_CONFIG`. Raises `SettingsError`, also for a bad value that another
    source replaces.
    """
    values: dict[str, object] = {}
    config = config or environment.get("TRANSCODED_CONFIG")
    if config:
        values.update(_from_toml(config))
    known = set(names())
    for variable, text in environment.items():
        name = variable.removeprefix("TRANSCODED_").lower()
        if variable.startswith("TRANSCODED_") and name in known:
            values[name] = _from_text(name, text)
        elif variable.startswith("TRANSCODED_") and name != "config":
            # The rest of the name may be a secret: TRANSCODED_API_KEY_hunter2=… instead of TRANSCODED_API_KEY=hunter2….
            shown = re.sub("[^A-Z_].*", "…", variable, flags=re.DOTALL)
            raise SettingsError(shown, f"there is no such setting; {_meant(name)}")
    for name, given in arguments.items():
        if about(name).secret:
            _warn_of_command_line(name, [given] if isinstance(given, str) else given)
        values[name] = _from_text(name, given) if isinstance(given, str) else _from_items(name, given)
    # Typed loosely, since each value is checked at run time.
    make: Callable[..., Settings] = Settings
    return make(**values)


def _from_toml(path: str) -> Mapping[str, object]:
    text = ""
    try:
        with open(path, "rb") as file:
            _warn_of_exposure(path, exposure(os.fstat(file.fileno())))
            text = file.read().decode()
        document = tomllib.loads(text)
    except OSError as error:
        raise SettingsError("config", f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        place = re.search(r"\(at ([a-z0-9 ,]+)\)$", str(error))
        raise SettingsError("config", f"{path}: this is not TOML{f', at {place[1]}' if place else ''}") from None
    except ValueError:
        # The path has a NUL, or the file is not UTF-8.
        raise SettingsError("config", f"{path}: this is not the path of a text file in UTF-8") from None
    values = {}
    for name, value in document.items():
        if name not in names():
            lines = enumerate(text.splitlines(), 1)
            line = next((f", line {number}" for number, one in lines if one.lstrip(" \t[\"'").startswith(name)), "")
            raise SettingsError("config", f"{path}{line}: there is no such setting; {_meant(name)}")
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(item, str | int | float) for item in items):
            raise SettingsError(name, f"takes text or numbers, not a {type(value).__name__}")
        if isinstance(value, bool) and about(name).parse is not parsers.flag:
            raise SettingsError(
                name, f'takes no {str(value).lower()}; give text or a number, or "off" where that is allowed'
            )
        values[name] = (
            _from_items(name, [str(item) for item in items])
            if isinstance(value, list)
            else _from_text(name, str(value))
        )
    return values


def _meant(name: str) -> str:
    """What may have been meant by a name that is no setting."""
    close = get_close_matches(name, names(), 1, 0.7)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(names())}"


def _from_text(name: str, text: str) -> object:
    """Parse one text, which may contain several values if the setting has several."""
    split = about(name).split
    if split is None:
        return check(name, _secret_in(name, text) if about(name).secret else text)
    items = split(text)
    if not items:
        raise SettingsError(name, "must not be empty")
    return _from_items(name, items)


def _from_items(name: str, items: Sequence[str]) -> object:
    """Parse several texts, each of them a value or the name of a file with values."""
    if about(name).secret:
        items = [secret for item in items for secret in _secrets_in(name, item)]
    return check(name, tuple(items))


def _secrets_in(name: str, text: str) -> Sequence[str]:
    """The secrets that a text stands for: itself, or those on the lines of the file that it names."""
    if not text.startswith(FILE):
        return [text]
    lines = [line for line in _secret_in(name, text).replace("\r\n", "\n").split("\n") if line]
    if not lines:
        # Without a key everything would be open.
        raise SettingsError(name, f"{text.removeprefix(FILE)} has only empty lines")
    return lines


def _secret_in(name: str, text: str) -> str:
    """A secret: the text itself, or what is in the file that it names."""
    if not text.startswith(FILE):
        return text
    path = os.path.expanduser(text.removeprefix(FILE))
    try:
        secret, exposed = read_secret_file(path)
    except OSError as error:
        raise SettingsError(name, f"{path}: {error.strerror}") from None
    except ValueError as error:
        # The path has a NUL, or the file is not one of secrets.
        raise SettingsError(name, f"{path} {error}") from None
    _warn_of_exposure(path, exposed)
    return secret


def _warn_of_exposure(path: str, exposed: str | None) -> None:
    if exposed is not None:
        _log.warn("{path} {exposed}", path=path, exposed=exposed)


def _warn_of_command_line(name: str, items: Sequence[str]) -> None:
    """Every user of the machine can read the arguments of a process. A hash is no secret."""
    if not all(item.startswith(FILE) or "sha256:" in item for item in items):
        _log.warn(
            "every user of this machine can read --{flag} on the command line: use {variable}, or {file}PATH",
            flag=name.replace("_", "-"),
            variable=f"TRANSCODED_{name.upper()}",
            file=FILE,
        )
