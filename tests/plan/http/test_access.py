"""Keys and signed URLs: whatever opens that should not shows somebody's films to a stranger, or lets him stop everything."""

import hashlib
import string
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from transcoded.plan.http.access import (
    Access,
    Attempts,
    find_key,
    media_url,
    parse_key,
    signature_opens,
    signed_query,
)

SECRET = b"a key to sign with"
NOW = 1_700_000_000
LATER = NOW + 3600

paths = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


def values(query: str) -> tuple[str, str]:
    """`expires` and `signature` of a query."""
    found = parse_qs(query, strict_parsing=True)
    return found["expires"][0], found["signature"][0]


@pytest.mark.parametrize(
    ("text", "name", "access", "secret"),
    [
        ("just-a-secret", "key", Access.ADMIN, "just-a-secret"),
        ("ops=hunter2222", "ops", Access.ADMIN, "hunter2222"),
        ("ops:admin=hunter2222", "ops", Access.ADMIN, "hunter2222"),
        ("tv.living_room-1:read=hunter2222", "tv.living_room-1", Access.READ, "hunter2222"),
        ("tv:read=a=b:c=dddd", "tv", Access.READ, "a=b:c=dddd"),
        ("c2VjcmV0IG9m=", "key", Access.ADMIN, "c2VjcmV0IG9m="),
        ("tv:read=pass phrase of words", "tv", Access.READ, "pass phrase of words"),
        ("tv:read=ключ к дому", "tv", Access.READ, "ключ к дому"),
    ],
)
def test_a_key_and_what_it_allows(text: str, name: str, access: Access, secret: str) -> None:
    key = parse_key(text)
    assert (key.name, key.access) == (name, access)
    assert find_key([key], secret) is key


def test_only_the_hash_need_be_written_down() -> None:
    digest = hashlib.sha256(b"hunter2222").hexdigest()
    for stored in (digest, digest.upper()):
        key = parse_key(f"tv:read=sha256:{stored}")
        assert find_key([key], "hunter2222") is key
        assert find_key([key], f"sha256:{stored}") is None, "who reads the configuration has no key"
        assert find_key([key], stored) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "short",
        "tv:read=short",
        "tv:reader=hunter2222",
        "tv:READ=hunter2222",
        "tv:=hunter2222",
        "tv=",
        " starts-with-a-blank",
        "two\nlines of it",
    ],
)
def test_a_key_that_is_none_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="at least 7 characters") as caught:
        parse_key(text)
    assert not text or text not in str(caught.value)


def test_a_key_does_not_show_its_secret_in_a_traceback() -> None:
    key = parse_key("tv:read=hunter2222")
    assert "hunter2222" not in repr(key)
    assert key.digest.hex() not in repr(key)
    assert repr(key.digest) not in repr(key)


def test_of_several_keys_each_is_found_and_no_other_text() -> None:
    keys = [parse_key("tv:read=first-secret"), parse_key("ops=second-secret")]
    assert find_key(keys, "first-secret") is keys[0]
    assert find_key(keys, "second-secret") is keys[1]
    for wrong in ("", "first-secret ", "First-secret", "first-secretsecond-secret", "\ud800", "x" * 10_000):
        assert find_key(keys, wrong) is None
    assert find_key([], "first-secret") is None


@given(paths, st.integers(1, 10**9))
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
    "expires", ["", "-1", "soon", "1e12", f" {LATER}", f"{LATER}.0", "٣" * 10, "9" * 13, "0x7fffffff"]
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


def test_after_some_wrong_keys_none_is_looked_at_for_a_while() -> None:
    attempts = Attempts(max_failures=3, window=60.0)
    for second in range(3):
        assert attempts.wait("192.0.2.1", second) == 0
        attempts.fail("192.0.2.1", second)
    assert attempts.wait("192.0.2.1", 2.0) == 58
    assert attempts.wait("192.0.2.1", 59.9) == 1, "never: try again in 0 seconds"
    assert attempts.wait("192.0.2.2", 2.0) == 0, "others are not locked out by it"
    assert attempts.wait("192.0.2.1", 60.0) == 0
    attempts.fail("192.0.2.1", 60.0)
    assert attempts.wait("192.0.2.1", 60.0) == 0, "the old ones are forgotten"


def test_addresses_without_end_do_not_fill_the_memory() -> None:
    attempts = Attempts(max_failures=1, max_clients=100)
    for number in range(1000):
        attempts.fail(f"2001:db8::{number:x}", 0.0)
    assert len(attempts._failed) == 100
    assert attempts.wait("2001:db8::3e7", 1.0) > 0, "the latest are known"


def test_one_that_goes_on_trying_is_not_forgotten_among_many() -> None:
    attempts = Attempts(max_failures=5, max_clients=10)
    for number in range(100):
        attempts.fail("192.0.2.1", 0.0)
        attempts.fail(f"198.51.100.{number}", 0.0)
    assert attempts.wait("192.0.2.1", 1.0) > 0


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 100)), max_size=40))
def test_nobody_tries_more_often_than_allowed_in_any_window_that_began_with_a_failure(
    tries: list[tuple[str, float]],
) -> None:
    attempts = Attempts(max_failures=3, window=60.0)
    now, since, looked_at = 0.0, dict.fromkeys("ab", -1e9), dict.fromkeys("ab", 0)
    for client, later in tries:
        now += later
        if now - since[client] >= 60.0:
            since[client], looked_at[client] = now, 0
        if not attempts.wait(client, now):
            attempts.fail(client, now)
            looked_at[client] += 1
        assert looked_at[client] <= 3
