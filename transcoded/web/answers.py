"""How routes answer: as values, from which `app` sends the response and `document` describes it. And problem documents."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Generic, TypeVar

import attrs
import msgspec
from msgspec import UNSET, UnsetType
from twisted.web.http import NO_BODY_CODES
from twisted.web.server import Request

from transcoded.plan.errors import TranscodedError
from transcoded.web.blocks import BLOCK, send_blocks
from transcoded.web.request import begin

A = TypeVar("A")
S = TypeVar("S", bound=msgspec.Struct)

JSON = "application/json"


class Problem(msgspec.Struct, omit_defaults=True):
    """The body of every error (RFC 9457). Only the first four members are always present."""

    title: str
    status: int
    detail: str
    request_id: str
    parameter: str | UnsetType = UNSET
    stderr_tail: list[str] | UnsetType = UNSET
    reasons: list[str] | UnsetType = UNSET


@attrs.frozen
class Answer(Generic[A]):
    """The successful answer of a route. `A` is the type that its handler returns.

    `kind` is the struct that is sent as JSON; None: the body is not JSON of a struct. `content_types` are the media types
    that the body can have. `also` are other statuses that are no errors, with their meaning.
    """

    status: int = 200
    content_types: tuple[str, ...] = ()
    kind: type[msgspec.Struct] | None = None
    also: Mapping[int, str] = attrs.field(factory=dict)


def json_of(kind: type[S], status: int = 200) -> "Answer[S]":
    """A struct as JSON."""
    return Answer(status, (JSON,), kind)


@attrs.frozen
class Body:
    """A body that is made or sent for GET only. HEAD gets the same status and headers, and nothing is made for it.

    `length` in bytes; None: it is not known before the body is made. `send` makes the body and returns it, or sends it and returns
    None. If it is not called, `drop` is, to give back what the body holds.
    """

    length: int | None
    send: Callable[[], Awaitable[bytes | None]]
    drop: Callable[[], object] = lambda: None


def made(kept: bytes | None, make: Callable[[], Awaitable[bytes]]) -> Body:
    """A body that has to be made, unless it is kept from another request: `kept`.

    The length of a short one is not told, neither to HEAD nor to GET: so both say the same, whether or not it is made already.
    """

    async def send() -> bytes:
        return await make() if kept is None else kept

    return Body(len(kept) if kept is not None and len(kept) > BLOCK else None, send)


def sent(*content_types: str, also: Mapping[int, str] | None = None) -> "Answer[bytes | Body]":
    """A body of one of these media types: bytes that are there anyway, or a `Body` for what costs something to make or to send.

    The handler of such a route does not look at the method: it is called for HEAD as for GET, and `app` drops the body.
    """
    return Answer(200, content_types, also=also or {})


def nothing() -> "Answer[None]":
    """204, without a body."""
    return Answer(204)


def body_of(request: Request, answer: "Answer[A]", result: A) -> Body:
    """Set the headers for what a handler has returned, and return the body, with its length as far as it is known."""
    if isinstance(result, Body):
        return result
    if isinstance(result, msgspec.Struct):
        return _known(json_body(request, msgspec.json.encode(result), answer.status))
    if answer.status == 204:
        request.setResponseCode(204)
    return _known(result if isinstance(result, bytes) else b"")


async def send(request: Request, body: Body) -> bytes | None:
    """Send a body, or to HEAD what GET would get besides it. This is the only place that knows what HEAD is."""
    if body.length is not None and request.code not in NO_BODY_CODES:
        request.setHeader(b"Content-Length", b"%d" % body.length)
    if request.method == b"HEAD":
        body.drop()
        return b""
    content = await body.send()
    if content is None or len(content) <= BLOCK:
        return content
    request.setHeader(b"Content-Length", b"%d" % len(content))
    await send_blocks(request, content, BLOCK, lambda block: block)
    return None


def json_body(request: Request, body: bytes, status: int = 200) -> bytes:
    """Set the headers for JSON that is encoded already, and return it."""
    request.setResponseCode(status)
    request.setHeader(b"Content-Type", JSON.encode("ascii"))
    request.setHeader(b"Cache-Control", b"no-store")
    return body


def _known(body: bytes) -> Body:
    async def send() -> bytes:
        return body

    return Body(len(body), send)


def problem(request: Request, error: TranscodedError) -> bytes:
    """Set the headers for a problem document, and return it."""
    # Twisted has no phrase for some statuses.
    request.setResponseCode(error.status, HTTPStatus(error.status).phrase.encode("ascii"))
    request.setHeader(b"Content-Type", b"application/problem+json")
    request.setHeader(b"Cache-Control", b"no-store")
    # A handler may have set them before it failed. They describe another body.
    for name in (b"ETag", b"Last-Modified"):
        request.responseHeaders.removeHeader(name)
    for header, value in error.headers.items():
        request.setHeader(header, value)
    body = problem_document(error, begin(request))
    request.setHeader(b"Content-Length", b"%d" % len(body))
    return body


def problem_document(error: TranscodedError, request_id: str) -> bytes:
    """The problem document of an error."""
    return msgspec.json.encode(
        Problem(title=error.title, status=error.status, detail=error.detail, request_id=request_id, **error.extra)
    )
