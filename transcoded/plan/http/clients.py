"""The client as a unit of fairness: who counts as one when something scarce is shared out.

An address alone is a poor unit. Whoever has IPv6 has at least a network of 2^64 addresses (RFC 6177, section 2), so all
addresses of one /64 count as one client. Behind a proxy that sends no `X-Forwarded-For`, and behind a UNIX socket, all have
the same address; there the name of the key tells the clients apart. A key has a name only if its secret was right, so nobody
can make up units. One household behind one address, without keys, counts as one client.
"""

from ipaddress import IPv6Address, IPv6Network, ip_address

PREFIX = 64
"""Bits of an IPv6 address that count."""


def client_unit(address: str, key: str = "") -> str:
    """The unit to which a client belongs, as text: `192.0.2.7`, `2001:db8::/64`, `-`, or `NAME@` and one of these.

    `address` is the client's address as text, `-` for the peer of a UNIX socket; an IPv4 address inside an IPv6 one counts
    as itself. `key` is the name of the key that the request has, also by its cookie; empty without one.
    """
    return f"{key}@{_network(address)}" if key else _network(address)


def _network(address: str) -> str:
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    # The number alone: the zone of a link-local address (`%eth0`) says nothing about the client.
    return str(IPv6Network((int(found), PREFIX), strict=False))
