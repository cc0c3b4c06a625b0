"""The way of every request to its handler, and of every error to its response.

Each request gets an id, which is in all its log events and in the response. Before the handler is called, this module checks
the host, the body, the page that asks, and the key; finds the file of a URL below /media/, and checks the parameters. An exception becomes an RFC 9457 problem document
here and nowhere else.
"""

from collections.abc import Mapping, Sequence
from typing import cast
from urllib.parse import unquote_to_bytes

from klein import Klein, KleinErrorHandler, KleinRenderable
from klein.resource import KleinResource
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.server import NOT_DONE_YET, Request
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import MethodNotAllowed as WerkzeugMethodNotAllowed
from werkzeug.routing import BaseConverter, RequestRedirect

from transcoded.plan.errors import BadRequest, MethodNotAllowed, NotFound, TranscodedError, Unavailable
from transcoded.plan.http.access import Access
from transcoded.plan.http.ignored import is_ignored
from transcoded.plan.http.origins import Source
from transcoded.plan.http.parameters import read_query
from transcoded.web.answers import body_of, problem, send
from transcoded.web.bodies import check_body, field_of_form, json_of_body, refuse_body
from transcoded.web.guard import Guard, Session
from transcoded.web.media_routes import Locate, MediaRoutes, allowed_methods, resolve
from transcoded.web.origins import Origins, embeddable, foreign_page
from transcoded.web.request import begin, client_of, keep_path, path_below, query_of, text_of
from transcoded.web.responses import abort, make_last
from transcoded.web.route import MEDIA, MEDIA_POLICY, PATH, Handler, Route, routes

_NO_SUCH_URL = "There is nothing at this URL."

_log = Logger()


class MediaPath(BaseConverter):
    """The path of a file in the library: one or more segments of any characters, including newlines."""

    regex = r"(?s:.+)"
    part_isolating = False


class SafeResource(KleinResource):
    """Klein's resource. It refuses, before any route, what no route takes, and answers with a problem document."""

    def __init__(self, app: Klein, guard: Guard, origins: Origins, served: Sequence[Route]) -> None:
        super().__init__(app)
        self._guard = guard
        self._origins = origins
        # What may be any path stands below these, as it was sent. All other URLs are taken literally.
        self._free = tuple({one.url.partition("<")[0].encode("ascii") for one in served if PATH in one.url})
        self.routes = served
        """All routes."""

    def render(self, request: IRequest) -> KleinRenderable:
        """Pass a request to its route, or refuse it."""
        web = _as_request(request)
        depth = len(web.prepath or [])
        web.transcoded_depth = depth  # type: ignore[attr-defined]  # the path under which it is mounted, for the URLs in answers
        web.transcoded_client = self._guard.client(web)  # type: ignore[attr-defined]  # a lost connection has no address any more
        self._origins.mark(web)
        try:
            self._origins.check_host(web)
            check_body(web)
            self._check_path(web, b"/" + b"/".join(web.path.split(b"/")[depth + 1 :]))
        except TranscodedError as error:
            return self._refuse(web, error)
        if not web.getHeader(b"Host"):
            # HTTP/1.0 may omit it, and Klein needs one to find a route.
            web.requestHeaders.setRawHeaders(b"Host", [b"localhost"])
        if web.prepath and not web.postpath and not web.path.endswith(b"/"):
            # Mounted, and requested without the last slash. The relative URLs of the page need it.
            begin(web)
            web.setResponseCode(308)
            web.setHeader(b"Location", web.prepath[-1] + b"/")
            return b""
        keep_path(web)
        return super().render(request)

    def _check_path(self, request: Request, path: bytes) -> None:
        """Raise `BadRequest` or `NotFound` for a path that is not text, or that is a URL of ours in another notation.

        Only the path of a file may be no text: names of files are bytes.

        Proxies have rules for our URLs. Klein decodes and splits a path, so it would find the route for `//metrics` or
        `/%6detrics`, which such a rule does not cover. `path` is below the path under which this is mounted.
        """
        if path.startswith(self._free):
            return
        try:
            unquote_to_bytes(request.path).decode("utf-8")
        except UnicodeDecodeError:
            raise BadRequest("The URL's path is not UTF-8.") from None
        if b"%" in path or b"//" in path:
            raise NotFound(_NO_SUCH_URL)

    def _refuse(self, request: Request, error: TranscodedError) -> KleinRenderable:
        """Answer with a problem document. The connection is closed: what comes behind a bad request may be a part of it."""
        make_last(request)
        request.write(problem(request, error))
        request.finish()
        return cast(KleinRenderable, NOT_DONE_YET)


def resource(guard: Guard, origins: Origins, *owners: object, locate: Locate | None = None) -> SafeResource:
    """The resource that serves all methods of `owners` with a `@route`. It can be mounted under any path.

    `guard` and `origins` decide who may use a route, and from which page. `locate` finds the file of a route below /media/. Without it these routes are left out.
    """
    app = Klein()
    app.url_map.converters["media"] = MediaPath
    # werkzeug would redirect a double slash to a single one. Here the path names a file, so it stays as it is.
    app.url_map.merge_slashes = False
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
            _register(app, guard, origins, one, handler)
    if locate is not None:
        _register_media(app, guard, origins, MediaRoutes(marked), locate)
    return SafeResource(app, guard, origins, [one for one, _ in marked if locate is not None or not one.of_media])


def _register(app: Klein, guard: Guard, origins: Origins, marked: Route, handler: Handler) -> None:
    async def handle(request: Request, **names: str) -> bytes | None:
        begin(request, quiet=marked.quiet)
        origins.refuse_foreign(request)
        _admit(request, guard, marked.access)
        if PATH in marked.url:
            names["path"] = path_below(request, marked.url.partition(PATH)[0], names["path"])
        return await _handle(request, marked, handler, names, names)

    app.route(marked.url, methods=list(marked.methods), endpoint=f"{' '.join(marked.methods)} {marked.url}")(handle)


def _register_media(app: Klein, guard: Guard, origins: Origins, media: MediaRoutes, locate: Locate) -> None:
    async def handle(request: Request, path: str) -> bytes | None:
        begin(request)
        request.setHeader("Content-Security-Policy", MEDIA_POLICY)
        candidates = media.candidates(path_below(request, MEDIA.partition(PATH)[0], path))
        if not candidates:
            raise NotFound(_NO_SUCH_URL)
        allowed, method = allowed_methods(candidates), text_of(request.method)
        if method not in allowed or method == "OPTIONS":
            return _other_method(request, allowed)
        wanted = min(one.route.access for one in candidates)
        paths = [one.path for one in candidates]
        signed = guard.signed(request, paths)
        # A signed URL is made to be used by other pages. Without one, even a link of theirs may not start a transcoder.
        foreign = origins.source(request) in {Source.FOREIGN, Source.LINK}
        if foreign and not signed:
            raise foreign_page()
        if signed:
            embeddable(request)
        session = _admit(request, guard, wanted, paths)
        chosen, file = await resolve(
            candidates, lambda path: session.opens(path) and (path in signed or not foreign), method, locate
        )
        guard.require(session, chosen.route.access)
        return await _handle(request, chosen.route, chosen.handler, chosen.names, {**chosen.names, "file": file})

    # All methods are routed: which of them are allowed depends on the route that the path leads to.
    app.route(MEDIA, methods=None, endpoint=MEDIA)(handle)


def _admit(request: Request, guard: Guard, wanted: Access, paths: Sequence[str] = ()) -> Session:
    """Who makes the request. Raises as `Guard.admit` does."""
    session = guard.admit(request, client_of(request), wanted, paths)
    request.transcoded_key = session.name  # type: ignore[attr-defined]  # for `unit_of`
    return session


async def _handle(
    request: Request, marked: Route, handler: Handler, names: Mapping[str, str], given: Mapping[str, object]
) -> bytes | None:
    """Check the names and parameters of the route, call its handler, and write the answer."""
    marked.check_names(names)
    query = read_query(query_of(request), marked.params, (lambda _: False) if marked.strict else is_ignored)
    body = _body(request, marked)
    # What the handler returns is not kept while its encoded form is sent: a client may take its time.
    return await send(
        request,
        body_of(
            request,
            marked.answers,
            await handler(request, **given, **({"query": query} if marked.params else {}), **body),
        ),
    )


def _body(request: Request, marked: Route) -> Mapping[str, object]:
    """The body of a request as the argument that the handler of the route takes."""
    if marked.body is not None:
        return {"body": json_of_body(request, marked.body)}
    if marked.form is not None:
        return {"form": field_of_form(request, marked.form.name)}
    refuse_body(request)
    return {}


def _answer_error(irequest: IRequest, failure: Failure) -> "bytes | Deferred[None]":
    assert isinstance(failure.value, TranscodedError)  # noqa: S101 - Klein passes only this class
    return _problem_or_break(_as_request(irequest), failure.value)


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


def _answer_fault(irequest: IRequest, failure: Failure) -> "bytes | Deferred[None]":
    """A fault of the daemon. The log gets the traceback; the client gets the request id, by which the log can be searched."""
    request = _as_request(irequest)
    request_id = begin(request)
    if failure.check(CancelledError):
        return _problem_or_break(request, Unavailable("The request was cancelled inside the server; try again.", 1))
    _log.failure("request {request_id} failed", failure, request_id=request_id)
    return _problem_or_break(
        request, TranscodedError("Internal error. The log of the server has the details under this request id.")
    )


def _problem_or_break(request: Request, error: TranscodedError) -> "bytes | Deferred[None]":
    """A problem document. If the response has begun, its connection is broken: the document would be taken for the end of the body."""
    if request.startedWriting:
        return Deferred.fromCoroutine(abort(request, error.status))
    return problem(request, error)


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
