"""In which charset a subtitle file is written, and its text. No byte is left out: what cannot be read becomes U+FFFD.

The order is: a byte order mark, UTF-16 without one, UTF-8, then the charset of the setting, else a guess. A file of which most
lines are UTF-8 is UTF-8, whatever the other lines are (some editors mix them): the charset is that of these other lines alone.

The guess takes the text for what is most likely of a language: how frequent each letter is (`alphabets`), no capital inside a
word, no Latin letter in a Greek word. Detectors for text of any kind do worse on subtitles, which are short lines of speech between
lines of digits. Of 425 files with one line, in 33 languages (tests/plan/subtitles/speech.py), charset-normalizer 3.5 read 156 rightly,
chardet 7.7 at the best 349, this 379, and 421 if the name of the file tells the language; of 40 files with more lines 23, 37, 39 and 40.
"""

import codecs
import re
from bisect import bisect
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from io import BytesIO
from math import log2

import attrs

from transcoded.plan.subtitles.alphabets import ALPHABETS, RELATIVES, Alphabet

SAMPLE = 32 << 10
"""Bytes of text from which a charset is guessed: lines from all parts of the file."""

TELLING = 1 << 20
"""Bytes of the lines that are not ASCII which are looked at: all of them, but in the longest files."""

_OF_A_LINE = 50

# Longer ones first: the mark of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_BROKEN = re.compile("[\udc80-\udcff][^\n]*")
_MARKUP = re.compile(rb"<[^<>\n]{1,100}>|\{[^{}\n]{0,200}\}|\\[Nnh]")
_WORD = re.compile(r"[^\W\d_]+")
_NO_LETTERS = bytes(set(range(256)) - set(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))
_QUOTED_LETTER = re.compile(r"(?<![^\W\d_])’(?=[^\W\d_])")
_ASCII_LETTER = re.compile(r"[A-Za-z]")

# What follows is in bits: the logarithm of how likely something is.
_PUNCTUATION = {
    **dict.fromkeys("“”‘’«»…–—„“♪♫¿¡°·•´№€£§¢¥©®™½¼¾²³×\xa0\u200b\u200e\u200f\ufeff‹›‚†", -7.0),
    **dict.fromkeys("、。，！？：；（）「」『』《》〈〉【】～〜・…—＂＇％＆　ー０１２３４５６７８９", -7.0),
}
_CAPITAL, _CAPITALS, _CAPITAL_INSIDE, _MIXED = -1.5, -3.0, -7.0, -9.0
_RARE, _RARE_IDEOGRAPH, _FREQUENT_IDEOGRAPH, _KANA, _HALFWIDTH, _FOREIGN, _NOTHING = (
    -12.0,
    -13.5,
    -8.5,
    -6.2,
    -9.0,
    -18.0,
    -30.0,
)
_LATIN, _LATIN_ELSEWHERE = -4.5, -9.0
_FREQUENT_WORD = 3.0
_NAMED = 20.0
"""For a language that the name of the file tells."""

_USUAL = {
    "cp1252": 0.0,
    "cp1251": -1.0,
    "cp1250": -2.0,
    "gb18030": -1.5,
    "big5hkscs": -2.0,
    "cp932": -1.5,
    "cp949": -1.5,
    "cp1253": -1.5,
    "cp1254": -1.5,
    "cp1255": -1.5,
    "cp1256": -1.5,
    "cp874": -3.0,
    "cp1257": -3.0,
    "iso8859_2": -4.0,
    "iso8859_7": -4.0,
    "euc_jp": -4.0,
    "koi8_r": -7.0,
    "koi8_u": -7.0,
    "cp866": -8.0,
}
"""How usual a charset is among subtitle files, in bits; others are at `_UNUSUAL`."""
_UNUSUAL = -9.0

_BLOCKS = (
    0,
    0x250,
    0x370,
    0x400,
    0x530,
    0x590,
    0x600,
    0x700,
    0xE00,
    0xE80,
    0x1E00,
    0x1F00,
    0x2000,
    0x2E80,
    0xAC00,
    0xD7B0,
)
_SCRIPTS = (
    *("latin", "", "greek", "cyrillic", "", "hebrew", "arabic", "", "thai", "", "latin", "greek", "", "ideographs"),
    *("hangul", "ideographs"),
)


@attrs.frozen
class Decoded:
    """The text of a file, and the charset in which it was written; for lines that are not UTF-8 in a file that is, theirs."""

    text: str
    charset: str


def decode(data: bytes, charset: str | None = None, language: str | None = None) -> Decoded:
    """The text of a subtitle file. `charset` is for files without a mark that are not UTF-8; None: it is guessed.

    `language` (a BCP 47 tag) helps to guess. A mark is not part of the text.
    """
    for mark, name in _MARKS:
        if data.startswith(mark):
            return Decoded(_readable(data[len(mark) :].decode(name, "replace")), name)
    wide = _wide(data)
    if wide is not None:
        return Decoded(_readable(data.decode(wide, "replace")), wide)
    try:
        return Decoded(_readable(data.decode("utf-8")), "utf-8")
    except UnicodeDecodeError:
        pass
    telling = list(_telling(data))
    broken = [line for line in telling if not _is_utf8(line)]
    mixed = len(telling) > 2 * len(broken)
    found = charset or guess(data, broken if mixed else telling, language)
    if not mixed:
        return Decoded(_readable(data.decode(found, "replace")), found)
    # Each byte that is not UTF-8 becomes a surrogate, and with it the rest of its line is read in the other charset.
    text = data.decode("utf-8", "surrogateescape")
    return Decoded(_readable(_BROKEN.sub(lambda match: _bytes_of(match[0]).decode(found, "replace"), text)), found)


def guess(data: bytes, telling: Sequence[bytes], language: str | None = None) -> str:
    """The charset in which `telling`, lines of a file that are not ASCII, are most likely written. `data` is the whole file."""
    sample = _MARKUP.sub(b" ", b"\n".join(_some(telling)))
    part = len(sample) / (1 + sum(map(len, telling)))
    plain = round(len(data.translate(None, _NO_LETTERS)) * min(1.0, part))
    words = Counter(data[: 4 * SAMPLE].decode("ascii", "replace").lower().split())
    named = _named(language)
    scores: dict[str, float] = {}
    for charset in dict.fromkeys(charset for one in ALPHABETS for charset in one.charsets):
        text = _Text.of(sample.decode(charset, "replace"), plain)
        for alphabet in ALPHABETS:
            if charset in alphabet.charsets:
                bonus = _NAMED if alphabet.language in named else 0.0
                known = _FREQUENT_WORD * sum(words[word] for word in alphabet.words)
                score = text.score(alphabet) + bonus + known + alphabet.usual + _USUAL.get(charset, _UNUSUAL)
                scores[charset] = max(score, scores.get(charset, score))
    return max(scores, key=lambda charset: scores[charset])


@attrs.frozen
class _Text:
    """What counts of a text: how often each letter that is not ASCII occurs, and what no language does.

    `latin` are the letters of ASCII in its lines, `plain` those in all lines, also in those without any other letter.
    """

    letters: Mapping[str, int]
    latin: int
    plain: int
    oddity: float

    @classmethod
    def of(cls, text: str, plain: int) -> "_Text":
        words = Counter(_WORD.findall(text))
        oddity = sum(count * _oddity(word) for word, count in words.items() if not word.isascii())
        # In the wrong Greek charset, an Alpha with an accent is a closing quotation mark.
        oddity += _MIXED * len(_QUOTED_LETTER.findall(text))
        letters = Counter(text)
        latin = sum(count for letter, count in letters.items() if _ASCII_LETTER.match(letter))
        return cls({letter: count for letter, count in letters.items() if letter >= "\x80"}, latin, plain, oddity)

    def score(self, alphabet: Alphabet) -> float:
        """How likely it is a text of this language, in bits."""
        known = _likelihoods(alphabet)
        script = _script(alphabet.letters[0])
        # A language of many accents is not likely where there are few.
        unmarked = self.plain * log2(1 - alphabet.share) if script == "latin" else 0.0
        latin = unmarked + self.latin * (_LATIN if script == "latin" else _LATIN_ELSEWHERE)
        return self.oddity + latin + sum(n * _letter(letter, known, script) for letter, n in self.letters.items())


def _letter(letter: str, known: Mapping[str, float], script: str) -> float:
    found = known.get(letter)
    if found is not None:
        return found
    lower = letter.lower()
    if lower in known:
        return known[lower]
    if "\uff61" <= letter <= "\uff9f" and script == "ideographs":
        return _HALFWIDTH
    if letter in _PUNCTUATION:
        return _PUNCTUATION[letter]
    if letter == "\ufffd" or "\x80" <= letter <= "\x9f" or "\ue000" <= letter <= "\uf8ff":
        return _NOTHING
    if _script(letter) != script:
        return _FOREIGN
    return _RARE_IDEOGRAPH if script in {"ideographs", "hangul"} else _RARE


@cache
def _likelihoods(alphabet: Alphabet) -> Mapping[str, float]:
    letters = dict.fromkeys(alphabet.letters)
    if _script(alphabet.letters[0]) in {"ideographs", "hangul"}:
        return {one: _KANA if "\u3040" <= one <= "\u30ff" else _FREQUENT_IDEOGRAPH for one in letters}
    # Frequencies fall with the rank about in this way (Zipf), which is near enough.
    weights = [1 / (rank + 3) for rank in range(len(letters))]
    return {one: log2(alphabet.share * weight / sum(weights)) for one, weight in zip(letters, weights, strict=True)}


def _oddity(word: str) -> float:
    """What speaks against a word: capitals inside, and letters of two scripts."""
    if word.isupper() and len(word) > 1:
        capitals = _CAPITALS
    else:
        inside = sum(1 for letter in word[1:] if letter.isupper())
        capitals = _CAPITAL * word[0].isupper() + _CAPITAL_INSIDE * inside
    scripts = {_script(letter) for letter in word}
    mixed = len(scripts - {"ideographs", "hangul"}) > 1
    return capitals + (_MIXED if mixed else 0.0)


@cache
def _script(letter: str) -> str:
    return _SCRIPTS[bisect(_BLOCKS, ord(letter)) - 1] if ord(letter) < 0x10000 else ""


def _named(language: str | None) -> Sequence[str]:
    """The alphabets of the language that a file is said to have."""
    if language is None:
        return ()
    if language in {one.language for one in ALPHABETS}:
        return (language,)
    first = language.partition("-")[0]
    if first == "zh":
        traditional = any(part in language for part in ("Hant", "TW", "HK", "MO"))
        simplified = any(part in language for part in ("Hans", "CN", "SG"))
        return ("zh-Hant",) if traditional else ("zh-Hans",) if simplified else RELATIVES["zh"]
    return RELATIVES.get(first, (first,))


def _some(lines: Sequence[bytes]) -> Sequence[bytes]:
    """Lines from all parts of a file, about `SAMPLE` bytes."""
    step = 1 + sum(map(len, lines)) // SAMPLE
    return [line[:1000] for line in lines[::step]][: SAMPLE // 4]


def _telling(data: bytes) -> Iterator[bytes]:
    """The first `TELLING` bytes of lines that are not ASCII."""
    left = TELLING
    for line in BytesIO(data):
        if left > 0 and _NOT_ASCII.search(line):
            left -= len(line) + _OF_A_LINE
            yield line.rstrip(b"\r\n")


def _bytes_of(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _wide(data: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of its digits and line breaks is 0."""
    start = data[:4096]
    if len(start) < 4:
        return None
    zeros = start[::2].count(0), start[1::2].count(0)
    half = len(start) / 2
    if zeros[1] > half * 0.3 and zeros[0] < zeros[1] / 4:
        return "utf-16-le"
    return "utf-16-be" if zeros[0] > half * 0.3 and zeros[1] < zeros[0] / 4 else None


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _readable(text: str) -> str:
    """Without the marks that stand where files were joined; U+0000, which WebVTT cannot contain, becomes U+FFFD."""
    return text.replace("\ufeff", "").replace("\0", "\ufffd")
