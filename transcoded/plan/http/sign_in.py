"""A sign-in on the page: what its cookie says, and what the cookie is called (RFC 6265bis, section 4.1.3)."""

import msgspec

LIFETIME = 30 * 24 * 3600
"""Seconds for which a sign-in is valid: 30 days."""

_NAME = "transcoded_session"


class SignIn(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a cookie says.

    `id` is random. `key` is the name of the key, and `mark` recognises its secret. `issued` is in seconds since the epoch.
    `https` says whether it was issued over HTTPS; then it is worth nothing over plain HTTP, and the other way round.
    """

    id: str
    key: str
    mark: str
    issued: int
    https: bool

    @property
    def expires(self) -> int:
        """When it ends by itself, in seconds since the epoch."""
        return self.issued + LIFETIME


def cookie_name(prefix: str, *, https: bool) -> str:
    """The name of the cookie, where the resource is mounted under `prefix` (empty: at the root).

    A browser takes a cookie of such a name only over HTTPS. With `__Host-`, no other host of the domain can have set it.
    """
    if not https:
        return _NAME
    return f"__Secure-{_NAME}" if prefix else f"__Host-{_NAME}"
