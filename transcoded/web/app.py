"""The frame around every route: from a request to its handler, one mapping of errors to responses, one line in the log.

Each request gets an id, which is on every log event of the request and in the response. Who asks, the file that the URL leads
to and the parameters are checked here, before the handler, and what it raises becomes an RFC 9457 problem document here and
nowhere else.
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
from werkzeug.exceptions import MethodNotAllowed as NoSuchMethod
from werkzeug.routing import BaseConverter, RequestRedirect

from transcoded.plan.errors import BadRequest, MethodNotAllowed, NotFound, TranscodedError, Unavailable
from transcoded.plan.http.parameters import read_query
from transcoded.web.answers import problem, write_answer
from transcoded.web.guard import Guard
from transcoded.web.media_routes import Locate, MediaRoutes, allowed_methods, resolve
from transcoded.web.request import begin, body_of, client_of, query_of, text_of
from transcoded.web.route import MEDIA, Handler, Route, routes

_NOTHING = "There is nothing at this URL."
_log = Logger()


class MediaPath(BaseConverter):
    """The path of a file in the library: one or more segments, any characters, newlines too."""

    regex = r"(?s:.+)"
    part_isolating = False


class SafeResource(KleinResource):
    """Klein's resource; but a URL that is not UTF-8 gets a problem document too, and no traceback in the log."""

    def __init__(self, app: Klein, guard: Guard, served: Sequence[Route]) -> None:
        super().__init__(app)
        self._guard = guard
        self.routes = served
        """All that can be asked for."""

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


class AbsoluteFormRequest(Request):
    """A request that also knows the absolute form of its target (RFC 9112, section 3.2.2), as it is sent through proxies."""

    def process(self) -> None:
        """Take scheme and authority off, and go on as usual."""
        if self.path.startswith((b"http://", b"https://")):
            self.path = b"/" + self.path.partition(b"://")[2].partition(b"/")[2]
        super().process()


class QuietSite(Site):
    """Twisted's site without its own access log: that one prints whole URLs, and ours says more."""

    requestFactory = AbsoluteFormRequest

    def log(self, request: object) -> None:
        """Say nothing."""


def resource(guard: Guard, *owners: object, locate: Locate | None = None) -> SafeResource:
    """The resource that serves the marked methods of these objects. It can be mounted under any path.

    `locate` finds the file of a route below /media/; without it there are no such routes.
    """
    app = Klein()
    app.url_map.converters["media"] = MediaPath
    # A doubled slash is no invitation to redirect: the path is a file's name.
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = False
    for kind, answer in ((TranscodedError, _known), (HTTPException, _from_werkzeug), (Exception, _unknown)):
        # Klein's type asks for parameters of certain names.
        app.handle_errors(kind)(cast(KleinErrorHandler, answer))
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
        guard.admit(request, client_of(request), marked.access)
        return await _handle(request, marked, handler, names, names)

    app.route(marked.url, methods=list(marked.methods), endpoint=f"{' '.join(marked.methods)} {marked.url}")(handle)


def _register_media(app: Klein, guard: Guard, media: MediaRoutes, locate: Locate) -> None:
    async def handle(request: Request, path: str) -> bytes | None:
        begin(request)
        candidates = media.candidates(path)
        if not candidates:
            raise NotFound(_NOTHING)
        allowed, method = allowed_methods(candidates), text_of(request.method)
        if method not in allowed or method == "OPTIONS":
            return _other_method(request, allowed)
        wanted = min(one.route.access for one in candidates)
        session = guard.admit(request, client_of(request), wanted, [one.path for one in candidates])
        chosen, file = await resolve(candidates, session.opens, method, locate)
        guard.require(session, chosen.route.access)
        return await _handle(request, chosen.route, chosen.handler, chosen.names, {**chosen.names, "file": file})

    # All methods: which ones there are depends on how the path is read.
    app.route(MEDIA, methods=None, endpoint=MEDIA)(handle)


async def _handle(
    request: Request, marked: Route, handler: Handler, names: Mapping[str, str], given: Mapping[str, object]
) -> bytes | None:
    """Check what the route's mark says, call the handler, and write what it answers."""
    marked.check_names(names)
    query = read_query(query_of(request), marked.params)
    result = await handler(
        request,
        **given,
        **({"query": query} if marked.params else {}),
        **({"body": body_of(request, marked.body)} if marked.body is not None else {}),
    )
    return write_answer(request, marked.answers, result)


def _known(irequest: IRequest, failure: Failure) -> bytes:
    request = _as_request(irequest)
    assert isinstance(failure.value, TranscodedError)  # noqa: S101 - Klein has looked
    return problem(request, failure.value)


def _from_werkzeug(irequest: IRequest, failure: Failure) -> bytes:
    """No route, or not with this method."""
    request = _as_request(irequest)
    begin(request)
    error = failure.value
    if isinstance(error, NoSuchMethod):
        return _other_method(request, sorted({*(error.valid_methods or ()), "OPTIONS"}))
    if isinstance(error, RequestRedirect) or (isinstance(error, HTTPException) and error.code == 404):
        return problem(request, NotFound(_NOTHING))
    return problem(request, BadRequest("The request cannot be understood."))


def _unknown(irequest: IRequest, failure: Failure) -> bytes | None:
    """A fault of ours: told in the log with all that is known, to the client with the id to ask for it."""
    request = _as_request(irequest)
    request_id = begin(request)
    if failure.check(CancelledError):
        return problem(request, Unavailable("The request was called off.", 1))
    _log.failure("request {request_id} failed", failure, request_id=request_id)
    return problem(request, TranscodedError("The server made a mistake; its log knows this request by the request id."))


def _other_method(request: Request, allowed: Sequence[str]) -> bytes:
    """Answer OPTIONS, or a method that is not among these."""
    error = MethodNotAllowed(allowed)
    if request.method != b"OPTIONS":
        return problem(request, error)
    request.setHeader(b"Allow", error.headers["Allow"])
    request.setResponseCode(204)
    return b""


def _as_request(request: IRequest) -> Request:
    assert isinstance(request, Request)  # noqa: S101 - twisted.web knows no other
    return request
