"""The settings: one frozen, typed value, from the command line over the environment over a TOML file over defaults.

Each setting is a field of `Settings`, with its help and the parser of its text: the command line's flags, the environment's
names, the TOML keys and docs/settings.md all come from there. A bad value is a `SettingsError` that names the setting.
"""

import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from transcoded.plan import setting_parsers as parsers
from transcoded.plan.policy.relay_strategy import Strategy


class SettingsError(ValueError):
    """A setting has a value that is not allowed. The message is one line and names the setting."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__("".join(c if c.isprintable() else "�" for c in f"{name}: {detail}"))
        self.name = name


def _processors() -> int:
    """Those that this process may use, which in a container can be fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2


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
        (),
        "Directory to serve, as DIR or NAME=DIR; may be repeated",
        parsers.not_empty,
        lambda text: text.split(os.pathsep),
    )
    listen: tuple[str, ...] = _setting(
        ("tcp:8080:interface=127.0.0.1",),
        "Twisted endpoint to listen on; may be repeated",
        parsers.not_empty,
        str.split,
    )
    demo: bool = _setting(False, "Make a few short clips and serve them", parsers.flag)
    ffmpeg: str | None = _setting(None, "The ffmpeg program; else on PATH, else the bundled one", parsers.not_empty)
    ffprobe: str | None = _setting(None, "The ffprobe program; else on PATH, else the bundled one", parsers.not_empty)
    grace: float = _setting(5.0, "Seconds between asking a transcoder to end and killing it", parsers.seconds(0, 3600))
    max_streams: int = _setting(
        max(2, _processors()),
        "Transcodes at the same time; a copy-only stream counts half",
        parsers.whole(1, 10_000),
    )
    max_streams_per_client: int | None = _setting(
        None,
        "Streams of one client address, waiting ones included; off for no limit",
        parsers.or_off(parsers.whole(1, 10_000)),
    )
    queue_size: int = _setting(16, "Requests that may wait for a place; more are turned away", parsers.whole(0, 10_000))
    queue_timeout: float = _setting(
        15.0, "Seconds that a request waits for a place at the most", parsers.seconds(0, 3600)
    )
    preempt_after: float | None = _setting(
        30.0,
        "Seconds without a byte taken, after which a stream gives way to a waiting one; or off",
        parsers.or_off(parsers.seconds(1, 1e6)),
    )
    stall_timeout: float | None = _setting(
        7200.0,
        "Seconds without a byte taken, after which a stream is ended; or off",
        parsers.or_off(parsers.seconds(1, 1e7)),
    )
    hang_timeout: float | None = _setting(
        30.0, "Seconds without progress that the client does not cause; or off", parsers.or_off(parsers.seconds(1, 1e6))
    )
    idle_timeout: float = _setting(
        60.0, "Seconds after which a transcoder ends whose segments nobody asks for", parsers.seconds(1, 1e6)
    )
    cache_max: int = _setting(
        256 << 20, "Bytes of finished segments and pictures that are kept in memory", parsers.size
    )
    max_duration: float | None = _setting(
        None, "Seconds that a stream may take in all; or off", parsers.or_off(parsers.seconds(1, 1e7))
    )
    memory_high: float | None = _setting(
        0.9,
        "Fraction of the memory, above which nobody is admitted and the oldest are ended; or off",
        parsers.or_off(parsers.fraction),
    )
    stream_memory_max: int | None = _setting(
        None, "Resident bytes of one transcoder; or off", parsers.or_off(parsers.size)
    )
    stream_address_space_max: int | None = _setting(
        None, "Address space of one transcoder in bytes, kept by the kernel; or off", parsers.or_off(parsers.size)
    )
    drain_timeout: float = _setting(
        300.0, "Seconds that running streams have after a drain before they are ended", parsers.seconds(0, 1e6)
    )
    api_key: tuple[str, ...] = _setting(
        (), "Key as [NAME[:read|:admin]=]SECRET, the secret also as sha256:HEX; may be repeated", parsers.key, str.split
    )
    signing_key: str | None = _setting(
        None, "Secret under which URLs, cookies and webhooks are signed; else a new one at each start", parsers.secret
    )
    cors_origin: tuple[str, ...] = _setting(
        (), "Origin whose pages may use the API, or *; may be repeated", parsers.origin, str.split
    )
    trusted_proxy: tuple[str, ...] = _setting(
        (),
        "Address or network of a proxy whose X-Forwarded-For is believed, or unix; may be repeated",
        parsers.proxy,
        str.split,
    )
    webhook: tuple[str, ...] = _setting(
        (), "URL that is told of starts and ends of streams; may be repeated", parsers.url, str.split
    )
    sandbox: str | None = _setting(
        None, "bwrap: run transcoders without network, seeing only their input", parsers.sandbox
    )
    relay: Strategy | None = _setting(
        None, "Way of the bytes to the client: sendmsg, splice or copy; else the best that works", parsers.strategy
    )
    nice: int | None = _setting(None, "Niceness of transcoders, 0 to 19", parsers.whole(0, 19))
    ionice: int | None = _setting(None, "I/O class of transcoders: realtime, best-effort or idle", parsers.io_class)
    threads: int | None = _setting(None, "Threads of each encoder; else ffmpeg decides", parsers.whole(1, 256))
    input_args: tuple[str, ...] = _setting(
        (), "More ffmpeg arguments before the input, such as -hwaccel", parsers.words
    )
    output_args: tuple[str, ...] = _setting((), "More ffmpeg arguments before the output", parsers.words)
    state_dir: str | None = _setting(
        None,
        "Directory for the ledger and the journal; else one below ~/.local/state/transcoded; off for none",
        parsers.not_empty,
    )
    cache_dir: str = _setting(
        os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "transcoded"),
        "Directory for what can be made again",
        parsers.not_empty,
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
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(item, str | int | float) for item in items):
            raise SettingsError(name, f"takes text, numbers or true and false, not {value!r}")
        values[name] = _parse(name, [str(item) for item in items] if isinstance(value, list) else str(value))
    return values


def _parse(name: str, given: str | Sequence[str]) -> object:
    known = about(name)
    try:
        if known.split is not None:
            items = tuple(known.parse(item) for item in (known.split(given) if isinstance(given, str) else given))
            if not items:
                raise ValueError("must not be empty")
            return items
        if isinstance(given, str):
            return known.parse(given)
        if known.parse is parsers.words:
            return tuple(given)
    except ValueError as error:
        raise SettingsError(name, f"{error}") from None
    raise SettingsError(name, "takes one value, not a list")


def default_state_dir(settings: Settings) -> str:
    """Where the ledger goes if nobody says: one directory for each first port that is listened on.

    Two daemons cannot listen on the same port, so they do not meet in one directory, and the next daemon on the port
    finds what the last one left.
    """
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(
        base, "transcoded", re.sub(r"[^A-Za-z0-9.]+", "-", settings.listen[0]).strip("-")[:80] or "default"
    )


def roots(media: Sequence[str]) -> Mapping[str, str]:
    """The media roots by name, each a real directory; raises `SettingsError`.

    `DIR` is named after its last part, `NAME=DIR` as it says.
    """
    found: dict[str, str] = {}
    for text in media:
        name, equals, path = text.partition("=")
        if not equals or "/" in name:
            name, path = "", text
        if "\0" in path:
            raise SettingsError("media", f"{path!r} is no path")
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
