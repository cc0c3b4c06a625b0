"""How routes answer: as values, from which `app` writes the response and `document` describes it. And problem documents."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Generic, TypeVar

import attrs
import msgspec
from msgspec import UNSET, UnsetType
from twisted.web.server import Request

from transcoded.plan.errors import TranscodedError
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


def sent(*content_types: str, also: Mapping[int, str] | None = None) -> "Answer[bytes | None]":
    """A body of one of these media types. The handler returns it, or returns None when it has sent the body itself."""
    return Answer(200, content_types, also=also or {})


def nothing() -> "Answer[None]":
    """204, without a body."""
    return Answer(204)


def write_answer(request: Request, answer: "Answer[A]", result: A) -> bytes | None:
    """Set the headers for what a handler has returned, and return the body. None: the body is sent already."""
    if isinstance(result, msgspec.Struct):
        return json_body(request, msgspec.json.encode(result), answer.status)
    if answer.status == 204:
        request.setResponseCode(204)
        return b""
    # Only `sent` is left, whose handlers return a body or None.
    return result  # type: ignore[return-value]


def json_body(request: Request, body: bytes, status: int = 200) -> bytes:
    """Set the headers for JSON that is encoded already, and return it."""
    request.setResponseCode(status)
    request.setHeader(b"Content-Type", JSON.encode("ascii"))
    request.setHeader(b"Cache-Control", b"no-store")
    request.setHeader(b"Content-Length", b"%d" % len(body))
    return body


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
