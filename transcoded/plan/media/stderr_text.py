"""What a program writes to stderr, without paths on the disk: it reaches clients, in problem documents and in Endings.

Of a path the last part is left, which says what an operator needs: the name of a library, a font or a driver. Devices stay as they
are. The input is called what it is to a client.
"""

import re

THE_FILE = "the file"

_INPUT = re.compile(r"(?:file:)?(?:/proc/self/fd/\d+|/input(?![\w/.-]))")
_PATH = re.compile(r"(?:file:|(?<![\w/.:~-]))/(?!dev/)(?:[^\s/:'\"`,;()<>]{1,255}/)+([^\s/:'\"`,;()<>]*)")


def without_paths(text: str) -> str:
    """The text without directories of the disk. URLs of the web are kept."""
    return _PATH.sub(lambda match: match[1] or "a directory", _INPUT.sub(THE_FILE, text))
