"""Ignored parameters: a renderer that appends one to a URL must get its film, and a misspelled parameter must not be lost."""

import pytest

from transcoded.plan.http.ignored import is_ignored


@pytest.mark.parametrize(
    "name",
    [
        "CMCD",
        "_HLS_msn",
        "_HLS_part",
        "_HLS_skip",
        "_HLS_pathway",
        "_HLS_throughput",
        "_HLS_primary_id",
        "mimetype",
        "mimeType",
        "mediaPlayerId",
        "playMode",
        "MSWMExt",
        "DLNA.ORG_PN",
        "_",
        "nocache",
        "utm_source",
        "fbclid",
    ],
)
def test_what_players_append_is_ignored(name: str) -> None:
    assert is_ignored(name)


@pytest.mark.parametrize(
    "name", ["", "v", "time", "start", "heigth", "HLS_msn", "CMCD-Request", "__", "type", "signature", "utm"]
)
def test_anything_else_is_not(name: str) -> None:
    assert not is_ignored(name)
