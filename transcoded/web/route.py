"""The decorator that makes a method a route. `app` checks requests against its arguments, and `document` describes them.

    @route("/media/<media:path>/thumbnail.jpg", params=(TIME, WIDTH), answers=sent("image/jpeg"))
    async def thumbnail(self, request: Request, file: MediaFile, query: Values) -> bytes: ...

A handler gets the request; below /media/ the `file` that the URL leads to; the other placeholders of the URL by their names;
`query`, if the route has parameters; and `body` or `form`, the JSON body or the value of the one field of a form, if it takes one.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

import attrs
import msgspec

from transcoded.plan.errors import NotFound
from transcoded.plan.http.access import Access
from transcoded.plan.http.parameters import Parameter, printable
from transcoded.web.answers import Answer

P = ParamSpec("P")
A = TypeVar("A")
# `Any`: each handler returns another type, which the decorator has checked against the route's `answers`.
Handler = Callable[..., Awaitable[Any]]

PATH = "<media:path>"
"""The placeholder for a path in the library."""

MEDIA = f"/media/{PATH}"
"""The beginning of the URL of every route for one file of the library."""

MEDIA_POLICY = "sandbox; default-src 'none'"
"""The `Content-Security-Policy` of every answer below it: whatever a file is and whatever a browser takes it for, it runs no
script, and is no page of this origin."""

PLAYER_POLICY = "sandbox allow-same-origin; default-src 'none'; media-src 'self'; img-src 'self'"
"""The same for audio, video and images. A browser that opens one by itself shows it in a document of its own, which loads it once
more from its own origin. No script runs there either."""

_PLACEHOLDER = re.compile("<(?:[a-z]+:)?([a-z_]+)>")


@attrs.frozen
class Route:
    """A URL with everything that is checked and described about it.

    `params` are those of the query. `names` describe placeholders of the URL. `body` is the struct of a JSON body, `form` the
    one field of a form. A `quiet` route is requested every few seconds by programs; its successes are logged at level debug.
    A `strict` route refuses every parameter that it does not have; others ignore what players append (`plan.http.ignored`).
    """

    url: str
    methods: Sequence[str]
    access: Access
    summary: str
    # `Any`: answers and parameters of different types are in one table.
    answers: Answer[Any]
    params: Sequence[Parameter[Any]] = ()
    names: Sequence[Parameter[Any]] = ()
    body: type[msgspec.Struct] | None = None
    form: Parameter[str] | None = None
    quiet: bool = False
    strict: bool = True

    @property
    def of_media(self) -> bool:
        """Whether it is a route for one file of the library."""
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
        """Raise `NotFound` if the schema of a placeholder does not allow the text in the URL."""
        for one in self.names:
            if not one.allows(given[one.name]):
                raise NotFound(f"{printable(given[one.name])!r} is not a name here; {one.hint}")


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
    strict: bool | None = None,
) -> "Callable[[Callable[P, Awaitable[A]]], Callable[P, Awaitable[A]]]":
    """Mark an async method as the handler of a URL; see `Route`.

    The default of `access`: PLAY below /media/, otherwise READ for a route with GET, and ADMIN for one without. The default of
    `strict`: no for a route with GET below /media/, otherwise yes.
    """

    def mark(handler: "Callable[P, Awaitable[A]]") -> "Callable[P, Awaitable[A]]":
        default = Access.PLAY if url.startswith(MEDIA) else Access.READ if "GET" in methods else Access.ADMIN
        handler.route = Route(  # type: ignore[attr-defined]  # read by routes() below
            url=url,
            methods=tuple(methods),
            access=default if access is None else access,
            summary=(handler.__doc__ or "").strip().partition("\n")[0],
            answers=answers,
            params=tuple(params),
            names=tuple(names),
            body=body,
            form=form,
            quiet=quiet,
            strict=not (url.startswith(MEDIA) and "GET" in methods) if strict is None else strict,
        )
        return handler

    return mark


def routes(*owners: object) -> Sequence[tuple[Route, Handler]]:
    """The routes of these objects, with the bound methods that handle them."""
    found = []
    for owner in owners:
        for name in dir(type(owner)):
            marked = getattr(getattr(type(owner), name), "route", None)
            if isinstance(marked, Route):
                found.append((marked, getattr(owner, name)))
    return found
