"""Cursors of a listing that is read page by page, and the order of its entries.

Directories come before files, each in natural order: by their names without regard to case, where a number counts as a number and
not as its digits, so that Episode 2 comes before Episode 10. Names that are equal in this respect (`a01`, `a1`, `A1`) are in the
order of their characters. A cursor is the position of the last entry that was considered, and not a count: if entries come or go
between two pages, the others are neither repeated nor left out. It is opaque to clients.
"""

import re
import unicodedata

from transcoded.plan.http.names import decode

CURSOR_PATTERN = "[01](?:[0-9a-f]{2}){1,1024}"
"""Every text of this pattern is a cursor, if perhaps not one that was ever given."""

_NUMBER = re.compile(r"\d+")


def sort_key(name: str, *, is_directory: bool) -> str:
    """The position of an entry: positions are ordered as the entries are. The name is what follows the first NUL in it.

    The cost is proportional to the length of the name, whatever numbers are in it.
    """
    return f"{0 if is_directory else 1}{_NUMBER.sub(_number, _folded(name))}\0{name}"


def name_of(key: str) -> str:
    """The name of the entry at a position."""
    return key.partition("\0")[2]


def is_directory_at(key: str) -> bool:
    """Whether the entry at a position is a directory."""
    return key[0] == "0"


def cursor_of(key: str) -> str:
    """The cursor for a position."""
    return key[0] + name_of(key).encode("utf-8", "surrogateescape").hex()


def key_of(cursor: str) -> str:
    """The position that a cursor stands for."""
    return sort_key(decode(bytes.fromhex(cursor[1:])), is_directory=is_directory_at(cursor))


def _folded(name: str) -> str:
    """A name without regard to case, and to how its accents are encoded: macOS stores `é` as two characters."""
    return name.casefold() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


def _number(found: "re.Match[str]") -> str:
    """A number as a text that is ordered as numbers are: the more digits, the larger it is. Decimal digits of any script count.

    The `0` before it has the place of digits among other characters: no digit of a name is left outside of a number.
    """
    digits = found[0]
    if not digits.isascii():
        digits = "".join(str(unicodedata.decimal(digit)) for digit in digits)
    digits = digits.lstrip("0") or "0"
    return f"0{chr(len(digits))}{digits}"
