"""The query of a signed URL is on every URI of a playlist, and breaks none of them."""

import pytest

from transcoded.plan.cmaf.uris import with_query


@pytest.mark.parametrize(
    ("query", "uri"),
    [
        ("", "a/b.m4s"),
        ("v=1&signature=ab%2Fc", "a/b.m4s?v=1&signature=ab%2Fc"),
        ('x="\n#', "a/b.m4s?x=%22%0A%23"),
    ],
)
def test_a_query_is_carried_and_cannot_end_the_line(query: str, uri: str) -> None:
    assert with_query("a/b.m4s", query) == uri
