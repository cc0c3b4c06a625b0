"""Names: a hidden one that shows betrays what its owner has put away; one that JSON cannot write cannot be played."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.http.names import decode, is_canonical, is_hidden, is_special, meanings, shown, written

PATHS = st.binary(min_size=1, max_size=40).map(decode)
ODD = st.lists(st.sampled_from([b"%", b"%25", b"%E9", b"%c3%a9", b"\xe9", b"\xc3", b"\xa9", "é".encode(), b"a"])).map(
    lambda parts: decode(b"".join(parts))
)


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        (".hidden", True),
        (".git", True),
        ("._film.mp4", True),
        (".DS_Store", True),
        (".Trash-1000", True),
        ("...", True),
        ("....", True),
        ("...And Justice for All", False),
        ("..And", False),
        ("film.mp4", False),
        ("a.b", False),
    ],
)
def test_what_is_hidden_by_custom(name: str, hidden: bool) -> None:
    assert is_hidden(name) is hidden


@pytest.mark.parametrize(("name", "special"), [("", True), (".", True), ("..", True), ("a\0", True), ("...", False)])
def test_what_is_no_name(name: str, special: bool) -> None:
    assert is_special(name) is special


@given(PATHS | ODD)
def test_what_is_written_is_json_and_leads_back(path: str) -> None:
    text = written(path)
    assert msgspec.json.decode(msgspec.json.encode(text)) == text
    assert path in meanings(text)
    assert msgspec.json.encode(shown(path))


@given(PATHS | ODD)
def test_all_meanings_are_paths_and_the_text_itself_is_the_first(path: str) -> None:
    found = meanings(path)
    assert found[0] == path
    assert all(map(is_canonical, found))
    assert len(set(found)) == len(found) <= 2


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_name_that_is_text_is_written_as_it_is(path: str) -> None:
    assert written(path) == path == shown(path)
    assert is_canonical(path)


@pytest.mark.parametrize(
    ("name", "text", "look"),
    [
        (b"caf\xe9.mp4", "caf%E9.mp4", "caf�.mp4"),
        (b"100% caf\xe9", "100%25 caf%E9", "100% caf�"),
        (b"%E9\xe9", "%25E9%E9", "%E9�"),
        ("Bücher".encode() + b"/\xff", "Bücher/%FF", "Bücher/�"),
        (b"100%25", "100%25", "100%25"),
    ],
)
def test_how_a_name_is_written(name: bytes, text: str, look: str) -> None:
    assert (written(decode(name)), shown(decode(name))) == (text, look)
    assert meanings(text)[-1] == decode(name)


@pytest.mark.parametrize("path", ["a%C3%A9", "100%25", "a%2Fb", "%2e%2e/x", "a%00b", "é", "a"])
def test_text_has_one_meaning(path: str) -> None:
    """Else a path could be disguised, from whoever looks at it before us."""
    assert meanings(path) == (path,)


@pytest.mark.parametrize("path", ["\ud800", "a\udcc3\udca9"])
def test_a_text_that_is_no_decoded_path(path: str) -> None:
    assert not is_canonical(path)
    assert msgspec.json.encode(written(path))
