"""Access: keys and their roles, limits for wrong keys, and signed URLs.

A key is written as `[NAME[:ROLE]=]SECRET`. SECRET can be `sha256:` and the hexadecimal digest of the secret, so that the
settings need not contain the secret itself. A signed URL opens one file of the library until it expires; its query has the
parameters `expires` and `signature`.
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
    """What a route requires, and what a session has. Each level includes those before it."""

    OPEN = 0
    """No key: health checks, the files of the page, signing in."""
    PLAY = 1
    """Play a file: any key, or a URL that was signed for this file."""
    READ = 2
    """Read: any key."""
    ADMIN = 3
    """Change something: a key with the role admin."""


_KEY = re.compile(r"(?:(?P<name>[A-Za-z0-9_.-]{1,32})(?::(?P<role>read|admin))?=)?(?P<secret>[^\s].{6,})")
# `bob:reed=secret` has a misspelled role. It must not become the secret `bob:reed=secret` of an admin.
_MISTYPED = re.compile(r"[A-Za-z0-9_.-]{1,32}:[A-Za-z]*=")
_DIGEST = re.compile(r"sha256:([0-9a-fA-F]{64})")
_ROLES = {None: Access.ADMIN, "admin": Access.ADMIN, "read": Access.READ}


@attrs.frozen
class Key:
    """A key: its name, what it allows, and the SHA-256 digest of its secret."""

    name: str
    access: Access
    digest: bytes = attrs.field(repr=False)


def parse_key(text: str) -> Key:
    """Parse a key. Raises ValueError; its message does not contain the secret."""
    match = _KEY.fullmatch(text)
    if match is None or (match["name"] is None and _MISTYPED.match(text)):
        raise ValueError("give [NAME[:read|:admin]=]SECRET, the secret of at least 7 characters")
    stored = _DIGEST.fullmatch(match["secret"])
    digest = bytes.fromhex(stored[1]) if stored else hashlib.sha256(match["secret"].encode()).digest()
    return Key(match["name"] or "key", _ROLES[match["role"]], digest)


def find_key(keys: Sequence[Key], secret: str) -> Key | None:
    """The key with this secret, or None. All keys are compared in constant time, so the time tells an attacker nothing."""
    digest = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
    found = None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            found = key
    return found


def signed_query(signing_key: bytes, path: str, expires: int) -> str:
    """The query of a URL that opens the file at `path` until `expires` (seconds since the epoch)."""
    return f"expires={expires}&signature={_signature(signing_key, path, expires)}"


def signature_opens(signing_key: bytes, path: str, expires: str, signature: str, now: float) -> bool:
    """Whether these values of a query open the file at `path` now. `now` is in seconds since the epoch."""
    if not expires.isascii() or not expires.isdigit() or len(expires) > 12 or int(expires) <= now:
        return False
    return hmac.compare_digest(
        _signature(signing_key, path, int(expires)).encode(), signature.encode("utf-8", "replace")
    )


def media_url(path: str, query: str) -> str:
    """The URL of a file of the library, without scheme and host."""
    return f"/media/{quote(path, safe='/')}?{query}"


def _signature(signing_key: bytes, path: str, expires: int) -> str:
    return hmac.digest(signing_key, f"media\n{expires}\n{path}".encode(), "sha256").hex()


@attrs.define
class Attempts:
    """Counts wrong keys by client address. After `max_failures` in `window` seconds the client must wait.

    The wait ends `window` seconds after the first of these failures. At most `max_clients` addresses are remembered.
    """

    max_failures: int = 10
    window: float = 60.0
    max_clients: int = 10_000
    _failed: OrderedDict[str, tuple[float, int]] = attrs.Factory(OrderedDict)

    def wait(self, client: str, now: float) -> int:
        """Seconds that this client has to wait before the next attempt; 0: it need not wait. `now` is in seconds."""
        since, count = self._failed.get(client, (now, 0))
        if count < self.max_failures or now - since >= self.window:
            return 0
        return max(1, round(self.window - (now - since)))

    def fail(self, client: str, now: float) -> None:
        """Count a wrong key."""
        since, count = self._failed.pop(client, (now, 0))
        if now - since >= self.window:
            since, count = now, 0
        self._failed[client] = since, count + 1
        while len(self._failed) > self.max_clients:
            self._failed.popitem(last=False)
