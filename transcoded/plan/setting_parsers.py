"""Parsers for the values of settings, which can be text or have their type already.

Each parser takes any object and returns the typed value. It accepts its own results. It raises ValueError with a message that
says what is allowed and what was given; the messages of parsers for secrets do not contain what was given.
"""

import codecs
import re
import shlex
from collections.abc import Callable
from math import isfinite, nan
from typing import TypeVar

from transcoded.plan.http.access import MIN_SECRET, parse_key
from transcoded.plan.http.forwarded import parse_trusted
from transcoded.plan.http.origins import EVERY, split_authority
from transcoded.plan.media.hardware import engine_order
from transcoded.plan.policy.relay_strategy import Strategy

T = TypeVar("T")

OFF = "off"
OFF_WORDS = frozenset({OFF, "none", "never"})
"""Words that turn a setting off, in upper or lower case."""

HIDE, SHOW = "hide", "show"

_IO_CLASSES = {"realtime": 1, "best-effort": 2, "idle": 3}


def seconds(least: float, most: float) -> Callable[[object], float]:
    """A parser of seconds within bounds."""

    def parse(given: object) -> float:
        value = _number(given)
        if not isfinite(value) or not least <= value <= most:
            raise ValueError(f"give seconds from {least:g} to {most:g}, not {given!r}")
        return value

    return parse


def whole(least: int, most: int) -> Callable[[object], int]:
    """A parser of whole numbers within bounds."""

    def parse(given: object) -> int:
        if isinstance(given, str) and given.isascii() and given.isdigit() and len(given) < 12:
            value = int(given)
        elif isinstance(given, int) and not isinstance(given, bool):
            value = given
        else:
            value = least - 1
        if not least <= value <= most:
            raise ValueError(f"give a whole number from {least} to {most}, not {given!r}")
        return value

    return parse


def unset_or(parse: Callable[[object], T]) -> Callable[[object], T | None]:
    """A parser that also accepts None: the setting is not set."""
    return lambda given: None if given is None else parse(given)


def or_off(parse: Callable[[object], T]) -> Callable[[object], T | None]:
    """A parser that also accepts None and the words of `OFF_WORDS`: the setting is off, None."""
    return lambda given: None if given is None or _is_off(given) else parse(given)


def fraction(given: object) -> float:
    """A fraction of the memory: above 0, at most 1."""
    value = _number(given)
    if not 0 < value <= 1:
        raise ValueError(f"give a fraction of the memory, above 0 and at most 1, not {given!r}")
    return value


def size(given: object) -> int:
    """Bytes: a number, or text with `K`, `M`, `G` or `T` for powers of 1024."""
    value = 0
    if isinstance(given, str):
        match = re.fullmatch(r"([0-9]{1,15})([KMGT]?)(?:i?B)?", given, re.IGNORECASE)
        value = int(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " ") if match else 0
    elif isinstance(given, int) and not isinstance(given, bool):
        value = given
    if not 1 <= value < 1 << 60:
        raise ValueError(f"give bytes, such as 512M or 2G, not {given!r}")
    return value


def size_or_off(given: object) -> int | None:
    """As `size`, or off: None, 0, or one of `OFF_WORDS`."""
    is_zero = given == "0" or (given == 0 and not isinstance(given, bool))
    return None if given is None or is_zero or _is_off(given) else size(given)


def io_class(given: object) -> int:
    """The number of an I/O class of ionice(1), from its name or number."""
    if isinstance(given, str) and given in _IO_CLASSES:
        return _IO_CLASSES[given]
    if isinstance(given, int) and not isinstance(given, bool) and given in _IO_CLASSES.values():
        return given
    raise ValueError(f"give {', '.join(_IO_CLASSES)}, not {given!r}")


def strategy(given: object) -> Strategy:
    """How the bytes of a stream are sent to the client."""
    if not isinstance(given, str) or given not in set(Strategy):
        raise ValueError(f"give {', '.join(Strategy)}, not {given!r}")
    return Strategy(given)


def key(given: object) -> str:
    """An API key as text; see `plan.http.access`."""
    text = _secret_text(given)
    parse_key(text)
    return text


def proxy(given: object) -> str:
    """A trusted proxy as text; see `plan.http.forwarded`."""
    text = not_empty(given)
    parse_trusted(text)
    return text


def secret(given: object) -> str:
    """A secret of at least `MIN_SECRET` characters."""
    text = _secret_text(given)
    if len(text) < MIN_SECRET:
        raise ValueError(f"give at least {MIN_SECRET} characters")
    return text


def origin(given: object) -> str:
    """An origin (RFC 6454), or `*`."""
    if not isinstance(given, str) or (given != "*" and not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+", given)):
        raise ValueError(f"give an origin such as https://example.org, or *, not {given!r}")
    return given


def host(given: object) -> str:
    """A host that is served, without its port: a name, `*.` and a name for all names below it, or `*`."""
    wild, name = ("*.", given[2:]) if isinstance(given, str) and given.startswith("*.") else ("", given)
    if name == EVERY and not wild:
        return EVERY
    try:
        return wild + split_authority(name if isinstance(name, str) else "")[0]
    except ValueError:
        raise ValueError(f"give a name such as tv.example.org, *.example.org, or *, not {given!r}") from None


def url(given: object) -> str:
    """A URL with http or https. It can contain a secret, so error messages do not contain it."""
    text = _secret_text(given)
    # A user and password before the host would be taken for a part of its name, which goes to name servers.
    if not re.fullmatch(r"https?://[^\s/@]+(?:/\S*)?", text):
        raise ValueError("give a URL that begins with http:// or https://, without user and password")
    return text


def sandbox(given: object) -> str:
    """The kind of sandbox: `auto` or `bwrap`."""
    if not isinstance(given, str) or given not in {"auto", "bwrap"}:
        raise ValueError(f"give auto, bwrap or off, not {given!r}")
    return given


def visibility(given: object) -> str:
    """Whether hidden files are served: `HIDE` or `SHOW`."""
    if not isinstance(given, str) or given not in {HIDE, SHOW}:
        raise ValueError(f"give {HIDE} or {SHOW}, not {given!r}")
    return given


def engines(given: object) -> str:
    """Which hardware codes video: `auto`, `software`, or names of engines in their order, separated by commas, each with its device as in `vaapi=/dev/dri/renderD129`."""
    if not isinstance(given, str):
        raise ValueError(f"give auto, software or names of engines, not {given!r}")  # noqa: TRY004 - as for all settings
    text = given.strip()
    if text != "software":
        engine_order(text)
    return text


def flag(given: object) -> bool:
    """True or false."""
    if isinstance(given, bool):
        return given
    match given.lower() if isinstance(given, str) else None:
        case "1" | "true" | "yes" | "on":
            return True
        case "0" | "false" | "no" | "off":
            return False
        case _:
            raise ValueError(f"give true or false, not {given!r}")


def not_empty(given: object) -> str:
    """Text that is not empty and has no null character."""
    if not isinstance(given, str):
        raise ValueError(f"give text, not {given!r}")  # noqa: TRY004 - parsers raise ValueError only
    if not given:
        raise ValueError("must not be empty")
    if "\0" in given:
        raise ValueError(f"give text without null characters, not {given!r}")
    return given


def path_or_off(given: object) -> str | None:
    """A path; None: not set; `OFF` for each of `OFF_WORDS`. To name a directory like one of these words, write `./off`."""
    return OFF if _is_off(given) else unset_or(not_empty)(given)


def charset(given: object) -> str:
    """A charset of text, as Python names it."""
    name = not_empty(given)
    try:
        found = codecs.lookup(name)
        b"".decode(found.name)
    except LookupError:
        raise ValueError(f"give a charset, such as cp1251 or shift_jis, not {name!r}") from None
    return found.name


def words(given: object) -> tuple[str, ...]:
    """Arguments of a program: one text, which is split as by a shell, or several texts."""
    items = shlex.split(given) if isinstance(given, str) else _several(given)
    for item in items:
        if not isinstance(item, str) or "\0" in item:
            raise ValueError(f"give text without null characters, not {item!r}")
    return tuple(str(item) for item in items)


def several(parse: Callable[[object], str], least: int = 0) -> Callable[[object], tuple[str, ...]]:
    """A parser of at least `least` values, from a tuple or a list. One text is one value; it is not split."""

    def parse_all(given: object) -> tuple[str, ...]:
        items = tuple(parse(item) for item in ([given] if isinstance(given, str) else _several(given)))
        if len(items) < least:
            raise ValueError("must not be empty")
        return items

    return parse_all


def _several(given: object) -> tuple[object, ...] | list[object]:
    if not isinstance(given, tuple | list):
        # The message does not contain the value, which can be a secret.
        problem = f"give one text, or a tuple of texts, not a value of the type {type(given).__name__}"
        raise ValueError(problem)  # noqa: TRY004 - as above
    return given


def _is_off(given: object) -> bool:
    return isinstance(given, str) and given.lower() in OFF_WORDS


def _number(given: object) -> float:
    """A number; NaN if it is not one."""
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        return nan
    try:
        return float(given)
    except (ValueError, OverflowError):
        return nan


def _secret_text(given: object) -> str:
    if not isinstance(given, str):
        raise ValueError(f"give text, not a value of the type {type(given).__name__}")  # noqa: TRY004 - as above
    if any("\ud800" <= character <= "\udfff" for character in given):
        raise ValueError("give text that is valid UTF-8")
    return given
