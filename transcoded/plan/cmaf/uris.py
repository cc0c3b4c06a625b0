"""Relative URIs of playlists and manifests, with the query that each of them carries."""

from urllib.parse import quote

# What RFC 3986 allows in a query, and the percent sign of what is encoded already.
_SAFE = "%/?:@!$&()*+,;=-._~"


def with_query(path: str, query: str) -> str:
    """A path and a query without its question mark, which is percent-encoded already.

    What would end a line or a quoted string all the same is encoded here. An empty query adds nothing.
    """
    return f"{path}?{quote(query, safe=_SAFE)}" if query else path
