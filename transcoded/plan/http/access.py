"""Who may do what: keys and their roles, attempts that fail, and signed URLs. Values and arithmetic only.

A key is given as `[NAME[:ROLE]=]SECRET`, where SECRET may be `sha256:` and the hexadecimal digest of the secret, so that only
hashes need be stored. A signed URL opens one file of the library until it expires: `expires` and `signature` in its query.
"""

import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Sequence
from enum import IntEnum
from urllib.parse import quote

import attrs


class Access(IntEnum):
    """What a route asks for, and what somebody has: each includes those before it."""

    OPEN = 0
    """Nothing: health checks, the empty page, signing in."""
    PLAY = 1
    """To play a file: a key of any role, or a URL that was signed for this file."""
    READ = 2
    """To look: any key."""
    ADMIN = 3
    """To change something."""


_KEY = re.compile(r"(?:(?P<name>[A-Za-z0-9_.-]{1,32})(?::(?P<role>read|admin))?=)?(?P<secret>[^\s].{6,})")
# A name with a role that is none must not become part of an administrator's secret.
_MISTYPED = re.compile(r"[A-Za-z0-9_.-]{1,32}:[A-Za-z]*=")
_DIGEST = re.compile(r"sha256:([0-9a-fA-F]{64})")
_ROLES = {None: Access.ADMIN, "admin": Access.ADMIN, "read": Access.READ}


@attrs.frozen
class Key:
    """A key: its name for the log, what it allows, and the SHA-256 of its secret."""

    name: str
    access: Access
    digest: bytes = attrs.field(repr=False)


def parse_key(text: str) -> Key:
    """A key from its text. Raises ValueError without repeating the secret."""
    match = _KEY.fullmatch(text)
    if match is None or (match["name"] is None and _MISTYPED.match(text)):
        raise ValueError("give [NAME[:read|:admin]=]SECRET, the secret of at least 7 characters")
    stored = _DIGEST.fullmatch(match["secret"])
    digest = bytes.fromhex(stored[1]) if stored else hashlib.sha256(match["secret"].encode()).digest()
    return Key(match["name"] or "key", _ROLES[match["role"]], digest)


def find_key(keys: Sequence[Key], secret: str) -> Key | None:
    """The key with this secret. Every key is looked at, so that the time tells nothing."""
    digest = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
    found = None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            found = key
    return found


def signed_query(signing_key: bytes, path: str, expires: int) -> str:
    """The query that opens the file of this path until `expires` (seconds since the epoch)."""
    return f"expires={expires}&signature={_signature(signing_key, path, expires)}"


def signature_opens(signing_key: bytes, path: str, expires: str, signature: str, now: float) -> bool:
    """Whether a query's values open a path now."""
    if not expires.isascii() or not expires.isdigit() or len(expires) > 12 or int(expires) <= now:
        return False
    return hmac.compare_digest(
        _signature(signing_key, path, int(expires)).encode(), signature.encode("utf-8", "replace")
    )


def media_url(path: str, query: str) -> str:
    """The URL of a file of the library, from the root of the server."""
    return f"/media/{quote(path, safe='/')}?{query}"


def _signature(signing_key: bytes, path: str, expires: int) -> str:
    return hmac.digest(signing_key, f"media\n{expires}\n{path}".encode(), "sha256").hex()


@attrs.define
class Attempts:
    """Failed attempts by address: `most` in `window` seconds, then none is looked at until the window is over. Bounded."""

    most: int = 10
    window: float = 60.0
    remembered: int = 10_000
    _failed: OrderedDict[str, tuple[float, int]] = attrs.Factory(OrderedDict)

    def wait(self, client: str, now: float) -> int:
        """Whole seconds that this address has to wait, 0 if it may try."""
        since, count = self._failed.get(client, (now, 0))
        if count < self.most or now - since >= self.window:
            return 0
        return max(1, round(self.window - (now - since)))

    def fail(self, client: str, now: float) -> None:
        """An attempt has failed."""
        since, count = self._failed.pop(client, (now, 0))
        if now - since >= self.window:
            since, count = now, 0
        self._failed[client] = since, count + 1
        while len(self._failed) > self.remembered:
            self._failed.popitem(last=False)
