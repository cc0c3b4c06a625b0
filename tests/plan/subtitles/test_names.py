"""Names of subtitle files: the wrong language, or another film's subtitles, are worse than none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.subtitles.names import SubtitleName, label_of, read_label


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("", SubtitleName()),
        ("en", SubtitleName("en")),
        ("en.default", SubtitleName("en", default=True)),
        ("default.en", SubtitleName("en", default=True)),
        ("en.forced", SubtitleName("en", forced=True)),
        ("forced.en", SubtitleName("en", forced=True)),
        ("pt-BR.sdh", SubtitleName("pt-BR", hearing_impaired=True)),
        ("sdh", SubtitleName(hearing_impaired=True)),
        ("cc", SubtitleName(hearing_impaired=True)),
        ("en.cc", SubtitleName("en", hearing_impaired=True)),
        ("zh-Hans", SubtitleName("zh-Hans")),
        ("zh_TW.forced.default", SubtitleName("zh-TW", forced=True, default=True)),
        ("English", SubtitleName("en")),
        ("2_English", SubtitleName("en")),
        ("English (SDH)", SubtitleName("en", hearing_impaired=True)),
        ("Portuguese (Brazil)", SubtitleName("pt-BR")),
        ("en-forced", SubtitleName("en", forced=True)),
        ("Director's Commentary.en", SubtitleName("en", title="Director's Commentary")),
        ("No Way Home.en", SubtitleName("en", title="No Way Home")),
        ("en.fr", SubtitleName("en", title="fr")),
        ("English.en", SubtitleName("en")),
        ("und", SubtitleName()),
        ("1080p.BluRay.de", SubtitleName("de", title="1080p BluRay")),
    ],
)
def test_what_a_label_says(label: str, name: SubtitleName) -> None:
    assert read_label(label) == name


def test_hi_is_hindi_unless_another_language_is_there() -> None:
    assert read_label("hi") == SubtitleName("hi")
    assert read_label("en.hi") == SubtitleName("en", hearing_impaired=True)
    assert read_label("hi.en") == SubtitleName("en", hearing_impaired=True)
    assert read_label("hi.hi") == SubtitleName("hi", hearing_impaired=True)
    assert read_label("hindi.hi") == SubtitleName("hi", hearing_impaired=True)


@pytest.mark.parametrize(
    ("base", "stem", "others", "label"),
    [
        ("Movie", "Movie", [], ""),
        ("Movie.en", "Movie", [], "en"),
        ("Movie.en", "Movie", ["Movie.Part.2"], "en"),
        ("Movie.Part.2.en", "Movie", ["Movie.Part.2"], None),
        ("Movie.Part.2.en", "Movie.Part.2", ["Movie"], "en"),
        ("Movie.Part.2.en", "Movie", [], "Part.2.en"),
        ("Movie.Part.2", "Movie", ["Movie.Part.2"], None),
        ("Movies.en", "Movie", [], None),
        ("Movie 2", "Movie", [], None),
        ("Movie-de", "Movie", [], "de"),
        ("Movie_de.forced", "Movie", [], "de.forced"),
        ("Movie (English)", "Movie", [], "English"),
        ("Movie [en]", "Movie", [], "en"),
        ("Movie-Making Of", "Movie", [], None),
        ("Movie-Making Of.en", "Movie", [], None),
    ],
)
def test_which_film_a_file_belongs_to(base: str, stem: str, others: list[str], label: str | None) -> None:
    assert label_of(base, stem, others) == label


@given(st.text(max_size=80))
def test_every_label_says_something(label: str) -> None:
    read_label(label)


@given(st.permutations(["pt-BR", "forced", "sdh", "default"]))
def test_the_order_of_words_is_free(words: list[str]) -> None:
    assert read_label(".".join(words)) == SubtitleName("pt-BR", forced=True, default=True, hearing_impaired=True)
