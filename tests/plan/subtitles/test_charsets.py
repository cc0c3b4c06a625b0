"""Charsets: letters of another alphabet are unreadable, and a line that is left out is lost."""

import codecs
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.plan.subtitles.speech import SPEECH
from transcoded.plan.subtitles.charsets import TELLING, decode

CASES = [(language, charset) for language, (charsets, _) in SPEECH.items() for charset in charsets]


def srt(*lines: str) -> str:
    """A file of SubRip."""
    return "".join(
        f"{number}\n00:00:{number:02},000 --> 00:00:{number:02},900\n{line}\n\n" for number, line in enumerate(lines, 1)
    )


def written(text: str, charset: str) -> tuple[str, bytes]:
    """A text without what the charset does not have, and its bytes."""
    data = text.encode(charset, "replace")
    return data.decode(charset), data


def single_lines() -> Iterator[tuple[str, str, bytes]]:
    """Files of one line: language, text, bytes."""
    for language, charset in CASES:
        for line in SPEECH[language][1]:
            text, data = written(srt(line), charset)
            if not data.isascii():
                yield language, text, data


@pytest.mark.parametrize(("language", "charset"), CASES)
def test_a_file_is_read_whatever_its_charset(language: str, charset: str) -> None:
    text, data = written(srt(*SPEECH[language][1]), charset)
    assert decode(data, language=language).text == text
    # Vietnamese is hardly ever in this charset, and needs a name.
    if language != "vi":
        assert decode(data).text == text


def test_most_files_of_one_line_are_read_too() -> None:
    """One word in KOI8-R is a word in other charsets as well; with the language in the name of the file it is not."""
    right: Counter[str] = Counter()
    for language, text, data in single_lines():
        right["all"] += 1
        right["read"] += decode(data).text == text
        right["named"] += decode(data, language=language).text == text
    assert right["all"] > 400
    assert right["read"] >= 0.88 * right["all"]
    assert right["named"] >= 0.98 * right["all"]


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        *(("Привет", "cp1251"), ("Нет!", "cp1251"), ("ПОМОГИТЕ!", "cp1251"), ("Café", "cp1252"), ("Señor", "cp1252")),
        *(("Müller", "cp1252"), ("Γεια σου", "cp1253"), ("こんにちは", "shift_jis"), ("何をしているの？", "shift_jis")),
        *(
            ("你好", "gbk"),
            ("你在做什么？", "gbk"),
            ("你好", "big5"),
            ("你在做什麼？", "big5"),
            ("안녕하세요", "euc_kr"),
        ),
        *(("Cześć, gdzie jesteś?", "cp1250"), ("שלום", "cp1255"), ("مرحبا بك", "cp1256")),
    ],
)
def test_short_words(text: str, charset: str) -> None:
    assert decode(text.encode(charset)).text == text


@pytest.mark.parametrize(
    ("mark", "charset"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
        (b"", "utf-8"),
        (b"", "utf-16-le"),
        (b"", "utf-16-be"),
    ],
)
@pytest.mark.parametrize("line", ["plain", "Привет", "日本語 😀"])
def test_unicode_is_known_by_its_mark_or_its_form(mark: bytes, charset: str, line: str) -> None:
    decoded = decode(mark + srt(line).encode(charset), "cp1251")
    assert decoded.text == srt(line)
    assert decoded.charset == charset


def test_what_is_no_unicode_is_in_the_charset_of_the_setting() -> None:
    assert decode("Привет".encode("koi8_r"), "koi8_r").text == "Привет"
    assert decode("Привет".encode(), "koi8_r").text == "Привет"


def test_a_language_helps_only_where_the_text_allows_it() -> None:
    """Names of files are wrong at times."""
    text = srt(*SPEECH["ru"][1])
    assert decode(text.encode("cp1251"), language="en").text == text


@pytest.mark.parametrize("charset", ["cp1252", "cp1251", "gbk", "shift_jis"])
def test_a_file_of_two_charsets_loses_no_line(charset: str) -> None:
    """Some editor has appended to it."""
    inside = {"cp1252": "Déjà vu", "cp1251": "Привет", "gbk": "你在做什么？", "shift_jis": "何をしているの？"}[charset]
    lines = ["Où es-tu ?", "Привет, мир", "日本語", inside, "plain", "Ça va"]
    data = b"\n".join(line.encode(charset if line is inside else "utf-8") for line in lines)
    assert decode(data).text == "\n".join(lines)


def test_english_with_one_accent_loses_no_line() -> None:
    data = srt("Hello", "Café", "Plain", "3 < 5").encode("cp1252")
    assert decode(data).text == srt("Hello", "Café", "Plain", "3 < 5")


def test_a_rare_accent_in_a_long_file_counts() -> None:
    text = srt(*["Nothing is special in this line"] * 5000, "Voilà, un café")
    assert len(text) > TELLING / 10
    assert decode(text.encode("cp1252")).text == text


def test_marks_where_files_were_joined_are_left_out() -> None:
    assert decode(codecs.BOM_UTF8 + b"a\n" + codecs.BOM_UTF8 + b"b\n").text == "a\nb\n"
    assert decode(b"a\0b").text == "a�b"


@given(st.binary(max_size=300))
def test_every_file_is_text(data: bytes) -> None:
    decoded = decode(data)
    decoded.text.encode("utf-8")
    assert "\0" not in decoded.text
