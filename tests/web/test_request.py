"""Reading requests: a parameter that is read wrongly or lost changes what a client gets."""

import msgspec
import pytest
import pytest_twisted
from twisted.web.server import Request

from tests.web.conftest import Serve
from transcoded.web.answers import json_of, sent
from transcoded.web.request import MAX_BODY, begin, body_of, query_of, text_of
from transcoded.web.route import route


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """A body with one field."""

    number: int


class Routes:
    """Routes that answer with what they read."""

    @route("/ids", answers=sent("*/*"))
    async def ids(self, request: Request) -> bytes:
        return f"{begin(request)} {begin(request)}".encode()

    @route("/body", methods=("POST",), answers=json_of(Body))
    async def body(self, request: Request) -> Body:
        return body_of(request, Body)


class Query(Request):
    """A request of which only the URL is known."""

    def __init__(self, query: bytes) -> None:
        self.uri = b"/x" + query


@pytest_twisted.ensureDeferred
async def test_a_request_has_one_id(serve: Serve) -> None:
    answer = await serve(Routes()).ask("/ids", headers={"X-Request-Id": "mine"})
    assert answer.body == b"mine mine"
    assert answer.headers["x-request-id"] == "mine"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"", {}),
        (b"?", {}),
        (b"?a=1&a=2&b=", {"a": ["1", "2"], "b": [""]}),
        (b"?a", {"a": [""]}),
        (b"?a=%C3%A9+%26&b=%FF", {"a": ["é &"], "b": ["\ufffd"]}),
        (b"?expires=1&signature=2&a=3", {"a": ["3"]}),
        (b"?a=1?b=2", {"a": ["1?b=2"]}),
    ],
)
def test_a_query(query: bytes, expected: dict[str, list[str]]) -> None:
    assert query_of(Query(query)) == expected


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b'{"number": 5}', 200, ""),
        (b'{"number": "5"}', 400, "$.number"),
        (b'{"numbre": 5}', 400, "numbre"),
        (b"{}", 400, "number"),
        (b"", 400, "not valid JSON"),
        (b"\xff", 400, "not valid JSON"),
        (b'{"number": 5}' + b" " * MAX_BODY, 400, str(MAX_BODY)),
    ],
    ids=["good", "wrong type", "unknown field", "missing field", "empty", "no text", "too long"],
)
@pytest_twisted.ensureDeferred
async def test_a_body(serve: Serve, body: bytes, status: int, detail: str) -> None:
    answer = await serve(Routes()).post("/body", body, {"Content-Type": "application/json"})
    if status == 200:
        assert answer.json == {"number": 5}
    else:
        assert detail in answer.problem(status)["detail"]


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert text_of(b"a\xffb") == "a\ufffdb"
