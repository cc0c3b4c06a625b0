"""Signed URLs, attacked: by who wants another file, a longer time, or to pass the signature off as something else."""

import hmac
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest

from tests.support.daemon import LiveDaemon
from transcoded.plan.http.signed_urls import MAX_LIFETIME, signature_opens, signed_query
from transcoded.plan.http.subkeys import Subkeys

KEY = "the-key-of-the-administrator"
SIGNING_KEY = "sixteen letters or more"
BOSS = {"Authorization": f"Bearer {KEY}"}
NOW = 1_700_000_000


def sign(daemon: LiveDaemon, path: str) -> str:
    answer = daemon.post("/api/v1/sign", msgspec.json.encode({"path": path}).decode(), BOSS)
    assert answer.status == 200
    url: str = answer.json()["url"]
    return url


def test_a_guest_opens_his_file_and_stretches_the_url_to_nothing_else(tmp_path: Path) -> None:
    media = tmp_path / "media"
    media.mkdir()
    for name in ("a.txt", "1\na.txt", "b.txt"):
        (media / name).write_text(name, encoding="ascii")
    flags = ("--api-key", f"boss={KEY}", "--signing-key", SIGNING_KEY)
    with LiveDaemon(tmp_path / "daemon", {"m": media}, *flags) as daemon:
        url = sign(daemon, "m/a.txt")
        target, _, query = url.partition("?")
        expires, _, signature = query.removeprefix("expires=").partition("&signature=")
        assert daemon.get(url).status == 200
        later = str(int(expires) + 60)
        for wrong in (
            f"{target}?expires={later}&signature={signature}",
            f"{target}?expires=0{expires}&signature={signature}",
            f"{target}?expires=%2B{expires}&signature={signature}",
            f"{target}?expires=%20{expires}&signature={signature}",
            f"{target}?expires={expires}&expires={later}&signature={signature}",
            f"{target}?expires={later}&{query}",
            f"{target}?{query}&signature={signature}",
            f"{target}?{query}&%73ignature=",
            f"{target}?{query}&expires",
            f"/media/m/b.txt?{query}",
            f"/media/{quote('m/1' + chr(10) + 'a.txt')}?{query}",
        ):
            daemon.get(wrong).problem(401)
        # The same bytes under the key of the settings, as an earlier version signed them.
        old = hmac.digest(SIGNING_KEY.encode(), f"media\n{expires}\nm/a.txt".encode(), "sha256").hex()
        daemon.get(f"{target}?expires={expires}&signature={old}").problem(401)


def test_a_path_with_line_ends_is_not_taken_for_another_file_or_time() -> None:
    subkey = Subkeys.of(SIGNING_KEY).urls
    paths = [
        "a",
        "1\na",
        "a\n1",
        f"{NOW + 60}\na",
        f"5:media,10:{NOW + 60},1:a",
        "a,1:a",
        "1:a",
        "media\na",
        "a\0",
        "a\r\n",
    ]
    opened = [
        (one, other, seconds, wanted)
        for one in paths
        for other in paths
        for seconds in (60, 600)
        for wanted in (60, 600)
        for signature in [signed_query(subkey, one, NOW + seconds).partition("signature=")[2]]
        if signature_opens(subkey, other, str(NOW + wanted), signature, NOW)
    ]
    assert opened == [(path, path, seconds, seconds) for path in paths for seconds in (60, 600)]
    # Nor does a digit belong to the time or to the path, as one likes.
    one, other = (signed_query(subkey, path, expires) for path, expires in (("1a", NOW), ("a", int(f"{NOW}1"))))
    assert one.partition("signature=")[2] != other.partition("signature=")[2]


@pytest.mark.parametrize("seconds", [MAX_LIFETIME + 1, 365 * 24 * 3600, 10**10])
def test_nobody_holds_a_url_for_ever(seconds: int) -> None:
    subkey = Subkeys.of(SIGNING_KEY).urls
    expires, _, signature = signed_query(subkey, "a", NOW + seconds).removeprefix("expires=").partition("&signature=")
    assert not signature_opens(subkey, "a", expires, signature, NOW)


def test_what_is_signed_for_one_purpose_is_worth_nothing_for_another() -> None:
    subkeys = Subkeys.of(SIGNING_KEY)
    expires, _, signature = (
        signed_query(subkeys.cookies, "a", NOW + 60).removeprefix("expires=").partition("&signature=")
    )
    assert not signature_opens(subkeys.urls, "a", expires, signature, NOW)
    assert SIGNING_KEY.encode() not in {subkeys.urls, subkeys.cookies}
