"""Direct play: the file itself, with ranges and conditions (RFC 9110)."""

import errno
import mimetypes
import os

from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionLost
from twisted.logger import Logger
from twisted.web.server import Request

from transcoded.plan.errors import NotFound, PreconditionFailed, Unavailable
from transcoded.plan.http.conditional import Validators, Verdict, span, verdict
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
    """Answer with the file or the part of it that is asked for; reads happen in threads."""
    wanted_back: list[bool] = []
    lease = leases.take(file.path, file.real_path, lambda: wanted_back.append(True))
    try:
        fd, version = await threads.acquire(lambda opened: os.close(opened[0]), _open, file)
    except BaseException:
        lease.release()
        raise
    body = None
    try:
        if wanted_back:
            raise Unavailable("The file is being released: it is about to be moved or deleted.", 2)
        validators = Validators.of(f"{version.size:x}-{version.mtime_ns:x}", version.mtime_ns)
        header = header_of(request)
        for name, value in (
            ("Accept-Ranges", "bytes"),
            ("ETag", validators.etag),
            ("Last-Modified", validators.last_modified),
            ("Cache-Control", "private, no-cache"),
        ):
            request.setHeader(name, value)
        match verdict(header, validators):
            case Verdict.NOT_MODIFIED:
                request.setResponseCode(304)
                return b""
            case Verdict.PRECONDITION_FAILED:
                raise PreconditionFailed("The file is not in the state that the request asks for.")
            case Verdict.SERVE:
                pass
        # RFC 9110, 14.2: ranges are for GET alone.
        part = span(header if request.method == b"GET" else lambda _: None, validators, version.size)
        request.setResponseCode(206 if part.partial else 200)
        if part.partial:
            request.setHeader("Content-Range", part.content_range(version.size))
        request.setHeader("Content-Type", content_type(file.path))
        request.setHeader("Content-Length", str(part.length))
        if request.method == b"HEAD" or not part.length:
            return b""
        body = FileBody(threads, fd, part.first, part.length, lease.release)
    finally:
        if body is None:
            os.close(fd)
            lease.release()
    lease.end = lambda: body.stop(Unavailable("the file is being released"))
    peer = connections.watch(socket_of(request), lambda: body.stop(ConnectionLost("the peer does not answer")))
    try:
        await body.send_to(request)
    except CancelledError:
        raise
    except Exception as problem:  # noqa: BLE001 - whatever broke the body, the promised length is not reached any more
        _log.warn("{path} was cut short: {problem}", path=file.path, problem=str(problem), request_id=begin(request))
        await abort(request)
    finally:
        if peer is not None:
            peer.forget()
    return None


def content_type(path: str) -> str:
    """The media type that goes with a file's name."""
    suffix = os.path.splitext(path)[1].lower()
    return CONTENT_TYPES.get(suffix) or mimetypes.types_map.get(suffix) or "application/octet-stream"


def _open(file: MediaFile) -> tuple[int, Version]:
    """Open, and look again: the name may lead elsewhere by now."""
    try:
        # A FIFO that took the file's place must not make the open wait for a writer.
        fd = os.open(file.real_path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOMEM}:
            raise Unavailable(f"The server cannot open another file now: {error.strerror}.") from None
        raise NotFound("There is no such file in the library.") from None
    return fd, Version.of(os.fstat(fd))
