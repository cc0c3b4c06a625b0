"""WebVTT that is passed on as it is, with its positions, styles, regions and voices, after what no player should get was taken out.

* The first line is made what it must be. A file without it is given one if its cues are written as WebVTT has them.
* Times with a comma, which SubRip has and no browser reads, get a full stop.
* `X-TIMESTAMP-MAP` is taken out: it ties the times to the clock of another stream (RFC 8216, section 3.5).
* A STYLE block that names something outside is taken out. Browsers must not load it (WebVTT, section 6.3), but nobody checks that.
"""

import re
from collections.abc import Iterator
from io import StringIO

from transcoded.plan.subtitles.cues import HEADER
from transcoded.plan.subtitles.srt import read_times

_HEADER = re.compile(r"WEBVTT(?:[ \t].*)?")
_COMMAS = re.compile(r"[\d:]{5,12},\d{3}[ \t]{1,9}-->[ \t]{1,9}[\d:]{5,12},\d{3}(?!\S)")
# With a backslash, CSS can write any name in another way.
_OUTSIDE = re.compile(
    r"@import|url\s{0,99}\(|src\s{0,99}\(|image-set|image\s{0,99}\(|expression|@font-face|@namespace|\\", re.IGNORECASE
)


def is_webvtt(text: str) -> bool:
    """Whether a text has the first line of WebVTT."""
    return _HEADER.fullmatch(text.lstrip()[:200].partition("\n")[0].rstrip()) is not None


def has_times_of_webvtt(text: str) -> bool:
    """Whether the first times of a text are written as WebVTT writes them, and not as SubRip does."""
    for line in StringIO(text, newline=None):
        if "-->" in line and read_times(line) is not None:
            return "," not in line
    return False


def passed_on(text: str) -> str:
    """The text of a file of WebVTT, as it is sent."""
    plain = "\n".join(_lines(text)).strip("\n")
    headed = plain if is_webvtt(plain) else f"{HEADER}\n{plain}".rstrip("\n")
    return f"{headed}\n"


def _lines(text: str) -> Iterator[str]:
    style: list[str] | None = None
    head = is_webvtt(text)
    for number, line in enumerate(StringIO(text.lstrip() if head else text, newline=None)):
        plain = line.rstrip("\n")
        if style is not None:
            # A STYLE block ends at an empty line.
            if plain.strip():
                style.append(plain)
                continue
            yield from _harmless(style)
            style = None
        if head and number and not plain:
            head = False
        if head and plain.startswith("X-TIMESTAMP-MAP"):
            continue
        if plain.rstrip() == "STYLE":
            style = [plain]
        elif "," in plain and "-->" in plain and _COMMAS.match(plain):
            yield plain.replace(",", ".", 2)
        else:
            yield plain
    yield from _harmless(style or [])


def _harmless(style: list[str]) -> list[str]:
    return [] if _OUTSIDE.search("\n".join(style)) else style
