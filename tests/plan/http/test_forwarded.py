"""Who asks through proxies: what a viewer can make up must never count."""

from collections.abc import Sequence
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.http.forwarded import (
    client_address,
    forwarded_https,
    is_local,
    is_trusted,
    network_of,
    parse_trusted,
)

PROXIES = [parse_trusted(text) for text in ("127.0.0.1", "10.0.0.0/8", "2001:db8::/32", "unix")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.9", [], "192.0.2.9"),
        ("192.0.2.9", ["198.51.100.1"], "192.0.2.9"),  # who is not trusted is not believed
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", ["198.51.100.1, 10.1.2.3"], "198.51.100.1"),
        ("127.0.0.1", ["198.51.100.1", "10.1.2.3"], "198.51.100.1"),
        ("127.0.0.1", ["1.1.1.1, 198.51.100.1 , 10.1.2.3"], "198.51.100.1"),
        ("127.0.0.1", ["10.1.2.3"], "10.1.2.3"),
        ("127.0.0.1", ["unknown"], "127.0.0.1"),
        ("127.0.0.1", ["198.51.100.1, for=me"], "127.0.0.1"),
        ("127.0.0.1", [""], "127.0.0.1"),
        ("127.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("2001:db8::1", ["2001:DB9::0:7"], "2001:db9::7"),
        ("2001:db8::1", ["[2001:db9::7]:443"], "2001:db9::7"),
        ("::ffff:127.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("::ffff:192.0.2.9", ["198.51.100.1"], "::ffff:192.0.2.9"),
        (None, ["198.51.100.1"], "198.51.100.1"),
        (None, [], "-"),
    ],
)
def test_the_last_address_that_is_no_proxys_counts(peer: str | None, forwarded: Sequence[str], client: str) -> None:
    assert client_address(peer, forwarded, PROXIES) == client


def test_without_trusted_proxies_the_header_counts_for_nothing() -> None:
    assert client_address("127.0.0.1", ["198.51.100.1"], []) == "127.0.0.1"
    assert client_address(None, ["198.51.100.1"], []) == "-"


@given(st.lists(st.text(max_size=40), max_size=4))
def test_whatever_a_viewer_writes_before_it_his_own_address_counts(made_up: Sequence[str]) -> None:
    assert client_address("127.0.0.1", [*made_up, "198.51.100.1"], PROXIES) == "198.51.100.1"


@given(st.text(max_size=60))
def test_the_answer_is_an_address_whatever_the_header_says(header: str) -> None:
    ip_address(client_address("127.0.0.1", [header], PROXIES))


@pytest.mark.parametrize("text", ["", "localhost", "10.0.0.0/33", "10.0.0", "*"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="give an address, a network such as"):
        parse_trusted(text)


@pytest.mark.parametrize(
    ("values", "https"),
    [
        ([], False),
        ([""], False),
        (["https"], True),
        (["HTTPS "], True),
        (["http"], False),
        (["https, https"], True),
        (["https", "http"], False),
        (["https, http"], False),  # the first may be made up by the client
        (["http, https"], False),
        (["https,"], False),
        (["on"], False),
    ],
)
def test_only_https_all_the_way_counts_as_https(values: Sequence[str], https: bool) -> None:
    assert forwarded_https(values) is https


def test_the_peer_of_a_unix_socket_is_trusted_only_if_that_was_said() -> None:
    assert is_trusted(None, PROXIES)
    assert not is_trusted(None, PROXIES[:3])
    assert is_trusted("::ffff:127.0.0.1", PROXIES)
    assert not is_trusted("192.0.2.9", PROXIES)


@pytest.mark.parametrize(
    ("client", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("-", True),
        ("192.168.0.7", False),
        ("2001:db8::1", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_only_this_machine_is_local(client: str, local: bool) -> None:
    assert is_local(client) is local


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("192.0.2.9", "192.0.2.9"),
        ("::ffff:192.0.2.9", "192.0.2.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("-", "-"),
    ],
)
def test_a_client_counts_as_the_network_in_which_it_chooses_its_address(client: str, network: str) -> None:
    assert network_of(client) == network
