"""Names of files in the library: which are hidden, and how texts write those that are not UTF-8.

A name on disk is a sequence of bytes. In Python it is a text; a byte that is not part of UTF-8 is a surrogate, U+DC80 to U+DCFF
(PEP 383). In a URL it is percent-encoded, byte by byte. JSON has no text for such a byte, so there are two ways to write one:

* For programs, the whole path is percent-encoded as far as necessary: each such byte is `%` and two digits, and each `%` is `%25`.
  The path of a file whose name is UTF-8 is written as it is, whatever it contains. So `caf%E9.mp4` can have two meanings, and
  `meanings` returns both. What is on disk decides: the text itself comes first.
* For people, it is U+FFFD.
"""

import re
from collections.abc import Sequence

_UNDECODED = re.compile("[\ud800-\udfff]")
_TO_WRITE = re.compile("[%\udc80-\udcff]")
_WRITTEN = re.compile("%(25|[89A-Fa-f][0-9A-Fa-f])")
_BYTE = 0xDC00
"""What is added to a byte for its surrogate."""


def is_hidden(name: str) -> bool:
    """Whether a name is hidden by custom: it begins with one dot (`.git`, `._film.mp4`), or there is nothing but dots.

    More dots are an ellipsis (`...And Justice for All`).
    """
    return name.startswith(".") and (not name.startswith("..") or not name.strip("."))


def is_special(name: str) -> bool:
    """Whether no file can have this name, or the name stands for a directory itself or for the one above."""
    return name in {"", ".", ".."} or "\0" in name


def decode(path: bytes) -> str:
    """The bytes of a path as Python's text."""
    return path.decode("utf-8", "surrogateescape")


def is_canonical(path: str) -> bool:
    """Whether `decode` can have returned this text. Others have several spellings of the same bytes, or stand for none."""
    try:
        return decode(path.encode("utf-8", "surrogateescape")) == path
    except UnicodeEncodeError:
        return False


def written(path: str) -> str:
    """A path as JSON and the log write it."""
    if _UNDECODED.search(path) is None:
        return path
    encoded = _TO_WRITE.sub(lambda found: f"%{ord(found[0]) & 0xFF:02X}", path)
    return _UNDECODED.sub("\ufffd", encoded)


def shown(name: str) -> str:
    """A name as people see it."""
    return _UNDECODED.sub("\ufffd", name)


def meanings(path: str) -> Sequence[str]:
    """The paths that a text may stand for, the likeliest first: the text itself, and what it is the written form of."""
    decoded = _WRITTEN.sub(lambda found: "%" if found[1] == "25" else chr(_BYTE + int(found[1], 16)), path)
    if _UNDECODED.search(decoded) is None or _UNDECODED.search(path) is not None:
        return (path,)
    # Bytes that are UTF-8 together are text, and text is not written like that.
    decoded = decode(decoded.encode("utf-8", "surrogateescape"))
    return (path,) if _UNDECODED.search(decoded) is None else (path, decoded)
