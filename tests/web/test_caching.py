"""Caching: a wrong answer shows a client the media of another version of the file."""

import attrs
import pytest
import pytest_twisted
from twisted.web.server import Request

from tests.web.conftest import Serve
from transcoded.web.answers import sent
from transcoded.web.caching import is_current
from transcoded.web.route import route


@attrs.frozen
class Routes:
    immutable: bool = False

    @route("/thing", answers=sent("*/*"))
    async def thing(self, request: Request) -> bytes:
        return b"" if is_current(request, "tag", immutable=self.immutable) else b"body"


@pytest.mark.parametrize(
    ("immutable", "policy"), [(False, "private, no-cache"), (True, "private, max-age=31536000, immutable")]
)
@pytest_twisted.ensureDeferred
async def test_only_what_never_changes_may_be_kept_without_asking(serve: Serve, immutable: bool, policy: str) -> None:
    answer = await serve(Routes(immutable)).ask("/thing")
    assert (answer.status, answer.body) == (200, b"body")
    assert (answer.headers["etag"], answer.headers["cache-control"]) == ('"tag"', policy)


@pytest.mark.parametrize(
    ("tags", "status"),
    [('"tag"', 304), ('W/"tag"', 304), ('"other", "tag"', 304), ("*", 304), ('"other"', 200), ("tag", 200)],
)
@pytest_twisted.ensureDeferred
async def test_a_client_that_has_the_body_does_not_get_it_again(serve: Serve, tags: str, status: int) -> None:
    answer = await serve(Routes()).ask("/thing", headers={"If-None-Match": tags})
    assert (answer.status, answer.body) == (status, b"" if status == 304 else b"body")
    assert answer.headers["etag"] == '"tag"'
