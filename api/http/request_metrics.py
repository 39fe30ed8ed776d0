"""Request counts and durations, memory and CPU time of this process, for /metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector


class RequestMetrics:
    """One registry per app, so that two apps in one process do not share counters."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._series: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self._requests = Counter(
            "socialflow_http_requests", "Responses sent.", ("operation", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "socialflow_http_request_seconds",
            "Seconds from request to response.",
            ("operation",),
            registry=self.registry,
        )

    def observe(self, operation: str, status: int, seconds: float) -> None:
        """Record a response. `operation` is an operationId, not a path: ids would create unbounded series."""
        series = self._series.get((operation, status))
        if series is None:
            # Looking up labels takes longer than counting, so cache them per pair.
            series = self._requests.labels(operation, str(status)), self._seconds.labels(operation)
            self._series[operation, status] = series
        requests, durations = series
        requests.inc()
        durations.observe(seconds)
