r"""Scripts of SubStation Alpha to draw into a video: text of any kind becomes one, and one can be moved in time and carry its fonts.

A script is given to libass alone, which reads no other file for it. Fonts are inside, in its section `[Fonts]`: so they need no directory
that ffmpeg could read, and no name that somebody has to make safe.
"""

import base64
import html
import re
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from itertools import islice

from transcoded.plan.errors import NotMedia
from transcoded.plan.subtitles.ass import BEFORE_ZERO, is_ass
from transcoded.plan.subtitles.charsets import decode
from transcoded.plan.subtitles.convert import MAX_CUES
from transcoded.plan.subtitles.cues import Cue
from transcoded.plan.subtitles.srt import read_srt
from transcoded.plan.subtitles.webvtt import has_times_of_webvtt, is_webvtt

# 5.5 % of the height, with a border that is readable on any picture. The font is the one that the machine takes for sans-serif.
_HEADER = """[Script Info]
ScriptType: v4.00+
PlayResX: 640
PlayResY: 360
WrapStyle: 0
ScaledBorderAndShadow: yes

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, StrikeOut, \
ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,sans-serif,20,&H00FFFFFF,&H00FFFFFF,&H00000000,&H80000000,0,0,0,0,100,100,0,0,1,1.5,0.5,2,20,20,16,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
_COLOURS = {
    "yellow": "00FFFF",
    "cyan": "FFFF00",
    "lime": "00FF00",
    "red": "0000FF",
    "magenta": "FF00FF",
    "blue": "FF0000",
}
"""By the classes of WebVTT: blue, green, red, as SubStation Alpha writes them."""

_TAG = re.compile(r"<(/?)([biuc])(?:\.([a-z]{1,20}))?>")
_SETTING = re.compile(r"\b(line|align):(\S{1,20})")
_BACKSLASH = "\\\u2060"
"""A backslash that is text: behind it an invisible character that makes no override of it."""

_COLUMNS = ("layer", "start", "end")
_TIME = re.compile(r"\s{0,9}(-?\d{1,5}):(\d{1,2}):(\d{1,2})[.:](\d{1,3})\s{0,9}")
_ALPHABET = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", bytes(range(33, 97)))
_LINE = 80
"""Characters of a line of a font; libass reads no longer ones."""


def to_script(data: bytes, codec: str, charset: str | None = None, language: str | None = None) -> str:
    """A subtitle file as a script: one that is a script already as it is, others in white with a black border, at the bottom.

    The arguments are those of `to_webvtt`. Raises `NotMedia` for more cues than a subtitle file can have.
    """
    text = decode(data, charset, language).text
    if is_ass(text):
        return text
    web = is_webvtt(text) or (codec == "webvtt" and has_times_of_webvtt(text))
    cues = list(islice(read_srt("\n".join(_blocks(text)) if web else text), MAX_CUES + 1))
    if len(cues) > MAX_CUES:
        raise NotMedia(f"There are more than {MAX_CUES:,} subtitles.")
    return _HEADER + "".join(_dialogue(cue) for cue in cues if cue.text and cue.end > max(cue.start, 0))


def shifted(script: str, seconds: float) -> str:
    """A script whose events are earlier by so many seconds. Those that are over before 0 are left out.

    One that has begun before 0 keeps its negative start: what moves or fades in it depends on it.
    """
    if not seconds:
        return script
    return "".join(_shifted_lines(script, round(seconds * 100)))


def fonts_section(fonts: Iterable[bytes]) -> bytes:
    """The section with these fonts; empty without any."""
    parts: list[bytes] = []
    for number, data in enumerate(fonts):
        coded = base64.b64encode(data).rstrip(b"=").translate(_ALPHABET)
        # The name only has to end like one of a font.
        parts += [b"fontname: font%d_0.ttf" % number]
        parts += [coded[at : at + _LINE] for at in range(0, len(coded), _LINE)]
    return b"\n".join([b"\n[Fonts]", *parts, b""]) if parts else b""


def _blocks(text: str) -> Iterator[str]:
    """The lines of the cues of WebVTT: without its head, its notes and styles, and the names of cues."""
    in_cue = False
    for line in StringIO(text, newline=None):
        plain = line.rstrip("\n")
        if not plain.strip():
            in_cue = False
            yield ""
        elif in_cue or "-->" in plain:
            in_cue = True
            yield plain


def _dialogue(cue: Cue) -> str:
    return f"Dialogue: 0,{_clock(cue.start // 10)},{_clock(cue.end // 10)},Default,,0,0,0,,{_aligned(cue.settings)}{_text(cue.text)}\n"


def _text(text: str) -> str:
    """The text of a cue of WebVTT, whose tags are nested, as that of an event."""
    parts: list[str] = []
    place = 0
    for tag in _TAG.finditer(text):
        parts += [_plain(text[place : tag.start()]), _override(tag[2], tag[3], closes=bool(tag[1]))]
        place = tag.end()
    return "".join([*parts, _plain(text[place:])])


def _plain(text: str) -> str:
    escaped = html.unescape(text).replace("\\", _BACKSLASH).replace("{", "\\{").replace("}", "\\}")
    return escaped.replace("\n", "\\N")


def _override(tag: str, colour: str | None, *, closes: bool) -> str:
    if tag != "c":
        return f"{{\\{tag}{0 if closes else 1}}}"
    if closes:
        return "{\\c}"
    return f"{{\\c&H{_COLOURS[colour]}&}}" if colour in _COLOURS else ""


def _aligned(settings: str) -> str:
    """The override for a cue that does not stand at the bottom, in the middle."""
    found = dict(_SETTING.findall(settings))
    line = found.get("line", "")
    number = re.match(r"-?\d{1,6}", line)
    row = 0
    if number is not None:
        percent = int(number[0]) if "%" in line else 0 if int(number[0]) >= 0 else 100
        row = 6 if percent < 34 else 3 if percent < 67 else 0
    column = {"left": 1, "start": 1, "right": 3, "end": 3}.get(found.get("align", ""), 2)
    return "" if (row, column) == (0, 2) else f"{{\\an{row + column}}}"


def _shifted_lines(script: str, hundredths: int) -> Iterator[str]:
    columns: Sequence[str] = _COLUMNS
    events = False
    for line in StringIO(script, newline=None):
        head, _, rest = line.partition(":")
        kind = head.strip().lower()
        if line.lstrip().startswith("["):
            events = kind.strip().startswith("[events")
        elif kind == "format" and events:
            columns = [one.strip().lower() for one in rest[:1000].split(",")]
        elif kind == "dialogue" and "start" in columns and "end" in columns:
            line = _shifted_event(head, rest, columns.index("start"), columns.index("end"), hundredths)  # noqa: PLW2901
        if line:
            yield line


def _shifted_event(head: str, rest: str, start: int, end: int, hundredths: int) -> str:
    """An event at its new times; empty if it is over by then. One whose times cannot be read is left as it is."""
    parts = rest.split(",", max(start, end) + 1)
    if len(parts) <= max(start, end):
        return f"{head}:{rest}"
    times = [found for found in (_hundredths(parts[start]), _hundredths(parts[end])) if found is not None]
    if len(times) < 2:
        return f"{head}:{rest}"
    if times[1] <= hundredths:
        return ""
    for place, time in zip((start, end), times, strict=True):
        written = parts[place].strip()
        parts[place] = parts[place].replace(written, _clock(time - hundredths), 1)
    return f"{head}:{','.join(parts)}"


def _hundredths(text: str) -> int | None:
    match = _TIME.fullmatch(text)
    if match is None:
        return 0 if BEFORE_ZERO.fullmatch(text) else None
    whole = (int(match[1]) * 60 + int(match[2])) * 60 + int(match[3])
    return whole * 100 + int(match[4].ljust(2, "0")[:2])


def _clock(hundredths: int) -> str:
    """A time as SubStation Alpha writes it. libass reads a negative one by its hours: `-1:59:59.00` is one second before 0."""
    hours, rest = divmod(hundredths, 360_000)
    return f"{hours}:{rest // 6000:02}:{rest // 100 % 60:02}.{rest % 100:02}"
