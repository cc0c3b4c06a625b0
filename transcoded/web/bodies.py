"""Bodies of requests: which are refused, and how the others are read.

They are small: a form with a key, a JSON document of a few fields. `protocol` and `channel` refuse a longer body while it comes in. This
module refuses it once more, because in an application the requests may come from another class.
"""

import os
from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec
from twisted.web.server import Request

from transcoded.plan.errors import BadParameter, BadRequest, BodyTooLarge, UnsupportedBody
from transcoded.web.request import text_of

T = TypeVar("T")

MAX_BODY = 65_536
"""Bytes: the longest body that is accepted."""

_MAX_FIELDS = 10
_FORM = "application/x-www-form-urlencoded"
# curl -d sends the type of a form if it is told none.
_JSON = frozenset({"", "application/json", _FORM})


def check_body(request: Request) -> None:
    """Raise `BodyTooLarge` or `UnsupportedBody` for a body that no route takes."""
    if _size(request) > MAX_BODY:
        raise BodyTooLarge(MAX_BODY)
    if _type(request).startswith("multipart/"):
        raise UnsupportedBody("No route takes a multipart body.")


def refuse_body(request: Request) -> None:
    """Raise `BadRequest` if the request has a body. For routes that take none."""
    if _size(request):
        raise BadRequest("This route takes no body.")


def json_of_body(request: Request, kind: type[T]) -> T:
    """The JSON body of a request as a value of `kind`. Raises `BadRequest` that says what is wrong, and where."""
    if _type(request) not in _JSON:
        raise UnsupportedBody("This route takes application/json.")
    try:
        return msgspec.json.decode(_content(request), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"The body is not valid JSON for this route: {error}.") from None


def field_of_form(request: Request, name: str) -> str:
    """The one field of a form. Raises `BadParameter` if it is not there exactly once, and `BadRequest` for too many fields."""
    content = _content(request)
    if content and _type(request) != _FORM:
        raise UnsupportedBody(f"This route takes {_FORM}.")
    try:
        pairs = parse_qsl(text_of(content), keep_blank_values=True, errors="replace", max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise BadRequest(f"The form has more than {_MAX_FIELDS} fields.") from None
    values = [value for key, value in pairs if key == name]
    if len(values) != 1:
        raise BadParameter(name, "required exactly once, in a form.")
    return values[0]


def _type(request: Request) -> str:
    given: bytes = request.getHeader(b"Content-Type") or b""
    return text_of(given).partition(";")[0].strip().lower()


def _size(request: Request) -> int:
    """The bytes of the body. It is here as a whole, in memory or, with other classes of requests, in a temporary file."""
    if request.content is None:
        return 0
    place = request.content.tell()
    size: int = request.content.seek(0, os.SEEK_END)
    request.content.seek(place)
    return size


def _content(request: Request) -> bytes:
    if request.content is None:
        return b""
    request.content.seek(0)
    content: bytes = request.content.read(MAX_BODY)
    return content
