"""Suffixes: a file that plays and is not listed cannot be found; one with the wrong type is not played, or is run as a page."""

import re

import pytest

from transcoded.plan.media.media_types import (
    DOWNLOAD,
    MEDIA,
    OTHERS,
    WITHOUT_SUFFIX,
    is_media,
    media_type,
    suffixes_by_type,
)
from transcoded.plan.media.whitelist import CONTAINERS

LISTED = [
    (demuxer, media_type, suffix)
    for demuxer, types in MEDIA.items()
    for media_type, suffixes in types.items()
    for suffix in suffixes.split()
]
TYPE = re.compile("(?:audio|video|image|text|application)/[a-z0-9][a-z0-9.+-]*")
# What a browser shows as a page, or runs.
DOCUMENTS = re.compile(r"text/(?:html|xml|javascript)|application/(?:xhtml|xml|pdf|javascript)|.*\+xml")


def test_each_demuxer_that_may_be_used_has_its_suffixes_or_a_reason_why_not() -> None:
    """Else a new demuxer plays files that nobody finds."""
    assert set(MEDIA) | set(WITHOUT_SUFFIX) == set(CONTAINERS)
    assert not set(MEDIA) & set(WITHOUT_SUFFIX)


def test_a_suffix_has_one_type_and_is_there_once() -> None:
    suffixes = [suffix for _, _, suffix in LISTED] + [one for texts in OTHERS.values() for one in texts.split()]
    assert len(suffixes) == len(set(suffixes))
    assert all(re.fullmatch(r"\.[a-z0-9+-]+", suffix) for suffix in suffixes)


@pytest.mark.parametrize(("demuxer", "kind", "suffix"), LISTED)
def test_what_is_listed_has_a_type_of_its_own_that_is_no_document(demuxer: str, kind: str, suffix: str) -> None:
    name = f"A film.{suffix[1:].upper()}"
    assert is_media(name)
    assert media_type(f"films/{name}") == kind != DOWNLOAD
    assert TYPE.fullmatch(kind)
    assert not DOCUMENTS.fullmatch(kind)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.mkv", "video/x-matroska"),
        ("a.mp4", "video/mp4"),
        ("a.ts", "video/mp2t"),
        ("a.m2t", "video/mp2t"),
        ("a.3gp", "video/3gpp"),
        ("a.3g2", "video/3gpp2"),
        ("a.opus", "audio/ogg"),
        ("a.mp3", "audio/mpeg"),
        ("a.aac", "audio/aac"),
        ("a.caf", "audio/x-caf"),
        ("a.ass", "text/x-ssa"),
        ("a.ssa", "text/x-ssa"),
        ("a.srt", "application/x-subrip"),
        ("a.vtt", "text/vtt"),
        ("a.jpg", "image/jpeg"),
        ("...And Justice.flac", "audio/flac"),
    ],
)
def test_types_that_players_rely_on(name: str, kind: str) -> None:
    assert media_type(name) == kind


@pytest.mark.parametrize(
    "name", ["a.html", "a.svg", "a.xml", "a.js", "a.pdf", "a.unknown", "mp4", ".mp4", "a.mp4.part", ""]
)
def test_everything_else_is_a_download_and_not_listed(name: str) -> None:
    assert media_type(name) == DOWNLOAD
    assert not is_media(name)


@pytest.mark.parametrize("name", ["a.srt", "a.ass", "a.jpg"])
def test_what_belongs_to_media_is_known_and_not_listed(name: str) -> None:
    assert not is_media(name)
    assert media_type(name) != DOWNLOAD


def test_the_table_for_the_documents_has_them_all() -> None:
    table = suffixes_by_type()
    assert {suffix for suffixes in table.values() for suffix in suffixes} >= {suffix for _, _, suffix in LISTED}
    assert table["text/x-ssa"] == [".ass", ".ssa"]
