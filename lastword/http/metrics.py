"""What the edge counts, for Prometheus. The registry is passed in: nothing is global."""

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lastword.http.hub import Hub
from lastword.http.limits import Turnstile
from lastword.http.packets import Wire

__all__ = ["EdgeMetrics"]

BUCKETS: Final = (
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
)  # seconds
OTHER: Final = "other"
"""The route of requests that match none: their paths must not become label values."""


class EdgeMetrics:
    """Counts requests and streams."""

    def __init__(self, registry: CollectorRegistry, hub: Hub, turnstile: Turnstile) -> None:
        self._requests = Counter(
            "lastword_http_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=registry,
        )
        self._durations = Histogram(
            "lastword_http_request_duration_seconds",
            "From the request's headers to the end of the answer; streams are left out.",
            ("route",),
            buckets=BUCKETS,
            registry=registry,
        )
        self._counters: dict[tuple[str, str, int], Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        registry.register(_HubCollector(hub, turnstile))

    def count(self, method: str, route: str, status: int, duration_s: float | None) -> None:
        """Count one answered request; a stream has no duration."""
        key = (method, route, status)
        counter = self._counters.get(key)
        if counter is None:
            counter = self._counters[key] = self._requests.labels(method, route, str(status))
        counter.inc()
        if duration_s is not None:
            histogram = self._histograms.get(route)
            if histogram is None:
                histogram = self._histograms[route] = self._durations.labels(route)
            histogram.observe(duration_s)


class _HubCollector(Collector):
    """Reads the hub when Prometheus asks."""

    def __init__(self, hub: Hub, turnstile: Turnstile) -> None:
        self._hub = hub
        self._turnstile = turnstile

    def describe(self) -> Iterator[Metric]:
        """Describe without reading."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Return the hub's gauges."""
        hub = self._hub
        streams = GaugeMetricFamily("lastword_edge_streams", "Live streams open, by wire.", labels=["wire"])
        by_wire = {"sse": 0, "ws": 0}
        for channel in hub.channels:
            by_wire["sse" if channel.wire is Wire.SSE else "ws"] += 1
        for wire, count in by_wire.items():
            streams.add_metric([wire], count)
        yield streams
        yield GaugeMetricFamily(
            "lastword_edge_admitted", "Live streams that hold a place.", value=self._turnstile.open
        )
        yield GaugeMetricFamily(
            "lastword_edge_places", "Live streams that may be open at once.", value=self._turnstile.total
        )
        yield GaugeMetricFamily("lastword_edge_position", "Position of the log reached.", value=hub.position)
        yield GaugeMetricFamily(
            "lastword_edge_synced", "Whether the feed is current.", value=int(hub.is_current)
        )
        yield GaugeMetricFamily(
            "lastword_edge_stale_heartbeats", "Workflows with a stale heartbeat.", value=hub.pulses.stale
        )
        yield GaugeMetricFamily(
            "lastword_edge_live_workflows", "Workflows held by executors.", value=hub.pulses.live
        )
        yield CounterMetricFamily(
            "lastword_edge_coalesced",
            "Snapshots sent in place of what slow clients missed.",
            value=hub.coalesced,
        )
        yield CounterMetricFamily(
            "lastword_edge_evicted", "Clients closed for not reading.", value=hub.evicted
        )
