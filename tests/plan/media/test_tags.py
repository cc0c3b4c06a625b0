"""Tags: what a recording is called goes with it, and nothing that breaks a header or does not belong there."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.media.tags import MAX_TAG, MAX_TAGS, TAGS, carried_tags, tag_arguments


def test_known_tags_are_carried_in_any_case_and_others_are_not() -> None:
    found = {
        "TITLE": "A",
        "Artist": "B=C",
        "encoder": "Lavf",
        "handler_name": "x",
        "id3v2_priv.TRAF": "y",
        "lyrics": "la",
    }
    assert carried_tags(found) == (("title", "A"), ("artist", "B=C"))


def test_the_first_place_wins() -> None:
    assert carried_tags({"title": "file"}, {"TITLE": "stream", "album": "X"}) == (("title", "file"), ("album", "X"))


@given(st.dictionaries(st.sampled_from(TAGS), st.text(max_size=4000)))
def test_all_together_stays_small(found: dict[str, str]) -> None:
    carried = carried_tags(found)
    assert sum(len(name) + len(text.encode()) for name, text in carried) <= MAX_TAGS
    assert all(0 < len(text) <= MAX_TAG and text.isprintable() for _, text in carried)


def test_too_much_of_one_leaves_room_for_the_small() -> None:
    carried = dict(carried_tags(dict.fromkeys(TAGS, "😀" * 900) | {"replaygain_track_gain": "-3 dB"}))
    assert "title" in carried
    assert carried["replaygain_track_gain"] == "-3 dB"
    assert "copyright" not in carried


def test_the_arguments_take_nothing_else_from_the_file() -> None:
    arguments: list[Any] = list(tag_arguments((("title", "A=B"),), "ger", "Director\n"))
    assert arguments == [
        *("-map_metadata", "-1", "-metadata", "title=A=B"),
        *("-metadata:s:a:0", "language=ger", "-metadata:s:a:0", "title=Director"),
    ]
    assert list(tag_arguments((), "not a language", None)) == ["-map_metadata", "-1"]
