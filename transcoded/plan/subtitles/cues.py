"""Cues, and the WebVTT that is written of them (W3C, WebVTT: The Web Video Text Tracks Format).

Styled text becomes the text of a cue: everything that WebVTT could take for markup is escaped, tags are nested properly, and no
line is empty, because an empty line ends a cue.
"""

import re
from collections.abc import Iterable, Sequence

import attrs

from transcoded.plan.errors import NotMedia

HEADER = "WEBVTT\n"

MAX_WEBVTT = 32 << 20
"""Characters of WebVTT that are written of one file. Escaping can make a text five times as long."""

_EMPTY_LINES = re.compile(r"\n\s*\n")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_COLOURS = {
    "ffff00": "yellow",
    "00ffff": "cyan",
    "00ff00": "lime",
    "ff0000": "red",
    "ff00ff": "magenta",
    "0000ff": "blue",
    "yellow": "yellow",
    "cyan": "cyan",
    "aqua": "cyan",
    "lime": "lime",
    "green": "lime",
    "red": "red",
    "blue": "blue",
    "magenta": "magenta",
    "fuchsia": "magenta",
}
"""The colours for which WebVTT has a class (section 5.1). White is what text has without one; black is not readable on black."""


@attrs.frozen
class Cue:
    """A cue: `start` and `end` in milliseconds, `text` as WebVTT has it, `settings` such as `line:0 align:left`."""

    start: int
    end: int
    text: str
    settings: str = ""


@attrs.frozen
class Style:
    """How a run of text looks. `colour` is a class of WebVTT."""

    bold: bool = False
    italic: bool = False
    underline: bool = False
    colour: str | None = None


_PLAIN = Style()


def colour_class(colour: str) -> str | None:
    """The class of WebVTT for a colour as HTML writes it: a name, or `#` and six digits; None if there is none."""
    return _COLOURS.get(colour.strip("\"' #").lower())


def cue_text(runs: Iterable[tuple[str, Style]]) -> str:
    """The text of a cue from runs of plain text, whose lines are separated by a line feed. Empty if nothing is to be seen."""
    parts: list[list[str]] = []
    styles: list[Style] = []
    at_start = True
    for text, style in runs:
        # An empty line may also be one between two tags.
        part = text.lstrip() if at_start else text
        if not part:
            continue
        at_start = part[-1] == "\n"
        if styles and (style is styles[-1] or style == styles[-1]):
            parts[-1].append(part)
        else:
            parts.append([part])
            styles.append(style)
    texts = [without_empty_lines("".join(part)) for part in parts]
    while texts and not texts[-1].rstrip():
        del texts[-1]
    if texts:
        texts[-1] = texts[-1].rstrip()
    return "".join(_tagged(text.translate(_ESCAPES), style) for text, style in zip(texts, styles, strict=False))


def _tagged(text: str, style: Style) -> str:
    """An escaped text between its tags; without them if there is nothing to be seen."""
    if style is _PLAIN or style == _PLAIN or not text.strip():
        return text
    tags = _tags(style)
    return "".join((*(f"<{tag}>" for tag in tags), text, *(f"</{tag.partition('.')[0]}>" for tag in reversed(tags))))


def without_empty_lines(text: str) -> str:
    """A text of which no line is empty, but perhaps the first and the last."""
    return _EMPTY_LINES.sub("\n", text) if "\n" in text else text


def write_webvtt(cues: Sequence[Cue]) -> str:
    """A WebVTT file. Cues are sorted by their start, and one that is there twice is written once.

    Those that end before they start, or before 0, are left out. Raises `NotMedia` for more than `MAX_WEBVTT` characters.
    """
    written = [HEADER]
    size = 0
    known: set[Cue] = set()
    start = -1
    for cue in sorted(cues, key=lambda one: one.start):
        if cue.start != start:
            start = cue.start
            known.clear()
        if cue.end <= max(cue.start, 0) or not cue.text or cue in known:
            continue
        known.add(cue)
        settings = f" {cue.settings}" if cue.settings else ""
        written.append(f"\n{_time(max(cue.start, 0))} --> {_time(cue.end)}{settings}\n{cue.text}\n")
        size += len(written[-1])
        if size > MAX_WEBVTT:
            raise NotMedia(f"The subtitles are too long: more than {MAX_WEBVTT:,} characters as WebVTT.")
    return "".join(written)


def _tags(style: Style) -> Sequence[str]:
    return [
        *([f"c.{style.colour}"] if style.colour else []),
        *(["b"] if style.bold else []),
        *(["i"] if style.italic else []),
        *(["u"] if style.underline else []),
    ]


def _time(milliseconds: int) -> str:
    minutes, rest = divmod(milliseconds, 60_000)
    hours = f"{minutes // 60:02}:" if minutes >= 60 else ""
    return f"{hours}{minutes % 60:02}:{rest // 1000:02}.{rest % 1000:03}"
