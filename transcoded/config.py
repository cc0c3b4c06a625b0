"""The settings: one frozen, typed value. `config_sources` reads it from the command line, the environment and a TOML file.

Each setting is a field of `Settings` with its help and its parser. The flags of the command line, the names in the environment,
the TOML keys and docs/settings.md are derived from these. A `Settings` never contains a value that is not allowed, however it
was created.

The module is long because it is a table of all settings.
"""

import os
import resource
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

import attrs

from transcoded.plan import setting_parsers as parsers
from transcoded.plan.policy.relay_strategy import Strategy

T = TypeVar("T")


class SettingsError(ValueError):
    """A setting has a value that is not allowed. The message is one line and names the setting."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__("".join(c if c.isprintable() else "�" for c in f"{name}: {detail}"))
        self.name = name


def _processors() -> int:
    """The number of CPUs that this process may use. In a container it can be smaller than that of the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2


def _connections() -> int:
    """The default of `max_connections`: half of the descriptors that this process may have, since an answer takes some, too."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return 4096 if hard == resource.RLIM_INFINITY else max(16, min(4096, hard // 2))


ADDRESS_SPACE = 16 << 30
"""Bytes: the address space of one transcoder, if it is not set. An encode of 2160p reserves 10 GiB with 64 threads."""


@attrs.frozen
class About:
    """The description of a setting: its help, and how it is parsed.

    `parse` takes text or a typed value, and raises ValueError. `split` divides a text into several values; it is None for a
    setting that has only one value. A `secret` is in no message, and can be read from a file (`config_sources`).
    """

    help: str
    parse: Callable[[object], object]
    split: Callable[[str], Sequence[str]] | None = None
    secret: bool = False


FILE = "file:"
"""What stands before the path of a file that contains a secret."""

_ABOUT = "about"


def _checked(given: object, field: "attrs.Attribute[object]") -> object:
    return check(field.name, given)


def _setting(
    parse: Callable[[object], T],
    default: object,
    text: str,
    split: Callable[[str], Sequence[str]] | None = None,
    *,
    secret: bool = False,
) -> T:
    """A field whose values are checked and converted by `parse`. A secret is not in the repr."""
    return attrs.field(
        # The converter is applied to the default, too, and makes a T of it.
        default=cast(T, default),
        converter=attrs.Converter(_checked, takes_field=True),
        metadata={_ABOUT: About(text, parse, split, secret)},
        repr=not secret,
    )


def _split_paths(text: str) -> Sequence[str]:
    return text.split(os.pathsep)


@attrs.frozen(kw_only=True)
class Settings:
    """All settings. Times in seconds, sizes in bytes; None means not set, or off.

    Each value is checked in the same way by the constructor, by `attrs.evolve` and by `config_sources.load`. A value that is
    not allowed raises `SettingsError`. Text is parsed as on the command line; for a setting of several values, one text is one
    value.
    """

    media: tuple[str, ...] = _setting(
        parsers.several(parsers.not_empty),
        (),
        "Directory to serve, as DIR or NAME=DIR; may be repeated",
        split=_split_paths,
    )
    listen: tuple[str, ...] = _setting(
        parsers.several(parsers.not_empty, least=1),
        ("tcp:8080:interface=127.0.0.1",),
        "Twisted endpoint to listen on; may be repeated",
        split=str.split,
    )
    hidden_files: str = _setting(
        parsers.visibility,
        parsers.HIDE,
        "Files and directories whose names begin with one dot: hide or show; names with more dots are always shown",
    )
    demo: bool = _setting(parsers.flag, False, "Make a few short clips and serve them")
    host: tuple[str, ...] = _setting(
        parsers.several(parsers.host),
        (),
        "Name under which clients reach the server, *.NAME for all below it, or * for every one; may be repeated",
        split=str.split,
    )
    max_connections: int = _setting(
        parsers.whole(1, 1_000_000),
        _connections(),
        "Connections at the same time; a new one replaces one that waits for nothing but its client",
    )
    max_connections_per_client: int | None = _setting(
        parsers.or_off(parsers.whole(1, 1_000_000)),
        # Many viewers behind a proxy that is no trusted_proxy are one client, too.
        1024,
        "Connections of one client address, or of one IPv6 network of 64 bits; or off",
    )
    ffmpeg: str | None = _setting(
        parsers.unset_or(parsers.not_empty),
        None,
        "The ffmpeg program; else the one that can do most, of that on PATH and those of the extra ffmpeg",
    )
    ffprobe: str | None = _setting(
        parsers.unset_or(parsers.not_empty),
        None,
        "The ffprobe program; else the newest that works, of that on PATH and that of the extra ffmpeg",
    )
    engines: str = _setting(
        parsers.engines,
        "auto",
        "Hardware that codes video: auto, software, or engines in their order as NAME or NAME=DEVICE, separated by commas",
    )
    grace: float = _setting(parsers.seconds(0, 3600), 5.0, "Seconds between asking a transcoder to end and killing it")
    max_streams: int = _setting(
        parsers.whole(1, 10_000),
        max(2, _processors()),
        "Transcodes at the same time; a copy-only stream counts half",
    )
    max_streams_per_client: int | None = _setting(
        parsers.or_off(parsers.whole(1, 10_000)),
        None,
        "Streams of one client (address and key), waiting ones included; off for no limit",
    )
    queue_size: int = _setting(parsers.whole(0, 10_000), 16, "Requests that may wait for a slot; more are refused")
    queue_timeout: float = _setting(
        parsers.seconds(0, 3600), 15.0, "Seconds that a request waits for a slot at the most"
    )
    preempt_after: float | None = _setting(
        parsers.or_off(parsers.seconds(1, 1e6)),
        30.0,
        "Seconds without a byte taken, after which a stream is ended for a waiting one; or off",
    )
    stall_timeout: float | None = _setting(
        parsers.or_off(parsers.seconds(1, 1e7)),
        7200.0,
        "Seconds without a byte taken, after which a stream is ended; or off",
    )
    hang_timeout: float | None = _setting(
        parsers.or_off(parsers.seconds(1, 1e6)),
        30.0,
        "Seconds without progress that the client does not cause; or off",
    )
    idle_timeout: float = _setting(
        parsers.seconds(1, 1e6), 60.0, "Seconds without a request, after which an encoder of segments ends"
    )
    cache_max: int = _setting(
        parsers.size, 256 << 20, "Bytes of finished segments, thumbnails and subtitles that are kept in memory"
    )
    cache_disk_max: int | None = _setting(
        parsers.size_or_off, None, "Bytes of finished segments that are kept on disk, below cache_dir; or off"
    )
    max_duration: float | None = _setting(
        parsers.or_off(parsers.seconds(1, 1e7)), None, "Seconds that a stream may take in all; or off"
    )
    memory_high: float | None = _setting(
        parsers.or_off(parsers.fraction),
        0.9,
        "Fraction of the memory above which no stream is admitted and the oldest are ended; or off",
    )
    stream_memory_max: int | None = _setting(
        parsers.or_off(parsers.size), None, "Resident bytes of one transcoder or helper; or off"
    )
    stream_address_space_max: int | None = _setting(
        parsers.or_off(parsers.size),
        ADDRESS_SPACE,
        "Address space of one transcoder in bytes, kept by the kernel; or off",
    )
    helper_address_space_max: int | None = _setting(
        parsers.or_off(parsers.size),
        2 << 30,
        "Address space of one ffprobe, thumbnail or subtitle process in bytes, kept by the kernel; or off",
    )
    drain_timeout: float = _setting(
        parsers.seconds(0, 1e6), 300.0, "Seconds that running streams have after a drain before they are ended"
    )
    api_key: tuple[str, ...] = _setting(
        parsers.several(parsers.key),
        (),
        "Key as [NAME[:read|:admin]=]SECRET, the secret also as sha256:HEX; may be repeated",
        split=str.split,
        secret=True,
    )
    signing_key: str | None = _setting(
        parsers.unset_or(parsers.secret),
        None,
        "Secret that signs URLs and cookies; else a new one at each start",
        secret=True,
    )
    cors_origin: tuple[str, ...] = _setting(
        parsers.several(parsers.origin),
        (),
        "Origin whose pages may use the API, or *; may be repeated",
        split=str.split,
    )
    trusted_proxy: tuple[str, ...] = _setting(
        parsers.several(parsers.proxy),
        (),
        "Address or network of a proxy whose X-Forwarded-For is trusted, or unix; may be repeated",
        split=str.split,
    )
    webhook: tuple[str, ...] = _setting(
        parsers.several(parsers.url),
        (),
        "URL that gets a POST for each start and end of a stream; may be repeated",
        split=str.split,
        secret=True,
    )
    webhook_secret: str | None = _setting(
        parsers.unset_or(parsers.secret), None, "Secret that signs webhooks; else they are not signed", secret=True
    )
    plain_http_login: bool = _setting(
        parsers.flag, False, "Allow signing in over plain HTTP from other machines, where others may read the key"
    )
    sandbox: str | None = _setting(
        parsers.or_off(parsers.sandbox),
        "auto",
        "Run transcoders without network, seeing only their input: auto where it works, bwrap always; or off",
    )
    relay: Strategy | None = _setting(
        parsers.unset_or(parsers.strategy),
        None,
        "How bytes get to the client: sendmsg, splice or copy; else the best that works",
    )
    nice: int | None = _setting(parsers.unset_or(parsers.whole(0, 19)), None, "Niceness of transcoders, 0 to 19")
    ionice: int | None = _setting(
        parsers.unset_or(parsers.io_class), None, "I/O class of transcoders: realtime, best-effort or idle"
    )
    """The number of the class, 1 to 3, as in ionice(1)."""
    threads: int | None = _setting(
        parsers.unset_or(parsers.whole(1, 256)), None, "Threads of each encoder; else ffmpeg decides"
    )
    input_args: tuple[str, ...] = _setting(
        parsers.words, (), "More ffmpeg arguments before the input, such as -hwaccel"
    )
    output_args: tuple[str, ...] = _setting(parsers.words, (), "More ffmpeg arguments before the output")
    subtitle_encoding: str | None = _setting(
        parsers.unset_or(parsers.charset),
        None,
        "Charset of subtitle files that are not Unicode, such as cp1251; else it is guessed for each file",
    )
    state_dir: str | None = _setting(
        parsers.path_or_off,
        None,
        "Directory for the ledger, the ending log and what was found out about ffmpeg and about files; else one below ~/.local/state/transcoded; off for none",
    )
    """None: the default directory. `OFF`: no directory."""
    cache_dir: str = _setting(
        parsers.not_empty,
        os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "transcoded"),
        "Directory for what can be made again",
    )


def about(name: str) -> About:
    """The description of a setting, by its name."""
    found: About = attrs.fields_dict(Settings)[name].metadata[_ABOUT]
    return found


def names() -> Sequence[str]:
    """The names of all settings, in the order of their definition."""
    return [field.name for field in attrs.fields(Settings)]


def check(name: str, given: object) -> object:
    """Parse the value of a setting, given as text or as a typed value. Raises `SettingsError`."""
    items = given if isinstance(given, tuple | list) else [given]
    if about(name).secret and any(isinstance(item, str) and item.startswith(FILE) for item in items):
        raise SettingsError(name, f"a secret cannot begin with {FILE}")
    try:
        return about(name).parse(given)
    except ValueError as error:
        raise SettingsError(name, f"{error}") from None
