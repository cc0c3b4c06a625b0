"""Direct play: the file itself, with ranges and conditions (RFC 9110)."""

import errno
import mimetypes
import os

from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionLost
from twisted.logger import Logger
from twisted.web.server import Request

from transcoded.plan.errors import NotFound, PreconditionFailed, Unavailable
from transcoded.plan.http.conditional import ByteRange, Validators, Verdict, evaluate_conditions, requested_range
from transcoded.run.files.body import FileBody
from transcoded.run.files.leases import FileLeases
from transcoded.run.files.library import MediaFile, Version
from transcoded.run.files.threads import Threads
from transcoded.run.streams.peers import Peers
from transcoded.web.request import begin, header_of
from transcoded.web.responses import abort, socket_of

_log = Logger()

CONTENT_TYPES = {
    ".aac": "audio/aac",
    ".avi": "video/x-msvideo",
    ".flac": "audio/flac",
    ".flv": "video/x-flv",
    ".m2ts": "video/mp2t",
    ".m4a": "audio/mp4",
    ".m4b": "audio/mp4",
    ".m4v": "video/mp4",
    ".mka": "audio/x-matroska",
    ".mkv": "video/x-matroska",
    ".mov": "video/quicktime",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".mpeg": "video/mpeg",
    ".mpg": "video/mpeg",
    ".mts": "video/mp2t",
    ".oga": "audio/ogg",
    ".ogg": "audio/ogg",
    ".ogv": "video/ogg",
    ".opus": "audio/ogg",
    ".ts": "video/mp2t",
    ".wav": "audio/wav",
    ".weba": "audio/webm",
    ".webm": "video/webm",
    ".wma": "audio/x-ms-wma",
    ".wmv": "video/x-ms-wmv",
}


async def serve_file(
    request: Request, file: MediaFile, threads: Threads, leases: FileLeases, connections: Peers
) -> bytes | None:
    """Answer with the file, or with the range that is requested. Reads happen in threads.

    Raises `NotFound`, `Unavailable`, `PreconditionFailed` and `RangeNotSatisfiable`. If the file cannot be read to the end,
    the connection is broken.
    """
    release_requested: list[bool] = []
    lease = leases.take(file.path, file.real_path, lambda: release_requested.append(True))
    try:
        fd, version = await threads.acquire(lambda opened: os.close(opened[0]), _open, file)
    except BaseException:
        lease.release()
        raise
    body = None
    try:
        if release_requested:
            raise Unavailable("The file is being released, because it will be moved or deleted.", 2)
        part = _begin_response(request, file, version)
        if part is None:
            return b""
        body = FileBody(threads, fd, part.first, part.length, lease.release)
    finally:
        if body is None:
            os.close(fd)
            lease.release()
    lease.end = lambda: body.stop(Unavailable("the file is being released"))
    peer = connections.watch(socket_of(request), lambda: body.stop(ConnectionLost("the client does not answer")))
    try:
        await body.send_to(request)
    except CancelledError:
        raise
    except Exception as problem:  # noqa: BLE001 - whatever the cause, the body does not reach the length in the headers
        _log.warn("{path} was cut short: {problem}", path=file.path, problem=str(problem), request_id=begin(request))
        await abort(request)
    finally:
        if peer is not None:
            peer.forget()
    return None


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
    request.setHeader("Content-Type", content_type(file.path))
    request.setHeader("Content-Length", str(part.length))
    return part if is_get and part.length else None


def content_type(path: str) -> str:
    """The media type for the suffix of a file's name."""
    suffix = os.path.splitext(path)[1].lower()
    return CONTENT_TYPES.get(suffix) or mimetypes.types_map.get(suffix) or "application/octet-stream"


def _open(file: MediaFile) -> tuple[int, Version]:
    """Open the file and stat what was opened: since it was located, the name may have got another file."""
    try:
        # If a FIFO has replaced the file, O_NONBLOCK keeps open(2) from waiting for a writer.
        fd = os.open(file.real_path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOMEM}:
            raise Unavailable(f"The server cannot open more files now: {error.strerror}.") from None
        raise NotFound("There is no such file in the library.") from None
    return fd, Version.of(os.fstat(fd))
