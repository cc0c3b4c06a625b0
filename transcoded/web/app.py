"""The way of every request to its handler, and of every error to its response.

Each request gets an id, which is in all its log events and in the response. Before the handler is called, this module checks
the key, finds the file of a URL below /media/, and checks the parameters. An exception becomes an RFC 9457 problem document
here and nowhere else.
"""

from collections.abc import Mapping, Sequence
from typing import cast
from urllib.parse import unquote_to_bytes

from klein import Klein, KleinErrorHandler, KleinRenderable
from klein.resource import KleinResource
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.server import NOT_DONE_YET, Request, Site
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import MethodNotAllowed as WerkzeugMethodNotAllowed
from werkzeug.routing import BaseConverter, RequestRedirect

from transcoded.plan.errors import BadRequest, MethodNotAllowed, NotFound, TranscodedError, Unavailable
from transcoded.plan.http.parameters import read_query
from transcoded.web.answers import problem, write_answer
from transcoded.web.guard import Guard
from transcoded.web.media_routes import Locate, MediaRoutes, allowed_methods, resolve
from transcoded.web.request import begin, body_of, client_of, query_of, text_of
from transcoded.web.route import MEDIA, Handler, Route, routes

_NO_SUCH_URL = "There is nothing at this URL."

# Whatever a file of the library is and whatever a browser takes it for: it runs no script, and is no page of this origin.
_MEDIA_POLICY = b"sandbox; default-src 'none'"
_log = Logger()


class MediaPath(BaseConverter):
    """The path of a file in the library: one or more segments of any characters, including newlines."""

    regex = r"(?s:.+)"
    part_isolating = False


class SafeResource(KleinResource):
    """Klein's resource, with problem documents also for URLs and Host headers that Klein cannot decode."""

    def __init__(self, app: Klein, guard: Guard, served: Sequence[Route]) -> None:
        super().__init__(app)
        self._guard = guard
        self.routes = served
        """All routes."""

    def render(self, request: IRequest) -> KleinRenderable:
        """Pass a request to its route, or refuse it."""
        web = _as_request(request)
        web.transcoded_depth = len(web.prepath or [])  # type: ignore[attr-defined]  # the path under which it is mounted, for the URLs in answers
        web.transcoded_client = self._guard.client(web)  # type: ignore[attr-defined]  # a lost connection has no address any more
        self._guard.allow_origin(web)
        if not isinstance(web.getHost(), IPv4Address | IPv6Address) or not web.getHeader(b"Host"):
            # Klein needs a host to find a route. A UNIX socket has none, and HTTP/1.0 may omit the header.
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
            # Mounted, and requested without the last slash. The relative URLs of the page need it.
            begin(web)
            web.setResponseCode(308)
            web.setHeader(b"Location", web.prepath[-1] + b"/")
            return b""
        try:
            return super().render(request)
        except HTTPException:
            # The Host header is UTF-8, but werkzeug cannot parse it.
            begin(web)
            return problem(web, BadRequest("The Host header is not the name of a host."))


class AbsoluteFormRequest(Request):
    """A request whose target may be in absolute form (RFC 9112, section 3.2.2), as clients send it to proxies."""

    def process(self) -> None:
        """Remove the scheme and the authority from the path, then process the request."""
        if self.path.startswith((b"http://", b"https://")):
            self.path = b"/" + self.path.partition(b"://")[2].partition(b"/")[2]
        super().process()


class QuietSite(Site):
    """Twisted's site without its access log, which prints whole URLs with their signatures. `request` logs instead."""

    requestFactory = AbsoluteFormRequest

    def log(self, request: object) -> None:
        """Log nothing."""


def resource(guard: Guard, *owners: object, locate: Locate | None = None) -> SafeResource:
    """The resource that serves all methods of `owners` with a `@route`. It can be mounted under any path.

    `locate` finds the file of a route below /media/. Without it these routes are left out.
    """
    app = Klein()
    app.url_map.converters["media"] = MediaPath
    # werkzeug would redirect a double slash to a single one. Here the path names a file, so it stays as it is.
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = False
    for kind, handler_of_kind in (
        (TranscodedError, _answer_error),
        (HTTPException, _answer_http_exception),
        (Exception, _answer_fault),
    ):
        # The type in Klein also prescribes the names of the parameters.
        app.handle_errors(kind)(cast(KleinErrorHandler, handler_of_kind))
    marked = routes(*owners)
    for one, handler in marked:
        if not one.of_media:
            _register(app, guard, one, handler)
    if locate is not None:
        _register_media(app, guard, MediaRoutes(marked), locate)
    return SafeResource(app, guard, [one for one, _ in marked if locate is not None or not one.of_media])


def _register(app: Klein, guard: Guard, marked: Route, handler: Handler) -> None:
    async def handle(request: Request, **names: str) -> bytes | None:
        begin(request, quiet=marked.quiet)
        session = guard.admit(request, client_of(request), marked.access)
        request.transcoded_key = session.name  # type: ignore[attr-defined]  # for `unit_of`
        return await _handle(request, marked, handler, names, names)

    app.route(marked.url, methods=list(marked.methods), endpoint=f"{' '.join(marked.methods)} {marked.url}")(handle)


def _register_media(app: Klein, guard: Guard, media: MediaRoutes, locate: Locate) -> None:
    async def handle(request: Request, path: str) -> bytes | None:
        begin(request)
        request.setHeader(b"Content-Security-Policy", _MEDIA_POLICY)
        candidates = media.candidates(path)
        if not candidates:
            raise NotFound(_NO_SUCH_URL)
        allowed, method = allowed_methods(candidates), text_of(request.method)
        if method not in allowed or method == "OPTIONS":
            return _other_method(request, allowed)
        wanted = min(one.route.access for one in candidates)
        session = guard.admit(request, client_of(request), wanted, [one.path for one in candidates])
        request.transcoded_key = session.name  # type: ignore[attr-defined]  # for `unit_of`
        chosen, file = await resolve(candidates, session.opens, method, locate)
        guard.require(session, chosen.route.access)
        return await _handle(request, chosen.route, chosen.handler, chosen.names, {**chosen.names, "file": file})

    # All methods are routed: which of them are allowed depends on the route that the path leads to.
    app.route(MEDIA, methods=None, endpoint=MEDIA)(handle)


async def _handle(
    request: Request, marked: Route, handler: Handler, names: Mapping[str, str], given: Mapping[str, object]
) -> bytes | None:
    """Check the names and parameters of the route, call its handler, and write the answer."""
    marked.check_names(names)
    query = read_query(query_of(request), marked.params)
    result = await handler(
        request,
        **given,
        **({"query": query} if marked.params else {}),
        **({"body": body_of(request, marked.body)} if marked.body is not None else {}),
    )
    return write_answer(request, marked.answers, result)


def _answer_error(irequest: IRequest, failure: Failure) -> bytes:
    request = _as_request(irequest)
    assert isinstance(failure.value, TranscodedError)  # noqa: S101 - Klein passes only this class
    return problem(request, failure.value)


def _answer_http_exception(irequest: IRequest, failure: Failure) -> bytes:
    """No route has this URL, or none with this method."""
    request = _as_request(irequest)
    begin(request)
    error = failure.value
    if isinstance(error, WerkzeugMethodNotAllowed):
        return _other_method(request, sorted({*(error.valid_methods or ()), "OPTIONS"}))
    if isinstance(error, RequestRedirect) or (isinstance(error, HTTPException) and error.code == 404):
        return problem(request, NotFound(_NO_SUCH_URL))
    return problem(request, BadRequest("The request is not valid HTTP for this server."))


def _answer_fault(irequest: IRequest, failure: Failure) -> bytes | None:
    """A fault of the daemon. The log gets the traceback; the client gets the request id, by which the log can be searched."""
    request = _as_request(irequest)
    request_id = begin(request)
    if failure.check(CancelledError):
        return problem(request, Unavailable("The request was cancelled inside the server; try again.", 1))
    _log.failure("request {request_id} failed", failure, request_id=request_id)
    return problem(
        request, TranscodedError("Internal error. The log of the server has the details under this request id.")
    )


def _other_method(request: Request, allowed: Sequence[str]) -> bytes:
    """Answer OPTIONS, or refuse a method that is not in `allowed`."""
    error = MethodNotAllowed(allowed)
    if request.method != b"OPTIONS":
        return problem(request, error)
    request.setHeader(b"Allow", error.headers["Allow"])
    request.setResponseCode(204)
    return b""


def _as_request(request: IRequest) -> Request:
    assert isinstance(request, Request)  # noqa: S101 - twisted.web has no other class
    return request
