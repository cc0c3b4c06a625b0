"""The one decorator that makes a route. What it is given is checked by the frame (`app`) and described by `document`.

    @route("/media/<media:path>/thumbnail.jpg", params=(TIME, WIDTH), answers=sent("image/jpeg"))
    async def thumbnail(self, request: Request, file: MediaFile, query: Values) -> bytes: ...

A handler gets the request; of a route below /media/ the file that the URL leads to, else the names in its URL; `query`, if
the route has parameters; and `body`, if it takes one.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

import attrs
import msgspec

from transcoded.plan.errors import NotFound
from transcoded.plan.http.access import Access
from transcoded.plan.http.parameters import Parameter
from transcoded.web.answers import Answer

P = ParamSpec("P")
A = TypeVar("A")
# What a handler takes and returns depends on its route: the decorator has checked the latter.
Handler = Callable[..., Awaitable[Any]]

MEDIA = "/media/<media:path>"
"""What the URL of every route that is about one file of the library begins with."""

_PLACEHOLDER = re.compile("<(?:[a-z]+:)?([a-z_]+)>")


@attrs.frozen
class Route:
    """A marked method's URL and all that is known of it.

    `params` are those of the query, `names` describe placeholders of the URL, `body` is the struct that is taken as JSON, and
    `form` the one field of a form. A route that is `quiet` is asked every few seconds by programs; its successes are logged at
    the level of debugging.
    """

    url: str
    methods: Sequence[str]
    access: Access
    summary: str
    # `Any`: answers and parameters of all types stand in one table.
    answers: Answer[Any]
    params: Sequence[Parameter[Any]] = ()
    names: Sequence[Parameter[Any]] = ()
    body: type[msgspec.Struct] | None = None
    form: Parameter[str] | None = None
    quiet: bool = False

    @property
    def of_media(self) -> bool:
        """Whether it is about one file of the library."""
        return self.url.startswith(MEDIA)

    @property
    def placeholders(self) -> Sequence[str]:
        """The names in its URL, in order."""
        return _PLACEHOLDER.findall(self.url)

    @property
    def template(self) -> str:
        """Its URL as OpenAPI writes it."""
        return _PLACEHOLDER.sub(r"{\1}", self.url)

    def check_names(self, given: Mapping[str, str]) -> None:
        """Raise `NotFound` if a name in the URL is none that there can be."""
        for one in self.names:
            if not one.allows(given[one.name]):
                raise NotFound(f"There is nothing of this name; {one.hint}")


def route(
    url: str,
    methods: Sequence[str] = ("GET", "HEAD"),
    access: Access | None = None,
    *,
    answers: Answer[A],
    params: "Sequence[Parameter[Any]]" = (),
    names: "Sequence[Parameter[Any]]" = (),
    body: type[msgspec.Struct] | None = None,
    form: Parameter[str] | None = None,
    quiet: bool = False,
) -> "Callable[[Callable[P, Awaitable[A]]], Callable[P, Awaitable[A]]]":
    """Mark an async method as the handler of a URL; see `Route`.

    Without `access`, media can be played by whoever may play it, the rest be read by any key, and changed by an admin's.
    """

    def mark(handler: "Callable[P, Awaitable[A]]") -> "Callable[P, Awaitable[A]]":
        usual = Access.PLAY if url.startswith(MEDIA) else Access.READ if "GET" in methods else Access.ADMIN
        handler.route = Route(  # type: ignore[attr-defined]  # read by routes() below
            url=url,
            methods=tuple(methods),
            access=usual if access is None else access,
            summary=(handler.__doc__ or "").strip().partition("\n")[0],
            answers=answers,
            params=tuple(params),
            names=tuple(names),
            body=body,
            form=form,
            quiet=quiet,
        )
        return handler

    return mark


def routes(*owners: object) -> Sequence[tuple[Route, Handler]]:
    """The marked methods of these objects."""
    found = []
    for owner in owners:
        for name in dir(type(owner)):
            marked = getattr(getattr(type(owner), name), "route", None)
            if isinstance(marked, Route):
                found.append((marked, getattr(owner, name)))
    return found
