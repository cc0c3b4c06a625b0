"""Subkeys: what is signed for one purpose must not be worth anything for another."""

import hashlib
import hmac

from transcoded.plan.http.subkeys import Subkeys

KEY = "a signing key of the tests"


def test_each_purpose_has_a_key_of_its_own_and_each_signing_key_others() -> None:
    one, other = Subkeys.of(KEY), Subkeys.of(KEY + "!")
    assert len({one.urls, one.cookies, other.urls, other.cookies, KEY.encode()}) == 5
    assert {len(one.urls), len(one.cookies)} == {32}


def test_they_are_the_same_on_all_nodes_as_the_standard_has_it() -> None:
    """RFC 5869, sections 2.2 and 2.3, with the salt of zeros that stands for none, and one block of output."""
    extracted = hmac.digest(bytes(32), KEY.encode(), hashlib.sha256)
    assert Subkeys.of(KEY).urls == hmac.digest(extracted, b"transcoded urls\x01", hashlib.sha256)
    assert Subkeys.of(KEY).cookies == hmac.digest(extracted, b"transcoded cookies\x01", hashlib.sha256)


def test_they_are_in_no_text() -> None:
    subkeys = Subkeys.of(KEY)
    assert repr(subkeys.urls) not in repr(subkeys)
    assert repr(subkeys.cookies) not in repr(subkeys)
