"""The address of a client behind proxies, from the header `X-Forwarded-For`, and whether it came over HTTPS.

Each proxy appends the address of its own peer, so the header is read from its end. The first address that does not belong to
a trusted proxy is the client's. Everything before it can be forged by the client, and is ignored.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

UNIX = "unix"
"""In the setting `trusted_proxy`: the peer of a UNIX socket is a trusted proxy."""

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
    """The client's address as text; `-` if it has none.

    `peer` is the address of the connection's other end; None: a UNIX socket. `forwarded` are the values of all
    `X-Forwarded-For` headers, in order.
    """
    client = peer or "-"
    if not is_trusted(peer, trusted):
        return client
    for entry in reversed([entry for value in forwarded for entry in value.split(",")]):
        address = _address(entry)
        if address is None:
            break
        client = str(address)
        if not is_trusted(client, trusted):
            break
    return client


def forwarded_https(values: Sequence[str]) -> bool:
    """Whether all parts of a request's way to the last proxy were HTTPS. `values` are those of `X-Forwarded-Proto`, in order.

    Some proxies append to the header. What stands first may then be forged by the client, so one entry that is not `https`
    is enough for a no.
    """
    entries = [entry.strip().lower() for value in values for entry in value.split(",")]
    return bool(entries) and all(entry == "https" for entry in entries)


def is_local(client: str) -> bool:
    """Whether a client is on this machine: a loopback address, or `-`, the other end of a UNIX socket."""
    address = _address(client)
    return client == "-" if address is None else address.is_loopback


def network_of(client: str) -> str:
    """The network for which a client can choose addresses at will: of IPv6 the first 64 bits, of IPv4 the address itself.

    An IPv4 address inside an IPv6 one is taken out. Text that is no address stays as it is.
    """
    address = _address(client)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address) >> 64 << 64, 64)))
    return client if address is None else str(address)


def is_trusted(peer: str | None, trusted: Sequence[Trusted]) -> bool:
    """Whether the other end of a connection is a trusted proxy. None: a UNIX socket."""
    if peer is None:
        return UNIX in trusted
    address = _address(peer)
    return address is not None and any(address in network for network in trusted if not isinstance(network, str))


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Parse an address; None if it is not one. A port is dropped, and an IPv4 address inside an IPv6 one is taken out."""
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
