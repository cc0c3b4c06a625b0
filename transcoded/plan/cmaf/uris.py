"""Relative URIs in playlists and manifests, each with the query of the request."""

from urllib.parse import quote

# The characters that RFC 3986 allows in a query, and the percent sign, since the query is percent-encoded already.
_SAFE = "%/?:@!$&()*+,;=-._~"


def with_query(path: str, query: str) -> str:
    """A path, with a query if it is not empty. `query` is percent-encoded and has no question mark.

    Characters that would end a line or a quoted string are encoded here if the client did not encode them.
    """
    return f"{path}?{quote(query, safe=_SAFE)}" if query else path
