"""Reads SubStation Alpha, versions 4 and 4+ (.ssa, .ass): the dialogue, as cues.

Positions, alignment, bold, italic and underlined text are kept as far as WebVTT has them; drawings, comments and effects are no
text. Whoever wants all of it takes the file as it is.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO

from transcoded.plan.subtitles.cues import Cue, Style, cue_text
from transcoded.plan.subtitles.overrides import Overrides, Screen, of_legacy

MAX_STYLES = 10_000
"""Styles of one script that are read."""

_TIME = re.compile(r"\s{0,9}(\d{1,4}):(\d{1,2}):(\d{1,2})(?:[.,:](\d{1,9}))?\s{0,9}")
BEFORE_ZERO = re.compile(r"\s{0,9}-?\d{1,4}:-?\d{1,2}:-?\d{1,2}[.,:]-?\d{1,9}\s{0,9}")
"""A time as ffmpeg writes one before 0: each part of it can have the sign. Such a line has begun before its film."""

_EVENT = "Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text"
_SECTION = re.compile(r"\[([^\[\]]{1,40})\]")


def is_ass(text: str) -> bool:
    """Whether a text is such a script."""
    start = text[:4096].lower()
    return "[script info]" in start or "[v4+ styles]" in start or "[events]" in start


def read_ass(text: str) -> Iterator[Cue]:
    """The cues of the dialogue, in the order of the script."""
    section = ""
    fields = _columns(_EVENT)
    style_fields: Sequence[str] = ()
    style_lines = 0
    width, height = 0.0, 0.0
    styles: dict[str, tuple[Style, int]] = {}
    screen = Screen(styles=styles)
    for line in StringIO(text, newline=None):
        head, colon, rest = line.strip().partition(":")
        head = head.strip().lower()
        named = None if colon else _SECTION.fullmatch(head)
        if named is not None:
            section = named[1].strip()
        elif head == "playresx":
            width = _number(rest)
            screen = Screen(*_size(width, height), styles)
        elif head == "playresy":
            height = _number(rest)
            screen = Screen(*_size(width, height), styles)
        elif head == "format" and "styles" in section:
            style_fields = _columns(rest)
        elif head == "format":
            fields = _columns(rest)
        elif head == "style" and style_lines < MAX_STYLES:
            style_lines += 1
            name, style = _style(_values(style_fields, rest), legacy="+" not in section)
            styles[name] = style
        elif head == "dialogue":
            cue = _cue(_values(fields, rest), screen)
            if cue is not None:
                yield cue


def _cue(values: Mapping[str, str], screen: Screen) -> Cue | None:
    start, end = _time(values.get("start", "")), _time(values.get("end", ""))
    if start is None or end is None or end <= start:
        return None
    overrides = Overrides(screen, values.get("style", "").strip())
    runs = list(overrides.runs(values.get("text", "")))
    return Cue(start, end, cue_text(runs), overrides.settings(sum(part.count("\n") for part, _ in runs) + 1))


def _style(values: Mapping[str, str], *, legacy: bool) -> tuple[str, tuple[Style, int]]:
    alignment = int(_number(values.get("alignment", "2")))
    style = Style(
        bold=_number(values.get("bold", "0")) != 0,
        italic=_number(values.get("italic", "0")) != 0,
        underline=_number(values.get("underline", "0")) != 0,
    )
    keypad = of_legacy(alignment) if legacy else alignment if 1 <= alignment <= 9 else 2
    return values.get("name", "").strip().lstrip("*"), (style, keypad)


def _columns(line: str) -> Sequence[str]:
    return [one.strip().lower() for one in line[:1000].split(",")]


def _values(columns: Sequence[str], line: str) -> Mapping[str, str]:
    """The values of a line by column; the last one contains all that is left, commas as well."""
    return dict(zip(columns, line.lstrip().split(",", len(columns) - 1), strict=False))


def _time(text: str) -> int | None:
    match = _TIME.fullmatch(text)
    if match is None:
        return 0 if BEFORE_ZERO.fullmatch(text) else None
    seconds = int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3])
    return seconds * 1000 + int((match[4] or "0").ljust(3, "0")[:3])


def _number(text: str) -> float:
    try:
        number = float(text.strip()[:20])
    except ValueError:
        return 0.0
    return number if abs(number) < 1e6 else 0.0


def _size(width: float, height: float) -> tuple[float, float]:
    """The size that positions refer to. One that is missing follows from the other, at 4:3."""
    if not width > 0 and not height > 0:
        return 384.0, 288.0
    if not width > 0:
        width = 1280.0 if height == 1024 else height * 4 / 3
    if not height > 0:
        height = 1024.0 if width == 1280 else width * 3 / 4
    return width, height
