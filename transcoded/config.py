"""The settings: one frozen, typed value, from the command line over the environment over a TOML file over defaults.

Each setting is a field of `Settings`, with its help and the parser of its text: the command line's flags, the environment's
names, the TOML keys and docs/settings.md all come from there. A bad value is a `SettingsError` that names the setting.
"""

import os
import shlex
import tomllib
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any

import attrs


class SettingsError(ValueError):
    """A setting has a value that is not allowed. The message is one line and names the setting."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"{name}: {detail}")
        self.name = name


def _seconds(least: float, most: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not isfinite(value) or not least <= value <= most:
            raise ValueError(f"give seconds from {least:g} to {most:g}, not {text!r}")
        return value

    return parse


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 12 and least <= int(text) <= most):
            raise ValueError(f"give a whole number from {least} to {most}, not {text!r}")
        return int(text)

    return parse


def _flag(text: str) -> bool:
    match text.lower():
        case "1" | "true" | "yes" | "on":
            return True
        case "0" | "false" | "no" | "off":
            return False
        case _:
            raise ValueError(f"give true or false, not {text!r}")


def _text(text: str) -> str:
    if not text:
        raise ValueError("must not be empty")
    return text


def _words(text: str) -> tuple[str, ...]:
    return tuple(shlex.split(text))


@attrs.frozen
class _About:
    """What is known of a setting besides its type: see `Settings`. `split` takes several values apart, None where it has one."""

    help: str
    parse: Callable[[str], object]
    split: Callable[[str], Sequence[str]] | None = None


_ABOUT = "about"


def _setting(
    default: object, about: str, parse: Callable[[str], object], split: Callable[[str], Sequence[str]] | None = None
) -> Any:
    return attrs.field(default=default, metadata={_ABOUT: _About(about, parse, split)})


@attrs.frozen(kw_only=True)
class Settings:
    """All settings. Seconds and bytes; None means: not set, or off."""

    media: tuple[str, ...] = _setting(
        (), "Directory to serve, as DIR or NAME=DIR; may be repeated", _text, lambda text: text.split(os.pathsep)
    )
    listen: tuple[str, ...] = _setting(
        ("tcp:8080:interface=127.0.0.1",), "Twisted endpoint to listen on; may be repeated", _text, str.split
    )
    demo: bool = _setting(False, "Make a few short clips and serve them", _flag)
    ffmpeg: str | None = _setting(None, "The ffmpeg program; else on PATH, else the bundled one", _text)
    ffprobe: str | None = _setting(None, "The ffprobe program; else on PATH, else the bundled one", _text)
    grace: float = _setting(5.0, "Seconds between asking a transcoder to end and killing it", _seconds(0, 3600))
    threads: int | None = _setting(None, "Threads of each encoder; else ffmpeg decides", _whole(1, 256))
    input_args: tuple[str, ...] = _setting((), "More ffmpeg arguments before the input, such as -hwaccel", _words)
    output_args: tuple[str, ...] = _setting((), "More ffmpeg arguments before the output", _words)
    cache_dir: str = _setting(
        os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "transcoded"),
        "Directory for what can be made again",
        _text,
    )


def about(name: str) -> _About:
    """What is known of the setting of this name."""
    found: _About = getattr(attrs.fields(Settings), name).metadata[_ABOUT]
    return found


def names() -> Sequence[str]:
    """The names of all settings, in order."""
    return [field.name for field in attrs.fields(Settings)]


def load(
    arguments: Mapping[str, str | Sequence[str]], environment: Mapping[str, str], config: str | None = None
) -> Settings:
    """Put the layers together.

    `arguments` are the command line's by setting name, as text; `environment` is the process's; `config` the path of a
    TOML file, else `TRANSCODED_CONFIG` says where one is. Raises `SettingsError`.
    """
    values: dict[str, object] = {}
    config = config or environment.get("TRANSCODED_CONFIG")
    if config:
        values.update(_from_toml(config))
    known = set(names())
    for variable, text in environment.items():
        name = variable.removeprefix("TRANSCODED_").lower()
        if variable.startswith("TRANSCODED_") and name in known:
            values[name] = _parse(name, text)
        elif variable.startswith("TRANSCODED_") and name != "config":
            raise SettingsError(variable, f"there is no such setting; there are {', '.join(names())}")
    for name, given in arguments.items():
        values[name] = _parse(name, given)
    return Settings(**values)  # type: ignore[arg-type]  # each value has been through its own parser


def _from_toml(path: str) -> Mapping[str, object]:
    try:
        with open(path, "rb") as file:
            document = tomllib.load(file)
    except OSError as error:
        raise SettingsError("config", f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError("config", f"{path}: {error}") from None
    values = {}
    for name, value in document.items():
        if name not in names():
            raise SettingsError(name, f"there is no such setting in {path}; there are {', '.join(names())}")
        values[name] = _parse(name, [str(item) for item in value] if isinstance(value, list) else str(value))
    return values


def _parse(name: str, given: str | Sequence[str]) -> object:
    known = about(name)
    try:
        if known.split is not None:
            return tuple(known.parse(item) for item in (known.split(given) if isinstance(given, str) else given))
        if isinstance(given, str):
            return known.parse(given)
        if known.parse is _words:
            return tuple(given)
    except ValueError as error:
        raise SettingsError(name, f"{error}") from None
    raise SettingsError(name, "takes one value, not a list")


def roots(media: Sequence[str]) -> Mapping[str, str]:
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
