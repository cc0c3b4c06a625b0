"""Is a stream well? One pure judgement over what was seen of it, tick by tick.

Time is counted in ticks that were lived through, and not by looking at clocks: a daemon that was stopped for a minute (or a
clock that jumped) has not watched a transcoder do nothing for a minute.
"""

import attrs

from transcoded.plan.endings import Reason

MAX_TICK = 3.0
"""Seconds that one tick may count for at the most."""


@attrs.frozen
class Limits:
    """Seconds and bytes; None: no limit."""

    hang_timeout: float | None = 30.0
    stall_timeout: float | None = None
    max_duration: float | None = None
    stream_memory_max: int | None = None


@attrs.frozen
class Sample:
    """What one tick sees.

    Bytes read from the transcoder, its place in the file, whether the client holds it up, bytes that the client has taken,
    and resident memory (None: not known).
    """

    bytes_made: int
    position_s: float | None
    backpressured: bool
    bytes_taken: int
    rss_bytes: int | None = None


@attrs.frozen
class StreamHealth:
    """What has been seen so far, in seconds: since the start, without progress, and with a client that takes nothing."""

    age: float = 0.0
    quiet: float = 0.0
    stalled: float = 0.0
    last: Sample | None = None


def observe(before: StreamHealth, sample: Sample, elapsed: float) -> StreamHealth:
    """The health after another tick, `elapsed` seconds after the last."""
    step = min(max(elapsed, 0.0), MAX_TICK)
    last = before.last
    moved = last is None or sample.bytes_made != last.bytes_made or sample.position_s != last.position_s
    taken = last is None or sample.bytes_taken != last.bytes_taken
    return StreamHealth(
        age=before.age + max(elapsed, 0.0),
        # Held up by its client, a transcoder does nothing and is well.
        quiet=0.0 if moved or sample.backpressured else before.quiet + step,
        stalled=before.stalled + step if sample.backpressured and not taken else 0.0,
        last=sample,
    )


def verdict(health: StreamHealth, limits: Limits) -> Reason | None:
    """Why it must end, or None if it is well."""
    sample = health.last
    if sample is None:
        return None
    if _over(limits.stream_memory_max, sample.rss_bytes):
        return Reason.OVERLOAD
    if _over(limits.max_duration, health.age):
        return Reason.EXPIRED
    if _over(limits.hang_timeout, health.quiet):
        return Reason.HUNG
    if _over(limits.stall_timeout, health.stalled):
        return Reason.CLIENT_STALLED
    return None


def _over(limit: float | None, value: float | None) -> bool:
    return limit is not None and value is not None and value >= limit
