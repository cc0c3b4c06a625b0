"""The errors that a client can be told: each knows its HTTP status and a sentence that a user can act on.

They are raised wherever a request goes wrong, in any layer, and turned into RFC 9457 problem documents in one place,
`transcoded.web.app`. The message of an exception *is* the problem's `detail`.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, TypedDict


class Extra(TypedDict, total=False):
    """Further members of a problem document (RFC 9457, section 3.2)."""

    parameter: str
    stderr_tail: list[str]
    reasons: list[str]


class TranscodedError(Exception):
    """The root of the tree: a request that cannot be served, and why.

    `status` is an HTTP status code, `title` the kind of problem in a few words, and the exception's message the
    problem at hand, written for the person who made the request.
    """

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"

    @property
    def detail(self) -> str:
        """The sentence for the user."""
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
    """The request cannot be understood."""

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
    """A key that does not allow this, or a request that a foreign page makes in somebody's name."""

    status = 403
    title = "Forbidden"


class NotFound(TranscodedError):
    """Nothing is there, or nothing that may be seen: both look alike from outside."""

    status = 404
    title = "Not found"


class MethodNotAllowed(TranscodedError):
    """The URL exists, but not with this method. `allowed` are the methods that it has."""

    status = 405
    title = "Method not allowed"

    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__(f"Allowed here: {', '.join(allowed)}.")
        self.allowed = allowed

    @property
    def headers(self) -> Mapping[str, str]:
        """`Allow` (RFC 9110, section 10.2.1)."""
        return {"Allow": ", ".join(self.allowed)}


class Gone(TranscodedError):
    """The URL is of an earlier version of the file."""

    status = 410
    title = "Gone"


class PreconditionFailed(TranscodedError):
    """RFC 9110, section 15.5.13: the file is not in the state that the request asks for."""

    status = 412
    title = "Precondition failed"


class NotMedia(TranscodedError):
    """The file is there, but no stream of the wanted kind can be made from it."""

    status = 415
    title = "Not playable media"


class RangeNotSatisfiable(TranscodedError):
    """RFC 9110, section 14.4: no byte of the range exists."""

    status = 416
    title = "Range not satisfiable"

    def __init__(self, size: int) -> None:
        super().__init__(f"The file has {size} bytes; the requested range lies outside of them.")
        self.size = size

    @property
    def headers(self) -> Mapping[str, str]:
        """`Content-Range` with the size, so that the client can ask again."""
        return {"Content-Range": f"bytes */{self.size}"}


class NoRanges(TranscodedError):
    """A part of a live stream was asked for by its bytes, which nobody knows.

    A browser does so when a stream breaks off. Answered with the whole, it would start a transcoder again that was stopped.
    """

    status = 416
    title = "Range not satisfiable"


class TooManyAttempts(TranscodedError):
    """Too many wrong keys from one address."""

    status = 429
    title = "Too many attempts"

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many wrong keys from this address; try again in {seconds} s.")
        self.seconds = seconds

    @property
    def headers(self) -> Mapping[str, str]:
        """When to try again."""
        return {"Retry-After": str(self.seconds)}


class TranscodeFailed(TranscodedError):
    """ffmpeg or ffprobe ended before it gave anything; the end of what it said comes along."""

    status = 500
    title = "Transcoding failed"

    def __init__(self, detail: str, stderr_tail: str = "") -> None:
        super().__init__(detail)
        self.stderr_tail = stderr_tail

    @property
    def extra(self) -> Extra:
        """What the process said last, as lines."""
        return {"stderr_tail": self.stderr_tail.splitlines()} if self.stderr_tail else {}


class NoOutput(TranscodeFailed):
    """ffmpeg ended in peace and gave nothing: there was nothing in the asked part of the file."""


class Unavailable(TranscodedError):
    """Not now: the daemon is stopping, full, or the file is being released. Worth another try."""

    status = 503
    title = "Not available now"

    def __init__(self, detail: str, retry_after: int = 5) -> None:
        super().__init__(detail)
        self.retry_after = retry_after

    @property
    def headers(self) -> Mapping[str, str]:
        """`Retry-After` in whole seconds (RFC 9110, section 10.2.3)."""
        return {"Retry-After": str(self.retry_after)}


def server_stopping() -> Unavailable:
    """The error for what is refused, or cannot be completed, because the daemon is stopping."""
    return Unavailable("The server is stopping.")


class NotReady(Unavailable):
    """A stream would not start at once now. `reasons`: `full`, `draining`, `stopping`, `memory`."""

    title = "Not ready"

    def __init__(self, detail: str, reasons: Sequence[str]) -> None:
        super().__init__(detail)
        self.reasons = reasons

    @property
    def extra(self) -> Extra:
        """The reasons, for programs."""
        return {"reasons": list(self.reasons)}


class TimedOut(TranscodedError):
    """A probe did not answer within its deadline."""

    status = 504
    title = "Timed out"
