"""What a request says: its id, who asks, its query, its headers and its body; and the line in the log when it has ended.

The query of a URL may hold a signature, so only the path is ever logged.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from secrets import token_hex
from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec
from twisted.logger import Logger, LogLevel
from twisted.web.server import Request

from transcoded.plan.errors import BadRequest

T = TypeVar("T")

MAX_BODY = 65_536
"""Bytes of a JSON body."""

# Read by the guard; they are parameters of no route.
_SIGNATURE = frozenset({"expires", "signature"})
_SANE_ID = re.compile(rb"[A-Za-z0-9._~+/=-]{1,128}")
_log = Logger()


def begin(request: Request, *, quiet: bool = False) -> str:
    """Give the request its id and have its end logged; returns the id. May be repeated.

    A `quiet` request that succeeds is logged at the level of debugging.
    """
    known = getattr(request, "transcoded_id", None)
    if known is not None:
        return str(known)
    given = request.getHeader(b"X-Request-Id")
    request_id = given.decode("ascii") if given is not None and _SANE_ID.fullmatch(given) else token_hex(8)
    request.transcoded_id = request_id  # type: ignore[attr-defined]  # Request is made to carry attributes of its users
    request.setHeader(b"X-Request-Id", request_id.encode("ascii"))
    request.setHeader(b"X-Content-Type-Options", b"nosniff")
    request.setHeader(b"Server", b"transcoded")
    noted = {"method": text_of(request.method), "path": text_of(request.path), "client": client_of(request)}

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
    """The address of the client as text, `-` where it has none (a UNIX socket)."""
    return str(request.transcoded_client)  # type: ignore[attr-defined]  # set by SafeResource.render


def query_of(request: Request) -> Mapping[str, Sequence[str]]:
    """The query parameters, decoded, without those of a signature; one without a value has the empty one.

    Raises `BadRequest` if there are too many. Twisted's own `args` drop what has no equals sign, and an unknown parameter
    must not go unnoticed.
    """
    query: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(
            text_of(request.uri.partition(b"?")[2]), keep_blank_values=True, errors="replace", max_num_fields=100
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


def body_of(request: Request, kind: type[T]) -> T:
    """The JSON body of a request; raises `BadRequest` with what is wrong and where."""
    content = request.content.read(MAX_BODY + 1) if request.content is not None else b""
    if len(content) > MAX_BODY:
        raise BadRequest(f"The body is longer than {MAX_BODY} bytes.")
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"The body is not the JSON that is expected: {error}.") from None


def text_of(value: bytes) -> str:
    """Bytes of a request as text; what is not UTF-8 becomes U+FFFD."""
    return value.decode("utf-8", "replace")
