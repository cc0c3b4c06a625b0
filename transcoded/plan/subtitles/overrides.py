r"""Override blocks of SubStation Alpha, `{\i1\pos(100,20)}`, in the text of one event: the style of the text, and where it stands.

Kept are bold, italic, underlined, the colours that WebVTT has, alignment and position. Drawings (`\p1`) are no text. All else,
such as karaoke, fades and fonts, is dropped: the text is shown without it. The time is linear in the length of the text.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

import attrs

from transcoded.plan.subtitles.cues import Style, colour_class

_TAG = re.compile(
    r"(?P<style>[biu])(?P<on>-?\d{1,3})?(?![a-zA-Z(])|(?P<drawing>p)(?P<scale>\d{1,3})"
    r"|(?P<paint>1?c)(?P<colour>&?H?[0-9a-fA-F]{1,8}&?)?(?![a-zA-Z(])"
    r"|an(?P<numpad>[1-9])|a(?P<legacy>\d{1,2})|(?:pos|move)\((?P<place>[^()]{0,99})|r(?P<reset>.{0,99})",
    re.DOTALL,
)
_NUMBER = re.compile(r"-?\d{1,6}(?:\.\d{0,6})?")
_ESCAPES = {"N": "\n", "n": " ", "h": "\xa0", "{": "{", "}": "}"}

MAX_TAGS = 200
"""Tags of one block that are read."""

LINE = 6.0
"""The height of a line as a browser draws it, in percent of the video (WebVTT, section 7.4: 5 % of it is the size of the font)."""


@attrs.frozen
class Screen:
    """The size to which positions refer, and the styles of a script by name. The defaults are those of a script without any."""

    width: float = 384.0
    height: float = 288.0
    styles: "dict[str, tuple[Style, int]]" = attrs.Factory(dict)

    def style(self, name: str) -> "tuple[Style, int]":
        """A style and its alignment, as on a keypad of numbers: 2 is at the bottom, in the middle."""
        return self.styles.get(name.lstrip("*"), self.styles.get("Default", (Style(), 2)))


class Overrides:
    """Reads the text of one event. After it was read to the end, `settings` says where it stands."""

    def __init__(self, screen: Screen, style: str = "Default") -> None:
        self._screen = screen
        self._base, self._alignment = screen.style(style)
        self._style = self._base
        self._place: tuple[float, float] | None = None
        self._aligned = False
        self._drawing = False

    def runs(self, text: str, *, literal_escapes: bool = False) -> Iterator[tuple[str, Style]]:
        """The runs of the text, without drawings. With `literal_escapes`, a backslash counts only in a block, as in SubRip."""
        start = place = 0
        closed = -1
        while (opened := text.find("{", place)) >= 0:
            if closed < opened:
                closed = text.find("}", opened)
            if closed < 0:
                break
            place = opened + 1
            if text[place : place + 1] != "\\" if literal_escapes else text[opened - 1 : opened] == "\\":
                # `\{` is a brace. And in SubRip, what is in braces is text unless it begins with an override.
                continue
            yield from self._run(text[start:opened], literal_escapes=literal_escapes)
            self._block(text[place:closed])
            start = place = closed + 1
        yield from self._run(text[start:], literal_escapes=literal_escapes)

    def settings(self, lines: int) -> str:
        """The settings of the cue, if it does not stand where cues stand without any: at the bottom, in the middle."""
        row, column = (self._alignment - 1) // 3, (self._alignment - 1) % 3
        align = ("left", "", "right")[column]
        if self._place is None:
            line = ("", "50%", "0")[row]
            return " ".join([*([f"line:{line}"] if line else []), *([f"align:{align}"] if align else [])])
        x, y = 100 * self._place[0] / self._screen.width, 100 * self._place[1] / self._screen.height
        # Not every browser knows where on the cue this line is, so it is always the upper edge.
        top = y - (lines * LINE, lines * LINE / 2, 0.0)[row]
        return " ".join(
            [
                f"line:{min(max(top, 0.0), 100.0 - LINE):.1f}%",
                f"position:{min(max(x, 0.0), 100.0):.1f}%",
                f"align:{align or 'center'}",
            ]
        )

    def _run(self, text: str, *, literal_escapes: bool) -> Iterator[tuple[str, Style]]:
        if text and not self._drawing:
            yield text if literal_escapes else _unescaped(text), self._style

    def _block(self, block: str) -> None:
        for kind, value in _actions(block):
            match kind:
                case "b" | "i" | "u":
                    self._switch(kind, value)
                case "p":
                    self._drawing = value != "0"
                case "c":
                    self._style = attrs.evolve(self._style, colour=value or None)
                case "an" if not self._aligned:
                    # The first one counts, as the first position does.
                    self._aligned = True
                    self._alignment = int(value)
                case "pos" if self._place is None:
                    x, _, y = value.partition(",")
                    self._place = float(x), float(y)
                case "r":
                    self._style = self._screen.style(value)[0] if value else self._base

    def _switch(self, name: str, value: str) -> None:
        match name:
            case "b":
                # Also a weight: 700 is bold.
                on = int(value) == 1 or int(value) >= 600 if value else self._base.bold
                self._style = attrs.evolve(self._style, bold=on)
            case "i":
                self._style = attrs.evolve(self._style, italic=int(value) != 0 if value else self._base.italic)
            case _:
                self._style = attrs.evolve(self._style, underline=int(value) != 0 if value else self._base.underline)


def of_legacy(alignment: int) -> int:
    """The alignment on a keypad for one of the first version: 1 to 3 at the bottom, plus 4 at the top, plus 8 in the middle."""
    column = min(max(alignment & 3, 1), 3)
    return column + (6 if alignment & 4 else 3 if alignment & 8 else 0)


@lru_cache(4096)
def _actions(block: str) -> Sequence[tuple[str, str]]:
    r"""What a block says that counts: a kind of tag and its value. Without tags in the parentheses of another (`\t(0,500,\i1)`)."""
    found: list[tuple[str, str]] = []
    depth = 0
    for tag in block.split("\\", MAX_TAGS + 1)[1 : MAX_TAGS + 1]:
        if depth == 0 and (match := _TAG.match(tag.strip())) is not None:
            action = _action(match)
            if action is not None:
                found.append(action)
        depth = max(0, depth + tag.count("(") - tag.count(")"))
    return found


def _action(match: "re.Match[str]") -> tuple[str, str] | None:
    found = match.groupdict()
    if found["style"]:
        return found["style"], found["on"] or ""
    if found["drawing"]:
        return "p", "0" if not int(found["scale"]) else "1"
    if found["paint"]:
        return "c", _colour(found["colour"] or "") or ""
    if found["numpad"]:
        return "an", found["numpad"]
    if found["legacy"]:
        return "an", str(of_legacy(int(found["legacy"])))
    if found["reset"] is not None:
        return "r", found["reset"]
    numbers = _NUMBER.findall(found["place"] or "")
    return ("pos", f"{numbers[0]},{numbers[1]}") if len(numbers) >= 2 else None


def _colour(text: str) -> str | None:
    """The class for a colour as SubStation Alpha writes it, `&HBBGGRR&`."""
    digits = text.strip("&H").rjust(6, "0")[-6:].lower()
    return colour_class(digits[4:6] + digits[2:4] + digits[0:2])


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    first, *others = text.split("\\")
    return first + "".join(_ESCAPES[one[0]] + one[1:] if one[:1] in _ESCAPES else f"\\{one}" for one in others)
