"""Whether a stream is healthy: a pure decision from samples that are taken at each tick.

Time without progress is the sum of ticks, and each tick counts for at most `MAX_TICK`. So if the daemon was stopped for
a minute, or the clock jumped, the transcoder is not taken for hung.
"""

import attrs

from transcoded.plan.endings import Reason

MAX_TICK = 3.0
"""Seconds: the maximum that one tick counts for."""


@attrs.frozen
class Limits:
    """The limits, in seconds and bytes. None: no limit.

    `hang_timeout`: without progress of the transcoder. `stall_timeout`: with a client that takes nothing.
    `max_duration`: since the start. `stream_memory_max`: resident memory of the transcoder, or of a helper.
    """

    hang_timeout: float | None = 30.0
    stall_timeout: float | None = None
    max_duration: float | None = None
    stream_memory_max: int | None = None


@attrs.frozen
class Sample:
    """The state of a stream at one tick. None: not known.

    `bytes_made`: read from the transcoder so far. `position_s`: its position in the file, in seconds. `backpressured`:
    the client does not take more at the moment. `bytes_taken`: by the client so far. `rss_bytes`: resident memory of
    the transcoder.
    """

    bytes_made: int
    position_s: float | None
    backpressured: bool
    bytes_taken: int
    rss_bytes: int | None = None


@attrs.frozen
class StreamHealth:
    """Seconds since the start (`age`), without progress (`quiet`) and with a client that takes nothing (`stalled`)."""

    age: float = 0.0
    quiet: float = 0.0
    stalled: float = 0.0
    last: Sample | None = None


def observe(before: StreamHealth, sample: Sample, elapsed: float) -> StreamHealth:
    """The health after another tick, `elapsed` seconds after the last one."""
    step = min(max(elapsed, 0.0), MAX_TICK)
    last = before.last
    moved = last is None or sample.bytes_made != last.bytes_made or sample.position_s != last.position_s
    taken = last is None or sample.bytes_taken != last.bytes_taken
    return StreamHealth(
        age=before.age + max(elapsed, 0.0),
        # A transcoder that has to wait for its client makes no progress and is healthy.
        quiet=0.0 if moved or sample.backpressured else before.quiet + step,
        stalled=before.stalled + step if sample.backpressured and not taken else 0.0,
        last=sample,
    )


def verdict(health: StreamHealth, limits: Limits) -> Reason | None:
    """Why the stream must be ended, or None if it is healthy."""
    sample = health.last
    if sample is None:
        return None
    if takes_too_much(sample.rss_bytes, limits):
        return Reason.OVERLOAD
    if _over(limits.max_duration, health.age):
        return Reason.EXPIRED
    if _over(limits.hang_timeout, health.quiet):
        return Reason.HUNG
    if _over(limits.stall_timeout, health.stalled):
        return Reason.CLIENT_STALLED
    return None


def takes_too_much(rss_bytes: int | None, limits: Limits) -> bool:
    """Whether a process, of a stream or a helper, has more resident memory than it may."""
    return _over(limits.stream_memory_max, rss_bytes)


def _over(limit: float | None, value: float | None) -> bool:
    return limit is not None and value is not None and value >= limit
