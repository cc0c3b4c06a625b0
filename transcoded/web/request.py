"""Reads a request: its id, the client, the query and the headers. Logs one line when it has ended.

The query of a URL can contain a signature, so only the path is logged.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from secrets import token_hex
from typing import Any
from urllib.parse import parse_qsl

from twisted.logger import Logger, LogLevel
from twisted.protocols.policies import ProtocolWrapper
from twisted.web.server import Request

from transcoded.plan.errors import BadRequest
from transcoded.plan.http.clients import client_unit
from transcoded.plan.http.cmcd import session_id
from transcoded.plan.http.forwarded import Trusted, forwarded_https, is_trusted
from transcoded.plan.http.names import decode
from transcoded.plan.http.signed_urls import PARAMETERS
from transcoded.run.streams.viewing import Viewer

CLIENT_LEFT = 499
"""Not a status of HTTP: what is logged if the client closed the connection before the answer was complete."""

_PREFIX = re.compile(rb"(?:/[A-Za-z0-9._~-]+)+")
_VALID_ID = re.compile(rb"[A-Za-z0-9._~+/=-]{1,128}")
_log = Logger()


def begin(request: Request, *, quiet: bool = False) -> str:
    """Set the id of the request and the headers of every response, and log the end of the request. Returns the id.

    Only the first call for a request does this; later calls return the id. If a `quiet` request succeeds, the level of its
    log line is debug, not info.
    """
    known = getattr(request, "transcoded_id", None)
    if known is not None:
        return str(known)
    given = request.getHeader(b"X-Request-Id")
    request_id = given.decode("ascii") if given is not None and _VALID_ID.fullmatch(given) else token_hex(8)
    request.transcoded_id = request_id  # type: ignore[attr-defined]  # Twisted has no other place for values of one request
    request.setHeader(b"X-Request-Id", request_id.encode("ascii"))
    request.setHeader(b"X-Content-Type-Options", b"nosniff")
    request.setHeader(b"Server", b"transcoded")
    fields = {"method": text_of(request.method), "path": text_of(request.path), "client": client_of(request)}

    request.transcoded_broken = CLIENT_LEFT  # type: ignore[attr-defined]  # as above

    def log(status: int) -> None:
        _log.emit(
            LogLevel.debug if quiet and status < 400 else LogLevel.info,
            "{method} {path} {status}, {bytes} bytes",
            status=status,
            bytes=request.sentLength,
            request_id=request_id,
            **fields,
        )

    request.notifyFinish().addCallbacks(lambda _: log(request.code), lambda _: log(request.transcoded_broken))  # type: ignore[attr-defined]
    return request_id


def broken_by_us(request: Request, status: int) -> None:
    """Say, before the connection of an incomplete answer is broken, with which status the request is logged.

    Whoever breaks it first decides: if the client has closed it by then, its request was logged as `CLIENT_LEFT`.
    """
    request.transcoded_broken = status  # type: ignore[attr-defined]  # see `begin`


def client_of(request: Request) -> str:
    """The client's address as text; `-` if it has none (a UNIX socket)."""
    return str(request.transcoded_client)  # type: ignore[attr-defined]  # set by SafeResource.render


def unit_of(request: Request) -> str:
    """The client as a unit of fairness (`plan.http.clients`): its address, and the name of its key if it has one."""
    return client_unit(client_of(request), getattr(request, "transcoded_key", ""))


def viewer_of(request: Request) -> Viewer:
    """Who watches: the client, and the session that its player names (`plan.http.cmcd`)."""
    said = [value for name, value in pairs_of(request) if name.upper() == "CMCD"]
    said.append(text_of(request.getHeader(b"CMCD-Session") or b""))
    session = next(filter(None, map(session_id, said)), "")
    return Viewer(unit_of(request), client_of(request), getattr(request, "transcoded_key", ""), session)


def query_of(request: Request) -> Mapping[str, Sequence[str]]:
    """The query: for each name all its values, decoded, without the parameters of a signature. `?a` has the value `""`.

    Raises `BadRequest` if there are more than 100 parameters.
    """
    query: dict[str, list[str]] = {}
    for name, value in pairs_of(request):
        # The guard reads those of a signature. They are not parameters of a route.
        if name not in PARAMETERS:
            query.setdefault(name, []).append(value)
    return query


def pairs_of(request: Request) -> Sequence[tuple[str, str]]:
    """The names and values of the query in their order, decoded. Raises `BadRequest` if there are more than 100.

    A byte that is not UTF-8 is a surrogate, as in a path: one parameter is the path of a file.

    `Request.args` is not used because Twisted leaves out parameters without an equals sign, and adds those of a form.
    """
    try:
        return parse_qsl(
            text_of(request.uri.partition(b"?")[2]),
            keep_blank_values=True,
            errors="surrogateescape",
            max_num_fields=100,
        )
    except ValueError:
        raise BadRequest("The query has more than 100 parameters.") from None


def keep_path(request: Request) -> None:
    """Klein knows paths of UTF-8 only. Let it find the route by a likeness, and keep the path itself for `path_below`."""
    parts = request.postpath or []
    path = b"/" + b"/".join(parts).lstrip(b"/")
    try:
        path.decode("utf-8")
    except UnicodeDecodeError:
        request.transcoded_path = decode(path)  # type: ignore[attr-defined]  # as `transcoded_id`
        request.postpath = [part.decode("utf-8", "replace").encode("utf-8") for part in parts]


def path_below(request: Request, url: str, found: str) -> str:
    """The path of a file or directory at the end of a URL that begins with `url`. `found` is what Klein has found there."""
    kept = getattr(request, "transcoded_path", None)
    return found if kept is None else str(kept).removeprefix(url)


def prefix_of(request: Request) -> str:
    """The path under which the resource is mounted: in this process, and by a proxy (`X-Forwarded-Prefix`). Empty: the root."""
    forwarded = request.getHeader(b"X-Forwarded-Prefix") or b""
    mounted = b"/".join((request.prepath or [])[: getattr(request, "transcoded_depth", 0)])
    own = b"/" + mounted if mounted else b""
    return ((forwarded if _PREFIX.fullmatch(forwarded) else b"") + own).decode("ascii", "replace")


def is_https(request: Request, proxies: Sequence[Trusted]) -> bool:
    """Whether the client has sent the request over HTTPS: to us, or to a trusted proxy that says so (`X-Forwarded-Proto`).

    Whoever connects to a port with the PROXY protocol counts as a trusted proxy: it may claim any client anyway.
    """
    values = request.requestHeaders.getRawHeaders(b"X-Forwarded-Proto")
    if values and _comes_from_proxy(request, proxies):
        return forwarded_https([value.decode("latin-1") for value in values])
    return bool(request.isSecure())


def lowest_transport(channel: object) -> Any:
    """The transport of a connection without what wraps it, as TLS does; None if the connection was lost."""
    # A request whose connection was lost has no channel.
    transport = getattr(channel, "transport", None)
    while isinstance(transport, ProtocolWrapper):
        transport = transport.transport
    return transport


def _comes_from_proxy(request: Request, proxies: Sequence[Trusted]) -> bool:
    transport = lowest_transport(request.channel)
    peer = transport.getPeer() if transport is not None else request.client
    # With the PROXY protocol, the connection says that the client is at its other end.
    return peer != request.client or is_trusted(getattr(peer, "host", None), proxies)


def header_of(request: Request) -> Callable[[str], str | None]:
    """A function from a header's name to its value or None. Bytes that are not ASCII are decoded as Latin-1."""

    def header(name: str) -> str | None:
        value = request.getHeader(name.encode("ascii"))
        return None if value is None else value.decode("latin-1")

    return header


def text_of(value: bytes) -> str:
    """Bytes of a request as text. Bytes that are not UTF-8 become U+FFFD."""
    return value.decode("utf-8", "replace")
