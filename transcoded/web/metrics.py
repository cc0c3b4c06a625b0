"""Metrics for Prometheus. Counters and histograms change with each event; gauges are computed for each scrape."""

import os
from collections.abc import Callable, Iterator, Mapping

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from twisted.web.server import Request

from transcoded.plan.endings import Ending
from transcoded.plan.media.hardware import ORDER
from transcoded.run.process.lifecycle import State
from transcoded.run.process.processes import carries
from transcoded.run.process.spawner import Spawner
from transcoded.run.segments.cache import SegmentCache
from transcoded.run.segments.disk import DiskTier
from transcoded.run.streams.admission import AdmissionQueue
from transcoded.run.streams.fallbacks import Fallback
from transcoded.run.streams.registry import StreamRegistry
from transcoded.run.streams.stream import Stream
from transcoded.web.answers import sent
from transcoded.web.route import route

_CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The metrics and their route; an observer of the streams. `lag` returns that of the reactor, in seconds."""

    def __init__(
        self,
        streams: StreamRegistry,
        spawner: Spawner,
        admission: AdmissionQueue,
        token: str,
        lag: Callable[[], float],
        cache: SegmentCache | None = None,
    ) -> None:
        registry = self._registry = CollectorRegistry()
        self._endings = Counter(
            "transcoded_endings",
            "Streams that ended, by reason and format",
            ["reason", "format"],
            registry=registry,
        )
        self._kill = Histogram(
            "transcoded_kill_seconds",
            "From the decision to end a stream to its proven end",
            buckets=_BUCKETS,
            registry=registry,
        )
        self._first_byte = Histogram(
            "transcoded_first_byte_seconds",
            "From the start of a process to its first byte",
            buckets=_BUCKETS,
            registry=registry,
        )
        self._segment = Histogram(
            "transcoded_segment_seconds",
            "From a request for a segment to the segment",
            buckets=_BUCKETS,
            registry=registry,
        )
        self._fallbacks = Counter(
            "transcoded_fallbacks",
            "Times that an engine failed or was full, and another one went on",
            ["engine"],
            registry=registry,
        )
        # So that the first one is an increase.
        for engine in ORDER:
            self._fallbacks.labels(engine)
        Gauge("transcoded_reactor_lag_seconds", "How late the last health tick was", registry=registry).set_function(
            lag
        )
        self._live = _LiveMetrics(streams, spawner, admission, token)
        registry.register(self._live)
        if cache is not None:
            registry.register(_CacheMetrics(cache))

    def count_viewers(self, count: Callable[[], Mapping[str, int]]) -> None:
        """Add the gauge of those that watch; `count` returns their number by protocol."""
        self._registry.register(_ViewerMetrics(count))

    def stream_started(self, stream: Stream) -> None:
        """Count nothing: `transcoded_streams` has the live streams."""

    def stream_opened(self, stream: Stream) -> None:
        """Observe the time to the first byte."""
        self._first_byte.observe(stream.uptime)

    def stream_ended(self, ending: Ending) -> None:
        """Count the Ending, its bytes and its time to the kill."""
        # All renditions count as one format, `cmaf`. Each label value is a time series, and files have many heights.
        self._endings.labels(ending.reason.value, ending.format.partition("/")[0]).inc()
        self._live.bytes_sent += ending.bytes_sent
        if ending.kill_ms is not None:
            self._kill.observe(ending.kill_ms / 1000)

    def fell_back(self, fallback: Fallback) -> None:
        """Count it by the engine that has failed."""
        self._fallbacks.labels(fallback.engine).inc()

    def segment_served(self, seconds: float) -> None:
        """A request got its segment after `seconds`."""
        self._segment.observe(seconds)

    @route("/metrics", quiet=True, answers=sent("text/plain"))
    async def metrics(self, request: Request) -> bytes:
        """All metrics, in the text format of Prometheus."""
        request.setHeader(b"Content-Type", _CONTENT_TYPE)
        request.setHeader(b"Cache-Control", b"no-store")
        return generate_latest(self._registry)


class _LiveMetrics(Collector):
    """The metrics that are computed for each scrape, among them the gauge of leaked processes."""

    def __init__(
        self,
        streams: StreamRegistry,
        spawner: Spawner,
        admission: AdmissionQueue,
        token: str,
    ) -> None:
        self._streams = streams
        self._spawner = spawner
        self._admission = admission
        self._token = token
        self.bytes_sent = 0
        """Bytes that the ended streams have sent."""

    def collect(self) -> Iterator[Metric]:
        """The metric families (interface of prometheus_client)."""
        live = self._streams.live()
        states = GaugeMetricFamily("transcoded_streams", "Live streams by state", labels=["state"])
        for state in State:
            if state is not State.REAPED:
                states.add_metric([state.value], sum(stream.child.state is state for stream in live))
        yield states
        sent = self.bytes_sent + sum(stream.child.bytes_sent for stream in live)
        yield CounterMetricFamily("transcoded_bytes_sent", "Bytes sent to clients", value=sent)
        admission = self._admission.state
        for name, text, value in (
            ("queue", "Requests that wait for slots", self._admission.waiting),
            ("capacity_units", "All slots; a transcode takes 2, a copy 1", admission.capacity),
            ("capacity_used_units", "Slots in use", admission.used),
        ):
            yield GaugeMetricFamily(f"transcoded_{name}", text, value=value)
        known = self._spawner.pids()
        seen = set(self._children())
        yield GaugeMetricFamily("transcoded_processes", "Running child processes of the daemon", value=len(seen))
        yield GaugeMetricFamily(
            "transcoded_processes_leaked",
            "Running child processes that the daemon has lost: must be 0",
            value=len(seen - known),
        )

    def _children(self) -> Iterator[int]:
        """The pids of child processes with our token. An application that embeds the daemon may have others."""
        for child in psutil.Process(os.getpid()).children():
            if carries(child.pid, self._token):
                yield child.pid


class _ViewerMetrics(Collector):
    """The number of viewers, by protocol."""

    def __init__(self, count: Callable[[], Mapping[str, int]]) -> None:
        self._count = count

    def collect(self) -> Iterator[Metric]:
        """The metric family (interface of prometheus_client)."""
        viewers = GaugeMetricFamily("transcoded_viewers", "Who watches a file now", labels=["protocol"])
        for protocol, number in self._count().items():
            viewers.add_metric([protocol], number)
        yield viewers


class _CacheMetrics(Collector):
    """The metrics of the segment cache, by tier. The ones of the disk are missing if there is no such tier."""

    def __init__(self, cache: SegmentCache) -> None:
        self._cache = cache

    def collect(self) -> Iterator[Metric]:
        """The metric families (interface of prometheus_client)."""
        memory, disk = self._cache, self._cache.second if isinstance(self._cache.second, DiskTier) else None
        hits = CounterMetricFamily("transcoded_cache_hits", "Segments that were found", labels=["tier"])
        misses = CounterMetricFamily("transcoded_cache_misses", "Segments that were not found", labels=["tier"])
        size = GaugeMetricFamily("transcoded_cache_bytes", "Bytes that are kept", labels=["tier"])
        entries = GaugeMetricFamily("transcoded_cache_entries", "What is kept, in number", labels=["tier"])
        hits.add_metric(["memory"], memory.hits)
        misses.add_metric(["memory"], memory.misses)
        size.add_metric(["memory"], memory.weight)
        entries.add_metric(["memory"], len(memory))
        if disk is not None:
            hits.add_metric(["disk"], disk.hits)
            misses.add_metric(["disk"], disk.misses)
            size.add_metric(["disk"], disk.weight)
            entries.add_metric(["disk"], len(disk))
        yield from (hits, misses, size, entries)
        if disk is not None:
            for name, text, value in (
                ("transcoded_cache_errors", "Errors of the disk of the segment cache", disk.errors),
                (
                    "transcoded_cache_damaged",
                    "Segments on disk that were not as they had been written",
                    disk.damaged,
                ),
                ("transcoded_cache_dropped", "Segments that were not written to the disk", disk.dropped),
            ):
                yield CounterMetricFamily(name, text, value=value)
