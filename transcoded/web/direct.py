"""Direct play: the file itself, with ranges and conditions (RFC 9110)."""

import os

from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionLost
from twisted.logger import Logger
from twisted.web.server import Request

from transcoded.plan.errors import PreconditionFailed, TranscodedError, Unavailable
from transcoded.plan.http.conditional import ByteRange, Validators, Verdict, evaluate_conditions, requested_range
from transcoded.run.files.body import FileBody
from transcoded.run.files.library import MediaFile, Version
from transcoded.run.files.opener import FileOpener
from transcoded.run.streams.peers import Peers
from transcoded.web.request import CLIENT_LEFT, begin, header_of
from transcoded.web.responses import abort, socket_of
from transcoded.web.route import PLAYER_POLICY

_log = Logger()

CONTENT_TYPES = {
    # Video.
    ".3gp": "video/3gpp",
    ".avi": "video/x-msvideo",
    ".flv": "video/x-flv",
    ".m2ts": "video/mp2t",
    ".m4v": "video/mp4",
    ".mkv": "video/x-matroska",
    ".mov": "video/quicktime",
    ".mp4": "video/mp4",
    ".mpeg": "video/mpeg",
    ".mpg": "video/mpeg",
    ".mts": "video/mp2t",
    ".ogv": "video/ogg",
    ".ts": "video/mp2t",
    ".webm": "video/webm",
    ".wmv": "video/x-ms-wmv",
    # Audio.
    ".aac": "audio/aac",
    ".aif": "audio/aiff",
    ".aiff": "audio/aiff",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".m4b": "audio/mp4",
    ".mka": "audio/x-matroska",
    ".mp3": "audio/mpeg",
    ".oga": "audio/ogg",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".wav": "audio/wav",
    ".weba": "audio/webm",
    ".wma": "audio/x-ms-wma",
    # Raster images.
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    # Text tracks.
    ".ass": "text/x-ssa",
    ".srt": "application/x-subrip",
    ".ssa": "text/x-ssa",
    ".vtt": "text/vtt",
}
"""The media types by suffix. None of them is a document: a browser would run it as a page of this origin, with the rights of who
opened it. HTML and SVG are documents. So the machine's own table of types is not used."""

DOWNLOAD = "application/octet-stream"
"""The media type of all other files. They are sent as attachments, which a browser stores and does not show."""


async def serve_file(request: Request, file: MediaFile, opener: FileOpener, connections: Peers) -> bytes | None:
    """Answer with the file, or with the range that is requested. Reads happen in threads.

    Raises `NotFound`, `Unavailable`, `PreconditionFailed` and `RangeNotSatisfiable`. If the file cannot be read to the end,
    the connection is broken.
    """
    opened = await opener.open(file)
    body = None
    try:
        part = _begin_response(request, file, Version.of(os.fstat(opened.fd)))
        if part is None:
            return b""
        body = FileBody(opener.threads, opened, part.first, part.length)
    finally:
        if body is None:
            opened.close()
    opened.lease.end = lambda: body.stop(Unavailable("the file is being released"))
    peer = connections.watch(socket_of(request), lambda: body.stop(ConnectionLost("the client does not answer")))
    try:
        await body.send_to(request)
    except CancelledError:
        raise
    except Exception as problem:  # noqa: BLE001 - whatever the cause, the body does not reach the length in the headers
        _log.warn("{path} was cut short: {problem}", path=file.path, problem=str(problem), request_id=begin(request))
        await abort(request, _status_of(problem))
    finally:
        if peer is not None:
            peer.forget()
    return None


def _status_of(problem: Exception) -> int:
    """The status with which a response is logged that is cut short."""
    if isinstance(problem, ConnectionLost):
        return CLIENT_LEFT
    return problem.status if isinstance(problem, TranscodedError) else TranscodedError.status


def _begin_response(request: Request, file: MediaFile, version: Version) -> ByteRange | None:
    """Evaluate the conditions and the range, and set status and headers. None: the response has no body."""
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
    is_get = request.method == b"GET"
    part = requested_range(header, validators, version.size) if is_get else ByteRange(0, version.size)
    request.setResponseCode(206 if part.partial else 200)
    if part.partial:
        request.setHeader("Content-Range", part.content_range(version.size))
    kind = content_type(file.path)
    request.setHeader("Content-Type", kind)
    if kind == DOWNLOAD:
        request.setHeader("Content-Disposition", "attachment")
    else:
        # A browser that opens the file by itself shows it in a document of its own, which loads it once more.
        request.setHeader("Content-Security-Policy", PLAYER_POLICY)
    request.setHeader("Content-Length", str(part.length))
    return part if is_get and part.length else None


def content_type(path: str) -> str:
    """The media type for the suffix of a file's name; `DOWNLOAD` if it is not in the table."""
    return CONTENT_TYPES.get(os.path.splitext(path)[1].lower(), DOWNLOAD)
