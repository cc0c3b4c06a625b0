"""Conditional and range requests for a file (RFC 9110, sections 13 and 14): decides from the headers what to answer."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from enum import Enum

import attrs

from transcoded.plan.errors import RangeNotSatisfiable

_RANGE = re.compile(r"(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))")


_LAST_SECOND = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())


class Verdict(Enum):
    """The result of evaluating the conditions of a request."""

    SERVE = "serve"
    NOT_MODIFIED = "not modified"
    PRECONDITION_FAILED = "precondition failed"


@attrs.frozen
class ByteRange:
    """`length` bytes, the first of them at offset `first`. `partial`: the response is 206, not 200."""

    first: int
    length: int
    partial: bool = False

    def content_range(self, size: int) -> str:
        """The value of `Content-Range`."""
        return f"bytes {self.first}-{self.first + self.length - 1}/{size}"


@attrs.frozen
class Validators:
    """The validators of a resource: a strong entity tag with its quotes, and the last change in whole seconds, UTC."""

    etag: str
    modified: datetime

    @classmethod
    def of(cls, etag: str, mtime_ns: int) -> "Validators":
        """From an entity tag without quotes, and the time of the last change in nanoseconds since the epoch."""
        # File systems can store times that an HTTP date cannot express.
        seconds = min(max(mtime_ns // 1_000_000_000, 0), _LAST_SECOND)
        return cls(f'"{etag}"', datetime.fromtimestamp(seconds, UTC))

    @property
    def last_modified(self) -> str:
        """The value of `Last-Modified`."""
        return format_datetime(self.modified, usegmt=True)


def evaluate_conditions(header: Callable[[str], str | None], now: Validators) -> Verdict:
    """Evaluate the conditions in the order of RFC 9110, section 13.2.2. `header` returns a field's value by its name."""
    if (match := header("If-Match")) is not None:
        if not _matches(match, now.etag, weak=False):
            return Verdict.PRECONDITION_FAILED
    elif (since := _date(header("If-Unmodified-Since"))) is not None and now.modified > since:
        return Verdict.PRECONDITION_FAILED
    if (none_match := header("If-None-Match")) is not None:
        return Verdict.NOT_MODIFIED if _matches(none_match, now.etag, weak=True) else Verdict.SERVE
    since = _date(header("If-Modified-Since"))
    return Verdict.NOT_MODIFIED if since is not None and now.modified <= since else Verdict.SERVE


def requested_range(header: Callable[[str], str | None], now: Validators, size: int) -> ByteRange:
    """Which bytes to send. `size` is that of the file.

    The answer is the whole file for several ranges, units other than bytes, a syntax error, and a range of another version of
    the file (`If-Range`). Raises `RangeNotSatisfiable` if no byte of the range exists.
    """
    whole = ByteRange(0, size)
    value = header("Range")
    if value is None or not _if_range(header("If-Range"), now):
        return whole
    unit, _, spec = value.partition("=")
    match = _RANGE.fullmatch(spec.strip())
    if unit.strip().lower() != "bytes" or match is None:
        return whole
    if match[3] is not None:
        length = min(int(match[3]), size)
        first = size - length
    else:
        first = int(match[1])
        last = int(match[2]) if match[2] else size - 1
        if last < first and match[2]:
            return whole
        length = min(last, size - 1) - first + 1
    if length <= 0 or first >= size:
        raise RangeNotSatisfiable(size)
    return ByteRange(first, length, partial=True)


def not_modified(if_none_match: str | None, etag: str) -> bool:
    """Whether a client with this `If-None-Match` has the current body already. `etag` has its quotes."""
    return if_none_match is not None and _matches(if_none_match, etag, weak=True)


def _if_range(condition: str | None, now: Validators) -> bool:
    if condition is None:
        return True
    if condition.strip().startswith(('"', "W/")):
        return condition.strip() == now.etag
    return _date(condition) == now.modified


def _matches(tags: str, etag: str, *, weak: bool) -> bool:
    if tags.strip() == "*":
        return True
    listed = [tag.strip() for tag in tags.split(",")]
    return etag in ([tag.removeprefix("W/") for tag in listed] if weak else listed)


def _date(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        parsed = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)
