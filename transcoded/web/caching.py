"""What a client may keep: entity tags, and how long a body is good."""

from twisted.web.server import Request

from transcoded.plan.http.conditional import not_modified
from transcoded.web.request import header_of

NOT_MODIFIED = {304: "Not modified"}
CHANGED = {410: "The file has changed since the URL was made"}


def is_current(request: Request, etag: str, *, immutable: bool) -> bool:
    """Say how long the body may be kept; True (and 304) if the client has it already.

    `etag` is without its quotes. `immutable`: what the URL names never changes, since it carries the version.
    """
    request.setHeader("ETag", f'"{etag}"')
    kept = "private, max-age=31536000, immutable" if immutable else "private, no-cache"
    request.setHeader("Cache-Control", kept)
    if not_modified(header_of(request)("If-None-Match"), f'"{etag}"'):
        request.setResponseCode(304)
        return True
    return False
