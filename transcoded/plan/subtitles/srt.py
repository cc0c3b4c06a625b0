r"""Reads SubRip (.srt), as leniently as players do. The format has no specification.

A cue begins at a line with two times. Everything up to the next such line is its text: numbers before the times may be missing,
and empty lines may be in the text. Tags of HTML for bold, italic, underlined and coloured text are kept, and overrides of SubStation
Alpha (`{\an8}`) that many files have; other tags of HTML are dropped. What is no tag is text: `I <3 you`.
"""

import html
import re
from collections.abc import Iterator
from io import StringIO

import attrs

from transcoded.plan.subtitles.cues import Cue, Style, colour_class, cue_text
from transcoded.plan.subtitles.overrides import Overrides, Screen

MAX_LINES = 500
"""Lines of one cue that are kept."""

_CLOCK = r"(?:(\d{1,4})\s?:\s?)?(\d{1,3})\s?:\s?(\d{1,3})(?:\s?[,.:;]\s?(\d{1,9}))?"
_TIMES = re.compile(rf"\s{{0,99}}-?{_CLOCK}\s{{0,9}}-{{1,3}}\s{{0,9}}>\s{{0,9}}-?{_CLOCK}(?![\d:])")
_NUMBER = re.compile(r"\s{0,99}#?\d{1,9}\s{0,99}")
_TAG = re.compile(r"<(/?)([a-zA-Z]{1,10}\d?)(?:\.[\w.-]{0,99})?(\s[^<>]{0,200})?/?>")
_COLOUR = re.compile(r"color\s{0,9}=\s{0,9}[\"']?([#\w]{1,20})", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|nbsp|#\d{1,7}|#x[0-9a-fA-F]{1,6});")

_BOLD, _ITALIC, _UNDERLINE = frozenset({"b", "strong"}), frozenset({"i", "em"}), frozenset({"u", "ins"})
_DROPPED = frozenset(
    "a big body br c center div font h1 h2 h3 lang p rp rt ruby s small span strike sub sup tt v x".split()
)
_TAGS = _BOLD | _ITALIC | _UNDERLINE | _DROPPED

AFTER_A_TYPO = 2000
"""Milliseconds that a cue is shown whose end is before its start."""


def read_srt(text: str) -> Iterator[Cue]:
    """The cues of a text, in its order."""
    times: tuple[int, int] | None = None
    lines: list[str] = []
    for line in StringIO(text, newline=None):
        found = _times(line) if "->" in line else None
        if found is None:
            if len(lines) < MAX_LINES:
                lines.append(line.rstrip("\n"))
            continue
        if lines and _NUMBER.fullmatch(lines[-1]):
            del lines[-1]
        if times is not None:
            yield _cue(times, lines)
        times, lines = found, []
    if times is not None:
        yield _cue(times, lines)


def read_times(line: str) -> "tuple[int, int, str] | None":
    """The start and the end of a line with times, in milliseconds, and what comes behind them; None if it is none."""
    match = _TIMES.match(line)
    if match is None:
        return None
    numbers = match.groups()
    return _milliseconds(*numbers[:4]), _milliseconds(*numbers[4:]), line[match.end() :]


def _times(line: str) -> tuple[int, int] | None:
    found = read_times(line)
    if found is None:
        return None
    start, end, _ = found
    return start, end if end >= start else start + AFTER_A_TYPO


def _milliseconds(hours: str | None, minutes: str, seconds: str, fraction: str | None) -> int:
    whole = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
    return whole * 1000 + int((fraction or "0").ljust(3, "0")[:3])


def _cue(times: tuple[int, int], lines: list[str]) -> Cue:
    runs, settings = styled("\n".join(lines))
    return Cue(*times, cue_text(runs), settings)


def styled(text: str) -> "tuple[list[tuple[str, Style]], str]":
    """The runs of a text with tags and overrides, and the settings of its cue."""
    if "<" not in text and "{" not in text and "&" not in text:
        return [(text, _PLAIN)], ""
    overrides = Overrides(_SCREEN)
    html_style = _HtmlStyle()
    runs: list[tuple[str, Style]] = []
    for part, style in overrides.runs(text, literal_escapes=True):
        runs.extend((piece, html_style.over(style)) for piece in _pieces(part, html_style))
    return runs, overrides.settings(sum(part.count("\n") for part, _ in runs) + 1)


_PLAIN = Style()
_SCREEN = Screen()


def _pieces(text: str, style: "_HtmlStyle") -> Iterator[str]:
    """The plain text between tags. The style is changed by each tag when the text behind it comes."""
    place = 0
    for match in _TAG.finditer(text):
        name = match[2].lower()
        if name not in _TAGS:
            continue
        if match.start() > place:
            yield _plain(text[place : match.start()])
        place = match.end()
        if name == "br":
            yield "\n"
        style.tag(name, match[3] or "", closes=bool(match[1]))
    if place < len(text):
        yield _plain(text[place:])


def _plain(text: str) -> str:
    return _ENTITY.sub(lambda match: html.unescape(match[0]), text) if "&" in text else text


@attrs.define
class _HtmlStyle:
    """The tags that are open."""

    bold: int = 0
    italic: int = 0
    underline: int = 0
    colours: list[str | None] = attrs.Factory(list)

    def tag(self, name: str, attributes: str, *, closes: bool) -> None:
        """Take note of a tag."""
        step = -1 if closes else 1
        if name in _BOLD:
            self.bold = max(0, self.bold + step)
        elif name in _ITALIC:
            self.italic = max(0, self.italic + step)
        elif name in _UNDERLINE:
            self.underline = max(0, self.underline + step)
        elif name == "font" and closes:
            del self.colours[-1:]
        elif name == "font":
            colour = _COLOUR.search(attributes)
            self.colours.append(colour_class(colour[1]) if colour else None)

    def over(self, style: Style) -> Style:
        """The style of text here, which has another one by overrides."""
        if not (self.bold or self.italic or self.underline or self.colours):
            return style
        colour = next((one for one in reversed(self.colours) if one), style.colour)
        return Style(
            bold=bool(self.bold) or style.bold,
            italic=bool(self.italic) or style.italic,
            underline=bool(self.underline) or style.underline,
            colour=colour,
        )
