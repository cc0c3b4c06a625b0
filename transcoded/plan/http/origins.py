"""Which hosts a request may be addressed to, and which web pages may make it.

A browser sends requests for every page that its user opens, also to daemons on his own machine or network. Three headers tell
whose request it is, and a page can forge none of them:

* `Host` is the name that the browser has used. A page can let any name of its own lead here (DNS rebinding); then its requests
  look like those of our own page. So only known names are served.
* `Origin` is the origin of the page (Fetch standard, section 3.2). Browsers send it with whatever may change something.
* `Sec-Fetch-Site`, `-Mode` and `-Dest` (Fetch Metadata, https://www.w3.org/TR/fetch-metadata/) tell how the page is related to
  the URL, and what the answer is for. Browsers send them over HTTPS and to localhost, with every request.
"""

import re
from collections.abc import Callable, Sequence
from enum import Enum
from ipaddress import AddressValueError, IPv4Address, IPv6Address

import attrs

EVERY = "*"
"""In the settings `host` and `cors_origin`: every host, every origin."""

_AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,254}))(?::([0-9]{0,5}))?")
_ORIGIN = re.compile(r"(https?)://([^/?#\\]+)", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}
Header = Callable[[str], str | None]


@attrs.frozen
class Origin:
    """An origin (RFC 6454): `https`, `example.org`, 443."""

    scheme: str
    host: str
    port: int


class Source(Enum):
    """Where a request comes from, as far as the browser tells."""

    OWN = "our own page, the user himself, or no browser"
    ALLOWED = "a page whose origin is in the setting cors_origin"
    LINK = "a link on a page of another origin, which the user follows"
    FOREIGN = "a page of another origin"


def split_authority(text: str) -> tuple[str, int | None]:
    """The name, in lower case and without a final dot, and the port of `HOST[:PORT]` (RFC 9110, section 7.2).

    Raises ValueError. An IPv6 address stays in its brackets.
    """
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        raise ValueError("it is neither a name nor an address")
    address, name, port = match.groups()
    if address is not None:
        # Its many notations become one.
        return f"[{IPv6Address(address)}]", int(port) if port else None
    name = name.lower().removesuffix(".")
    if not all(0 < len(label) < 64 for label in name.split(".")):
        raise ValueError("a part of the name is empty or longer than 63 characters")
    return name, int(port) if port else None


@attrs.frozen
class HostRules:
    """The hosts that are served. `suffixes` begin with a dot; each stands for all names below it. `every`: all hosts."""

    names: frozenset[str]
    suffixes: tuple[str, ...]
    every: bool

    @classmethod
    def of(cls, patterns: Sequence[str], machine: str) -> "HostRules":
        """The rules from the setting `host` and the name of the machine.

        These are always allowed: IP addresses, which no DNS server can make lead elsewhere; `localhost` and the names below it,
        which browsers resolve themselves (RFC 6761, section 6.3); and the names of the machine.
        """
        machine = machine.lower().removesuffix(".")
        label = machine.partition(".")[0]
        names = {"localhost", machine, label, f"{label}.local"} if label else {"localhost"}
        given = [pattern.lower() for pattern in patterns]
        return cls(
            names=frozenset({*names, *(one for one in given if not one.startswith(EVERY))}),
            suffixes=(".localhost", *(one.removeprefix(EVERY) for one in given if one.startswith("*."))),
            every=EVERY in given,
        )

    def allow(self, name: str) -> bool:
        """Whether a host of this name, as from `split_authority`, is served."""
        return self.every or name in self.names or name.endswith(self.suffixes) or _is_address(name)


@attrs.frozen
class CorsRules:
    """The origins whose pages may use everything. `every`: all of them."""

    origins: frozenset[Origin]
    every: bool

    @classmethod
    def of(cls, texts: Sequence[str]) -> "CorsRules":
        """The rules from the setting `cors_origin`."""
        found = [parse_origin(text) for text in texts if text != EVERY]
        return cls(frozenset(one for one in found if one is not None), EVERY in texts)

    def allow(self, origin: Origin | None) -> bool:
        """Whether pages of this origin may use everything."""
        return self.every or origin in self.origins


def parse_origin(text: str) -> Origin | None:
    """The origin of a URL with http or https, or of the header `Origin`. None: it has none (`null`), or another scheme."""
    match = _ORIGIN.match(text)
    if match is None:
        return None
    scheme = match[1].lower()
    try:
        name, port = split_authority(match[2])
    except ValueError:
        return None
    return Origin(scheme, name, _PORTS[scheme] if port is None else port)


def own_origin(scheme: str, host: str | None) -> Origin | None:
    """The origin of our own page, by the header `Host` of a request for it. None: the request has no such header."""
    return None if host is None else parse_origin(f"{scheme}://{host}")


def source_of(method: str, header: Header, own: Origin | None, cors: CorsRules) -> Source:
    """Where a request comes from.

    A page without `Origin` in its request is known by `Referer`: images, scripts and media are loaded like that.
    """
    given = header("Origin")
    if given is not None:
        origin = parse_origin(given)
        if origin is not None and origin == own:
            return Source.OWN
        return Source.ALLOWED if cors.allow(origin) else Source.FOREIGN
    if header("Sec-Fetch-Site") not in {"cross-site", "same-site"}:
        return Source.OWN
    if cors.allow(parse_origin(header("Referer") or "")):
        return Source.ALLOWED
    link = method == "GET" and header("Sec-Fetch-Mode") == "navigate" and header("Sec-Fetch-Dest") == "document"
    return Source.LINK if link else Source.FOREIGN


def _is_address(name: str) -> bool:
    if name.startswith("["):
        return True
    try:
        IPv4Address(name)
    except AddressValueError:
        return False
    return True
