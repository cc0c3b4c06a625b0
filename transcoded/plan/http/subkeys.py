"""Subkeys: one for each purpose, derived from the signing key by HKDF-SHA256 (RFC 5869).

What is signed for one purpose is worth nothing for another, and a subkey does not say what the signing key is.
"""

from typing import Self

import attrs
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


@attrs.frozen
class Subkeys:
    """32 bytes for each purpose: `urls` signs URLs, `cookies` the cookies of the page."""

    urls: bytes = attrs.field(repr=False)
    cookies: bytes = attrs.field(repr=False)

    @classmethod
    def of(cls, signing_key: str) -> Self:
        """The subkeys of a signing key."""
        return cls(*(_derive(signing_key, purpose) for purpose in ("urls", "cookies")))


def _derive(signing_key: str, purpose: str) -> bytes:
    # The salt is optional (RFC 5869, section 3.1). All nodes of a cluster must derive the same, so there is none.
    info = f"transcoded {purpose}".encode("ascii")
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(signing_key.encode())
