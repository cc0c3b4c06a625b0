"""What routes answer, as values that the frame writes and that the API's description is made from; and problems."""

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
    """What every error looks like (RFC 9457). Only the first four are always there."""

    title: str
    status: int
    detail: str
    request_id: str
    parameter: str | UnsetType = UNSET
    stderr_tail: list[str] | UnsetType = UNSET
    reasons: list[str] | UnsetType = UNSET


@attrs.frozen
class Answer(Generic[A]):
    """How a route answers when nothing goes wrong. `A` is what its handler returns.

    `kind` is the struct that is sent as JSON, `content_types` are the media types that the body may have, and `also` other
    statuses and what they mean.
    """

    status: int = 200
    content_types: tuple[str, ...] = ()
    kind: type[msgspec.Struct] | None = None
    also: Mapping[int, str] = attrs.field(factory=dict)


def json_of(kind: type[S], status: int = 200) -> "Answer[S | None]":
    """JSON of this struct. A handler may return None after HEAD, where making the struct would cost too much."""
    return Answer(status, (JSON,), kind)


def sent(*content_types: str, also: Mapping[int, str] | None = None) -> "Answer[bytes | None]":
    """A body of one of these media types, which the handler returns, or has sent itself (None)."""
    return Answer(200, content_types, also=also or {})


def nothing() -> "Answer[None]":
    """204, without a body."""
    return Answer(204)


def write_answer(request: Request, answer: "Answer[A]", result: A) -> bytes | None:
    """The body of a response for what a handler has returned; its headers are set."""
    if isinstance(result, msgspec.Struct):
        return json_body(request, msgspec.json.encode(result), answer.status)
    if answer.kind is not None:
        request.setHeader(b"Content-Type", JSON.encode("ascii"))
        request.setHeader(b"Cache-Control", b"no-store")
        return b""
    if answer.status == 204:
        request.setResponseCode(204)
        return b""
    # The type of the answer says what the handler returns: a body, or None.
    return result  # type: ignore[return-value]


def json_body(request: Request, body: bytes, status: int = 200) -> bytes:
    """Answer with JSON that is encoded already."""
    request.setResponseCode(status)
    request.setHeader(b"Content-Type", JSON.encode("ascii"))
    request.setHeader(b"Cache-Control", b"no-store")
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
    body = msgspec.json.encode(
        Problem(title=error.title, status=error.status, detail=error.detail, request_id=begin(request), **error.extra)
    )
    request.setHeader(b"Content-Length", b"%d" % len(body))
    return body
