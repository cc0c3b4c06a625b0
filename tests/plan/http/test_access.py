"""Keys: whatever opens that should not shows somebody's films to a stranger, or lets him stop everything."""

import hashlib

import pytest

from transcoded.plan.http.access import Access, find_key, parse_key


@pytest.mark.parametrize(
    ("text", "name", "access", "secret"),
    [
        ("just-a-secret-text", "key", Access.ADMIN, "just-a-secret-text"),
        ("ops=hunter2-hunter2-hunter2", "ops", Access.ADMIN, "hunter2-hunter2-hunter2"),
        ("ops:admin=hunter2-hunter2-hunter2", "ops", Access.ADMIN, "hunter2-hunter2-hunter2"),
        ("tv.living_room-1:read=hunter2-hunter2-hunter2", "tv.living_room-1", Access.READ, "hunter2-hunter2-hunter2"),
        ("tv:read=a=b:c=ddddddddddd", "tv", Access.READ, "a=b:c=ddddddddddd"),
        ("c2VjcmV0IG9mIGFsbA=", "key", Access.ADMIN, "c2VjcmV0IG9mIGFsbA="),
        ("tv:read=pass phrase of words", "tv", Access.READ, "pass phrase of words"),
        ("tv:read=ключ к дому и саду", "tv", Access.READ, "ключ к дому и саду"),
    ],
)
def test_a_key_and_what_it_allows(text: str, name: str, access: Access, secret: str) -> None:
    key = parse_key(text)
    assert (key.name, key.access) == (name, access)
    assert find_key([key], secret) is key


def test_only_the_hash_need_be_written_down() -> None:
    digest = hashlib.sha256(b"hunter2-hunter2-hunter2").hexdigest()
    for stored in (digest, digest.upper()):
        key = parse_key(f"tv:read=sha256:{stored}")
        assert find_key([key], "hunter2-hunter2-hunter2") is key
        assert find_key([key], f"sha256:{stored}") is None, "who reads the configuration has no key"
        assert find_key([key], stored) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fifteen-letters",
        "tv:read=fifteen-letters",
        "tv:reader=hunter2-hunter2-hunter2",
        "tv:READ=hunter2-hunter2-hunter2",
        "tv:=hunter2-hunter2-hunter2",
        "tv=",
        " starts-with-a-blank",
        "two\nlines-of-a-secret",
    ],
)
def test_a_key_that_is_none_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="at least 16 characters") as caught:
        parse_key(text)
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize("text", ["ops:admin=file:/run/keys/the-key", "ops=FILE :/run/keys/the-key"])
def test_a_path_does_not_become_a_secret(text: str) -> None:
    """Paths are in documents, and can be guessed. Whoever wrote it meant what is in the file."""
    with pytest.raises(ValueError, match="file:PATH stands for the whole setting"):
        parse_key(text)


@pytest.mark.parametrize(
    "text", ["TV: read = abcdefgh01234567", "TV :read=abcdefgh01234567", "tv:raed=abcdefgh01234567"]
)
def test_a_role_with_a_mistake_does_not_become_the_secret_of_an_admin(text: str) -> None:
    with pytest.raises(ValueError, match="SECRET"):
        parse_key(text)


@pytest.mark.parametrize("name", ["", "tv:read="])
@pytest.mark.parametrize(
    "text",
    [
        "sha256:" + "a" * 63,
        "sha256:" + "a" * 65,
        "sha256:" + "g" * 64,
        "sha256:" + "a" * 64 + " ",
        "sha256: " + "a" * 64,
        "SHA256:" + "a" * 64,
        "sha-256:" + "a" * 64,
        "sha1:" + "a" * 40,
        "sha512:" + "a" * 128,
    ],
)
def test_a_digest_with_a_mistake_does_not_become_a_secret(name: str, text: str) -> None:
    """Else who reads the settings can sign in with what stands there, and the secret itself is refused."""
    with pytest.raises(ValueError, match="64 hexadecimal digits") as caught:
        parse_key(name + text)
    assert "aaaa" not in str(caught.value)


def test_a_key_does_not_show_its_secret_in_a_traceback() -> None:
    key = parse_key("tv:read=hunter2-hunter2-hunter2")
    assert "hunter2-hunter2-hunter2" not in repr(key)
    assert key.digest.hex() not in repr(key)
    assert repr(key.digest) not in repr(key)


def test_of_several_keys_each_is_found_and_no_other_text() -> None:
    keys = [parse_key("tv:read=the-first-of-the-secrets"), parse_key("ops=the-second-of-the-secrets")]
    assert find_key(keys, "the-first-of-the-secrets") is keys[0]
    assert find_key(keys, "the-second-of-the-secrets") is keys[1]
    for wrong in (
        "",
        "the-first-of-the-secrets ",
        "The-first-of-the-secrets",
        "the-first-of-the-secretsthe-second-of-the-secrets",
        "\ud800",
        "x" * 10_000,
    ):
        assert find_key(keys, wrong) is None
    assert find_key([], "the-first-of-the-secrets") is None
