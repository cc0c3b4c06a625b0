"""Reads the settings: the command line has priority over the environment, that over a TOML file, and that over the defaults."""

import tomllib
from collections.abc import Callable, Mapping, Sequence

from transcoded.config import Settings, SettingsError, about, check, names
from transcoded.plan import setting_parsers as parsers


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
            raise SettingsError(variable, f"there is no such setting; there are {', '.join(names())}")
    for name, given in arguments.items():
        values[name] = _from_text(name, given) if isinstance(given, str) else check(name, tuple(given))
    # Typed loosely, since each value is checked at run time.
    make: Callable[..., Settings] = Settings
    return make(**values)


def _from_toml(path: str) -> Mapping[str, object]:
    try:
        with open(path, "rb") as file:
            document = tomllib.load(file)
    except OSError as error:
        raise SettingsError("config", f"{path}: {error.strerror}") from None
    except ValueError as error:
        # It is not TOML, not UTF-8, or the path has a NUL.
        raise SettingsError("config", f"{path}: {error}") from None
    values = {}
    for name, value in document.items():
        if name not in names():
            raise SettingsError(name, f"there is no such setting in {path}; there are {', '.join(names())}")
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(item, str | int | float) for item in items):
            raise SettingsError(name, f"takes text or numbers, not a {type(value).__name__}")
        if isinstance(value, bool) and about(name).parse is not parsers.flag:
            raise SettingsError(
                name, f'takes no {str(value).lower()}; give text or a number, or "off" where that is allowed'
            )
        values[name] = (
            check(name, tuple(str(item) for item in items)) if isinstance(value, list) else _from_text(name, str(value))
        )
    return values


def _from_text(name: str, text: str) -> object:
    """Parse one text, which may contain several values if the setting has several."""
    split = about(name).split
    if split is None:
        return check(name, text)
    items = split(text)
    if not items:
        raise SettingsError(name, "must not be empty")
    return check(name, tuple(items))
