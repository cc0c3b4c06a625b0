"""The client as a unit of fairness: who counts as one when something scarce is shared out.

An address alone is a poor unit. Whoever has IPv6 has at least a network of 2^64 addresses (RFC 6177, section 2), so all
addresses of one /64 count as one client. Behind a proxy that sends no `X-Forwarded-For`, and behind a UNIX socket, all have
the same address; there the name of the key tells the clients apart. A key has a name only if its secret was right, so nobody
can make up units. One household behind one address, without keys, counts as one client.
"""

from transcoded.plan.http.forwarded import network_of


def client_unit(address: str, key: str = "") -> str:
    """The unit to which a client belongs, as text: `192.0.2.7`, `2001:db8::/64`, `-`, or `NAME@` and one of these.

    `address` is the client's address as text, `-` for the peer of a UNIX socket; an IPv4 address inside an IPv6 one counts
    as itself. `key` is the name of the key that the request has, also by its cookie; empty without one.
    """
    network = network_of(address)
    return f"{key}@{network}" if key else network
