"""Direct play: the file itself, with ranges and conditions (RFC 9110)."""

import os

from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionLost
from twisted.logger import Logger
from twisted.web.server import Request

from transcoded.plan.errors import PreconditionFailed, TranscodedError, Unavailable
from transcoded.plan.http.conditional import ByteRange, Validators, Verdict, evaluate_conditions, requested_range
from transcoded.plan.http.names import written
from transcoded.plan.media.media_types import DOWNLOAD, media_type
from transcoded.run.files.body import FileBody
from transcoded.run.files.library import LibraryFile, Version
from transcoded.run.files.opener import FileOpener, OpenFile
from transcoded.run.streams.peers import Peers
from transcoded.web.answers import Body
from transcoded.web.request import CLIENT_LEFT, begin, header_of
from transcoded.web.responses import abort, socket_of
from transcoded.web.route import PLAYER_POLICY

_log = Logger()


async def serve_file(request: Request, file: LibraryFile, opener: FileOpener, connections: Peers) -> bytes | Body:
    """The answer with the file, or with the range that is requested. Reads happen in threads.

    Raises `NotFound`, `Unreadable`, `Unavailable`, `PreconditionFailed` and `RangeNotSatisfiable`. If the file cannot be read to the
    end, the connection is broken.
    """
    opened = await opener.open(file)
    part = None
    try:
        part = _begin_response(request, file, Version.of(os.fstat(opened.fd)))
    finally:
        if part is None:
            opened.close()
    if part is None:
        return b""
    body = FileBody(opener.threads_for(file), opened, part.first, part.length)
    return Body(part.length, lambda: _send(request, file, opened, body, connections), opened.close)


async def _send(request: Request, file: LibraryFile, opened: OpenFile, body: FileBody, connections: Peers) -> None:
    """Send a part of a file, which is closed at the end."""
    opened.lease.end = lambda: body.stop(Unavailable("the file is being released"))
    peer = connections.watch(socket_of(request), lambda: body.stop(ConnectionLost("the client does not answer")))
    try:
        await body.send_to(request)
    except CancelledError:
        raise
    except Exception as problem:  # noqa: BLE001 - whatever the cause, the body does not reach the length in the headers
        _log.warn(
            "{path} was cut short: {problem}", path=written(file.path), problem=str(problem), request_id=begin(request)
        )
        await abort(request, _status_of(problem))
    finally:
        if peer is not None:
            peer.forget()


def _status_of(problem: Exception) -> int:
    """The status with which a response is logged that is cut short."""
    if isinstance(problem, ConnectionLost):
        return CLIENT_LEFT
    return problem.status if isinstance(problem, TranscodedError) else TranscodedError.status


def _begin_response(request: Request, file: LibraryFile, version: Version) -> ByteRange | None:
    """Evaluate the conditions and the range, and set status and headers. None: the client has the file already."""
    validators = Validators.of(f"{version.size:x}-{version.mtime_ns:x}", version.mtime_ns)
    header = header_of(request)
    for name, value in (
        ("Accept-Ranges", "bytes"),
        ("ETag", validators.etag),
        ("Last-Modified", validators.last_modified),
        ("Cache-Control", "private, no-cache"),
    ):
        request.setHeader(name, value)
    match evaluate_conditions(header, validators):
        case Verdict.NOT_MODIFIED:
            request.setResponseCode(304)
            return None
        case Verdict.PRECONDITION_FAILED:
            raise PreconditionFailed(
                "The file does not have the version that the request requires (If-Match or If-Unmodified-Since)."
            )
        case Verdict.SERVE:
            pass
    # RFC 9110, section 14.2: Range is defined for GET only.
    whole = ByteRange(0, version.size)
    part = requested_range(header, validators, version.size) if request.method == b"GET" else whole
    request.setResponseCode(206 if part.partial else 200)
    if part.partial:
        request.setHeader("Content-Range", part.content_range(version.size))
    kind = media_type(file.path)
    request.setHeader("Content-Type", kind)
    if kind == DOWNLOAD:
        request.setHeader("Content-Disposition", "attachment")
    else:
        # A browser that opens the file by itself shows it in a document of its own, which loads it once more.
        request.setHeader("Content-Security-Policy", PLAYER_POLICY)
    return part
