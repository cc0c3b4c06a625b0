"""Who asks through proxies: the `X-Forwarded-For` header, believed only as far as trusted proxies wrote it.

Each proxy appends the address that it was asked from, so the header is read from its end: the first address that is no
trusted proxy's is the client's. What stands before it the client may have written itself.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

UNIX = "unix"
"""Stands for whoever asks through a UNIX socket."""

Trusted = IPv4Network | IPv6Network | str


def parse_trusted(text: str) -> Trusted:
    """An address, a network such as `10.0.0.0/8`, or `unix`. Raises ValueError."""
    if text == UNIX:
        return text
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"give an address, a network such as 10.0.0.0/8, or {UNIX}, not {text!r}") from None


def client_address(peer: str | None, forwarded: Sequence[str], trusted: Sequence[Trusted]) -> str:
    """The address of the client as text, `-` if it has none: of `peer` (None: a UNIX socket) and the values of the header."""
    client = peer or "-"
    if not (_is_trusted(client, trusted) if peer else UNIX in trusted):
        return client
    for entry in reversed([entry for value in forwarded for entry in value.split(",")]):
        address = _address(entry)
        if address is None:
            break
        client = str(address)
        if not _is_trusted(client, trusted):
            break
    return client


def _is_trusted(client: str, trusted: Sequence[Trusted]) -> bool:
    address = _address(client)
    return address is not None and any(address in network for network in trusted if not isinstance(network, str))


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An address; some proxies add the port, and an IPv6 socket shows IPv4 addresses in disguise."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
