"""The errors that clients can get. Each has an HTTP status and a message that helps the user to correct the request.

Every layer raises them; only `transcoded.web.app` turns them into RFC 9457 problem documents. The message of the exception
is the `detail` of the problem.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, TypedDict


class Extra(TypedDict, total=False):
    """Further members of a problem document (RFC 9457, section 3.2)."""

    parameter: str
    stderr_tail: list[str]
    reasons: list[str]


class TranscodedError(Exception):
    """The base class: a request that cannot be served.

    `status` is an HTTP status code, `title` is the kind of problem in a few words. The exception's message describes this
    one problem for the person who made the request.
    """

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"

    @property
    def detail(self) -> str:
        """The description of this problem, for people."""
        return str(self)

    @property
    def headers(self) -> Mapping[str, str]:
        """Response headers that belong to this problem."""
        return {}

    @property
    def extra(self) -> Extra:
        """Further members of the problem document."""
        return {}


class BadParameter(TranscodedError):
    """A query parameter is unknown, repeated or has a value that is not allowed."""

    status = 400
    title = "Bad parameter"

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"{name}: {detail}")
        self.name = name

    @property
    def extra(self) -> Extra:
        """The parameter's name, for programs."""
        return {"parameter": self.name}


class BadRequest(TranscodedError):
    """The request is malformed."""

    status = 400
    title = "Bad request"


class Unauthorized(TranscodedError):
    """No key, or a wrong one."""

    status = 401
    title = "Unauthorized"

    @property
    def headers(self) -> Mapping[str, str]:
        """RFC 6750, section 3."""
        return {"WWW-Authenticate": 'Bearer realm="transcoded"'}


class Forbidden(TranscodedError):
    """The key or the way of the request does not allow this, or a page of another origin made it."""

    status = 403
    title = "Forbidden"


class Stopped(TranscodedError):
    """Somebody has stopped what this client watches. `seconds`: how long it is refused for this file.

    403, because players give up soonest then: Shaka Player takes only 401 and 403 for final, hls.js repeats no request after a
    status of 4xx, and dash.js repeats all alike, three times.
    """

    status = 403
    title = "Stopped"

    def __init__(self, seconds: int) -> None:
        super().__init__(
            f"Playing this file was stopped by the operator of this server. It can be played again in {seconds} s."
        )
        self.seconds = seconds

    @property
    def headers(self) -> Mapping[str, str]:
        """`Retry-After` in whole seconds (RFC 9110, section 10.2.3)."""
        return {"Retry-After": str(self.seconds)}


class Unreadable(TranscodedError):
    """What is at `path` in the library exists, but this process has no permission to read it, or to enter a directory above it."""

    status = 403
    title = "Not readable"

    def __init__(self, path: str) -> None:
        super().__init__("The server has no permission to read this file or directory. Its operator can give it one.")
        self.path = path


class NotFound(TranscodedError):
    """The resource does not exist or is hidden. A client cannot tell which."""

    status = 404
    title = "Not found"


class MethodNotAllowed(TranscodedError):
    """The URL has no such method. `allowed` are those that it has."""

    status = 405
    title = "Method not allowed"

    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__(f"Allowed here: {', '.join(allowed)}.")
        self.allowed = allowed

    @property
    def headers(self) -> Mapping[str, str]:
        """`Allow` (RFC 9110, section 10.2.1)."""
        return {"Allow": ", ".join(self.allowed)}


class DoesNotFit(TranscodedError):
    """What is to be made in advance takes more than the cache has, so that its beginning would be forgotten before its end is made."""

    status = 409
    title = "Does not fit"


class Gone(TranscodedError):
    """The URL belongs to an earlier version of the file."""

    status = 410
    title = "Gone"


class PreconditionFailed(TranscodedError):
    """The file does not have the version that the request requires (RFC 9110, section 15.5.13)."""

    status = 412
    title = "Precondition failed"


class BodyTooLarge(TranscodedError):
    """The body of a request is longer than the `limit`, in bytes."""

    status = 413
    title = "Body too large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body is longer than the allowed {limit} bytes.")


class UnsupportedBody(TranscodedError):
    """The body of a request has a media type that the route does not take."""

    status = 415
    title = "Unsupported body"


class NotMedia(TranscodedError):
    """The file exists, but the requested output cannot be made from it."""

    status = 415
    title = "Not playable media"


class RangeNotSatisfiable(TranscodedError):
    """No byte of the requested range exists (RFC 9110, section 14.4). `size` is that of the file, in bytes."""

    status = 416
    title = "Range not satisfiable"

    def __init__(self, size: int) -> None:
        super().__init__(f"The file has {size} bytes; the requested range is not among them.")
        self.size = size

    @property
    def headers(self) -> Mapping[str, str]:
        """`Content-Range` with the size, so that the client can correct its range."""
        return {"Content-Range": f"bytes */{self.size}"}


class NoRanges(TranscodedError):
    """A byte range of a live stream was requested. Its byte positions are not known in advance.

    A browser requests such a range when a stream breaks off. If the whole stream were sent instead, this would restart a
    stream that an operator has stopped.
    """

    status = 416
    title = "Range not satisfiable"


class Misdirected(TranscodedError):
    """The request is addressed to a host that this server does not serve (RFC 9110, section 15.5.20)."""

    status = 421
    title = "Misdirected request"


class TooManyAttempts(TranscodedError):
    """A wrong key, after too many others from the same network or from all. `seconds`: how long until they are counted anew."""

    status = 429
    title = "Too many attempts"

    def __init__(self, seconds: int) -> None:
        super().__init__(f"The key is wrong, after too many wrong keys; try again in {seconds} s.")
        self.seconds = seconds

    @property
    def headers(self) -> Mapping[str, str]:
        """`Retry-After` in whole seconds (RFC 9110, section 10.2.3)."""
        return {"Retry-After": str(self.seconds)}


class HeadTooLarge(TranscodedError):
    """The request line and the headers are too long, or too many (RFC 6585, section 5)."""

    status = 431
    title = "Head too large"


class TranscodeFailed(TranscodedError):
    """ffmpeg or ffprobe failed before it wrote any output that counts. `stderr_tail` is the end of its stderr."""

    status = 500
    title = "Transcoding failed"

    def __init__(self, detail: str, stderr_tail: str = "") -> None:
        super().__init__(detail)
        self.stderr_tail = stderr_tail

    @property
    def extra(self) -> Extra:
        """The end of the stderr, as lines."""
        return {"stderr_tail": self.stderr_tail.splitlines()} if self.stderr_tail else {}


class TooMuchOutput(NotMedia):
    """A program wrote more than the file can need; it was ended. The file is to blame, so it is 415."""


class NoOutput(TranscodeFailed):
    """ffmpeg succeeded but wrote no media, or a header alone: the requested part of the file is empty."""


class Unavailable(TranscodedError):
    """The daemon is stopping or full, or the file is being released. `retry_after`: seconds until the client should retry."""

    status = 503
    title = "Not available now"

    def __init__(self, detail: str, retry_after: int = 5) -> None:
        super().__init__(detail)
        self.retry_after = retry_after

    @property
    def headers(self) -> Mapping[str, str]:
        """`Retry-After` in whole seconds (RFC 9110, section 10.2.3)."""
        return {"Retry-After": str(self.retry_after)}


class DiskFailed(Unavailable):
    """What is at `path` in the library cannot be opened, because its disk fails. `why` is what the system says."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"The disk with this file fails: {why}.", 10)
        self.path = path


def server_stopping() -> Unavailable:
    """The error for what is refused, or cannot be completed, because the daemon is stopping."""
    return Unavailable("The server is stopping.")


class NotReady(Unavailable):
    """A stream would not start at once. `reasons` are some of `full`, `draining`, `stopping`, `memory`."""

    title = "Not ready"

    def __init__(self, detail: str, reasons: Sequence[str]) -> None:
        super().__init__(detail)
        self.reasons = reasons

    @property
    def extra(self) -> Extra:
        """The reasons, for programs."""
        return {"reasons": list(self.reasons)}


class TimedOut(TranscodedError):
    """A probe, a disk or a segment was not ready within its deadline."""

    status = 504
    title = "Timed out"
