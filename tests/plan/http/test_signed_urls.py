"""Signed URLs: whatever opens that should not shows somebody's films to a stranger."""

import string
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from transcoded.plan.http.signed_urls import MAX_LIFETIME, given_query, media_url, signature_opens, signed_query

SECRET = b"a key to sign with"
NOW = 1_700_000_000
LATER = NOW + 3600

paths = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


def values(query: str) -> tuple[str, str]:
    """`expires` and `signature` of a query."""
    found = parse_qs(query, strict_parsing=True)
    return found["expires"][0], found["signature"][0]


@given(paths, st.integers(1, MAX_LIFETIME))
def test_a_signed_url_opens_its_file_until_it_expires(path: str, seconds: int) -> None:
    expires = NOW + seconds
    given_expires, signature = values(signed_query(SECRET, path, expires))
    assert signature_opens(SECRET, path, given_expires, signature, NOW)
    assert signature_opens(SECRET, path, given_expires, signature, expires - 0.001)
    assert not signature_opens(SECRET, path, given_expires, signature, expires)
    assert not signature_opens(SECRET, path, given_expires, signature, expires + 1e9)


@given(paths, paths, st.integers(1, 10**6), st.integers(1, 10**6))
def test_and_no_other_file_no_other_time_and_under_no_other_key(path: str, other: str, one: int, two: int) -> None:
    assume(path != other)
    assume(one != two)
    expires, signature = values(signed_query(SECRET, path, NOW + one))
    assert not signature_opens(SECRET, other, expires, signature, NOW)
    assert not signature_opens(SECRET, path, str(NOW + two), signature, NOW)
    assert not signature_opens(b"another key", path, expires, signature, NOW)


@pytest.mark.parametrize(
    ("path", "other"),
    [
        ("films/a.mkv", "films/a.mkv/"),
        ("films/a.mkv", "films/a.mkv/stream.mp4"),
        ("films/a.mkv", "films/a"),
        ("films/a.mkv", "films/A.mkv"),
        ("films/a.mkv", "films//a.mkv"),
        ("films/é.mkv", "films/e\u0301.mkv"),
        ("1\nfilms/a.mkv", "films/a.mkv"),
    ],
)
def test_a_name_that_looks_alike_is_another(path: str, other: str) -> None:
    expires, signature = values(signed_query(SECRET, path, LATER))
    assert not signature_opens(SECRET, other, expires, signature, NOW)


@given(st.data())
def test_a_signature_that_was_tampered_with_opens_nothing(data: st.DataObject) -> None:
    expires, signature = values(signed_query(SECRET, "films/a.mkv", LATER))
    place = data.draw(st.integers(0, len(signature) - 1))
    wrong = data.draw(st.sampled_from(string.printable.replace(signature[place], "")))
    assert not signature_opens(SECRET, "films/a.mkv", expires, signature[:place] + wrong + signature[place + 1 :], NOW)
    assert not signature_opens(SECRET, "films/a.mkv", expires, signature[:place], NOW)


@pytest.mark.parametrize(
    "expires",
    [
        "",
        "-1",
        "soon",
        "1e12",
        f" {LATER}",
        f"+{LATER}",
        f"0{LATER}",
        f"{LATER}\n",
        f"{LATER}.0",
        f"{LATER:_}",
        "٣" * 10,
        "9" * 13,
        "0x7fffffff",
    ],
)
def test_a_time_that_is_none_opens_nothing_and_is_no_error(expires: str) -> None:
    _, signature = values(signed_query(SECRET, "films/a.mkv", LATER))
    assert not signature_opens(SECRET, "films/a.mkv", expires, signature, NOW)


@given(st.text(), st.text())
def test_whatever_a_query_holds_is_no_error(expires: str, signature: str) -> None:
    assert not signature_opens(SECRET, "films/a.mkv", expires, signature, NOW)


@given(paths)
def test_the_url_is_one_that_leads_to_the_file(path: str) -> None:
    url = media_url(path, signed_query(SECRET, path, LATER))
    assert url.isascii()
    assert " " not in url
    assert "#" not in url
    assert url.count("?") == 1
    assert urlsplit(url).path.startswith("/media/")


def test_the_longest_time_is_thirty_days() -> None:
    for seconds, opens in ((MAX_LIFETIME, True), (MAX_LIFETIME + 1, False), (10**9, False)):
        expires, signature = values(signed_query(SECRET, "films/a.mkv", NOW + seconds))
        assert signature_opens(SECRET, "films/a.mkv", expires, signature, NOW) is opens


@pytest.mark.parametrize(
    ("query", "taken"),
    [
        (signed_query(SECRET, "a", LATER), True),
        ("start=5&" + signed_query(SECRET, "a", LATER), True),
        (f"expires={LATER}&" + signed_query(SECRET, "a", LATER), False),
        (f"%65xpires={LATER}&" + signed_query(SECRET, "a", LATER), False),
        ("signature&" + signed_query(SECRET, "a", LATER), False),
        (signed_query(SECRET, "a", LATER).replace("expires=", "expires=%2B"), False),
        (signed_query(SECRET, "a", LATER).upper(), False),
        (signed_query(SECRET, "a", LATER) + "%0A", False),
        (f"expires={LATER}", False),
        (f"expires={LATER}%0A%23EXT&signature={'0' * 64}", False),
        ("", False),
    ],
)
def test_only_one_well_formed_pair_of_parameters_is_taken(query: str, taken: bool) -> None:
    assert (given_query(parse_qsl(query, keep_blank_values=True)) is not None) is taken
