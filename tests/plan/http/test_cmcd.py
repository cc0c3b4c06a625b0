"""The session that a player names: whatever else it says, and however it says it."""

import pytest

from transcoded.plan.http.cmcd import session_id


@pytest.mark.parametrize(
    ("said", "session"),
    [
        ('sid="6e2fb550-c457-11e9-bb97-0800200c9a66"', "6e2fb550-c457-11e9-bb97-0800200c9a66"),
        ('bl=21300,br=3200,cid="a,sid=x",sid="one",st=v', "one"),
        ('sf=h, sid="two"', "two"),
        ("", ""),
        ("sid=three", ""),
        ('xsid="four"', ""),
        (f'sid="{"a" * 65}"', ""),
        ('sid="a\nb"', ""),
    ],
)
def test_the_session_is_found(said: str, session: str) -> None:
    assert session_id(said) == session
