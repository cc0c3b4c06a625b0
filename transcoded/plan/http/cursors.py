"""Cursors of a listing that is read page by page, and the order of its entries.

Directories come before files, each ordered by their names without regard to case, and then by the names themselves. A cursor is
the position of the last entry that was considered, and not a count: if entries come or go between two pages, the others are
neither repeated nor left out. It is opaque to clients.
"""

CURSOR_PATTERN = "[01](?:[0-9a-f]{2}){1,1024}"
"""Every text of this pattern is a cursor, if perhaps not one that was ever given."""


def sort_key(name: str, *, is_directory: bool) -> str:
    """The position of an entry: positions are ordered as the entries are. The name is what follows the NUL in it."""
    return f"{0 if is_directory else 1}{name.casefold()}\0{name}"


def name_of(key: str) -> str:
    """The name of the entry at a position."""
    return key.partition("\0")[2]


def cursor_of(key: str) -> str:
    """The cursor for a position."""
    return key[0] + name_of(key).encode("utf-8", "surrogateescape").hex()


def key_of(cursor: str) -> str:
    """The position that a cursor stands for."""
    name = bytes.fromhex(cursor[1:]).decode("utf-8", "replace")
    return sort_key(name, is_directory=cursor[0] == "0")
