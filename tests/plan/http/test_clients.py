"""The client as a unit of fairness: if it is too small an attacker has many, if it is too large the innocent share his."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.http.clients import client_unit


@pytest.mark.parametrize(
    ("address", "key", "unit"),
    [
        pytest.param("192.0.2.7", "", "192.0.2.7", id="IPv4"),
        pytest.param("::ffff:192.0.2.7", "", "192.0.2.7", id="IPv4 inside IPv6"),
        pytest.param("2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::/64", id="IPv6"),
        pytest.param("fe80::1%eth0", "", "fe80::/64", id="IPv6 with a zone"),
        pytest.param("-", "", "-", id="UNIX socket"),
        pytest.param("192.0.2.7", "living-room", "living-room@192.0.2.7", id="with a key"),
        pytest.param("-", "living-room", "living-room@-", id="with a key behind a UNIX socket"),
        pytest.param("no address", "", "no address", id="anything else"),
    ],
)
def test_the_unit_of_a_client(address: str, key: str, unit: str) -> None:
    assert client_unit(address, key) == unit


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_no_address_of_a_network_of_64_bits_is_a_client_of_its_own(address: object, host: int) -> None:
    other = type(address)(int(address) >> 64 << 64 | host)  # type: ignore[call-overload, call-arg]
    if address.ipv4_mapped is None and other.ipv4_mapped is None:  # type: ignore[attr-defined]
        assert client_unit(str(address)) == client_unit(str(other))
