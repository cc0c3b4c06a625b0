"""The frame around every route: one decorator to register it, one mapping of errors to responses, one line in the log.

`route` is the only way to make a route. It gives each request an id, which is on every log event of the request and
in the response; it checks the request's form; and what the route raises becomes an RFC 9457 problem document here and
nowhere else. The query of a URL may be a signature, so only the path is ever logged.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from secrets import token_hex
from typing import ParamSpec, cast
from urllib.parse import parse_qsl, unquote_to_bytes

import attrs
import msgspec
from klein import Klein
from klein._app import KleinErrorFunction, KleinRenderable
from klein.resource import KleinResource
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.server import NOT_DONE_YET, Request, Site
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import BaseConverter, RequestRedirect

from transcoded.plan.errors import BadRequest, NotFound, TranscodedError, Unavailable
from transcoded.plan.http.access import Access
from transcoded.web.guard import Guard

P = ParamSpec("P")
Handler = Callable[P, Awaitable[bytes | None]]

# Looked at by the guard, and no parameters of any route.
_SIGNATURE = frozenset({"expires", "signature"})
_SANE_ID = re.compile(rb"[A-Za-z0-9._~+/=-]{1,128}")
_log = Logger()


class MediaPath(BaseConverter):
    """The path of a file in the library: one or more segments, any characters, newlines too."""

    regex = r"(?s:.+)"
    part_isolating = False


class SafeResource(KleinResource):
    """Klein's resource, but a URL that is not UTF-8 gets a problem document too, and no traceback in the log."""

    def __init__(self, app: Klein, guard: Guard) -> None:
        super().__init__(app)
        self._guard = guard

    def render(self, request: IRequest) -> KleinRenderable:
        """Route a request, or refuse it."""
        web = _as_request(request)
        web.transcoded_depth = len(web.prepath or [])  # type: ignore[attr-defined]  # where it is mounted, for URLs that it gives
        web.transcoded_client = self._guard.client(web)  # type: ignore[attr-defined]  # now: of a lost connection it cannot be asked
        self._guard.allow_origin(web)
        if not isinstance(web.getHost(), IPv4Address | IPv6Address) or not web.getHeader(b"Host"):
            # Klein routes by host: a UNIX socket has none, and HTTP/1.0 need not name one.
            web.requestHeaders.setRawHeaders(b"Host", [b"localhost"])
        try:
            unquote_to_bytes(web.path).decode("utf-8")
            web.getRequestHostname().decode("utf-8")
        except UnicodeDecodeError:
            begin(web)
            web.write(problem(web, BadRequest("The URL's path or the Host header is not UTF-8.")))
            web.finish()
            return cast(KleinRenderable, NOT_DONE_YET)
        if web.prepath and not web.postpath and not web.path.endswith(b"/"):
            # Mounted, and asked for without the slash that makes the page's relative URLs right.
            begin(web)
            web.setResponseCode(308)
            web.setHeader(b"Location", web.prepath[-1] + b"/")
            return b""
        try:
            return super().render(request)
        except HTTPException:
            # A Host header of the right characters in the wrong order.
            begin(web)
            return problem(web, BadRequest("The Host header is not the name of a host."))


class AnyFormRequest(Request):
    """A request that also knows the absolute form of its target (RFC 9112, section 3.2.2), as it is sent through proxies."""

    def process(self) -> None:
        """Take scheme and authority off, and go on as ever."""
        if self.path.startswith((b"http://", b"https://")):
            self.path = b"/" + self.path.partition(b"://")[2].partition(b"/")[2]
        super().process()


class QuietSite(Site):
    """Twisted's site without its own access log: that one prints whole URLs, and ours says more."""

    requestFactory = AnyFormRequest

    def log(self, request: object) -> None:
        """Say nothing."""


@attrs.frozen
class Route:
    """A marked method's URL, its HTTP methods, what it takes to use it, what it does in a line.

    One that is `quiet` is asked every few seconds by programs; its successes are logged at the level of debugging.
    """

    url: str
    methods: Sequence[str]
    access: Access
    summary: str
    quiet: bool = False


def route(
    url: str, methods: Sequence[str] = ("GET", "HEAD"), access: Access | None = None, *, quiet: bool = False
) -> Callable[["Handler[P]"], "Handler[P]"]:
    """Mark an async method as the handler of a URL: it returns the body, or None if it has sent it itself.

    Without `access`, media can be played by whoever may play it, the rest be read by any key, and changed by an admin's.
    """

    def mark(handler: "Handler[P]") -> "Handler[P]":
        usual = Access.PLAY if url.startswith("/media/") else Access.READ if "GET" in methods else Access.ADMIN
        summary = (handler.__doc__ or "").strip().partition("\n")[0]
        marked = Route(url, tuple(methods), usual if access is None else access, summary, quiet)
        handler.route = marked  # type: ignore[attr-defined]  # read by routes() below
        return handler

    return mark


def routes(*owners: object) -> "Sequence[tuple[Route, Callable[..., Awaitable[bytes | None]]]]":
    """The marked methods of these objects."""
    found = []
    for owner in owners:
        for name in dir(type(owner)):
            marked = getattr(getattr(type(owner), name), "route", None)
            if isinstance(marked, Route):
                found.append((marked, getattr(owner, name)))
    return found


def resource(guard: Guard, *owners: object) -> SafeResource:
    """The resource that serves the marked methods of these objects. It can be mounted under any path."""
    app = Klein()
    app.url_map.converters["media"] = MediaPath
    # A doubled slash is no invitation to redirect: the path is a file's name.
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = False
    for kind, answer in ((TranscodedError, _known), (HTTPException, _from_werkzeug), (Exception, _unknown)):
        app.handle_errors(kind)(cast(KleinErrorFunction, answer))
    for marked, handler in routes(*owners):
        _register(app, guard, marked, handler)
    return SafeResource(app, guard)


def _register(app: Klein, guard: Guard, marked: Route, handler: Callable[..., Awaitable[bytes | None]]) -> None:
    async def handle(request: Request, **kwargs: str) -> bytes | None:
        begin(request, quiet=marked.quiet)
        path = kwargs.get("path") if marked.url.startswith("/media/") else None
        guard.admit(request, client_of(request), marked.access, path)
        return await handler(request, **kwargs)

    app.route(marked.url, methods=list(marked.methods), endpoint=f"{' '.join(marked.methods)} {marked.url}")(handle)


def begin(request: Request, *, quiet: bool = False) -> str:
    """Give the request its id and have its end logged; the id. May be repeated."""
    known = getattr(request, "transcoded_id", None)
    if known is not None:
        return str(known)
    given = request.getHeader(b"X-Request-Id")
    request_id = given.decode("ascii") if given is not None and _SANE_ID.fullmatch(given) else token_hex(8)
    request.transcoded_id = request_id  # type: ignore[attr-defined]  # Request is made to be adorned
    request.setHeader(b"X-Request-Id", request_id.encode("ascii"))
    request.setHeader(b"X-Content-Type-Options", b"nosniff")
    request.setHeader(b"Server", b"transcoded")
    noted = {"method": _text(request.method), "path": _text(request.path), "client": client_of(request)}

    def log(status: int) -> None:
        _log.emit(
            LogLevel.debug if quiet and status < 400 else LogLevel.info,
            "{method} {path} {status}, {bytes} bytes",
            status=status,
            bytes=request.sentLength,
            request_id=request_id,
            **noted,
        )

    # 499: the client closed the connection before the answer was complete.
    request.notifyFinish().addCallbacks(lambda _: log(request.code), lambda _: log(499))
    return request_id


def client_of(request: Request) -> str:
    """The address of who asks as text, `-` where it has none (a UNIX socket)."""
    return str(request.transcoded_client)  # type: ignore[attr-defined]  # since SafeResource.render


def query_of(request: Request) -> Mapping[str, Sequence[str]]:
    """The query parameters, decoded, without those of a signature; one without a value has the empty one.

    Raises `BadRequest` if there are too many. Twisted's own `args` drop what has no equals sign, and an unknown parameter must not go unnoticed.
    """
    query: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(
            _text(request.uri.partition(b"?")[2]), keep_blank_values=True, errors="replace", max_num_fields=100
        )
    except ValueError:
        raise BadRequest("The query has more than 100 parameters.") from None
    for name, value in pairs:
        if name in _SIGNATURE:
            continue
        query.setdefault(name, []).append(value)
    return query


def header_of(request: Request) -> Callable[[str], str | None]:
    """A function that gives a header's value by its name. Bytes beyond ASCII, which no header needs, are kept as Latin-1."""

    def header(name: str) -> str | None:
        value = request.getHeader(name.encode("ascii"))
        return None if value is None else value.decode("latin-1")

    return header


def json_body(request: Request, value: object, status: int = 200) -> bytes:
    """Answer with JSON."""
    request.setResponseCode(status)
    request.setHeader(b"Content-Type", b"application/json")
    request.setHeader(b"Cache-Control", b"no-store")
    body = msgspec.json.encode(value)
    request.setHeader(b"Content-Length", b"%d" % len(body))
    return body


def problem(request: Request, error: TranscodedError) -> bytes:
    """Answer with a problem document."""
    # Twisted has no phrase for every status.
    request.setResponseCode(error.status, HTTPStatus(error.status).phrase.encode("ascii"))
    request.setHeader(b"Content-Type", b"application/problem+json")
    request.setHeader(b"Cache-Control", b"no-store")
    for name in (b"ETag", b"Last-Modified"):
        request.responseHeaders.removeHeader(name)
    for header, value in error.headers.items():
        request.setHeader(header, value)
    document = {"title": error.title, "status": error.status, "detail": error.detail, **error.extra}
    body = msgspec.json.encode({**document, "request_id": begin(request)})
    request.setHeader(b"Content-Length", b"%d" % len(body))
    return body


def _known(irequest: IRequest, failure: Failure) -> bytes:
    request = _as_request(irequest)
    assert isinstance(failure.value, TranscodedError)  # noqa: S101 - Klein has looked
    return problem(request, failure.value)


def _from_werkzeug(irequest: IRequest, failure: Failure) -> bytes:
    """No route, or not with this method."""
    request = _as_request(irequest)
    begin(request)
    error = failure.value
    if isinstance(error, MethodNotAllowed):
        allowed = sorted({*(error.valid_methods or ()), "OPTIONS"})
        request.setHeader(b"Allow", ", ".join(allowed).encode("ascii"))
        if request.method == b"OPTIONS":
            request.setResponseCode(204)
            return b""
        return problem(request, _MethodNotAllowed(f"Allowed here: {', '.join(allowed)}."))
    if isinstance(error, RequestRedirect) or (isinstance(error, HTTPException) and error.code == 404):
        return problem(request, NotFound("There is nothing at this URL."))
    return problem(request, BadRequest("The request cannot be understood."))


def _unknown(irequest: IRequest, failure: Failure) -> bytes | None:
    """A fault of ours: told in the log with all that is known, to the client with the id to ask for it."""
    request = _as_request(irequest)
    request_id = begin(request)
    if failure.check(CancelledError):
        return problem(request, Unavailable("The request was called off.", 1))
    _log.failure("request {request_id} failed", failure, request_id=request_id)
    return problem(request, TranscodedError("The server made a mistake; its log knows this request by the request id."))


class _MethodNotAllowed(TranscodedError):
    status = 405
    title = "Method not allowed"


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _as_request(request: IRequest) -> Request:
    assert isinstance(request, Request)  # noqa: S101 - twisted.web knows no other
    return request
