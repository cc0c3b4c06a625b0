"""Names of streams: a player that gets a wrong language, or the same name twice, offers the wrong stream."""

import attrs
import pytest

from transcoded.plan.cmaf.track_names import language_tag, names
from transcoded.plan.media.probe import AudioStream

ENGLISH = AudioStream(index=1, position=0, codec="dts", channels=6, sample_rate=48_000, language="eng")
GERMAN = AudioStream(
    index=2, position=1, codec="ac3", channels=2, sample_rate=48_000, language="ger", title="Kommentar"
)


@pytest.mark.parametrize(
    ("language", "tag"),
    [
        ("eng", "en"),
        ("GER", "de"),
        ("gsw", "gsw"),
        ("pt-BR", "pt-BR"),
        ("por-BR", "pt-BR"),
        ("und", None),
        ("", None),
        (None, None),
        ('e"n', None),
    ],
)
def test_a_language_code_becomes_its_shortest_tag(language: str | None, tag: str | None) -> None:
    assert language_tag(language) == tag


def test_names_are_unique_and_printable() -> None:
    """Players identify streams by name."""
    nameless = attrs.evolve(GERMAN, title=None, language=None)
    assert names([ENGLISH, ENGLISH, GERMAN, nameless, nameless], "Audio") == [
        "en",
        "en (2)",
        "Kommentar",
        "Audio 4",
        "Audio 5",
    ]
    assert names([attrs.evolve(GERMAN, title="a\r\n\x00b ")], "Audio") == ["a b"]
