"""Relative URIs in playlists and manifests, each with the query of the request.

A text is written once for all requests: it has marks where the query belongs, and `fill` replaces them. The marks are control
characters, which neither a playlist nor XML can contain.
"""

from collections.abc import Mapping
from urllib.parse import quote

QUERY = "\0"
"""The mark for the query, with its question mark."""

TEMPLATE_QUERY = "\1"
"""The mark for the query in a template of DASH, where a dollar sign begins an identifier."""

Fillings = Mapping[bytes, bytes]
"""What replaces each mark, encoded. A mark is one byte."""

# The characters that RFC 3986 allows in a query, and the percent sign, since the query is percent-encoded already.
_SAFE = "%/?:@!$&()*+,;=-._~"


def encoded(query: str) -> str:
    """A query with its question mark; nothing if it is empty. `query` is percent-encoded and has no question mark.

    Characters that would end a line or a quoted string are encoded here if the client did not encode them.
    """
    return f"?{quote(query, safe=_SAFE)}" if query else ""


def fill(text: bytes, fillings: Fillings) -> bytes:
    """A text, or any part of one, with its marks replaced."""
    for mark, filling in fillings.items():
        text = text.replace(mark, filling)
    return text


def filled_length(text: bytes, fillings: Fillings) -> int:
    """The number of bytes that `fill` would return."""
    return len(text) + sum(text.count(mark) * (len(filling) - 1) for mark, filling in fillings.items())
