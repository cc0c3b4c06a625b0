"""Common Media Client Data (CTA-5004): what a player says of itself with each request. Only its session is read."""

import re

_SESSION = re.compile('(?:^|,) *sid="([^"\\\\]{1,64})"')


def session_id(said: str) -> str:
    """The session (`sid`) in the value of a parameter `CMCD` or of a header `CMCD-Session`; empty if there is none.

    It is up to the player, so it tells viewers of one client apart, and nothing more. The specification allows 64 characters.
    """
    found = _SESSION.search(said)
    return found[1] if found is not None and found[1].isprintable() else ""
