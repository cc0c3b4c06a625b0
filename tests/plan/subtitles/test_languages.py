"""Languages: a player chooses the subtitles of its user by their tag."""

import pytest

from transcoded.plan.subtitles.languages import tag_of_code, tag_of_word


@pytest.mark.parametrize(
    ("word", "tag"),
    [
        ("en", "en"),
        ("EN", "en"),
        ("eng", "en"),
        ("ger", "de"),
        ("deu", "de"),
        ("English", "en"),
        ("Deutsch", "de"),
        ("français", "fr"),
        ("日本語", "ja"),
        ("pt-BR", "pt-BR"),
        ("pt_br", "pt-BR"),
        ("pob", "pt-BR"),
        ("por-BR", "pt-BR"),
        ("zh-Hans", "zh-Hans"),
        ("zh_TW", "zh-TW"),
        ("zh-hant-hk", "zh-Hant-HK"),
        ("chs", "zh-Hans"),
        ("繁體中文", "zh-Hant"),
        ("es-419", "es-419"),
        ("latin american spanish", "es-419"),
        ("sr-Latn", "sr-Latn"),
        ("fil", "fil"),
        ("jp", "ja"),
        ("und", "und"),
    ],
)
def test_a_word_that_names_a_language(word: str, tag: str) -> None:
    assert tag_of_word(word) == tag


@pytest.mark.parametrize(
    "word", ["", "cc", "sdh", "forced", "default", "Part", "2", "1080p", "en-orig", "xyz", "the", "e", "a" * 1000]
)
def test_a_word_that_names_none(word: str) -> None:
    """`LANGUAGE="cc"` would be a language that no player has a name for."""
    assert tag_of_word(word) is None


@pytest.mark.parametrize(
    ("code", "tag"),
    [("eng", "en"), ("qaa", "qaa"), ("tlh", "tlh"), ("por-BR", "pt-BR"), ("und", None), ("", None), (None, None)],
)
def test_the_code_of_a_stream_is_kept_if_it_is_one(code: str | None, tag: str | None) -> None:
    assert tag_of_code(code) == tag
