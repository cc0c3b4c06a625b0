"""Health: an early verdict ends the stream of a paused viewer; without a verdict, a hung transcoder runs on."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcoded.plan.endings import Reason
from transcoded.plan.policy.health import MAX_TICK, Limits, Sample, StreamHealth, observe, verdict

ALL = Limits(hang_timeout=30.0, stall_timeout=60.0, max_duration=3600.0, stream_memory_max=1000)
FLOWING = Sample(bytes_made=1, position_s=1.0, backpressured=False, bytes_taken=1, rss_bytes=500)
SILENT = Sample(bytes_made=0, position_s=None, backpressured=False, bytes_taken=0)
PAUSED = Sample(bytes_made=9, position_s=9.0, backpressured=True, bytes_taken=5)


def watch(*samples: Sample, elapsed: float = 1.0, since: StreamHealth | None = None) -> StreamHealth:
    health = since or StreamHealth()
    for sample in samples:
        health = observe(health, sample, elapsed)
    return health


@pytest.mark.parametrize(
    ("health", "limits", "expected"),
    [
        pytest.param(StreamHealth(), ALL, None, id="no sample yet"),
        pytest.param(StreamHealth(29.9, 29.9, 0.0, FLOWING), ALL, None, id="healthy"),
        pytest.param(StreamHealth(30.0, 30.0, 0.0, FLOWING), ALL, Reason.HUNG, id="no progress"),
        pytest.param(
            StreamHealth(60.0, 0.0, 60.0, PAUSED), ALL, Reason.CLIENT_STALLED, id="a client that takes nothing"
        ),
        pytest.param(StreamHealth(3600.0, 0.0, 0.0, FLOWING), ALL, Reason.EXPIRED, id="too long"),
        pytest.param(
            StreamHealth(1.0, 0.0, 0.0, attrs.evolve(FLOWING, rss_bytes=1000)),
            ALL,
            Reason.OVERLOAD,
            id="too much memory",
        ),
        pytest.param(
            StreamHealth(1.0, 0.0, 0.0, attrs.evolve(FLOWING, rss_bytes=None)), ALL, None, id="memory not known"
        ),
        pytest.param(StreamHealth(1e9, 1e9, 1e9, FLOWING), Limits(hang_timeout=None), None, id="no limits"),
        pytest.param(StreamHealth(1e9, 0.0, 1e9, PAUSED), Limits(), None, id="by default, a pause has no limit"),
    ],
)
def test_the_verdict(health: StreamHealth, limits: Limits, expected: Reason | None) -> None:
    assert verdict(health, limits) is expected


def test_a_transcoder_without_any_output_is_hung() -> None:
    assert verdict(watch(*[SILENT] * 30), ALL) is None
    assert verdict(watch(*[SILENT] * 31), ALL) is Reason.HUNG


def test_output_or_a_new_position_is_progress() -> None:
    writing = [attrs.evolve(SILENT, bytes_made=n // 20) for n in range(200)]
    seeking = [attrs.evolve(SILENT, position_s=n // 20) for n in range(200)]
    for samples in (writing, seeking):
        assert verdict(watch(*samples), ALL) is None


def test_a_viewer_can_pause_for_an_hour() -> None:
    health = watch(FLOWING, *[PAUSED] * 3600)
    assert verdict(health, Limits(hang_timeout=30.0)) is None
    assert health.quiet == 0.0


def test_a_hang_begins_after_the_pause() -> None:
    health = watch(*[PAUSED] * 100, *[attrs.evolve(PAUSED, backpressured=False)] * 29)
    assert verdict(health, ALL) is None
    assert verdict(watch(attrs.evolve(PAUSED, backpressured=False), since=health), ALL) is Reason.HUNG


def test_a_slow_viewer_is_not_stalled() -> None:
    slow = [attrs.evolve(PAUSED, bytes_taken=n // 50) for n in range(300)]
    assert verdict(watch(*slow), ALL) is None
    assert verdict(watch(*[PAUSED] * 61), ALL) is Reason.CLIENT_STALLED


@pytest.mark.parametrize("jump", [60.0, 3600.0 * 24, -3600.0])
def test_a_stopped_daemon_or_a_clock_that_jumped_is_not_a_hang(jump: float) -> None:
    limits = attrs.evolve(ALL, max_duration=None)
    for sample in (SILENT, PAUSED):
        before = watch(*[sample] * 10)
        after = watch(sample, elapsed=jump, since=before)
        assert verdict(after, limits) is None
        assert after.quiet - before.quiet <= MAX_TICK
        assert after.stalled - before.stalled <= MAX_TICK


def test_the_maximum_duration_counts_all_time() -> None:
    assert verdict(watch(FLOWING, FLOWING, elapsed=1800.0), ALL) is Reason.EXPIRED


samples = st.builds(
    Sample,
    bytes_made=st.integers(0, 3),
    position_s=st.none() | st.sampled_from([0.0, 1.0]),
    backpressured=st.booleans(),
    bytes_taken=st.integers(0, 3),
    rss_bytes=st.none(),
)


@given(st.lists(st.tuples(samples, st.floats(-10, 100))))
def test_each_tick_counts_for_a_limited_time(ticks: list[tuple[Sample, float]]) -> None:
    health = StreamHealth()
    for sample, elapsed in ticks:
        health = observe(health, sample, elapsed)
    assert 0 <= health.quiet <= MAX_TICK * max(0, len(ticks) - 1)
    assert 0 <= health.stalled <= MAX_TICK * max(0, len(ticks) - 1)
    assert not (health.quiet and health.stalled)
    assert health.age >= 0
