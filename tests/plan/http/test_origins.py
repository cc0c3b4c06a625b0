"""Whose request is it? A page that passes for our own can do whatever its visitor can."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.http.origins import (
    CorsRules,
    HostRules,
    Origin,
    Source,
    own_origin,
    parse_origin,
    source_of,
    split_authority,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost", ("localhost", None)),
        ("Example.ORG:8080", ("example.org", 8080)),
        ("example.org.", ("example.org", None)),
        ("example.org:", ("example.org", None)),
        ("192.0.2.1:1", ("192.0.2.1", 1)),
        ("[2001:DB8:0::1]:443", ("[2001:db8::1]", 443)),
        ("media_server", ("media_server", None)),
    ],
)
def test_an_authority(text: str, expected: tuple[str, int | None]) -> None:
    assert split_authority(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":80",
        "a b",
        "a..b",
        "a/b",
        "u@a",
        "a:b",
        "a:123456",
        "[::1",
        "::1",
        "[a]",
        "[::1]x",
        "é",
        "a" * 64,
        "a\n",
        ".",
        "[fe80::1%25eth0]",
    ],
)
def test_what_is_no_authority(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        split_authority(text)


@pytest.mark.parametrize(
    "name", ["localhost", "a.localhost", "box", "box.lan", "box.local", "127.0.0.1", "[::1]", "tv.example", "a.b.net"]
)
def test_a_host_that_is_served(name: str) -> None:
    assert HostRules.of(("TV.example", "*.net"), "Box.lan").allow(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "evil.example",
        "net",
        "xnet",
        "tv.example.org",
        "a.tv.example",
        "xlocalhost",
        "127.0.0.1.evil",
        "0x7f.1",
        "127.1",
        "lan",
    ],
)
def test_a_host_that_is_not(name: str) -> None:
    assert not HostRules.of(("TV.example", "*.net"), "Box.lan").allow(name)
    assert HostRules.of(("*",), "").allow(name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://tv.example", Origin("https", "tv.example", 443)),
        ("HTTP://TV.example:8080/page?x", Origin("http", "tv.example", 8080)),
        ("http://[::1]:1", Origin("http", "[::1]", 1)),
        ("null", None),
        ("", None),
        ("file://", None),
        ("https://u@tv.example", None),
        ("https://tv.example\\@evil.example", Origin("https", "tv.example", 443)),
    ],
)
def test_an_origin(text: str, expected: Origin | None) -> None:
    assert parse_origin(text) == expected


OWN = Origin("http", "tv.example", 80)
SUB = {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "video"}
LINK = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
CORS = CorsRules.of(("https://front.example",))


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("POST", {}, Source.OWN),
        ("POST", {"Origin": "http://tv.example"}, Source.OWN),
        ("POST", {"Origin": "http://tv.example:80"}, Source.OWN),
        ("POST", {"Origin": "https://tv.example"}, Source.FOREIGN),
        ("POST", {"Origin": "http://tv.example:81"}, Source.FOREIGN),
        ("POST", {"Origin": "http://evil.example"}, Source.FOREIGN),
        ("POST", {"Origin": "null"}, Source.FOREIGN),
        ("POST", {"Origin": ""}, Source.FOREIGN),
        ("GET", {"Origin": "http://evil.example"}, Source.FOREIGN),
        ("GET", {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"}, Source.FOREIGN),
        ("GET", {"Origin": "https://front.example:443", "Sec-Fetch-Site": "cross-site"}, Source.ALLOWED),
        ("GET", {"Sec-Fetch-Site": "same-origin", **SUB}, Source.OWN),
        ("GET", {"Sec-Fetch-Site": "none", **LINK}, Source.OWN),
        ("GET", {"Sec-Fetch-Site": "cross-site", **SUB}, Source.FOREIGN),
        ("GET", {"Sec-Fetch-Site": "same-site", **SUB}, Source.FOREIGN),
        ("GET", {"Sec-Fetch-Site": "cross-site", **SUB, "Referer": "https://front.example/tv"}, Source.ALLOWED),
        ("GET", {"Sec-Fetch-Site": "cross-site", **SUB, "Referer": "https://front.example.evil/"}, Source.FOREIGN),
        ("GET", {"Sec-Fetch-Site": "cross-site", **LINK}, Source.LINK),
        ("HEAD", {"Sec-Fetch-Site": "cross-site", **LINK}, Source.FOREIGN),
        ("GET", {"Sec-Fetch-Site": "cross-site", **LINK, "Sec-Fetch-Dest": "iframe"}, Source.FOREIGN),
        ("GET", {"Sec-Fetch-Site": "cross-site", **LINK, "Sec-Fetch-Mode": "no-cors"}, Source.FOREIGN),
    ],
)
def test_where_a_request_comes_from(method: str, headers: Mapping[str, str], expected: Source) -> None:
    assert source_of(method, headers.get, OWN, CORS) is expected


def test_every_page_may_be_allowed() -> None:
    for headers in ({"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        assert source_of("GET", headers.get, OWN, CorsRules.of(("*",))) is Source.ALLOWED


@given(st.text(), st.text(), st.text())
def test_no_text_gets_in_as_our_own_page_unless_it_is_our_origin(host: str, origin: str, site: str) -> None:
    own = own_origin("http", host)
    source = source_of("POST", {"Origin": origin, "Sec-Fetch-Site": site}.get, own, CORS)
    assert (source is Source.OWN) == (own is not None and parse_origin(origin) == own)
    assert own_origin("http", None) is None
