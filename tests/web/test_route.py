"""The route decorator: a route with the wrong default access is open to everybody."""

from collections.abc import Sequence

import pytest
from twisted.web.server import Request

from transcoded.plan.errors import NotFound
from transcoded.plan.http.access import Access
from transcoded.plan.http.parameters import one_of
from transcoded.run.files.library import MediaFile
from transcoded.web.answers import sent
from transcoded.web.route import MEDIA, Route, route, routes

COLOUR = one_of("colour", ("red", "blue"))
ANSWER = sent("*/*")


class Routes:
    """A few routes, and a method that is none."""

    @route(f"{MEDIA}/part/<colour>", names=(COLOUR,), answers=ANSWER)
    async def part(self, request: Request, file: MediaFile, colour: str) -> bytes:
        """The first line.

        And more.
        """
        return b"part"

    @route("/read", answers=ANSWER)
    async def read(self, request: Request) -> bytes:
        return b"read"

    @route("/open", access=Access.OPEN, answers=ANSWER)
    async def open(self, request: Request) -> bytes:
        return b"open"

    async def helper(self) -> None:
        """Not a route."""


def test_the_routes_of_an_object_are_found() -> None:
    owner = Routes()
    found = {one.url: (one, handler) for one, handler in routes(owner)}
    assert set(found) == {f"{MEDIA}/part/<colour>", "/read", "/open"}
    part, handler = found[f"{MEDIA}/part/<colour>"]
    assert handler == owner.part
    assert part.summary == "The first line."
    assert part.of_media
    assert part.placeholders == ["path", "colour"]
    assert part.template == "/media/{path}/part/{colour}"
    assert not found["/read"][0].of_media


@pytest.mark.parametrize(
    ("url", "methods", "expected", "strict"),
    [
        (MEDIA, ("GET", "HEAD"), Access.PLAY, False),
        (f"{MEDIA}/leave", ("POST",), Access.PLAY, True),
        ("/read", ("GET", "HEAD"), Access.READ, True),
        ("/change", ("POST",), Access.ADMIN, True),
        ("/change", ("DELETE",), Access.ADMIN, True),
    ],
)
def test_the_default_access_and_strictness(url: str, methods: Sequence[str], expected: Access, strict: bool) -> None:
    class Owner:
        @route(url, methods=methods, answers=ANSWER)
        async def handler(self, request: Request) -> bytes:
            return b""

    ((found, _),) = routes(Owner())
    assert found.access is expected
    assert found.strict is strict


def test_a_given_access_is_kept() -> None:
    (found,) = [one for one, _ in routes(Routes()) if one.url == "/open"]
    assert found.access is Access.OPEN


def test_a_name_that_its_schema_does_not_allow_is_not_found() -> None:
    marked = Route("/x/<colour>", ("GET",), Access.OPEN, "", ANSWER, names=(COLOUR,))
    marked.check_names({"colour": "red"})
    with pytest.raises(NotFound, match="'green' is not a name here; give red or blue"):
        marked.check_names({"colour": "green"})
