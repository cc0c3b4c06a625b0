"""URIs: the query of a signed URL must be on each URI of a playlist, and must not break it."""

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
def test_the_query_is_appended_and_cannot_end_a_line(query: str, uri: str) -> None:
    assert with_query("a/b.m4s", query) == uri
