"""Signed URLs: each opens one file of the library until it expires. The query has the parameters `expires` and `signature`."""

import hmac
import re
from collections.abc import Sequence
from urllib.parse import quote

MAX_LIFETIME = 30 * 24 * 3600
"""Seconds: the longest time for which a URL can be signed, 30 days."""

PARAMETERS = ("expires", "signature")

# One text for each number: no sign, no blank, no leading zero.
_EXPIRES = re.compile("[1-9][0-9]{0,11}")
_SIGNATURE = re.compile("[0-9a-f]{64}")


def signed_query(key: bytes, path: str, expires: int) -> str:
    """The query of a URL that opens the file at `path` until `expires` (seconds since the epoch)."""
    return f"expires={expires}&signature={_signature(key, path, str(expires))}"


def given_query(pairs: Sequence[tuple[str, str]]) -> tuple[str, str] | None:
    """`expires` and `signature` in the pairs of a query; None unless each is there exactly once and is well-formed."""
    expires, signature = ([value for name, value in pairs if name == wanted] for wanted in PARAMETERS)
    if len(expires) != 1 or len(signature) != 1:
        return None
    well_formed = _EXPIRES.fullmatch(expires[0]) and _SIGNATURE.fullmatch(signature[0])
    return (expires[0], signature[0]) if well_formed else None


def signature_opens(key: bytes, path: str, expires: str, signature: str, now: float) -> bool:
    """Whether these values of a query open the file at `path` now. `now` is in seconds since the epoch."""
    if not _EXPIRES.fullmatch(expires) or not now < int(expires) <= now + MAX_LIFETIME:
        return False
    return hmac.compare_digest(_signature(key, path, expires).encode(), signature.encode("utf-8", "replace"))


def media_url(path: str, query: str) -> str:
    """The URL of a file of the library, without scheme and host."""
    return f"/media/{quote(path, safe='/', errors='surrogateescape')}?{query}"


def _signature(key: bytes, path: str, expires: str) -> str:
    # Each part with its length before it, so that no other parts give the same bytes, whatever a path contains.
    parts = (b"media", expires.encode("ascii"), path.encode("utf-8", "surrogatepass"))
    return hmac.digest(key, b"".join(b"%d:%b," % (len(part), part) for part in parts), "sha256").hex()
