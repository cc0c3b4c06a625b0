"""URIs: the query of a signed URL must be on each URI of a playlist, and must not break it."""

import pytest

from transcoded.plan.cmaf.uris import encoded, fill, filled_length


@pytest.mark.parametrize(
    ("query", "uri"),
    [
        ("", "a/b.m4s"),
        ("v=1&signature=ab%2Fc", "a/b.m4s?v=1&signature=ab%2Fc"),
        ('x="\n#', "a/b.m4s?x=%22%0A%23"),
    ],
)
def test_the_query_is_appended_and_cannot_end_a_line(query: str, uri: str) -> None:
    assert f"a/b.m4s{encoded(query)}" == uri


def test_marks_are_replaced_and_the_length_is_known_before() -> None:
    """The length goes into a header, and the text is filled in block by block."""
    text, fillings = b"a\0b\0\1c", {b"\0": b"?x", b"\1": b""}
    assert fill(text, fillings) == b"a?xb?xc"
    assert filled_length(text, fillings) == 7
    assert b"".join(fill(text[at : at + 1], fillings) for at in range(len(text))) == fill(text, fillings)
