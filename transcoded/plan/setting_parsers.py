"""From the text of a setting to its value. Each parser raises ValueError with what is allowed, and with the text unless it is secret."""

import re
import shlex
from collections.abc import Callable
from math import isfinite

from transcoded.plan.http.access import parse_key
from transcoded.plan.http.forwarded import parse_trusted
from transcoded.plan.policy.relay_strategy import Strategy

OFF = frozenset({"off", "none", "never"})
"""Words that turn a setting off."""


def seconds(least: float, most: float) -> Callable[[str], float]:
    """A parser of seconds within bounds."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not isfinite(value) or not least <= value <= most:
            raise ValueError(f"give seconds from {least:g} to {most:g}, not {text!r}")
        return value

    return parse


def whole(least: int, most: int) -> Callable[[str], int]:
    """A parser of whole numbers within bounds."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 12 and least <= int(text) <= most):
            raise ValueError(f"give a whole number from {least} to {most}, not {text!r}")
        return int(text)

    return parse


def or_off(parse: Callable[[str], float]) -> Callable[[str], float | None]:
    """Another parser, and the words that turn a setting off."""
    return lambda text: None if text.lower() in OFF else parse(text)


def fraction(text: str) -> float:
    """A part of the memory."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value <= 1:
        raise ValueError(f"give a fraction of the memory, above 0 and at most 1, not {text!r}")
    return value


def size(text: str) -> int:
    """Bytes, with `K`, `M`, `G` or `T` for powers of 1024."""
    match = re.fullmatch(r"([0-9]{1,15})([KMGT]?)(?:i?B)?", text, re.IGNORECASE)
    size = int(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " ") if match else 0
    if not 1 <= size < 1 << 60:
        raise ValueError(f"give bytes, such as 512M or 2G, not {text!r}")
    return size


def io_class(text: str) -> int:
    """A class of ionice(1), as its number."""
    classes = {"realtime": 1, "best-effort": 2, "idle": 3}
    if text not in classes:
        raise ValueError(f"give {', '.join(classes)}, not {text!r}")
    return classes[text]


def strategy(text: str) -> Strategy:
    """A way of the bytes to the client."""
    if text not in set(Strategy):
        raise ValueError(f"give {', '.join(Strategy)}, not {text!r}")
    return Strategy(text)


def key(text: str) -> str:
    """An API key; see `plan.access`."""
    parse_key(text)
    return text


def proxy(text: str) -> str:
    """A trusted proxy; see `plan.forwarded`."""
    parse_trusted(text)
    return text


def secret(text: str) -> str:
    """A secret that cannot be guessed soon."""
    if len(text) < 16:
        raise ValueError("give at least 16 characters")
    return text


def origin(text: str) -> str:
    """An origin (RFC 6454), or `*`."""
    if text != "*" and not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+", text):
        raise ValueError(f"give an origin such as https://example.org, or *, not {text!r}")
    return text


def url(text: str) -> str:
    """A URL. It may hold a secret, so no complaint repeats it."""
    if not re.fullmatch(r"https?://[^\s/]+(?:/\S*)?", text):
        raise ValueError("give a URL that begins with http:// or https://")
    return text


def sandbox(text: str) -> str | None:
    """The kind of sandbox, None for none."""
    if text.lower() in OFF:
        return None
    if text != "bwrap":
        raise ValueError(f"give bwrap or off, not {text!r}")
    return text


def flag(text: str) -> bool:
    """True or false."""
    match text.lower():
        case "1" | "true" | "yes" | "on":
            return True
        case "0" | "false" | "no" | "off":
            return False
        case _:
            raise ValueError(f"give true or false, not {text!r}")


def not_empty(text: str) -> str:
    """Any text but the empty one."""
    if not text:
        raise ValueError("must not be empty")
    return text


def words(text: str) -> tuple[str, ...]:
    """Arguments, split as a shell would do it."""
    return tuple(shlex.split(text))
