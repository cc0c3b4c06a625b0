"""Caching of responses by clients: entity tags, and how long a client may keep a body."""

from twisted.web.server import Request

from transcoded.plan.http.conditional import not_modified
from transcoded.web.request import header_of

NOT_MODIFIED = {304: "Not modified"}
CHANGED = {410: "The file has changed since the URL was made"}


def is_current(request: Request, etag: str, *, immutable: bool, weak: bool = False) -> bool:
    """Set `ETag` and `Cache-Control`. True if the client has this body already; the status is 304 then.

    `etag` is without quotes. `immutable`: the URL contains the version of the file, so its body never changes and a client
    may keep it for a year (RFC 8246). Otherwise the client must ask again each time. `weak`: the body means the same each time
    it is made, but may have other bytes (RFC 9110, section 8.8.1).
    """
    request.setHeader("ETag", f'{"W/" * weak}"{etag}"')
    policy = "private, max-age=31536000, immutable" if immutable else "private, no-cache"
    request.setHeader("Cache-Control", policy)
    if not_modified(header_of(request)("If-None-Match"), f'"{etag}"'):
        request.setResponseCode(304)
        return True
    return False
