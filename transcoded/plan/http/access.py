"""Access: keys and their roles.

A key is written as `[NAME[:ROLE]=]SECRET`. SECRET can be `sha256:` and the hexadecimal digest of the secret, so that the
settings need not contain the secret itself.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from enum import IntEnum

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


MIN_SECRET = 16
"""Characters of the shortest secret. A right key is never refused because of wrong ones, so guessing must be hopeless."""

_KEY = re.compile(r"(?:(?P<name>[A-Za-z0-9_.-]{1,32})(?::(?P<role>read|admin))?=)?(?P<secret>\S.*)")
# `bob:reed=secret` has a misspelled role. It must not become the secret `bob:reed=secret` of an admin.
_MISTYPED = re.compile(r"[A-Za-z0-9_. -]{1,32}:\s*[A-Za-z]*\s*=")
# `ops:admin=file:/run/key` was meant to be what is in that file. Else the path, which is no secret, would be the key of an admin.
_LIKE_A_FILE = re.compile(r"file *:", re.IGNORECASE)
_DIGEST = re.compile(r"sha256:([0-9a-fA-F]{64})")
# Whatever looks as if it was meant as a digest must be one. Else the text of the setting itself would be the secret.
_LIKE_A_DIGEST = re.compile(r"sha-?[0-9]+ *:", re.IGNORECASE)
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
        raise ValueError(f"give [NAME[:read|:admin]=]SECRET, the secret of at least {MIN_SECRET} characters")
    secret, stored = match["secret"], _DIGEST.fullmatch(match["secret"])
    if stored is None and _LIKE_A_DIGEST.match(secret):
        raise ValueError("a digest is written as sha256: and the 64 hexadecimal digits of the secret's SHA-256")
    if _LIKE_A_FILE.match(secret):
        raise ValueError(
            "file:PATH stands for the whole setting: write NAME:ROLE=SECRET into the file, one key on each line"
        )
    if len(secret) < MIN_SECRET:
        raise ValueError(f"the secret is too short: give at least {MIN_SECRET} characters")
    digest = bytes.fromhex(stored[1]) if stored else hashlib.sha256(secret.encode()).digest()
    return Key(match["name"] or "key", _ROLES[match["role"]], digest)


def find_key(keys: Sequence[Key], secret: str) -> Key | None:
    """The key with this secret, or None. All keys are compared in constant time, so the time tells an attacker nothing."""
    digest = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
    found = None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            found = key
    return found
