"""Reading requests: a parameter that is read wrongly or lost changes what a client gets."""

import pytest
import pytest_twisted
from twisted.web.server import Request

from tests.web.conftest import Serve
from transcoded.web.answers import sent
from transcoded.web.request import begin, query_of, text_of
from transcoded.web.route import route


class Routes:
    """Routes that answer with what they read."""

    @route("/ids", answers=sent("*/*"))
    async def ids(self, request: Request) -> bytes:
        return f"{begin(request)} {begin(request)}".encode()


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
        (b"?a=%C3%A9+%26&b=%FF", {"a": ["é &"], "b": ["\udcff"]}),
        (b"?expires=1&signature=2&a=3", {"a": ["3"]}),
        (b"?a=1?b=2", {"a": ["1?b=2"]}),
    ],
)
def test_a_query(query: bytes, expected: dict[str, list[str]]) -> None:
    assert query_of(Query(query)) == expected


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert text_of(b"a\xffb") == "a\ufffdb"
